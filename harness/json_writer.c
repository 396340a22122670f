/* SPDX-License-Identifier: Apache-2.0
 *
 * See json_writer.h; the schema is reports/schema/jitduel-report-1.schema.json. jansson refuses NaN
 * and infinities; whatever could be one goes through jd_json_real.
 */
#include "json_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "record_json.h"

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *hex(uint64_t value)
{
    return json_sprintf("%016" PRIx64, value);
}

static json_t *strings(const char *const *list, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *text = json_string(list[i]);
        json_array_append_new(array, text ? text : json_string("(not UTF-8)"));
    }
    return array;
}

static json_t *date(time_t when)
{
    char text[32] = "";
    struct tm broken;
    if (gmtime_r(&when, &broken))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &broken);
    return json_string(text);
}

/* ---- may it be published? ---- */

size_t jd_report_reasons(const struct jd_report *report, char reasons[][JD_REASON_BYTES])
{
    const struct jd_fingerprint *machine = report->fingerprint;
    size_t count = 0;
#define REASON(...) snprintf(reasons[count++], JD_REASON_BYTES, __VA_ARGS__)
    if (strcmp(report->build.preset, "release") != 0)
        REASON("built with preset '%.40s', not release", report->build.preset);
    if (strcmp(machine->sanitizer, "none") != 0)
        REASON("built with sanitizer %.60s", machine->sanitizer);
    if (report->build.has_assertions)
        REASON(JD_REASON_ASSERTIONS);
    if (report->build.dirty == 1)
        REASON("the source tree has changes that are in no commit");
    if (machine->is_emulated)
        REASON("the processor is emulated");
    if (!report->is_complete)
        REASON(report->merged_count ? "samples are missing" : "the run was interrupted");
    if (report->shard_count > 1)
        REASON("part %u of %u of a plan", report->shard_index, report->shard_count);
    if (report->mixed)
        REASON("the parts' machines differ in %.90s", report->mixed);
#undef REASON
    return count;
}

/* ---- meta, fingerprint, plan ---- */

static json_t *options(const struct jd_report *report)
{
    return json_pack("{s:o, s:o, s:f, s:f, s:f, s:o}", "timeout_s",
                     jd_json_real_if(report->timeout_s > 0, report->timeout_s),
                     "memory_limit_bytes",
                     report->memory_limit_bytes ? whole(report->memory_limit_bytes) : json_null(),
                     "confidence", JD_VERDICT_CONFIDENCE, "alpha", JD_VERDICT_ALPHA,
                     "minimum_effect", JD_VERDICT_MINIMUM_EFFECT, "benchmark_args",
                     strings(report->benchmark_args, report->benchmark_arg_count));
}

static json_t *measured_meta(const struct jd_report *report)
{
    const struct jd_build *build = &report->build;
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:s, s:o, s:o}", "created", date(report->created),
        "finished", date(report->finished), "elapsed_s", jd_json_real(report->elapsed_s),
        "command_line", strings(report->command_line, report->command_line_count), "seed",
        whole(report->plan->seed), "jitduel_version", build->version, "git_revision",
        build->git_revision, "git_dirty",
        build->dirty < 0 ? json_string("unavailable") : json_boolean(build->dirty), "preset",
        build->preset, "resumed_count", whole(report->resumed_count), "options", options(report));
}

static json_t *meta(const struct jd_report *report)
{
    json_t *object = measured_meta(report);
    if (report->shard_count)
        json_object_set_new(object, "shard",
                            json_pack("{s:i, s:i}", "index", (int)report->shard_index, "count",
                                      (int)report->shard_count));
    if (report->merged_count)
        json_object_set_new(object, "merged_count", whole(report->merged_count));
    return object;
}

static json_t *fingerprint(const struct jd_fingerprint *from)
{
    json_t *object = json_pack("{s:o}", "hash", hex(from->hash)), *caches = json_array();
    for (size_t i = 0; i < JD_FACT_COUNT; i++)
        json_object_set_new(object, jd_fact_places[i].name,
                            json_string((const char *)from + jd_fact_places[i].offset));
    for (size_t i = 0; i < from->cache_count; i++)
        json_array_append_new(caches, json_string(from->caches[i]));
    json_object_set_new(object, "cpu_online_count", jd_json_figure(from->cpu_online_count));
    json_object_set_new(object, "cpu_caches", caches);
    json_object_set_new(object, "memory_total_bytes", jd_json_figure(from->memory_total_bytes));
    json_object_set_new(object, "page_size_bytes", jd_json_figure(from->page_size_bytes));
    json_object_set_new(object, "max_map_count", jd_json_figure(from->max_map_count));
    json_object_set_new(object, "load_average_1m",
                        from->load_average_1m < 0 ? json_string("unavailable")
                                                  : jd_json_real(from->load_average_1m));
    return object;
}

const char *jd_cap_name(unsigned bit)
{
    static const char *const names[] = {
        "lazy",      "remove_module", "recompile",  "free_function", "set_lazy", "redefine_symbol",
        "lazy_data", "gran_module",   "gran_block", "add_object",    "peer"};
    return bit < sizeof names / sizeof *names ? names[bit] : NULL;
}

