/* SPDX-License-Identifier: Apache-2.0
 *
 * See report_restore.h. Cells keep the report's order, which is the plan's: neighbours of one
 * workload, level, regime and role are a group.
 */
#include "report_restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record_json.h"

enum { OPT_LEVEL_MAX = 3, CELLS_MAX = 1 << 20, ITEMS_MAX = 1 << 26 };

struct restoring {
    struct jd_restored *out;
    const json_t *root;
    const char *path;
    struct jd_error *err;
};

static int bad(const struct restoring *r, const char *part, const char *text)
{
    return jd_fail(r->err, JD_E_BAD_FILE, r->path, "not a report that can be joined: %s: %s", part,
                   text);
}

/* Room for `count` of them, never none. NULL with the error set. */
static void *room(const struct restoring *r, size_t count, size_t size)
{
    void *block = calloc(count + 1, size);
    if (!block)
        jd_fail(r->err, JD_E_NO_MEMORY, r->path, "no memory for a report");
    return block;
}

/* ---- engines and workloads ---- */

static uint32_t caps_of(const json_t *names)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < 32; i++)
        for (size_t k = 0; jd_cap_name(i) && k < json_array_size(names); k++) {
            const char *name = json_string_value(json_array_get(names, k));
            if (name && !strcmp(name, jd_cap_name(i)))
                bits |= 1u << i;
        }
    return bits;
}

static int restore_engines(const struct restoring *r, json_t *list)
{
    struct jd_restored *out = r->out;
    size_t count = json_array_size(list);
    out->engines = room(r, count, sizeof *out->engines);
    out->plan.engines = room(r, count, sizeof *out->plan.engines);
    if (!out->engines || !out->plan.engines)
        return JD_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct jd_engine_ops *engine = &out->engines[i];
        json_error_t problem;
        json_t *caps;
        if (json_unpack_ex(json_array_get(list, i), &problem, 0, "{s:s, s:s, s:o}", "name",
                           &engine->name, "summary", &engine->summary, "caps", &caps))
            return bad(r, "plan.engines", problem.text);
        engine->caps = caps_of(caps);
        out->plan.engines[i] = engine;
    }
    out->engine_count = out->plan.engine_count = count;
    return JD_OK;
}

static uint64_t count_or_none(const json_t *object, const char *name, uint64_t none)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (uint64_t)json_integer_value(value)
               : none;
}

static int restore_workloads(const struct restoring *r, json_t *list)
{
    struct jd_restored *out = r->out;
    size_t count = json_array_size(list);
    out->workloads = room(r, count, sizeof *out->workloads);
    out->lines = room(r, count, sizeof *out->lines);
    if (!out->workloads || !out->lines)
        return JD_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct jd_workload *w = &out->workloads[i];
        json_t *one = json_array_get(list, i);
        json_error_t problem;
        if (json_unpack_ex(one, &problem, 0, "{s:s, s:s, s:s, s:s, s:s}", "name", &w->name, "group",
                           &w->group, "summary", &w->summary, "why", &out->lines[i].why, "hash",
                           &w->hash))
            return bad(r, "plan.workloads", problem.text);
        w->function_count = count_or_none(one, "function_count", 0);
        w->executed_count = count_or_none(one, "executed_count", 0);
        w->instructions_per_function = count_or_none(one, "instructions_per_function", 0);
        w->module_count = count_or_none(one, "module_count", 0);
        out->lines[i].workload = w;
    }
    out->line_count = count;
    return JD_OK;
}

static int restore_skips(const struct restoring *r, json_t *list)
{
    struct jd_plan *plan = &r->out->plan;
    plan->skips = room(r, json_array_size(list), sizeof *plan->skips);
    if (!plan->skips)
        return JD_E_NO_MEMORY;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct jd_plan_skip *skip = &plan->skips[i];
        json_error_t problem;
        const char *regime = NULL;
        if (json_unpack_ex(json_array_get(list, i), &problem, 0, "{s:s, s:s, s?:s}", "workload",
                           &skip->workload, "reason", &skip->reason, "regime", &regime))
            return bad(r, "plan.skipped", problem.text);
        skip->is_one_regime = regime != NULL;
        if (regime && !jd_regime_find(regime, &skip->regime))
            return bad(r, "plan.skipped", "unknown regime");
    }
    plan->skip_count = json_array_size(list);
    return JD_OK;
}

