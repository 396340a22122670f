/* SPDX-License-Identifier: Apache-2.0
 *
 * `jitduel list`: engines from the registry, workloads and suites from the catalogue, as a table or
 * as JSON. Knows what they are called and can, nothing of how they work.
 */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "jitduel/engine.h"
#include "jitduel/workload.h"
#include "json_memory.h"

static const struct {
    uint32_t bit;
    const char *name;
} caps[] = {{JD_CAP_LAZY, "lazy"},
            {JD_CAP_REMOVE_MODULE, "remove-module"},
            {JD_CAP_RECOMPILE, "recompile"},
            {JD_CAP_FREE_FUNCTION, "free-function"},
            {JD_CAP_SET_LAZY, "set-lazy"},
            {JD_CAP_REDEFINE_SYMBOL, "redefine-symbol"},
            {JD_CAP_LAZY_DATA, "lazy-data"},
            {JD_CAP_GRAN_MODULE, "granularity-module"},
            {JD_CAP_GRAN_BLOCK, "granularity-block"},
            {JD_CAP_ADD_OBJECT, "add-object"},
            {JD_CAP_PEER, "peer"}};
enum { CAP_COUNT = sizeof caps / sizeof *caps };

static json_t *engine_json(const struct jd_engine_ops *ops)
{
    json_t *names = json_array();
    for (size_t i = 0; i < CAP_COUNT; i++)
        if (ops->caps & caps[i].bit)
            json_array_append_new(names, json_string(caps[i].name));
    return json_pack("{s:s, s:s, s:o}", "name", ops->name, "summary", ops->summary, "caps", names);
}

static json_t *engines_json(void)
{
    json_t *array = json_array();
    for (size_t i = 0; jd_engine_registry[i]; i++)
        json_array_append_new(array, engine_json(jd_engine_registry[i]));
    return array;
}

static void print_engines(void)
{
    for (size_t i = 0; jd_engine_registry[i]; i++) {
        const struct jd_engine_ops *ops = jd_engine_registry[i];
        printf("%-14s %s\n%-14s can:", ops->name, ops->summary, "");
        for (size_t c = 0; c < CAP_COUNT; c++)
            if (ops->caps & caps[c].bit)
                printf(" %s", caps[c].name);
        printf("%s\n", ops->caps ? "" : " nothing beyond the common part");
    }
    for (size_t i = 0; jd_engine_arms[i]; i++)
        printf("%s%-14s %s\n", i ? "" : "with other settings, for -e and comparisons:\n",
               jd_engine_arms[i]->name, jd_engine_arms[i]->summary);
}

static json_t *workload_json(const struct jd_workload *w)
{
    json_t *files = json_array();
    for (size_t i = 0; i < w->file_count; i++)
        json_array_append_new(files, json_string(w->files[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s?, s:s?}", "name", w->name, "group", w->group,
                     "summary", w->summary, "files", files, "hash", w->hash, "warm_entry",
                     w->warm_entry, "unavailable", w->unavailable);
}

static json_t *workloads_json(const struct jd_catalogue *catalogue)
{
    size_t count;
    const struct jd_workload *const *all = jd_catalogue_all(catalogue, &count);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, workload_json(all[i]));
    return array;
}

static void print_workloads(const struct jd_catalogue *catalogue)
{
    size_t count;
    const struct jd_workload *const *all = jd_catalogue_all(catalogue, &count);
    for (size_t i = 0; i < count; i++) {
        printf("%-28s %s\n", all[i]->name, all[i]->summary);
        if (all[i]->unavailable)
            printf("%-28s unavailable: %s\n", "", all[i]->unavailable);
    }
}

static json_t *suite_json(const struct jd_suite *suite)
{
    json_t *lines = json_array();
    for (size_t i = 0; i < suite->line_count; i++) {
        const struct jd_suite_line *line = &suite->lines[i];
        json_array_append_new(lines, json_pack("{s:s, s:s, s:b, s:b, s:s?}", "workload",
                                               line->workload->name, "why", line->why, "cold",
                                               line->is_cold, "warm", line->is_warm, "unavailable",
                                               line->workload->unavailable));
    }
    return json_pack("{s:s, s:s, s:o}", "name", suite->name, "summary", suite->summary, "lines",
                     lines);
}

static json_t *suites_json(const struct jd_catalogue *catalogue)
{
    size_t count;
    const struct jd_suite *suites = jd_catalogue_suites(catalogue, &count);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, suite_json(&suites[i]));
    return array;
}

