/* SPDX-License-Identifier: Apache-2.0
 *
 * Summaries, bootstrap intervals and the rank test; see stats.h. Knows numbers only.
 */
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BOOTSTRAP_ROUNDS = 2000, EXACT_LIMIT = 100, POWER_SPLITS = 400, POWER_STEPS = 16 };

static const double mad_scale = 1.4826; /* MAD to standard deviation of a normal distribution */
static const double outlier_mads = 5.0;

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void sort(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
}

static double *new_doubles(size_t count, struct jd_error *err)
{
    double *values = calloc(count ? count : 1, sizeof *values);
    if (!values)
        jd_fail(err, JD_E_NO_MEMORY, "statistics", "out of memory");
    return values;
}

double jd_stats_quantile(const double *sorted, size_t count, double q)
{
    double position = q * (double)(count - 1);
    size_t below = (size_t)position;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (position - (double)below) * (sorted[below + 1] - sorted[below]);
}

double jd_stats_median(double *values, size_t count)
{
    sort(values, count);
    return jd_stats_quantile(values, count, 0.5);
}

bool jd_stats_is_outlier(double value, double median, double mad)
{
    return mad > 0 && fabs(value - median) > outlier_mads * mad_scale * mad;
}

int jd_stats_summarise(const double *values, size_t count, struct jd_stats_summary *out,
                       struct jd_error *err)
{
    double *v = new_doubles(count, err);
    memset(out, 0, sizeof *out);
    if (!v)
        return JD_E_NO_MEMORY;
    memcpy(v, values, count * sizeof *v);
    sort(v, count);
    out->count = count;
    out->min = v[0];
    out->max = v[count - 1];
    out->median = jd_stats_quantile(v, count, 0.5);
    out->p25 = jd_stats_quantile(v, count, 0.25);
    out->p75 = jd_stats_quantile(v, count, 0.75);
    out->p99 = jd_stats_quantile(v, count, 0.99);
    for (size_t i = 0; i < count; i++) {
        out->mean += values[i] / (double)count;
        v[i] = fabs(values[i] - out->median);
    }
    out->mad = jd_stats_median(v, count);
    for (size_t i = 0; i < count; i++)
        out->outlier_count += jd_stats_is_outlier(values[i], out->median, out->mad);
    free(v);
    return JD_OK;
}

/* ---- bootstrap ---- */

struct scratch {
    double *medians; /* one per process */
    double *values;  /* as many as the longest process has */
};

static void scratch_fini(struct scratch *scratch)
{
    free(scratch->medians);
    free(scratch->values);
}

static int scratch_init(struct scratch *scratch, const struct jd_stats_process *processes,
                        size_t count, struct jd_error *err)
{
    size_t longest = 1;
    for (size_t i = 0; i < count; i++)
        if (processes[i].count > longest)
            longest = processes[i].count;
    scratch->medians = new_doubles(count, err);
    scratch->values = new_doubles(longest, err);
    if (scratch->medians && scratch->values)
        return JD_OK;
    scratch_fini(scratch);
    return JD_E_NO_MEMORY;
}

/* Draw processes, then iterations inside each drawn one; the median of their medians. */
static double resampled_median(struct jd_rng *rng, const struct jd_stats_process *processes,
                               size_t count, struct scratch *scratch)
{
    for (size_t i = 0; i < count; i++) {
        const struct jd_stats_process *drawn = &processes[jd_rng_below(rng, count)];
        for (size_t k = 0; k < drawn->count; k++)
            scratch->values[k] =
                drawn->values[drawn->count > 1 ? jd_rng_below(rng, drawn->count) : 0];
        scratch->medians[i] = jd_stats_median(scratch->values, drawn->count);
    }
    return jd_stats_median(scratch->medians, count);
}

static void percentile_interval(double *draws, double confidence, struct jd_stats_interval *out)
{
    sort(draws, BOOTSTRAP_ROUNDS);
    out->low = jd_stats_quantile(draws, BOOTSTRAP_ROUNDS, (1 - confidence) / 2);
    out->high = jd_stats_quantile(draws, BOOTSTRAP_ROUNDS, (1 + confidence) / 2);
}

int jd_stats_median_interval(struct jd_rng *rng, const struct jd_stats_process *processes,
                             size_t count, double confidence, struct jd_stats_interval *out,
                             struct jd_error *err)
{
    static const double one[] = {1.0};
    const struct jd_stats_process unit = {one, 1};
    return jd_stats_ratio_interval(rng, processes, count, &unit, 1, confidence, out, err);
}

