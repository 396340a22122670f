/* SPDX-License-Identifier: Apache-2.0
 *
 * `jitduel merge`: the parts of one plan, measured one by one, become one report. Samples are put
 * together and everything that follows from them is computed anew, by what `bench` uses.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "json_file.h"
#include "report_read.h"
#include "report_restore.h"
#include "summary.h"

static const struct argp_option options[] = {{"quiet", 'q', NULL, 0, "no summary", 0}, {0}};

static const char help[] =
    "Make one report of parts of the same plan: what 'bench --shard=K/N' wrote on several machines "
    "or one after the other.\v"
    "The parts must come from one plan (workloads, engines, levels, seed), one revision and build "
    "of "
    "jitduel, one set of limits and one kind of hardware, and hold no sample twice. Where their "
    "machines differ otherwise, or a part is missing, the report says so and is not for "
    "publication. Command line and machine are the first part's.\n" JD_EXIT_CODES_HELP;

struct part {
    const char *path;
    json_t *root;
    struct jd_restored restored;
};

struct merge {
    const char *out_path;
    struct part *parts;
    size_t part_count;
    bool is_quiet, is_unread; /* a part could not be opened */
    char mixed[128];
    struct jd_error err;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct merge *merge = state->input;
    switch (key) {
    case 'q':
        merge->is_quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        if (merge->out_path)
            merge->parts[merge->part_count++].path = arg;
        else
            merge->out_path = arg;
        return 0;
    case ARGP_KEY_END:
        if (merge->part_count < 2)
            return jd_cli_usage(&merge->err, "merge",
                                "give the report to write, then two parts or more");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- do they belong together? ---- */

static int refuse(struct merge *merge, const struct part *part, const char *what, const char *first,
                  const char *other)
{
    return jd_fail(&merge->err, JD_E_USAGE, part->path,
                   "cannot be joined with %.120s: another %s ('%.60s', there '%.60s')",
                   merge->parts[0].path, what, other, first);
}

static void note_difference(struct merge *merge, const char *fact)
{
    size_t used = strlen(merge->mixed);
    if (!strstr(merge->mixed, fact))
        snprintf(merge->mixed + used, sizeof merge->mixed - used, "%s%s", used ? ", " : "", fact);
}

static int check_machine(struct merge *merge, const struct part *part)
{
    const struct jd_fingerprint *a = &merge->parts[0].restored.fingerprint;
    const struct jd_fingerprint *b = &part->restored.fingerprint;
    for (size_t i = 0; i < JD_FACT_COUNT; i++) {
        const struct jd_fact_place *place = &jd_fact_places[i];
        const char *first = (const char *)a + place->offset;
        const char *other = (const char *)b + place->offset;
        if (!place->is_stable || !strcmp(first, other))
            continue;
        if (jd_fact_is_hardware(i))
            return refuse(merge, part, place->name, first, other);
        note_difference(merge, place->name);
    }
    if (a->cpu_online_count != b->cpu_online_count)
        note_difference(merge, "cpu_online_count");
    return JD_OK;
}

static int check_limits(struct merge *merge, const struct part *part)
{
    const struct jd_report *a = &merge->parts[0].restored.report, *b = &part->restored.report;
    bool is_same = a->timeout_s == b->timeout_s && a->memory_limit_bytes == b->memory_limit_bytes &&
                   a->benchmark_arg_count == b->benchmark_arg_count;
    for (size_t i = 0; is_same && i < a->benchmark_arg_count; i++)
        is_same = !strcmp(a->benchmark_args[i], b->benchmark_args[i]);
    if (!is_same)
        return refuse(merge, part, "time limit, memory limit or --benchmark option", "", "");
    return JD_OK;
}

static int check_part(struct merge *merge, const struct part *part)
{
    const struct jd_restored *a = &merge->parts[0].restored, *b = &part->restored;
    char hashes[2][24];
    snprintf(hashes[0], sizeof hashes[0], "%016" PRIx64, a->plan.hash);
    snprintf(hashes[1], sizeof hashes[1], "%016" PRIx64, b->plan.hash);
    if (a->plan.hash != b->plan.hash || a->plan.cell_count != b->plan.cell_count ||
        a->plan.item_count != b->plan.item_count)
        return refuse(merge, part, "plan", hashes[0], hashes[1]);
    if (strcmp(a->report.build.git_revision, b->report.build.git_revision) != 0)
        return refuse(merge, part, "revision", a->report.build.git_revision,
                      b->report.build.git_revision);
    if (strcmp(a->report.build.preset, b->report.build.preset) != 0)
        return refuse(merge, part, "preset", a->report.build.preset, b->report.build.preset);
    int result = check_limits(merge, part);
    return result ? result : check_machine(merge, part);
}

/* ---- joining ---- */

/* All parts 1 to N of N, none cut short. */
static bool is_whole(const struct merge *merge)
{
    unsigned count = merge->parts[0].restored.report.shard_count;
    bool *is_there = calloc((size_t)count + 1, sizeof *is_there);
    size_t found = 0;
    bool is_good = is_there && count;
    for (size_t i = 0; is_good && i < merge->part_count; i++) {
        const struct jd_report *part = &merge->parts[i].restored.report;
        is_good = part->is_complete && part->shard_count == count && part->shard_index >= 1 &&
                  part->shard_index <= count && !is_there[part->shard_index];
        if (is_good)
            is_there[part->shard_index] = true, found++;
    }
    free(is_there);
    return is_good && found == count;
}

static int take_samples(struct merge *merge, const struct part *part, struct jd_sample *samples,
                        size_t *count, const char **owners)
{
    struct jd_plan *plan = &merge->parts[0].restored.plan;
    for (size_t i = 0; i < part->restored.sample_count; i++) {
        const struct jd_sample *sample = &part->restored.samples[i];
        const struct jd_plan_item *item = &part->restored.plan.items[sample->position];
        if (owners[sample->position])
            return jd_fail(&merge->err, JD_E_USAGE, part->path,
                           "has the sample at position %zu, which %.120s has, too",
                           sample->position, owners[sample->position]);
        owners[sample->position] = part->path;
        if (part != &merge->parts[0]) {
            plan->items[sample->position] = *item;
            plan->cells[item->cell].samples++;
        }
        samples[(*count)++] = *sample;
    }
    return JD_OK;
}

static int compare_positions(const void *a, const void *b)
{
    const struct jd_sample *x = a, *y = b;
    return (x->position > y->position) - (x->position < y->position);
}

/* The first part's report, with everyone's samples. */
static int join(struct merge *merge, struct jd_sample **out_samples, size_t *out_count)
{
    struct jd_report *report = &merge->parts[0].restored.report;
    size_t total = 0, items = report->plan->item_count;
    bool has_all = is_whole(merge);
    const char **owners = calloc(items + 1, sizeof *owners);
    int result = JD_OK;
    for (size_t i = 0; i < merge->part_count; i++)
        total += merge->parts[i].restored.sample_count;
    *out_samples = calloc(total + 1, sizeof **out_samples);
    *out_count = 0;
    if (!owners || !*out_samples)
        result = jd_fail(&merge->err, JD_E_NO_MEMORY, "merge", "no memory for %zu samples", total);
    for (size_t i = 0; !result && i < merge->part_count; i++) {
        const struct jd_report *part = &merge->parts[i].restored.report;
        result = take_samples(merge, &merge->parts[i], *out_samples, out_count, owners);
        if (!i)
            continue;
        report->elapsed_s += part->elapsed_s;
        report->resumed_count += part->resumed_count;
        report->created = part->created < report->created ? part->created : report->created;
        report->finished = part->finished > report->finished ? part->finished : report->finished;
        report->build.dirty |= part->build.dirty;
        report->build.has_assertions |= part->build.has_assertions;
        if (part->timer_overhead_ns > report->timer_overhead_ns)
            report->timer_overhead_ns = part->timer_overhead_ns;
    }
    free(owners);
    if (*out_samples)
        qsort(*out_samples, *out_count, sizeof **out_samples, compare_positions);
    report->is_complete = has_all;
    report->shard_index = report->shard_count = 0;
    report->merged_count = merge->part_count;
    report->mixed = merge->mixed[0] ? merge->mixed : NULL;
    return result;
}

/* ---- together ---- */

static int read_parts(struct merge *merge)
{
    for (size_t i = 0; i < merge->part_count; i++) {
        struct part *part = &merge->parts[i];
        int result = jd_report_json_load(part->path, &part->root, &merge->err);
        merge->is_unread = result == JD_E_IO;
        if (!result)
            result = jd_restored_init(&part->restored, part->root, part->path, &merge->err);
        if (!result && i)
            result = check_part(merge, part);
        if (result)
            return result;
    }
    return JD_OK;
}

static int write_report(struct merge *merge, const struct jd_report *report)
{
    json_t *object = jd_report_to_json(report);
    int result =
        object ? jd_json_file_write(merge->out_path, object, &merge->err)
               : jd_fail(&merge->err, JD_E_NO_MEMORY, merge->out_path, "no memory for the report");
    json_decref(object);
    if (!result && !merge->is_quiet)
        jd_summary_print(stdout, report, merge->out_path);
    return result ? result : jd_cli_flush(&merge->err);
}

static int merge_all(struct merge *merge)
{
    struct jd_sample *samples = NULL;
    struct jd_analysis *analysis = NULL;
    size_t count = 0;
    int result;
    if ((result = read_parts(merge)) || (result = join(merge, &samples, &count)))
        goto out;
    struct jd_report *report = &merge->parts[0].restored.report;
    if ((result = jd_analysis_create(report->plan, samples, count, &analysis, &merge->err)))
        goto out;
    report->analysis = analysis;
    result = write_report(merge, report);
out:
    jd_analysis_destroy(analysis);
    free(samples);
    return result;
}

int jd_cmd_merge(int argc, char **argv)
{
    static const struct argp argp = {options, parse_option, "OUT PART PART...", help, NULL,
                                     NULL,    NULL};
    struct merge merge = {.err = JD_ERROR_INIT};
    merge.parts = calloc((size_t)argc + 1, sizeof *merge.parts);
    if (!merge.parts) {
        jd_fail(&merge.err, JD_E_NO_MEMORY, "merge", "out of memory");
        return jd_cli_report(&merge.err);
    }
    int code = jd_cli_parse(&argp, argc, argv, &merge, &merge.err);
    if (!code && merge_all(&merge)) {
        code = jd_cli_report(&merge.err);
        if (merge.is_unread)
            code = JD_EXIT_NO_INPUT;
    }
    for (size_t i = 0; i < merge.part_count; i++) {
        jd_restored_fini(&merge.parts[i].restored);
        json_decref(merge.parts[i].root);
    }
    free(merge.parts);
    return code;
}