static bool read_hex(const char *text, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 16);
    return strlen(text) == 16 && !*end && text[0] != '-' && text[0] != '+';
}

static int restore_plan(const struct restoring *r)
{
    struct jd_plan *plan = &r->out->plan;
    json_error_t problem;
    json_t *engines, *workloads, *skipped;
    const char *hash;
    json_int_t samples, blocks;
    int result;
    if (json_unpack_ex((json_t *)(uintptr_t)r->root, &problem, 0,
                       "{s:{s:s, s:s, s:o, s:o, s:o, s:I, s:I}}", "plan", "hash", &hash, "suite",
                       &r->out->suite.name, "engines", &engines, "workloads", &workloads, "skipped",
                       &skipped, "samples_planned", &samples, "blocks", &blocks))
        return bad(r, "plan", problem.text);
    if (!read_hex(hash, &plan->hash) || samples < 0 || samples > ITEMS_MAX || blocks < 0)
        return bad(r, "plan", "a hash or a count that cannot be");
    plan->suite = &r->out->suite;
    plan->block_count = (size_t)blocks;
    plan->item_count = (size_t)samples;
    plan->items = room(r, plan->item_count, sizeof *plan->items);
    if (!plan->items)
        return JD_E_NO_MEMORY;
    if ((result = restore_engines(r, engines)) || (result = restore_workloads(r, workloads)))
        return result;
    return restore_skips(r, skipped);
}

/* ---- cells and samples ---- */

static const struct jd_engine_ops *find_engine(const struct jd_restored *out, const char *name)
{
    for (size_t i = 0; i < out->engine_count; i++)
        if (!strcmp(out->engines[i].name, name))
            return &out->engines[i];
    return NULL;
}

static const struct jd_suite_line *find_line(const struct jd_restored *out, const char *name)
{
    for (size_t i = 0; i < out->line_count; i++)
        if (!strcmp(out->workloads[i].name, name))
            return &out->lines[i];
    return NULL;
}

static bool is_same_group(const struct jd_cell *a, const struct jd_cell *b)
{
    return a->workload == b->workload && a->opt_level == b->opt_level && a->regime == b->regime &&
           jd_cell_is_calibration(a) == jd_cell_is_calibration(b) && strcmp(b->label, "A1") != 0;
}

static int restore_cell(const struct restoring *r, json_t *object)
{
    struct jd_plan *plan = &r->out->plan;
    struct jd_cell *cell = &plan->cells[plan->cell_count];
    json_error_t problem;
    json_t *samples;
    const char *workload, *engine, *regime;
    int level;
    json_int_t id;
    if (json_unpack_ex(object, &problem, 0, "{s:I, s:s, s:s, s:s, s:i, s:s, s:o}", "id", &id,
                       "label", &cell->label, "workload", &workload, "engine", &engine, "opt_level",
                       &level, "regime", &regime, "samples", &samples))
        return bad(r, "cells", problem.text);
    cell->id = plan->cell_count;
    cell->line = find_line(r->out, workload);
    cell->ops = find_engine(r->out, engine);
    if (id != (json_int_t)cell->id || !cell->line || !cell->ops || level < 0 ||
        level > OPT_LEVEL_MAX || !jd_regime_find(regime, &cell->regime))
        return bad(r, "cells", "one has an id, workload, engine, level or regime that cannot be");
    cell->workload = cell->line->workload;
    cell->opt_level = (unsigned)level;
    if (plan->cell_count && !is_same_group(cell - 1, cell))
        plan->group_count++;
    cell->group = plan->group_count;
    plan->cell_count++;
    r->out->sample_count += json_array_size(samples);
    return JD_OK;
}

