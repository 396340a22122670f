/* SPDX-License-Identifier: Apache-2.0
 *
 * Pairs of cells: engine against engine, and one engine against itself. A difference is reported
 * when it is significant after correction and at least as large as this run could see.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis_private.h"

/* Ratio, interval and p of two cells in one metric. *has_ratio is false, with 0 returned, when a
 * side has no values or its median is 0. */
static int compare_values(const struct jd_plan *plan, const struct jd_cell *cells[2],
                          const struct jd_cell_result *results[2], enum jd_metric metric,
                          struct jd_comparison *out, struct jd_error *err)
{
    struct analysis_values a = {0}, b = {0};
    struct jd_rng rng;
    int rc;
    if ((rc = analysis_values_init(&a, cells[0], results[0], metric, err)) ||
        (rc = analysis_values_init(&b, cells[1], results[1], metric, err)))
        goto out;
    out->engine_count = a.count;
    out->baseline_count = b.count;
    double base = results[1]->metrics[metric].stats.median;
    if (!a.count || !b.count || !(base > 0))
        goto out;
    out->has_ratio = true;
    out->ratio = results[0]->metrics[metric].stats.median / base;
    jd_rng_init(&rng, analysis_seed(plan, cells[0]->id * plan->cell_count + cells[1]->id, metric));
    rc = jd_stats_ratio_interval(&rng, a.processes, a.count, b.processes, b.count,
                                 JD_VERDICT_CONFIDENCE, &out->interval, err);
    if (!rc)
        rc = jd_stats_rank_test(a.one_each, a.count, b.one_each, b.count, &out->p, err);
out:
    analysis_values_fini(&a);
    analysis_values_fini(&b);
    return rc;
}

/* ---- comparisons ---- */

static void disqualify(struct jd_comparison *comparison, const struct jd_cell_result *results[2])
{
    const struct jd_cell *cells[2] = {comparison->engine, comparison->baseline};
    size_t bad = analysis_has_numbers(results[0]) ? 1 : 0;
    comparison->has_ratio = false;
    comparison->verdict =
        results[bad]->status == JD_CELL_NOT_RUN ? JD_VERDICT_INCONCLUSIVE : JD_VERDICT_DISQUALIFIED;
    snprintf(comparison->reason, sizeof comparison->reason, "%s: %s", cells[bad]->ops->name,
             jd_cell_status_name(results[bad]->status));
}

static int add_comparison(struct jd_analysis *analysis, const struct jd_cell *engine,
                          const struct jd_cell *baseline, enum jd_metric metric,
                          struct jd_error *err)
{
    struct jd_comparison *out = &analysis->comparisons[analysis->comparison_count];
    const struct jd_cell *cells[2] = {engine, baseline};
    const struct jd_cell_result *results[2] = {&analysis->cells[engine->id],
                                               &analysis->cells[baseline->id]};
    *out = (struct jd_comparison){.engine = engine,
                                  .baseline = baseline,
                                  .metric = metric,
                                  .is_primary = metric == jd_regime_headline(engine->regime)};
    if (analysis_has_numbers(results[0]) && analysis_has_numbers(results[1])) {
        int rc = compare_values(analysis->plan, cells, results, metric, out, err);
        if (rc || !out->has_ratio) /* a metric that this pair does not have: no line */
            return rc;
    } else if (out->is_primary) {
        disqualify(out, results);
    } else {
        return JD_OK;
    }
    analysis->comparison_count++;
    return JD_OK;
}

static int add_comparisons(struct jd_analysis *analysis, struct jd_error *err)
{
    const struct jd_plan *plan = analysis->plan;
    size_t pairs = plan->cell_count * plan->engine_count;
    int rc = JD_OK;
    analysis->comparisons = calloc(pairs * JD_COMPARED_COUNT, sizeof *analysis->comparisons);
    if (!analysis->comparisons)
        return jd_fail(err, JD_E_NO_MEMORY, "analysis", "out of memory");
    for (size_t i = 0; i < plan->cell_count; i++)
        for (size_t k = i + 1; k < plan->cell_count; k++) {
            const struct jd_cell *a = &plan->cells[i], *b = &plan->cells[k];
            if (a->group != b->group)
                break;
            if (jd_cell_is_calibration(a))
                continue;
            for (size_t m = 0; !rc && m < JD_COMPARED_COUNT; m++)
                rc = add_comparison(analysis, a, b, jd_compared_metrics[m], err);
        }
    return rc;
}

/* Those that have a ratio, corrected by the one rule (verdict.h). */
static int correct(struct jd_analysis *analysis, struct jd_error *err)
{
    struct jd_corrected *differences = calloc(analysis->comparison_count + 1, sizeof *differences);
    size_t count = 0;
    int rc = differences ? JD_OK : jd_fail(err, JD_E_NO_MEMORY, "analysis", "out of memory");
    for (size_t i = 0; !rc && i < analysis->comparison_count; i++) {
        const struct jd_comparison *c = &analysis->comparisons[i];
        if (!c->has_ratio)
            continue;
        differences[count++] = (struct jd_corrected){c->p, c->is_primary, (int)c->metric, 0};
        analysis->family_size += c->is_primary;
    }
    if (!rc)
        rc = jd_verdict_correct(differences, count, err);
    count = 0;
    for (size_t i = 0; !rc && i < analysis->comparison_count; i++)
        if (analysis->comparisons[i].has_ratio)
            analysis->comparisons[i].p_holm = differences[count++].p_holm;
    free(differences);
    analysis->samples_needed = jd_stats_samples_needed(analysis->family_size, JD_VERDICT_ALPHA);
    return rc;
}

/* ---- calibration ---- */