int jd_stats_ratio_interval(struct jd_rng *rng, const struct jd_stats_process *a, size_t a_count,
                            const struct jd_stats_process *b, size_t b_count, double confidence,
                            struct jd_stats_interval *out, struct jd_error *err)
{
    struct scratch for_a = {0}, for_b = {0};
    double *draws = new_doubles(BOOTSTRAP_ROUNDS, err);
    int rc = JD_E_NO_MEMORY;
    *out = (struct jd_stats_interval){0};
    if (!draws || (rc = scratch_init(&for_a, a, a_count, err)))
        goto out;
    if ((rc = scratch_init(&for_b, b, b_count, err))) {
        scratch_fini(&for_a);
        goto out;
    }
    for (size_t i = 0; i < BOOTSTRAP_ROUNDS; i++)
        draws[i] =
            resampled_median(rng, a, a_count, &for_a) / resampled_median(rng, b, b_count, &for_b);
    percentile_interval(draws, confidence, out);
    scratch_fini(&for_a);
    scratch_fini(&for_b);
out:
    free(draws);
    return rc;
}

/* ---- rank test ---- */

struct ranked {
    double value;
    size_t twice_rank; /* twice the mid-rank, so that ties stay whole numbers */
    bool is_a;
};

static int compare_ranked(const void *left, const void *right)
{
    return compare_doubles(&((const struct ranked *)left)->value,
                           &((const struct ranked *)right)->value);
}

static struct ranked *rank_all(const double *a, size_t a_count, const double *b, size_t b_count,
                               struct jd_error *err)
{
    size_t count = a_count + b_count;
    struct ranked *r = calloc(count, sizeof *r);
    if (!r) {
        jd_fail(err, JD_E_NO_MEMORY, "statistics", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        r[i] = (struct ranked){i < a_count ? a[i] : b[i - a_count], 0, i < a_count};
    qsort(r, count, sizeof *r, compare_ranked);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && !(r[end].value > r[first].value); end++)
            ;
        for (size_t i = first; i < end; i++)
            r[i].twice_rank = first + 1 + end; /* mean of ranks first+1 .. end, doubled */
    }
    return r;
}

/* ways[k][s]: choices of k values with doubled rank sum s, over all values; exact up to 2^53, and
 * beyond that to 16 digits, which a p needs less of. */
static int exact_p(const struct ranked *r, size_t count, size_t a_count, size_t observed,
                   double *out_p, struct jd_error *err)
{
    size_t columns = count * (count + 1) + 1; /* largest doubled sum, and 0 */
    double *ways = new_doubles((a_count + 1) * columns, err);
    double extreme = 0, all = 0;
    if (!ways)
        return JD_E_NO_MEMORY;
    ways[0] = 1;
    for (size_t i = 0; i < count; i++)
        for (size_t k = (i + 1 < a_count ? i + 1 : a_count); k > 0; k--)
            for (size_t s = columns - 1; s >= r[i].twice_rank; s--)
                ways[k * columns + s] += ways[(k - 1) * columns + s - r[i].twice_rank];
    /* The mean of the doubled sum is a_count * (count + 1); compare distances from it. */
    double mean = (double)(a_count * (count + 1)), distance = fabs((double)observed - mean);
    for (size_t s = 0; s < columns; s++) {
        all += ways[a_count * columns + s];
        if (fabs((double)s - mean) >= distance)
            extreme += ways[a_count * columns + s];
    }
    *out_p = extreme / all;
    free(ways);
    return JD_OK;
}

static double normal_p(const struct ranked *r, size_t count, size_t a_count, size_t observed)
{
    double n = (double)count, na = (double)a_count, nb = n - na, ties = 0;
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && r[end].twice_rank == r[first].twice_rank; end++)
            ;
        double t = (double)(end - first);
        ties += t * t * t - t;
    }
    double variance = na * nb / 12 * (n + 1 - ties / (n * (n - 1)));
    double distance = fabs((double)observed / 2 - na * (n + 1) / 2) - 0.5;
    if (variance <= 0 || distance <= 0)
        return 1;
    return erfc(distance / sqrt(2 * variance));
}

static int rank_sum_p(const struct ranked *r, size_t count, size_t a_count, size_t observed,
                      double *out_p, struct jd_error *err)
{
    if (count <= EXACT_LIMIT)
        return exact_p(r, count, a_count, observed, out_p, err);
    *out_p = normal_p(r, count, a_count, observed);
    return JD_OK;
}

int jd_stats_rank_test(const double *a, size_t a_count, const double *b, size_t b_count,
                       double *out_p, struct jd_error *err)
{
    size_t count = a_count + b_count, observed = 0;
    struct ranked *r = rank_all(a, a_count, b, b_count, err);
    *out_p = 0;
    if (!r)
        return JD_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        observed += r[i].is_a ? r[i].twice_rank : 0;
    int rc = rank_sum_p(r, count, a_count, observed, out_p, err);
    free(r);
    return rc;
}

double jd_stats_rank_test_smallest_p(size_t n)
{
    double p = 2;
    for (size_t i = 1; i <= n; i++)
        p *= (double)i / (double)(n + i);
    return p < 1 ? p : 1;
}

size_t jd_stats_samples_needed(size_t family, double alpha)
{
    size_t n = 1;
    while (jd_stats_rank_test_smallest_p(n) * (double)(family ? family : 1) >= alpha)
        n++;
    return n;
}