static int restore_cells(const struct restoring *r, const json_t *list)
{
    struct jd_plan *plan = &r->out->plan;
    size_t count = json_array_size(list);
    int result = JD_OK;
    if (!json_is_array(list) || !count || count > CELLS_MAX)
        return bad(r, "cells", "there are none, or too many");
    plan->cells = room(r, count, sizeof *plan->cells);
    if (!plan->cells)
        return JD_E_NO_MEMORY;
    for (size_t i = 0; !result && i < count; i++)
        result = restore_cell(r, json_array_get(list, i));
    plan->group_count++;
    return result;
}

/* Every sample has a place of its own in the plan. */
static int restore_sample(const struct restoring *r, size_t cell, const json_t *object,
                          bool *is_taken)
{
    struct jd_restored *out = r->out;
    struct jd_sample *sample = &out->samples[out->sample_count];
    struct jd_error local = JD_ERROR_INIT;
    if (jd_sample_from_json(object, sample, &local))
        return bad(r, local.where, local.text);
    if (sample->position >= out->plan.item_count || sample->block >= out->plan.block_count)
        return bad(r, "cells", "a sample has no place in the plan");
    if (is_taken[sample->position])
        return bad(r, "cells", "two samples have the same place in the plan");
    is_taken[sample->position] = true;
    out->plan.items[sample->position] = (struct jd_plan_item){cell, sample->process, sample->block};
    out->plan.cells[cell].samples++;
    out->sample_count++;
    return JD_OK;
}

static int restore_samples(const struct restoring *r, const json_t *cells)
{
    struct jd_restored *out = r->out;
    bool *is_taken = room(r, out->plan.item_count, sizeof *is_taken);
    int result = is_taken ? JD_OK : JD_E_NO_MEMORY;
    out->samples = room(r, out->sample_count, sizeof *out->samples);
    if (!out->samples)
        result = JD_E_NO_MEMORY;
    out->sample_count = 0;
    for (size_t i = 0; i < out->plan.cell_count; i++) {
        const json_t *list = json_object_get(json_array_get(cells, i), "samples");
        for (size_t k = 0; !result && k < json_array_size(list); k++)
            result = restore_sample(r, i, json_array_get(list, k), is_taken);
    }
    free(is_taken);
    return result;
}

/* ---- the machine ---- */

static int restore_fingerprint(const struct restoring *r)
{
    struct jd_fingerprint *out = &r->out->fingerprint;
    const json_t *from = json_object_get(r->root, "fingerprint");
    const json_t *caches = json_object_get(from, "cpu_caches");
    const json_t *load = json_object_get(from, "load_average_1m");
    const char *hash = json_string_value(json_object_get(from, "hash"));
    if (!hash || !read_hex(hash, &out->hash))
        return bad(r, "fingerprint", "it has no hash");
    for (size_t i = 0; i < JD_FACT_COUNT; i++) {
        const char *fact = json_string_value(json_object_get(from, jd_fact_places[i].name));
        snprintf((char *)out + jd_fact_places[i].offset, JD_FACT_BYTES, "%s",
                 fact ? fact : "unavailable");
    }
    out->cpu_online_count = count_or_none(from, "cpu_online_count", JD_NONE);
    out->memory_total_bytes = count_or_none(from, "memory_total_bytes", JD_NONE);
    out->page_size_bytes = count_or_none(from, "page_size_bytes", JD_NONE);
    out->max_map_count = count_or_none(from, "max_map_count", JD_NONE);
    for (size_t i = 0; i < json_array_size(caches) && i < JD_CACHES_MAX; i++) {
        const char *cache = json_string_value(json_array_get(caches, i));
        snprintf(out->caches[out->cache_count++], sizeof out->caches[0], "%s", cache ? cache : "");
    }
    out->load_average_1m = json_is_number(load) ? json_number_value(load) : -1;
    out->is_emulated = strcmp(out->emulation, "none") != 0;
    return JD_OK;
}

/* ---- meta ---- */

static time_t read_date(const char *text)
{
    struct tm broken = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &broken);
    return end && !*end ? timegm(&broken) : 0;
}

static const char *const *texts_of(const json_t *list, char **room)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        room[i] = (char *)(uintptr_t)(text ? text : "");
    }
    return (const char *const *)room;
}

