/* SPDX-License-Identifier: Apache-2.0
 *
 * One *.suite file to one suite. Format: docs/add-a-workload.md. Knows no engine and no plan.
 */
#include "catalogue.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROCESSES = 100000, DEFAULT_PROCESSES = 5, DEFAULT_LEVELS = 1u << 0 };

/* `name cold warm processes=N levels=O0,O2 : why` with the why cut off already. */
static int read_words(const struct jd_catalogue *catalogue, const struct workloads_text *text,
                      char *words, struct jd_suite_line *line, struct jd_error *err)
{
    const char *name = workloads_text_word(&words);
    line->workload = name ? jd_catalogue_find(catalogue, name) : NULL;
    if (!line->workload)
        return workloads_text_fail(text, err, "there is no workload '%s'", name ? name : "");
    int code = JD_OK;
    for (char *word; !code && (word = workloads_text_word(&words));) {
        uint64_t number = 0;
        if (!strcmp(word, "cold"))
            line->is_cold = true;
        else if (!strcmp(word, "warm"))
            line->is_warm = true;
        else if (!strncmp(word, "levels=", 7))
            code = workloads_text_levels(text, word + 7, &line->opt_levels, err);
        else if (!strncmp(word, "processes=", 10)) {
            code = workloads_text_uint64(text, "processes", word + 10, MAX_PROCESSES, &number, err);
            line->processes = (unsigned)number;
        } else
            code = workloads_text_fail(text, err, "'%s' is not a word of a suite line", word);
    }
    if (code)
        return code;
    if (!line->is_cold && !line->is_warm)
        return workloads_text_fail(text, err, "neither cold nor warm");
    if (line->is_warm && !line->workload->warm_entry)
        return workloads_text_fail(text, err, "%s has no warm entry", name);
    return JD_OK;
}

static int read_line(const struct jd_catalogue *catalogue, const struct workloads_text *text,
                     char *start, struct jd_suite_line *line, struct jd_error *err)
{
    char *colon = strstr(start, " : ");
    if (!colon)
        return workloads_text_fail(text, err, "a line needs ` : ` and why it is in the suite");
    *colon = '\0';
    line->why = colon + 3;
    return read_words(catalogue, text, start, line, err);
}

static int read_pair(const struct workloads_text *text, char *start, struct jd_suite *suite,
                     struct jd_error *err)
{
    const char *key, *value;
    uint64_t number;
    int code = workloads_text_pair(text, start, &key, &value, err);
    if (code)
        return code;
    if (!strcmp(key, "summary"))
        return suite->summary = value, JD_OK;
    if (!strcmp(key, "levels"))
        return workloads_text_levels(text, value, &suite->opt_levels, err);
    if (!strcmp(key, "processes")) {
        code = workloads_text_uint64(text, key, value, MAX_PROCESSES, &number, err);
        suite->processes = (unsigned)number;
        return code;
    }
    return workloads_text_fail(text, err, "'%s' is not a key of a suite", key);
}

/* A pair is a key, one equals sign and no ` : `; everything else is a line of the suite. */
static bool is_pair(const char *line)
{
    const char *equals = strstr(line, " = "), *colon = strstr(line, " : ");
    return equals && (!colon || equals < colon);
}

static int read_lines(const struct jd_catalogue *catalogue, struct workloads_text *text,
                      struct jd_suite *suite, struct jd_suite_line **lines, struct jd_error *err)
{
    size_t capacity = 0;
    int code = JD_OK;
    for (char *line; !code && (line = workloads_text_line(text));) {
        if (is_pair(line)) {
            code = read_pair(text, line, suite, err);
            continue;
        }
        code = workloads_grow(lines, &capacity, suite->line_count, sizeof **lines, err);
        if (code)
            break;
        (*lines)[suite->line_count] = (struct jd_suite_line){0};
        code = read_line(catalogue, text, line, &(*lines)[suite->line_count], err);
        suite->line_count++;
    }
    if (!code && !suite->summary)
        code = workloads_text_fail(text, err, "`summary` is missing");
    if (!code && !suite->line_count)
        code = workloads_text_fail(text, err, "the suite is empty");
    return code;
}

int workloads_suite_read(struct jd_catalogue *catalogue, const char *folder, const char *name,
                         struct jd_error *err)
{
    struct jd_suite suite = {.processes = DEFAULT_PROCESSES, .opt_levels = DEFAULT_LEVELS};
    struct jd_suite_line *lines = NULL, *kept;
    struct workloads_text text;
    struct workloads_pool *pool = &catalogue->pool;
    const char *path =
        workloads_pool_format(pool, err, "%s/%s/%s", catalogue->source_dir, folder, name);
    suite.name = workloads_pool_copy(pool, name, strcspn(name, "."), err);
    if (!path || !suite.name)
        return JD_E_NO_MEMORY;
    int code = workloads_text_open(&text, pool, path, err);
    if (!code)
        code = read_lines(catalogue, &text, &suite, &lines, err);
    if (code)
        goto out;
    code = workloads_grow(&catalogue->suites, &catalogue->suite_capacity, catalogue->suite_count,
                          sizeof *catalogue->suites, err);
    kept = workloads_pool_alloc(pool, suite.line_count * sizeof *lines, err);
    if (code || !kept) {
        code = JD_E_NO_MEMORY;
        goto out;
    }
    memcpy(kept, lines, suite.line_count * sizeof *lines);
    suite.lines = kept;
    catalogue->suites[catalogue->suite_count++] = suite;
out:
    free(lines);
    return code;
}
