/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics over processes. One value per process (its median where it has iterations): values
 * within one process are not independent, and pooling them finds differences that are not there.
 *
 * Knows numbers only: no JSON, clock, engine or file. Inputs are finite; callers drop what is
 * missing. Nothing keeps what it is given. Functions without `err` cannot fail; the others fail
 * with NO_MEMORY and zero their outputs. Any thread.
 *
 * Sources: Hyndman and Fan (1996) type 7 for quantiles; Mann and Whitney (1947) with the exact
 * permutation distribution of mid-ranks; Efron's percentile bootstrap; Holm (1979).
 */
#ifndef JITDUEL_HARNESS_STATS_H
#define JITDUEL_HARNESS_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"
#include "rng.h"

/** One process: its values in the order in which they were taken. */
struct jd_stats_process {
    const double *values;
    size_t count; /**< not 0 */
};

struct jd_stats_interval {
    double low, high;
};

/** The usual summary of `count` > 0 values. */
struct jd_stats_summary {
    size_t count;
    double median, mad, mean, min, max, p25, p75, p99;
    size_t outlier_count; /**< values for which jd_stats_is_outlier holds */
};

/** Quantile `q` in [0, 1] of ascending values, linear between neighbours. count > 0. */
double jd_stats_quantile(const double *sorted, size_t count, double q);
/** Median; sorts `values` in place. count > 0. */
double jd_stats_median(double *values, size_t count);
/** More than 5 scaled (1.4826) MADs from the median; with a MAD of 0 nothing is. */
bool jd_stats_is_outlier(double value, double median, double mad);
/** Fill `out`. */
int jd_stats_summarise(const double *values, size_t count, struct jd_stats_summary *out,
                       struct jd_error *err);

/** Percentile bootstrap interval of the median of process medians; resamples processes, then the
 * iterations inside each. */
int jd_stats_median_interval(struct jd_rng *rng, const struct jd_stats_process *processes,
                             size_t count, double confidence, struct jd_stats_interval *out,
                             struct jd_error *err);
/** The same for the ratio (median of a) / (median of b). Medians of b are above 0. */
int jd_stats_ratio_interval(struct jd_rng *rng, const struct jd_stats_process *a, size_t a_count,
                            const struct jd_stats_process *b, size_t b_count, double confidence,
                            struct jd_stats_interval *out, struct jd_error *err);

/** Two-sided p of the Mann-Whitney rank test. Exact, ties included, up to 100 values together;
 * beyond, the normal approximation with tie and continuity correction. Both counts > 0. */
int jd_stats_rank_test(const double *a, size_t a_count, const double *b, size_t b_count,
                       double *out_p, struct jd_error *err);
/** The smallest p that the test can give for two groups of n: 2 / C(2n, n). n > 0. */
double jd_stats_rank_test_smallest_p(size_t n);
/** Processes per group so that the test can reach alpha at all after Holm's correction over
 * `family` comparisons (at least 1). */
size_t jd_stats_samples_needed(size_t family, double alpha);
/** Holm's correction: out[i] belongs to p[i]; `out` may be `p`. */
int jd_stats_holm(const double *p, size_t count, double *out, struct jd_error *err);

/** The largest relative difference that is looked for: 16 times as much. */
#define JD_STATS_EFFECT_MOST 15.0

/** What a run can see, from values that differ by chance only (the same engine twice). */
struct jd_stats_power {
    double false_positive_rate; /**< share of random splits with p < alpha */
    bool can_detect;            /**< false: not even JD_STATS_EFFECT_MOST was found */
    double detectable_effect;   /**< smallest relative difference found in 80 % of the splits, in
                                     the right direction, with p < corrected_alpha */
};

/** Split `values` into two halves (an odd one is left out) many times, stretch one half, test.
 * count >= 4, values above 0. */
int jd_stats_power(struct jd_rng *rng, const double *values, size_t count, double alpha,
                   double corrected_alpha, struct jd_stats_power *out, struct jd_error *err);

#endif
