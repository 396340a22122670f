/* SPDX-License-Identifier: Apache-2.0
 *
 * `jitduel compare`: two reports in, a table or JSON and an exit code out. The judging is
 * compare.h's.
 */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "compare.h"
#include "json_memory.h"
#include "record_json.h"
#include "summary.h"

enum { EXIT_NO_REGRESSION, EXIT_REGRESSION, EXIT_INCONCLUSIVE, EXIT_ERROR };

enum { KEY_JSON = 256, KEY_RELATIVE };

static const struct argp_option options[] = {
    {"engine", 'e', "NAME", 0, "only this engine; may be repeated", 0},
    {"workload", 'w', "NAME", 0, "only this workload; may be repeated", 0},
    {"relative-to", KEY_RELATIVE, "ENGINE", 0,
     "compare each engine's figures divided by this engine's in the same block: what the machine "
     "did in between falls out, and reports of different machines may be compared",
     0},
    {"all", 'a', NULL, 0, "show every metric of every cell", 0},
    {"json", KEY_JSON, NULL, 0, "print one JSON object (schema jitduel-compare/1)", 0},
    {0}};

static const char help[] =
    "Say what the report NEW has lost or won against the report BASE.\v"
    "Only cells of the same workload (by hash), engine, level and regime are compared. A "
    "difference "
    "is reported when it is significant after Holm's correction and at least 2 %, and for a "
    "regime's headline at least what the calibration of both runs could see. Reports of different "
    "hardware are refused without --relative-to; other differences between the machines are "
    "shown.\n\n"
    "Exit code: 0 no regression, 1 regression, 2 inconclusive (for a headline metric, harm of 5 % "
    "is neither shown nor excluded), 3 error.";