struct indexed_p {
    double p;
    size_t index;
};

static int compare_indexed(const void *left, const void *right)
{
    return compare_doubles(&((const struct indexed_p *)left)->p,
                           &((const struct indexed_p *)right)->p);
}

int jd_stats_holm(const double *p, size_t count, double *out, struct jd_error *err)
{
    struct indexed_p *order = calloc(count ? count : 1, sizeof *order);
    double highest = 0;
    if (!order)
        return jd_fail(err, JD_E_NO_MEMORY, "statistics", "out of memory");
    for (size_t i = 0; i < count; i++)
        order[i] = (struct indexed_p){p[i], i};
    qsort(order, count, sizeof *order, compare_indexed);
    for (size_t i = 0; i < count; i++) {
        double corrected = fmin(1.0, order[i].p * (double)(count - i));
        highest = fmax(highest, corrected);
        out[order[i].index] = highest;
    }
    free(order);
    return JD_OK;
}

/* ---- what a run can see ---- */

struct splits {
    const double *values;
    size_t count, half;
    uint64_t seed; /* the same splits for every effect: a larger one can then only find more */
    size_t *order;
    double *a, *b;
};

/* Pairs in which b is larger minus pairs in which it is smaller: twice the distance of U from its
 * mean, and so the doubled rank sum's. */
static double dominance(const struct splits *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->half; i++)
        for (size_t k = 0; k < s->half; k++)
            sum += (s->b[i] > s->a[k]) - (s->b[i] < s->a[k]);
    return sum;
}

/* Smallest |dominance| of two groups of n with p < alpha; n * n + 1 when there is none. Computed
 * once for many splits. */
static int critical_dominance(size_t n, double alpha, size_t *out, struct jd_error *err)
{
    size_t low = 0, high = n * n + 1, mean = n * (2 * n + 1);
    struct ranked *r = calloc(2 * n, sizeof *r);
    int rc = JD_OK;
    if (!r)
        return jd_fail(err, JD_E_NO_MEMORY, "statistics", "out of memory");
    for (size_t i = 0; i < 2 * n; i++)
        r[i].twice_rank = 2 * (i + 1);
    while (!rc && low < high) {
        size_t middle = (low + high) / 2;
        double p = 0;
        rc = rank_sum_p(r, 2 * n, n, mean + middle, &p, err);
        if (p < alpha)
            high = middle;
        else
            low = middle + 1;
    }
    *out = high;
    free(r);
    return rc;
}

/* Share of random splits in which b, stretched by (1 + effect), is found to differ from a; to be
 * larger, if there is an effect. */
static double split_share(struct splits *s, double effect, size_t critical)
{
    struct jd_rng rng;
    size_t found = 0;
    jd_rng_init(&rng, s->seed);
    for (size_t i = 0; i < s->count; i++)
        s->order[i] = i;
    for (size_t round = 0; round < POWER_SPLITS; round++) {
        jd_rng_shuffle(&rng, s->order, s->count);
        for (size_t i = 0; i < s->half; i++) {
            s->a[i] = s->values[s->order[i]];
            s->b[i] = s->values[s->order[s->half + i]] * (1 + effect);
        }
        double sum = dominance(s);
        found += (effect > 0 ? sum : fabs(sum)) >= (double)critical;
    }
    return (double)found / POWER_SPLITS;
}

static void smallest_effect(struct splits *s, size_t critical, struct jd_stats_power *out)
{
    double low = 0, high = JD_STATS_EFFECT_MOST;
    if (split_share(s, high, critical) < 0.8)
        return;
    for (int step = 0; step < POWER_STEPS; step++) {
        double middle = (low + high) / 2;
        if (split_share(s, middle, critical) >= 0.8)
            high = middle;
        else
            low = middle;
    }
    out->can_detect = true;
    out->detectable_effect = high;
}

int jd_stats_power(struct jd_rng *rng, const double *values, size_t count, double alpha,
                   double corrected_alpha, struct jd_stats_power *out, struct jd_error *err)
{
    struct splits s = {.values = values,
                       .count = count,
                       .half = count / 2,
                       .seed = jd_rng_next(rng),
                       .order = calloc(count, sizeof *s.order),
                       .a = new_doubles(count / 2, err),
                       .b = new_doubles(count / 2, err)};
    size_t critical, corrected_critical;
    int rc = JD_E_NO_MEMORY;
    memset(out, 0, sizeof *out);
    if (!s.order || !s.a || !s.b) {
        jd_fail(err, rc, "statistics", "out of memory");
        goto out;
    }
    if ((rc = critical_dominance(s.half, alpha, &critical, err)) ||
        (rc = critical_dominance(s.half, corrected_alpha, &corrected_critical, err)))
        goto out;
    out->false_positive_rate = split_share(&s, 0, critical);
    smallest_effect(&s, corrected_critical, out);
out:
    free(s.order);
    free(s.a);
    free(s.b);
    return rc;
}
