/* SPDX-License-Identifier: Apache-2.0
 *
 * See report_read.h. Members that comparing does not need are not looked at.
 */
#include "report_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record_json.h"

/* ---- the file ---- */

static int load(const char *path, json_t **out, struct jd_error *err)
{
    json_error_t problem;
    FILE *in = fopen(path, "re");
    if (!in)
        return jd_fail(err, JD_E_IO, path, "cannot be opened: %s", strerror(errno));
    *out = json_loadf(in, JSON_REJECT_DUPLICATES, &problem);
    int number = ferror(in) ? errno : 0;
    fclose(in);
    if (number) {
        json_decref(*out);
        *out = NULL;
        return jd_fail(err, JD_E_IO, path, "cannot be read: %s", strerror(number));
    }
    if (!*out)
        return jd_fail(err, JD_E_BAD_FILE, path, "line %d, column %d: %s", problem.line,
                       problem.column, problem.text);
    return JD_OK;
}

static int check_schema(const json_t *root, const char *path, struct jd_error *err)
{
    const char *schema = json_string_value(json_object_get(root, "schema"));
    if (!schema)
        return jd_fail(err, JD_E_BAD_FILE, path, "is not a report: it names no schema");
    if (strcmp(schema, "jitduel-report/1") != 0)
        return jd_fail(err, JD_E_BAD_FILE, path,
                       "its schema is '%.60s'; this program reads jitduel-report/1", schema);
    return JD_OK;
}

int jd_report_json_load(const char *path, json_t **out, struct jd_error *err)
{
    *out = NULL;
    int result = load(path, out, err);
    if (!result && (result = check_schema(*out, path, err))) {
        json_decref(*out);
        *out = NULL;
    }
    return result;
}

/* jansson says which member is missing or of another type. */
static int bad(const struct jd_report_file *file, const char *part, const json_error_t *problem,
               struct jd_error *err)
{
    return jd_fail(err, JD_E_BAD_FILE, file->path, "not a report that can be compared: %s: %s",
                   part, problem->text);
}

/* ---- its parts ---- */

