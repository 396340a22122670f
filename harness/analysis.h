/* SPDX-License-Identifier: Apache-2.0
 *
 * From samples to what a report says: status and summary of each cell, comparisons of engines, and
 * the calibration that tells how small a difference this run can see.
 *
 * Knows plan, samples and statistics; no JSON, clock or printing. Engines are compared in the order
 * of the plan: each with every later one. All primary comparisons (a regime's headline metric) are
 * one family under Holm's correction; every other metric is a family of its own.
 */
#ifndef JITDUEL_HARNESS_ANALYSIS_H
#define JITDUEL_HARNESS_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>

#include "jitduel/error.h"
#include "plan.h"
#include "record.h"
#include "stats.h"
#include "verdict.h"

/** JD_STATUS(NAME, "text") */
#define JD_CELL_STATUSES(JD_STATUS)                                                                \
    JD_STATUS(OK, "ok")                                                                            \
    JD_STATUS(WRONG_OUTPUT, "wrong_output") /* disqualified: conformance comes before time */      \
    JD_STATUS(FAILED, "failed")             /* no sample is left */                                \
    JD_STATUS(REFUSED, "refused")           /* the same, because the engine does not do this */    \
    JD_STATUS(PARTIAL, "partial")           /* some samples failed */                              \
    JD_STATUS(NOT_RUN, "not_run")

enum jd_cell_status {
#define JD_STATUS(name, text) JD_CELL_##name,
    JD_CELL_STATUSES(JD_STATUS)
#undef JD_STATUS
        JD_CELL_STATUS_COUNT
};

struct jd_metric_summary {
    bool has_value; /**< false: no sample of the cell has this metric */
    struct jd_stats_summary stats;
    bool has_interval; /**< false below 3 samples */
    struct jd_stats_interval interval;
};

struct jd_cell_result {
    struct jd_sample *samples; /**< those taken, in running order */
    size_t sample_count, ok_count;
    enum jd_cell_status status;
    char detail[JD_SAMPLE_DETAIL_BYTES];
    struct jd_metric_summary metrics[JD_METRIC_COUNT];
    double phase_median_ns[JD_SPAN_COUNT]; /**< below 0: no sample has it */
};

struct jd_comparison {
    const struct jd_cell *engine, *baseline;
    enum jd_metric metric;
    bool is_primary;
    size_t engine_count, baseline_count; /**< samples */
    bool has_ratio;                      /**< false: disqualified, and so are the numbers below */
    double ratio;                        /**< median of engine / median of baseline */
    struct jd_stats_interval interval;
    double p, p_holm;
    bool has_floor; /**< false: this run can detect nothing in this regime */
    double floor;
    enum jd_verdict verdict;
    char reason[JD_SAMPLE_DETAIL_BYTES];
};

/** One engine against itself. */
struct jd_calibration_pair {
    const struct jd_cell *first;
    enum jd_metric metric;
    size_t count;    /**< samples on the smaller side */
    bool has_values; /**< false: too few samples finished */
    double ratio, p;
    struct jd_stats_interval interval;
    bool is_significant;
    struct jd_stats_power power;
};

struct jd_analysis {
    const struct jd_plan *plan;
    struct jd_cell_result *cells; /**< by cell id */
    struct jd_comparison *comparisons;
    size_t comparison_count;
    struct jd_calibration_pair *pairs;
    size_t pair_count, significant_pair_count;
    size_t family_size;    /**< primary comparisons with numbers */
    size_t samples_needed; /**< per cell, to reach alpha after correction */
    struct {
        bool is_calibrated, can_detect;
        double detectable_effect;
    } regimes[JD_REGIME_COUNT];
};

/** New analysis of what has been taken: `samples` (borrowed for the call), each with its position
 * in the plan. Deterministic: intervals come from the plan's seed. Outliers are flagged in the
 * copies. NO_MEMORY. */
int jd_analysis_create(const struct jd_plan *plan, const struct jd_sample *samples,
                       size_t sample_count, struct jd_analysis **out, struct jd_error *err);
/** NULL is accepted. */
void jd_analysis_destroy(struct jd_analysis *analysis);

/** Name as in reports; borrowed, static. */
const char *jd_cell_status_name(enum jd_cell_status status);

#endif