static json_t *caps(uint32_t bits)
{
    json_t *array = json_array();
    for (unsigned i = 0; jd_cap_name(i); i++)
        if (bits & 1u << i)
            json_array_append_new(array, json_string(jd_cap_name(i)));
    return array;
}

static json_t *engines(const struct jd_plan *plan)
{
    json_t *array = json_array();
    for (size_t i = 0; i < plan->engine_count; i++)
        json_array_append_new(array, json_pack("{s:s, s:s, s:o}", "name", plan->engines[i]->name,
                                               "summary", plan->engines[i]->summary, "caps",
                                               caps(plan->engines[i]->caps)));
    return array;
}

static json_t *shape(uint64_t count)
{
    return count ? whole(count) : json_null();
}

/* Cells of one workload are neighbours, but for the calibration, which repeats some. */
static json_t *workloads(const struct jd_plan *plan)
{
    json_t *array = json_array();
    const struct jd_workload *last = NULL;
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct jd_workload *w = plan->cells[i].workload;
        if (w == last || jd_cell_is_calibration(&plan->cells[i]))
            continue;
        last = w;
        json_array_append_new(
            array,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "name", w->name, "group",
                      w->group, "summary", w->summary, "why", plan->cells[i].line->why, "hash",
                      w->hash, "function_count", shape(w->function_count), "executed_count",
                      shape(w->executed_count), "instructions_per_function",
                      shape(w->instructions_per_function), "module_count", shape(w->module_count)));
    }
    return array;
}

static json_t *skipped(const struct jd_plan *plan)
{
    json_t *array = json_array();
    for (size_t i = 0; i < plan->skip_count; i++) {
        const struct jd_plan_skip *skip = &plan->skips[i];
        json_t *one = json_pack("{s:s, s:s}", "workload", skip->workload, "reason", skip->reason);
        if (skip->is_one_regime)
            json_object_set_new(one, "regime", json_string(jd_regime_name(skip->regime)));
        json_array_append_new(array, one);
    }
    return array;
}

static json_t *plan_json(const struct jd_plan *plan)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "hash", hex(plan->hash), "suite",
                     plan->suite->name, "engines", engines(plan), "workloads", workloads(plan),
                     "skipped", skipped(plan), "samples_planned", whole(plan->item_count), "blocks",
                     whole(plan->block_count));
}

/* ---- cells ---- */

static json_t *statistic(const struct jd_metric_summary *from)
{
    const struct jd_stats_summary *s = &from->stats;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n",
                     whole(s->count), "median", jd_json_real(s->median), "mad",
                     jd_json_real(s->mad), "mean", jd_json_real(s->mean), "min",
                     jd_json_real(s->min), "max", jd_json_real(s->max), "p25", jd_json_real(s->p25),
                     "p75", jd_json_real(s->p75), "p99", jd_json_real(s->p99), "ci_low",
                     jd_json_real_if(from->has_interval, from->interval.low), "ci_high",
                     jd_json_real_if(from->has_interval, from->interval.high), "outliers",
                     whole(s->outlier_count));
}

static json_t *summary(const struct jd_cell_result *result)
{
    if (result->status != JD_CELL_OK && result->status != JD_CELL_PARTIAL)
        return json_null();
    json_t *metrics = json_object(), *phases = json_object();
    for (int i = 0; i < JD_METRIC_COUNT; i++)
        if (result->metrics[i].has_value)
            json_object_set_new(metrics, jd_metric_name((enum jd_metric)i),
                                statistic(&result->metrics[i]));
    for (int i = 0; i < JD_SPAN_COUNT; i++)
        if (result->phase_median_ns[i] >= 0)
            json_object_set_new(phases, jd_span_name((enum jd_span)i),
                                jd_json_real(result->phase_median_ns[i]));
    return json_pack("{s:o, s:o}", "metrics", metrics, "phases_ns", phases);
}

static json_t *cell_json(const struct jd_cell *cell, const struct jd_cell_result *result)
{
    json_t *samples = json_array();
    for (size_t i = 0; i < result->sample_count; i++)
        json_array_append_new(samples, jd_sample_to_json(&result->samples[i]));
    return json_pack(
        "{s:o, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:o, s:o}", "id", whole(cell->id),
        "role", jd_cell_is_calibration(cell) ? "calibration" : "measure", "label", cell->label,
        "workload", cell->workload->name, "group", cell->workload->group, "engine", cell->ops->name,
        "opt_level", (int)cell->opt_level, "regime", jd_regime_name(cell->regime), "status",
        jd_cell_status_name(result->status), "status_detail", result->detail, "samples", samples,
        "summary", summary(result));
}

static json_t *cells(const struct jd_report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->plan->cell_count; i++)
        json_array_append_new(array,
                              cell_json(&report->plan->cells[i], &report->analysis->cells[i]));
    return array;
}