struct compare_command {
    const char *paths[2];
    size_t path_count;
    struct jd_compare_request request;
    const char **engines, **workloads;
    bool has_all, has_json;
    struct jd_error err;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct compare_command *command = state->input;
    switch (key) {
    case 'e':
        command->engines[command->request.engine_count++] = arg;
        return 0;
    case 'w':
        command->workloads[command->request.workload_count++] = arg;
        return 0;
    case 'a':
        command->has_all = true;
        return 0;
    case KEY_JSON:
        command->has_json = true;
        return 0;
    case KEY_RELATIVE:
        command->request.relative_to = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (command->path_count == 2)
            return jd_cli_usage(&command->err, arg, "unexpected word: two reports are compared");
        command->paths[command->path_count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (command->path_count < 2)
            return jd_cli_usage(&command->err, "compare", "give two reports: BASE and NEW");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int parse(struct compare_command *command, int argc, char **argv)
{
    static const struct argp argp = {options, parse_option, "BASE NEW", help, NULL, NULL, NULL};
    command->engines = calloc((size_t)argc + 1, sizeof *command->engines);
    command->workloads = calloc((size_t)argc + 1, sizeof *command->workloads);
    if (!command->engines || !command->workloads) {
        jd_fail(&command->err, JD_E_NO_MEMORY, "compare", "out of memory");
        return jd_cli_report(&command->err);
    }
    command->request.engines = command->engines;
    command->request.workloads = command->workloads;
    return jd_cli_parse(&argp, argc, argv, command, &command->err);
}

/* ---- the table ---- */

static const char *format_value(const struct jd_change_row *row, bool is_relative, double value,
                                char *out, size_t out_bytes)
{
    if (is_relative)
        snprintf(out, out_bytes, "%.3f", value);
    else if (jd_metric_is_size(row->metric))
        jd_format_bytes(value, out, out_bytes);
    else
        jd_format_ns(value, out, out_bytes);
    return out;
}

static void print_row(const struct jd_change_row *row, bool is_relative)
{
    const struct jd_report_cell *cell = row->base ? row->base : row->now;
    char base[32], now[32];
    printf("  %s %s -O%u %s", cell->workload, cell->engine, cell->opt_level,
           jd_regime_name(cell->regime));
    if (!row->has_ratio) {
        printf(": %s\n", row->reason);
        return;
    }
    printf(" %s: %s -> %s = %.3f [%.3f, %.3f], p = %.2g: %s%s%s%s\n", jd_metric_name(row->metric),
           format_value(row, is_relative, row->base_median, base, sizeof base),
           format_value(row, is_relative, row->now_median, now, sizeof now), row->ratio,
           row->interval.low, row->interval.high, row->p_holm, jd_verdict_name(row->verdict),
           row->reason[0] ? " (" : "", row->reason, row->reason[0] ? ")" : "");
}

/* What everyone wants to see: harm, gain, headlines that are open. */
static bool is_telling(const struct jd_change_row *row)
{
    return row->change == JD_CHANGE_REGRESSION || row->change == JD_CHANGE_BETTER ||
           (row->change == JD_CHANGE_UNKNOWN && row->is_primary) ||
           (row->change == JD_CHANGE_INCOMPARABLE && row->base && row->now);
}

static void print_rows(const struct compare_command *command, const struct jd_compare *compare,
                       enum jd_change change, const char *title)
{
    size_t hidden = 0, shown = 0;
    for (size_t i = 0; i < compare->row_count; i++) {
        const struct jd_change_row *row = &compare->rows[i];
        if (row->change != change)
            continue;
        if (!command->has_all && !is_telling(row)) {
            hidden++;
            continue;
        }
        if (!shown++)
            printf("\n%s:\n", title);
        print_row(row, command->request.relative_to != NULL);
    }
    if (hidden && shown)
        printf("  and %zu more (--all)\n", hidden);
    else if (hidden)
        printf("\n%s: %zu (--all)\n", title, hidden);
}

static void print_side(const char *title, const struct jd_report_file *file)
{
    printf("%-5s %s (revision %.12s%s%s)\n", title, file->path, file->revision,
           file->is_complete ? "" : ", incomplete",
           file->is_publishable ? "" : ", not publishable");
}

static void print_table(const struct compare_command *command, const struct jd_compare *compare)
{
    bool is_relative = command->request.relative_to != NULL;
    print_side("base", compare->base);
    print_side("new", compare->now);
    for (size_t i = 0; i < compare->difference_count; i++)
        printf("  %s differs: %s -> %s\n", compare->differences[i].name,
               compare->differences[i].base, compare->differences[i].now);
    if (is_relative)
        printf("figures are in relation to %s's in the same block\n", command->request.relative_to);
    print_rows(command, compare, JD_CHANGE_REGRESSION, "regressions");
    print_rows(command, compare, JD_CHANGE_BETTER, "better");
    print_rows(command, compare, JD_CHANGE_UNKNOWN, "harm is neither shown nor excluded");
    print_rows(command, compare, JD_CHANGE_NONE, "no harm");
    print_rows(command, compare, JD_CHANGE_INCOMPARABLE, "not compared");
    if (compare->has_shift && !is_relative)
        printf("\nEvery engine's times moved the same way, by %+.1f %%: that looks like the "
               "machine. --relative-to ENGINE takes it out.\n",
               100 * (compare->shift - 1));
    printf("\n%zu regressions, %zu better, %zu without harm, %zu open, %zu not compared\n",
           compare->counts[JD_CHANGE_REGRESSION], compare->counts[JD_CHANGE_BETTER],
           compare->counts[JD_CHANGE_NONE], compare->counts[JD_CHANGE_UNKNOWN],
           compare->counts[JD_CHANGE_INCOMPARABLE]);
}

/* ---- JSON ---- */

static json_t *row_json(const struct jd_change_row *row)
{
    const struct jd_report_cell *cell = row->base ? row->base : row->now;
    bool has = row->has_ratio;
    return json_pack(
        "{s:s, s:s, s:i, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, "
        "s:s, s:s}",
        "workload", cell->workload, "engine", cell->engine, "opt_level", (int)cell->opt_level,
        "regime", jd_regime_name(cell->regime), "metric", jd_metric_name(row->metric), "is_primary",
        row->is_primary, "n_base", json_integer((json_int_t)row->base_count), "n_new",
        json_integer((json_int_t)row->now_count), "median_base",
        jd_json_real_if(has, row->base_median), "median_new", jd_json_real_if(has, row->now_median),
        "ratio", jd_json_real_if(has, row->ratio), "ratio_low",
        jd_json_real_if(has, row->interval.low), "ratio_high",
        jd_json_real_if(has, row->interval.high), "p", jd_json_real_if(has, row->p), "p_holm",
        jd_json_real_if(has, row->p_holm), "effect_floor", jd_json_real_if(has, row->floor),
        "verdict", jd_verdict_name(row->verdict), "change", jd_change_name(row->change), "reason",
        row->reason);
}

static json_t *side_json(const struct jd_report_file *file)
{
    json_t *path = json_string(file->path);
    return json_pack("{s:o, s:s, s:b, s:b}", "path", path ? path : json_string("(not UTF-8)"),
                     "git_revision", file->revision, "complete", file->is_complete, "publishable",
                     file->is_publishable);
}

static json_t *counts_json(const struct jd_compare *compare)
{
    json_t *object = json_object();
    for (int i = 0; i < JD_CHANGE_COUNT; i++)
        json_object_set_new(object, jd_change_name((enum jd_change)i),
                            json_integer((json_int_t)compare->counts[i]));
    return object;
}

static int print_json(const struct compare_command *command, const struct jd_compare *compare,
                      int code, struct jd_error *err)
{
    static const char *const results[] = {"no regression", "regression", "inconclusive"};
    json_t *rows = json_array(), *differences = json_array();
    for (size_t i = 0; i < compare->row_count; i++)
        json_array_append_new(rows, row_json(&compare->rows[i]));
    for (size_t i = 0; i < compare->difference_count; i++)
        json_array_append_new(differences,
                              json_pack("{s:s, s:s, s:s}", "fact", compare->differences[i].name,
                                        "base", compare->differences[i].base, "new",
                                        compare->differences[i].now));
    json_t *object = json_pack(
        "{s:s, s:s, s:o, s:o, s:s?, s:o, s:o, s:o, s:o}", "schema", "jitduel-compare/1", "result",
        results[code], "base", side_json(compare->base), "new", side_json(compare->now),
        "relative_to", command->request.relative_to, "machine_differences", differences, "shift",
        jd_json_real_if(compare->has_shift, compare->shift), "counts", counts_json(compare), "rows",
        rows);
    int result = JD_OK;
    if (!object || jd_json_memory_is_short())
        result = jd_fail(err, JD_E_NO_MEMORY, "compare", "no memory for the result");
    else if (json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17)))
        result = jd_fail(err, JD_E_INTERNAL, "compare", "the result cannot be printed");
    putchar('\n');
    json_decref(object);
    return result;
}

/* ---- together ---- */

/* Harm is harm in any metric; what cannot be told counts for the headlines alone. */
static int result_code(const struct jd_compare *compare)
{
    if (compare->counts[JD_CHANGE_REGRESSION])
        return EXIT_REGRESSION;
    for (size_t i = 0; i < compare->row_count; i++)
        if (compare->rows[i].is_primary && compare->rows[i].change == JD_CHANGE_UNKNOWN)
            return EXIT_INCONCLUSIVE;
    return EXIT_NO_REGRESSION;
}

static int compare_files(struct compare_command *command, int *out_code)
{
    struct jd_report_file *base = NULL, *now = NULL;
    struct jd_compare *compare = NULL;
    struct jd_error *err = &command->err;
    int result;
    if ((result = jd_report_file_open(command->paths[0], &base, err)) ||
        (result = jd_report_file_open(command->paths[1], &now, err)) ||
        (result = jd_compare_create(base, now, &command->request, &compare, err)))
        goto out;
    *out_code = result_code(compare);
    if (command->has_json)
        result = print_json(command, compare, *out_code, err);
    else
        print_table(command, compare);
    if (!result)
        result = jd_cli_flush(err);
out:
    jd_compare_destroy(compare);
    jd_report_file_close(now);
    jd_report_file_close(base);
    return result;
}

int jd_cmd_compare(int argc, char **argv)
{
    struct compare_command command = {.err = JD_ERROR_INIT};
    int code = parse(&command, argc, argv);
    if (code)
        code = EXIT_ERROR; /* has been told */
    else if (compare_files(&command, &code)) {
        jd_cli_report(&command.err);
        code = EXIT_ERROR;
    }
    free(command.engines);
    free(command.workloads);
    return code;
}