static void print_suites(const struct jd_catalogue *catalogue)
{
    size_t count;
    const struct jd_suite *suites = jd_catalogue_suites(catalogue, &count);
    for (size_t i = 0; i < count; i++) {
        printf("%-12s %s\n", suites[i].name, suites[i].summary);
        for (size_t l = 0; l < suites[i].line_count; l++) {
            const struct jd_workload *workload = suites[i].lines[l].workload;
            printf("  %-28s %s\n", workload->name, suites[i].lines[l].why);
            if (workload->unavailable)
                printf("  %-28s unavailable: %s\n", "", workload->unavailable);
        }
    }
}

static const char *environment_or(const char *variable, const char *fallback)
{
    const char *value = getenv(variable);
    return value && *value ? value : fallback;
}

/* Engines need no catalogue; the others do. */
static const struct kind {
    const char *name;
    json_t *(*json)(const struct jd_catalogue *);
    void (*print)(const struct jd_catalogue *);
} kinds[] = {{"engines", NULL, NULL},
             {"workloads", workloads_json, print_workloads},
             {"suites", suites_json, print_suites}};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

struct list {
    const struct kind *kind;
    int is_json;
    struct jd_error err;
};

static int set_kind(struct list *list, const char *word)
{
    const char *names[KIND_COUNT + 1] = {NULL};
    if (list->kind)
        return jd_cli_usage(&list->err, word, "one list at a time");
    for (size_t i = 0; i < KIND_COUNT; i++) {
        names[i] = kinds[i].name;
        if (!strcmp(word, kinds[i].name)) {
            list->kind = &kinds[i];
            return 0;
        }
    }
    const char *nearest = jd_cli_nearest(word, names);
    return jd_cli_usage(&list->err, word, "unknown list%s%s%s (engines, workloads or suites)",
                        nearest ? ", did you mean '" : "", nearest ? nearest : "",
                        nearest ? "'?" : "");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct list *list = state->input;
    switch (key) {
    case 'j':
        list->is_json = 1;
        return 0;
    case ARGP_KEY_ARG:
        return set_kind(list, arg);
    case ARGP_KEY_NO_ARGS:
        return jd_cli_usage(&list->err, "list", "say what: engines, workloads or suites");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int parse(struct list *list, int argc, char **argv)
{
    static const struct argp_option options[] = {{"json", 'j', NULL, 0, "print a JSON array", 0},
                                                 {0}};
    static const struct argp argp = {
        options,
        parse_option,
        "engines|workloads|suites",
        "Show what this build can run: engines and what they can do, workloads, or suites of "
        "workloads.\vWhat cannot run here is listed with the reason. The environment variables "
        "JITDUEL_WORKLOADS (descriptors and suites) and JITDUEL_BITCODE (IR that the build and the "
        "recipes made) name other folders than those of the build.",
        NULL,
        NULL,
        NULL};
    return jd_cli_parse(&argp, argc, argv, list, &list->err);
}

static int show(const struct list *list, const struct jd_catalogue *catalogue)
{
    if (list->is_json) {
        json_t *value = list->kind->json ? list->kind->json(catalogue) : engines_json();
        int failed =
            !value || jd_json_memory_is_short() || json_dumpf(value, stdout, JSON_INDENT(2)) != 0;
        json_decref(value);
        putchar('\n');
        return failed;
    }
    if (list->kind->print)
        list->kind->print(catalogue);
    else
        print_engines();
    return 0;
}

int jd_cmd_list(int argc, char **argv)
{
    struct list list = {.kind = NULL};
    struct jd_catalogue *catalogue = NULL;
    int code = parse(&list, argc, argv);
    if (code != 0)
        return code;
    if (list.kind->print &&
        jd_catalogue_open(environment_or("JITDUEL_WORKLOADS", JD_SOURCE_WORKLOADS_DIR),
                          environment_or("JITDUEL_BITCODE", JD_BITCODE_DIR), &catalogue,
                          &list.err) != JD_OK)
        return jd_cli_report(&list.err);
    errno = 0;
    if (show(&list, catalogue) != 0)
        jd_fail(&list.err, JD_E_IO, "standard output", "cannot be written: %s",
                strerror(errno ? errno : EIO));
    else
        jd_cli_flush(&list.err);
    jd_catalogue_close(catalogue);
    return list.err.code != JD_OK ? jd_cli_report(&list.err) : 0;
}
