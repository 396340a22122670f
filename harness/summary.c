/* SPDX-License-Identifier: Apache-2.0
 *
 * See summary.h.
 */
#include "summary.h"

#include <stdbool.h>
#include <string.h>

enum { FIELD_BYTES = 64 };

char *jd_format_ns(double ns, char *out, size_t out_bytes)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    size_t i = 0;
    while (i < 3 && ns < units[i].unit)
        i++;
    double value = ns / units[i].unit;
    int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(out, out_bytes, "%.*f %s", digits, value, units[i].name);
    return out;
}

char *jd_format_bytes(double bytes, char *out, size_t out_bytes)
{
    bool is_large = bytes >= 1024 * 1024;
    snprintf(out, out_bytes, is_large ? "%.1f MiB" : "%.1f KiB",
             bytes / (is_large ? 1024 * 1024 : 1024));
    return out;
}

char *jd_format_cell(const struct jd_cell *cell, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s %s -O%u %s%s%s", cell->workload->name, cell->ops->name,
             cell->opt_level, jd_regime_name(cell->regime), cell->label[0] ? " " : "", cell->label);
    return out;
}

/* "27.5 ms [27.0 ms, 28.1 ms]" */
static const char *with_interval(const struct jd_metric_summary *metric, char *out)
{
    char median[24], low[24], high[24];
    if (!metric->has_value)
        return "-";
    jd_format_ns(metric->stats.median, median, sizeof median);
    if (metric->has_interval)
        snprintf(out, FIELD_BYTES, "%s [%s, %s]", median,
                 jd_format_ns(metric->interval.low, low, sizeof low),
                 jd_format_ns(metric->interval.high, high, sizeof high));
    else
        snprintf(out, FIELD_BYTES, "%s", median);
    return out;
}

static const char *plain_ns(const struct jd_metric_summary *metric, char *out)
{
    if (!metric->has_value)
        return "-";
    return metric->stats.median > 0 ? jd_format_ns(metric->stats.median, out, FIELD_BYTES) : "none";
}

static const char *plain_bytes(const struct jd_metric_summary *metric, char *out)
{
    return metric->has_value ? jd_format_bytes(metric->stats.median, out, FIELD_BYTES) : "-";
}

static const char *status_words(enum jd_cell_status status)
{
    return status == JD_CELL_WRONG_OUTPUT ? "wrong output"
           : status == JD_CELL_NOT_RUN    ? "not run"
                                          : jd_cell_status_name(status);
}

static void print_cell(FILE *out, const struct jd_cell *cell, const struct jd_cell_result *result)
{
    char first[FIELD_BYTES], headline[FIELD_BYTES], pause[FIELD_BYTES], memory[FIELD_BYTES];
    const struct jd_metric_summary *metrics = result->metrics;
    fprintf(out, "  %-8s", cell->ops->name);
    if (result->status != JD_CELL_OK && result->status != JD_CELL_PARTIAL) {
        fprintf(out, "  %s%s%s\n", status_words(result->status), result->detail[0] ? ": " : "",
                result->detail);
        return;
    }
    fprintf(out, "  %-10s  %-32s  %-10s  %-10s  n=%zu%s\n",
            plain_ns(&metrics[JD_METRIC_TIME_TO_FIRST_RESULT], first),
            with_interval(&metrics[jd_regime_headline(cell->regime)], headline),
            plain_ns(&metrics[JD_METRIC_WORST_PAUSE], pause),
            plain_bytes(&metrics[JD_METRIC_PEAK_RSS], memory), result->ok_count,
            result->status == JD_CELL_PARTIAL ? " (some samples failed)" : "");
}

static void print_group_head(FILE *out, const struct jd_cell *cell)
{
    static const char *const headlines[] = {[JD_REGIME_COLD_PROCESS] = "last result [95 %]",
                                            [JD_REGIME_COLD_ENGINE] = "engine life [95 %]",
                                            [JD_REGIME_WARM] = "time per call [95 %]"};
    fprintf(out, "\n%s  -O%u  %s\n  %-8s  %-10s  %-32s  %-10s  %-10s\n", cell->workload->name,
            cell->opt_level, jd_regime_name(cell->regime), "engine", "1st result",
            headlines[cell->regime], "worst wait", "peak RSS");
}