static json_t *failures(const struct jd_report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->plan->cell_count; i++) {
        const struct jd_cell *cell = &report->plan->cells[i];
        const struct jd_cell_result *result = &report->analysis->cells[i];
        for (size_t k = 0; k < result->sample_count; k++) {
            const struct jd_sample *sample = &result->samples[k];
            if (sample->kind == JD_SAMPLE_OK)
                continue;
            json_array_append_new(
                array,
                json_pack("{s:o, s:s, s:s, s:i, s:s, s:o, s:s, s:s}", "cell", whole(cell->id),
                          "workload", cell->workload->name, "engine", cell->ops->name, "opt_level",
                          (int)cell->opt_level, "regime", jd_regime_name(cell->regime), "process",
                          whole(sample->process), "kind", jd_sample_kind_name(sample->kind),
                          "detail", sample->detail));
        }
    }
    return array;
}

/* ---- comparisons and calibration ---- */

static json_t *comparison(const struct jd_comparison *c)
{
    const struct jd_cell *cell = c->engine;
    return json_pack(
        "{s:s, s:s, s:s, s:i, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, "
        "s:s}",
        "workload", cell->workload->name, "group", cell->workload->group, "regime",
        jd_regime_name(cell->regime), "opt_level", (int)cell->opt_level, "metric",
        jd_metric_name(c->metric), "is_primary", c->is_primary, "engine", cell->ops->name,
        "baseline", c->baseline->ops->name, "n_engine", whole(c->engine_count), "n_baseline",
        whole(c->baseline_count), "ratio", jd_json_real_if(c->has_ratio, c->ratio), "ratio_low",
        jd_json_real_if(c->has_ratio, c->interval.low), "ratio_high",
        jd_json_real_if(c->has_ratio, c->interval.high), "p", jd_json_real_if(c->has_ratio, c->p),
        "p_holm", jd_json_real_if(c->has_ratio, c->p_holm), "effect_floor",
        jd_json_real_if(c->has_floor, c->floor), "verdict", jd_verdict_name(c->verdict), "reason",
        c->reason);
}

static json_t *comparisons(const struct jd_analysis *analysis)
{
    json_t *array = json_array();
    for (size_t i = 0; i < analysis->comparison_count; i++)
        json_array_append_new(array, comparison(&analysis->comparisons[i]));
    return array;
}

static json_t *pair_json(const struct jd_calibration_pair *pair)
{
    const struct jd_cell *cell = pair->first;
    bool has = pair->has_values;
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}",
                     "workload", cell->workload->name, "engine", cell->ops->name, "opt_level",
                     (int)cell->opt_level, "regime", jd_regime_name(cell->regime), "metric",
                     jd_metric_name(pair->metric), "n", whole(pair->count), "ratio",
                     jd_json_real_if(has, pair->ratio), "ratio_low",
                     jd_json_real_if(has, pair->interval.low), "ratio_high",
                     jd_json_real_if(has, pair->interval.high), "p", jd_json_real_if(has, pair->p),
                     "is_significant", pair->is_significant, "false_positive_rate",
                     jd_json_real_if(has, pair->power.false_positive_rate), "detectable_effect",
                     jd_json_real_if(has && pair->power.can_detect, pair->power.detectable_effect));
}

static bool is_planned(const struct jd_plan *plan, enum jd_regime regime)
{
    for (size_t i = 0; i < plan->cell_count; i++)
        if (plan->cells[i].regime == regime)
            return true;
    return false;
}

static json_t *calibration(const struct jd_report *report)
{
    const struct jd_analysis *a = report->analysis;
    json_t *pairs = json_array(), *regimes = json_array();
    for (size_t i = 0; i < a->pair_count; i++)
        json_array_append_new(pairs, pair_json(&a->pairs[i]));
    for (int i = 0; i < JD_REGIME_COUNT; i++)
        if (is_planned(report->plan, (enum jd_regime)i))
            json_array_append_new(
                regimes,
                json_pack("{s:s, s:o, s:b}", "regime", jd_regime_name((enum jd_regime)i),
                          "detectable_effect",
                          jd_json_real_if(a->regimes[i].is_calibrated && a->regimes[i].can_detect,
                                          a->regimes[i].detectable_effect),
                          "is_calibrated", a->regimes[i].is_calibrated));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "timer_overhead_ns",
                     jd_json_real(report->timer_overhead_ns), "family_size", whole(a->family_size),
                     "samples_needed", whole(a->samples_needed), "pairs", pairs,
                     "significant_pairs", whole(a->significant_pair_count), "regimes", regimes);
}

json_t *jd_report_to_json(const struct jd_report *report)
{
    char lines[JD_REASONS_MAX][JD_REASON_BYTES];
    size_t count = jd_report_reasons(report, lines);
    json_t *reasons = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(reasons, json_string(lines[i]));
    return json_pack("{s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema",
                     "jitduel-report/1", "complete", report->is_complete, "publishable", count == 0,
                     "unpublishable_reasons", reasons, "meta", meta(report), "fingerprint",
                     fingerprint(report->fingerprint), "plan", plan_json(report->plan), "cells",
                     cells(report), "comparisons", comparisons(report->analysis), "calibration",
                     calibration(report), "failures", failures(report));
}