static int restore_texts(const struct restoring *r, const json_t *command, const json_t *arguments)
{
    struct jd_report *report = &r->out->report;
    report->command_line_count = json_array_size(command);
    report->benchmark_arg_count = json_array_size(arguments);
    r->out->texts =
        room(r, report->command_line_count + report->benchmark_arg_count, sizeof *r->out->texts);
    if (!r->out->texts)
        return JD_E_NO_MEMORY;
    report->command_line = texts_of(command, r->out->texts);
    report->benchmark_args = texts_of(arguments, r->out->texts + report->command_line_count);
    return JD_OK;
}

static int restore_meta(const struct restoring *r)
{
    struct jd_report *report = &r->out->report;
    const json_t *timer =
        json_object_get(json_object_get(r->root, "calibration"), "timer_overhead_ns");
    const char *created, *finished;
    json_error_t problem;
    json_t *command, *dirty, *timeout, *memory, *arguments;
    json_int_t seed, resumed;
    int is_complete, index = 0, count = 0, merged = 0;
    if (json_unpack_ex(
            (json_t *)(uintptr_t)r->root, &problem, 0,
            "{s:b, s:{s:s, s:s, s:F, s:o, s:I, s:s, s:s, s:o, s:s, s:I, s?:{s:i, s:i}, s?:i, "
            "s:{s:o, s:o, s:o}}}",
            "complete", &is_complete, "meta", "created", &created, "finished", &finished,
            "elapsed_s", &report->elapsed_s, "command_line", &command, "seed", &seed,
            "jitduel_version", &report->build.version, "git_revision", &report->build.git_revision,
            "git_dirty", &dirty, "preset", &report->build.preset, "resumed_count", &resumed,
            "shard", "index", &index, "count", &count, "merged_count", &merged, "options",
            "timeout_s", &timeout, "memory_limit_bytes", &memory, "benchmark_args", &arguments))
        return bad(r, "meta", problem.text);
    report->is_complete = is_complete;
    report->created = read_date(created);
    report->finished = read_date(finished);
    report->build.dirty = json_is_string(dirty) ? -1 : json_is_true(dirty);
    report->resumed_count = (size_t)resumed;
    report->timeout_s = json_number_value(timeout);
    report->memory_limit_bytes = (uint64_t)json_integer_value(memory);
    report->timer_overhead_ns = json_number_value(timer);
    report->shard_index = (unsigned)index;
    report->shard_count = (unsigned)count;
    report->merged_count = (size_t)merged;
    r->out->plan.seed = (uint64_t)seed;
    return restore_texts(r, command, arguments);
}

/* A reason that only the build knows is in the report's own list. */
static void restore_assertions(const struct restoring *r)
{
    const json_t *reasons = json_object_get(r->root, "unpublishable_reasons");
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        const char *reason = json_string_value(json_array_get(reasons, i));
        if (reason && !strcmp(reason, JD_REASON_ASSERTIONS))
            r->out->report.build.has_assertions = true;
    }
}

/* ---- together ---- */

int jd_restored_init(struct jd_restored *out, const json_t *root, const char *path,
                     struct jd_error *err)
{
    const struct restoring r = {out, root, path, err};
    const json_t *cells = json_object_get(root, "cells");
    int result;
    memset(out, 0, sizeof *out);
    if ((result = restore_plan(&r)) || (result = restore_cells(&r, cells)) ||
        (result = restore_samples(&r, cells)) || (result = restore_fingerprint(&r)) ||
        (result = restore_meta(&r))) {
        jd_restored_fini(out);
        return result;
    }
    restore_assertions(&r);
    out->report.plan = &out->plan;
    out->report.fingerprint = &out->fingerprint;
    return JD_OK;
}

void jd_restored_fini(struct jd_restored *restored)
{
    free(restored->samples);
    free(restored->lines);
    free(restored->workloads);
    free(restored->engines);
    free(restored->plan.engines);
    free(restored->plan.cells);
    free(restored->plan.items);
    free(restored->plan.skips);
    free(restored->texts);
    memset(restored, 0, sizeof *restored);
}