/* Both halves in one pool: if chance made them differ, that is noise which this run has. */
static int measure_power(const struct jd_analysis *analysis, const struct jd_cell *cells[2],
                         struct jd_calibration_pair *pair, struct jd_error *err)
{
    struct analysis_values values[2] = {{0}, {0}};
    size_t family = analysis->family_size ? analysis->family_size : 1;
    double *pool = NULL;
    struct jd_rng rng;
    int rc = JD_OK;
    for (size_t i = 0; !rc && i < 2; i++)
        rc = analysis_values_init(&values[i], cells[i], &analysis->cells[cells[i]->id],
                                  pair->metric, err);
    if (rc)
        goto out;
    size_t count = values[0].count + values[1].count;
    pool = calloc(count, sizeof *pool);
    if (!pool) {
        rc = jd_fail(err, JD_E_NO_MEMORY, "analysis", "out of memory");
        goto out;
    }
    memcpy(pool, values[0].one_each, values[0].count * sizeof *pool);
    memcpy(pool + values[0].count, values[1].one_each, values[1].count * sizeof *pool);
    jd_rng_init(&rng, analysis_seed(analysis->plan, cells[0]->id, pair->metric));
    rc = jd_stats_power(&rng, pool, count, JD_VERDICT_ALPHA, JD_VERDICT_ALPHA / (double)family,
                        &pair->power, err);
out:
    free(pool);
    analysis_values_fini(&values[0]);
    analysis_values_fini(&values[1]);
    return rc;
}

static int add_pair(struct jd_analysis *analysis, const struct jd_cell *first, struct jd_error *err)
{
    struct jd_calibration_pair *pair = &analysis->pairs[analysis->pair_count++];
    const struct jd_cell *cells[2] = {first, first + 1};
    const struct jd_cell_result *results[2] = {&analysis->cells[first->id],
                                               &analysis->cells[first->id + 1]};
    struct jd_comparison numbers = {0};
    int rc;
    *pair =
        (struct jd_calibration_pair){.first = first, .metric = jd_regime_headline(first->regime)};
    if (!analysis_has_numbers(results[0]) || !analysis_has_numbers(results[1]))
        return JD_OK;
    rc = compare_values(analysis->plan, cells, results, pair->metric, &numbers, err);
    pair->count = numbers.engine_count < numbers.baseline_count ? numbers.engine_count
                                                                : numbers.baseline_count;
    if (rc || !numbers.has_ratio || pair->count < 2)
        return rc;
    pair->has_values = true;
    pair->ratio = numbers.ratio;
    pair->interval = numbers.interval;
    pair->p = numbers.p;
    pair->is_significant = numbers.p < JD_VERDICT_ALPHA;
    analysis->significant_pair_count += pair->is_significant;
    return measure_power(analysis, cells, pair, err);
}

/* The largest effect of a regime's pairs; one pair that sees nothing blinds the regime. */
static void set_floors(struct jd_analysis *analysis)
{
    for (size_t i = 0; i < analysis->pair_count; i++) {
        const struct jd_calibration_pair *pair = &analysis->pairs[i];
        enum jd_regime regime = pair->first->regime;
        if (!pair->has_values)
            continue;
        if (!analysis->regimes[regime].is_calibrated)
            analysis->regimes[regime].can_detect = true;
        analysis->regimes[regime].is_calibrated = true;
        analysis->regimes[regime].can_detect &= pair->power.can_detect;
        analysis->regimes[regime].detectable_effect =
            fmax(analysis->regimes[regime].detectable_effect, pair->power.detectable_effect);
    }
}

static int calibrate(struct jd_analysis *analysis, struct jd_error *err)
{
    const struct jd_plan *plan = analysis->plan;
    int rc = JD_OK;
    analysis->pairs = calloc(plan->cell_count + 1, sizeof *analysis->pairs);
    if (!analysis->pairs)
        return jd_fail(err, JD_E_NO_MEMORY, "analysis", "out of memory");
    for (size_t i = 0; !rc && i < plan->cell_count; i++)
        if (!strcmp(plan->cells[i].label, "A1"))
            rc = add_pair(analysis, &plan->cells[i], err);
    set_floors(analysis);
    return rc;
}

/* ---- verdicts ---- */

static void decide(const struct jd_analysis *analysis, struct jd_comparison *c)
{
    enum jd_regime regime = c->engine->regime;
    /* The calibration watches the headline; other metrics have their own noise and only the
     * minimum effect. */
    bool is_calibrated = analysis->regimes[regime].is_calibrated && c->is_primary;
    struct jd_evidence evidence = {.ratio = c->ratio,
                                   .interval = c->interval,
                                   .p_holm = c->p_holm,
                                   .floor = JD_VERDICT_MINIMUM_EFFECT,
                                   .is_size = jd_metric_is_size(c->metric)};
    if (is_calibrated) {
        evidence.is_blind = !analysis->regimes[regime].can_detect;
        evidence.floor = fmax(evidence.floor, analysis->regimes[regime].detectable_effect);
    }
    c->has_floor = !evidence.is_blind;
    c->floor = evidence.floor;
    c->verdict = jd_verdict_decide(&evidence, c->reason, sizeof c->reason);
}

int analysis_compare(struct jd_analysis *analysis, struct jd_error *err)
{
    int rc;
    if ((rc = add_comparisons(analysis, err)) || (rc = correct(analysis, err)) ||
        (rc = calibrate(analysis, err)))
        return rc;
    for (size_t i = 0; i < analysis->comparison_count; i++)
        if (analysis->comparisons[i].has_ratio)
            decide(analysis, &analysis->comparisons[i]);
    return JD_OK;
}