static void print_comparisons(FILE *out, const struct jd_analysis *analysis, size_t group)
{
    for (size_t i = 0; i < analysis->comparison_count; i++) {
        const struct jd_comparison *c = &analysis->comparisons[i];
        if (!c->is_primary || c->engine->group != group)
            continue;
        fprintf(out, "  %s/%s", c->engine->ops->name, c->baseline->ops->name);
        if (c->has_ratio)
            fprintf(out, " = %.3f [%.3f, %.3f], p = %.2g", c->ratio, c->interval.low,
                    c->interval.high, c->p_holm);
        fprintf(out, ": %s%s%s\n",
                c->verdict < JD_VERDICT_NO_DIFFERENCE ? c->engine->ops->name : "",
                c->verdict < JD_VERDICT_NO_DIFFERENCE ? " is " : "", jd_verdict_name(c->verdict));
        if (c->reason[0])
            fprintf(out, "    (%s)\n", c->reason);
    }
}

static void print_cells(FILE *out, const struct jd_report *report)
{
    const struct jd_plan *plan = report->plan;
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct jd_cell *cell = &plan->cells[i];
        if (jd_cell_is_calibration(cell))
            continue;
        bool is_first = !i || plan->cells[i - 1].group != cell->group;
        bool is_last = i + 1 == plan->cell_count || plan->cells[i + 1].group != cell->group;
        if (is_first)
            print_group_head(out, cell);
        print_cell(out, cell, &report->analysis->cells[i]);
        if (is_last)
            print_comparisons(out, report->analysis, cell->group);
    }
}

static void print_skips(FILE *out, const struct jd_plan *plan)
{
    if (plan->skip_count)
        fprintf(out, "\nSkipped:\n");
    for (size_t i = 0; i < plan->skip_count; i++) {
        const struct jd_plan_skip *skip = &plan->skips[i];
        fprintf(out, "  %s%s%s: %s\n", skip->workload, skip->is_one_regime ? " " : "",
                skip->is_one_regime ? jd_regime_name(skip->regime) : "", skip->reason);
    }
}

static void print_pair(FILE *out, const struct jd_calibration_pair *pair)
{
    char name[256];
    jd_format_cell(pair->first, name, sizeof name);
    if (!pair->has_values) {
        fprintf(out, "  %s: too few samples\n", name);
        return;
    }
    fprintf(out, "  %s/A2 = %.3f [%.3f, %.3f], p = %.2g%s; smallest effect seen: ", name,
            pair->ratio, pair->interval.low, pair->interval.high, pair->p,
            pair->is_significant ? " (a false positive)" : "");
    if (pair->power.can_detect)
        fprintf(out, "%.1f %%\n", 100 * pair->power.detectable_effect);
    else
        fprintf(out, "none\n");
}

static size_t fewest_samples(const struct jd_plan *plan)
{
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < plan->cell_count; i++)
        if (plan->cells[i].samples < fewest)
            fewest = plan->cells[i].samples;
    return fewest;
}

static void print_trust(FILE *out, const struct jd_report *report)
{
    char reasons[JD_REASONS_MAX][JD_REASON_BYTES];
    const struct jd_analysis *a = report->analysis;
    size_t count = jd_report_reasons(report, reasons);
    if (a->pair_count)
        fprintf(out, "\nThe same engine twice (what chance alone does here):\n");
    for (size_t i = 0; i < a->pair_count; i++)
        print_pair(out, &a->pairs[i]);
    if (a->family_size && fewest_samples(report->plan) < a->samples_needed)
        fprintf(out,
                "\nToo few samples: %zu comparisons need at least %zu per cell before any can be "
                "significant (--samples).\n",
                a->family_size, a->samples_needed);
    if (count)
        fprintf(out, "\nNOT PUBLISHABLE:\n");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "  %s\n", reasons[i]);
}

void jd_summary_print(FILE *out, const struct jd_report *report, const char *path)
{
    print_cells(out, report);
    print_skips(out, report->plan);
    print_trust(out, report);
    fprintf(out, "\nreport: %s\n", path);
}

void jd_summary_plan(FILE *out, const struct jd_plan *plan)
{
    char name[256];
    fprintf(out, "suite %s: %zu samples in %zu blocks, seed %llu\n", plan->suite->name,
            plan->item_count, plan->block_count, (unsigned long long)plan->seed);
    for (size_t i = 0; i < plan->cell_count; i++)
        fprintf(out, "  %-56s %zu samples\n", jd_format_cell(&plan->cells[i], name, sizeof name),
                plan->cells[i].samples);
    print_skips(out, plan);
}