static json_int_t count_or_unavailable(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static int read_head(struct jd_report_file *file, struct jd_error *err)
{
    json_error_t problem;
    json_t *facts;
    int is_complete, is_publishable;
    if (json_unpack_ex(file->root, &problem, 0, "{s:b, s:b, s:{s:s}, s:o}", "complete",
                       &is_complete, "publishable", &is_publishable, "meta", "git_revision",
                       &file->revision, "fingerprint", &facts))
        return bad(file, "head", &problem, err);
    file->is_complete = is_complete;
    file->is_publishable = is_publishable;
    for (size_t i = 0; i < JD_FACT_COUNT; i++) {
        file->facts[i] = json_string_value(json_object_get(facts, jd_fact_places[i].name));
        if (!file->facts[i])
            file->facts[i] = "unavailable";
    }
    file->cpu_online_count = count_or_unavailable(facts, "cpu_online_count");
    file->page_size_bytes = count_or_unavailable(facts, "page_size_bytes");
    return JD_OK;
}

static int read_regimes(struct jd_report_file *file, struct jd_error *err)
{
    json_error_t problem;
    json_t *all, *one;
    size_t i;
    if (json_unpack_ex(file->root, &problem, 0, "{s:{s:o}}", "calibration", "regimes", &all))
        return bad(file, "calibration", &problem, err);
    json_array_foreach(all, i, one)
    {
        const char *name;
        json_t *effect;
        int is_calibrated;
        enum jd_regime regime;
        if (json_unpack_ex(one, &problem, 0, "{s:s, s:o, s:b}", "regime", &name,
                           "detectable_effect", &effect, "is_calibrated", &is_calibrated))
            return bad(file, "calibration", &problem, err);
        if (!jd_regime_find(name, &regime))
            return jd_fail(err, JD_E_BAD_FILE, file->path, "calibration: unknown regime '%.40s'",
                           name);
        file->regimes[regime] =
            (struct jd_report_regime){.is_calibrated = is_calibrated,
                                      .can_detect = json_is_number(effect),
                                      .detectable_effect = json_number_value(effect)};
    }
    return JD_OK;
}

/* Workload names to hashes; an object, so that a look-up does not walk the list. New. */
static json_t *read_hashes(const struct jd_report_file *file, struct jd_error *err)
{
    json_error_t problem;
    json_t *all, *one, *hashes = json_object();
    size_t i;
    if (json_unpack_ex(file->root, &problem, 0, "{s:{s:o}}", "plan", "workloads", &all)) {
        json_decref(hashes);
        bad(file, "plan", &problem, err);
        return NULL;
    }
    json_array_foreach(all, i, one)
    {
        json_t *hash;
        const char *name;
        if (json_unpack_ex(one, &problem, 0, "{s:s, s:o}", "name", &name, "hash", &hash) ||
            !json_is_string(hash)) {
            json_decref(hashes);
            jd_fail(err, JD_E_BAD_FILE, file->path, "plan: workload %zu has no name and hash", i);
            return NULL;
        }
        json_object_set(hashes, name, hash);
    }
    return hashes;
}

static int read_samples(const struct jd_report_file *file, const json_t *list,
                        struct jd_report_cell *cell, struct jd_error *err)
{
    size_t count = json_array_size(list);
    struct jd_error local = JD_ERROR_INIT;
    cell->samples = calloc(count ? count : 1, sizeof *cell->samples);
    if (!cell->samples)
        return jd_fail(err, JD_E_NO_MEMORY, file->path, "no memory for %zu samples", count);
    for (size_t i = 0; i < count; i++)
        if (jd_sample_from_json(json_array_get(list, i), &cell->samples[i], &local))
            return jd_fail(err, JD_E_BAD_FILE, file->path, "%s under %s: sample %zu: %s %s",
                           cell->workload, cell->engine, i, local.where, local.text);
    cell->sample_count = count;
    return JD_OK;
}

static int read_cell(struct jd_report_file *file, const json_t *hashes, json_t *object,
                     struct jd_error *err)
{
    struct jd_report_cell *cell = &file->cells[file->cell_count];
    json_error_t problem;
    json_t *samples;
    const char *regime, *role;
    int level;
    if (json_unpack_ex(object, &problem, 0, "{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:o}", "role",
                       &role, "workload", &cell->workload, "engine", &cell->engine, "opt_level",
                       &level, "regime", &regime, "status", &cell->status, "status_detail",
                       &cell->status_detail, "samples", &samples))
        return bad(file, "cells", &problem, err);
    if (!strcmp(role, "calibration"))
        return JD_OK;
    cell->workload_hash = json_string_value(json_object_get(hashes, cell->workload));
    cell->opt_level = (unsigned)level;
    cell->has_numbers = !strcmp(cell->status, "ok") || !strcmp(cell->status, "partial");
    cell->is_not_run = !strcmp(cell->status, "not_run");
    if (level < 0 || level > 3 || !jd_regime_find(regime, &cell->regime) || !cell->workload_hash ||
        !json_is_array(samples))
        return jd_fail(err, JD_E_BAD_FILE, file->path,
                       "cells: the cell of %.60s under %.40s has a level, regime, workload or list "
                       "of samples that cannot be",
                       cell->workload, cell->engine);
    if (jd_report_file_find(file, cell->workload, cell->engine, cell->opt_level, cell->regime))
        return jd_fail(err, JD_E_BAD_FILE, file->path, "cells: %.60s under %.40s is there twice",
                       cell->workload, cell->engine);
    file->cell_count++; /* from here on, close frees its samples */
    return read_samples(file, samples, cell, err);
}

static int read_cells(struct jd_report_file *file, struct jd_error *err)
{
    json_t *list = json_object_get(file->root, "cells"), *one;
    size_t i;
    if (!json_is_array(list))
        return jd_fail(err, JD_E_BAD_FILE, file->path, "has no list of cells");
    json_t *hashes = read_hashes(file, err);
    if (!hashes)
        return JD_E_BAD_FILE;
    int result = JD_OK;
    file->cells = calloc(json_array_size(list) + 1, sizeof *file->cells);
    if (!file->cells)
        result = jd_fail(err, JD_E_NO_MEMORY, file->path, "no memory for its cells");
    json_array_foreach(list, i, one) if (!result) result = read_cell(file, hashes, one, err);
    json_decref(hashes);
    return result;
}

/* ---- together ---- */

const struct jd_report_cell *jd_report_file_find(const struct jd_report_file *file,
                                                 const char *workload, const char *engine,
                                                 unsigned opt_level, enum jd_regime regime)
{
    for (size_t i = 0; i < file->cell_count; i++) {
        const struct jd_report_cell *cell = &file->cells[i];
        if (cell->opt_level == opt_level && cell->regime == regime &&
            !strcmp(cell->workload, workload) && !strcmp(cell->engine, engine))
            return cell;
    }
    return NULL;
}

int jd_report_file_open(const char *path, struct jd_report_file **out, struct jd_error *err)
{
    struct jd_report_file *file = calloc(1, sizeof *file);
    int result;
    *out = NULL;
    if (!file)
        return jd_fail(err, JD_E_NO_MEMORY, path, "no memory for a report");
    file->path = path;
    if ((result = jd_report_json_load(path, &file->root, err)) || (result = read_head(file, err)) ||
        (result = read_regimes(file, err)) || (result = read_cells(file, err))) {
        jd_report_file_close(file);
        return result;
    }
    *out = file;
    return JD_OK;
}

void jd_report_file_close(struct jd_report_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->cell_count; i++)
        free(file->cells[i].samples);
    free(file->cells);
    json_decref(file->root);
    free(file);
}
