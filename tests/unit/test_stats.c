/* SPDX-License-Identifier: Apache-2.0
 *
 * Our statistics against GSL, against published values, and against what they promise in
 * simulation. The rank test is compared with SciPy in stats_scipy.py.
 */
#include "expect.h"

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>

#include "stats.h"

enum { LARGEST = 64 };

static void expect_near(double a, double b, double relative)
{
    if (fabs(a - b) > relative * fmax(fabs(a), fabs(b)))
        fail_msg("%.17g is not %.17g", a, b);
}

static double uniform(struct jd_rng *rng)
{
    return (double)(jd_rng_next(rng) >> 11) / 9007199254740992.0;
}

/* Times look like this: a floor and a long tail. */
static double random_time(struct jd_rng *rng)
{
    return 1000 - 40 * log(1 - uniform(rng));
}

static void test_summary_like_gsl(void **state)
{
    double values[LARGEST], sorted[LARGEST], work[LARGEST];
    struct jd_error err = JD_ERROR_INIT;
    struct jd_stats_summary s;
    struct jd_rng rng;
    (void)state;
    jd_rng_init(&rng, 3);
    for (size_t n = 1; n <= LARGEST; n++) {
        for (size_t i = 0; i < n; i++)
            values[i] = sorted[i] = random_time(&rng);
        gsl_sort(sorted, 1, n);
        expect_ok(jd_stats_summarise(values, n, &s, &err), &err);
        assert_int_equal(s.count, n);
        expect_near(s.median, gsl_stats_median_from_sorted_data(sorted, 1, n), 1e-12);
        expect_near(s.p25, gsl_stats_quantile_from_sorted_data(sorted, 1, n, 0.25), 1e-12);
        expect_near(s.p75, gsl_stats_quantile_from_sorted_data(sorted, 1, n, 0.75), 1e-12);
        expect_near(s.p99, gsl_stats_quantile_from_sorted_data(sorted, 1, n, 0.99), 1e-12);
        expect_near(s.mean, gsl_stats_mean(values, 1, n), 1e-12);
        expect_near(s.mad, gsl_stats_mad0(values, 1, n, work), 1e-9);
        assert_true(s.min == gsl_stats_min(values, 1, n) && s.max == gsl_stats_max(values, 1, n));
    }
}

static void test_outliers_are_counted(void **state)
{
    const double values[] = {10, 11, 9, 10.5, 9.5, 10.2, 30};
    struct jd_error err = JD_ERROR_INIT;
    struct jd_stats_summary s;
    (void)state;
    expect_ok(jd_stats_summarise(values, 7, &s, &err), &err);
    assert_int_equal(s.outlier_count, 1);
    assert_true(jd_stats_is_outlier(30, s.median, s.mad));
    assert_false(jd_stats_is_outlier(11, s.median, s.mad));
    assert_false(jd_stats_is_outlier(11, 10, 0)); /* equal values: nothing can be said */
}

/* Lehmann's p for complete separation, 2 / C(2n, n); and the middle of the distribution. */
static void test_rank_test_by_hand(void **state)
{
    const double low[] = {1, 2, 3, 4, 5}, high[] = {6, 7, 8, 9, 10}, mixed[] = {1, 4, 5, 8};
    const double other[] = {2, 3, 6, 7};
    struct jd_error err = JD_ERROR_INIT;
    double p;
    (void)state;
    expect_ok(jd_stats_rank_test(low, 5, high, 5, &p, &err), &err);
    expect_near(p, 2.0 / 252, 1e-12);
    expect_near(p, jd_stats_rank_test_smallest_p(5), 1e-12);
    expect_ok(jd_stats_rank_test(high, 5, low, 5, &p, &err), &err);
    expect_near(p, 2.0 / 252, 1e-12);
    expect_ok(jd_stats_rank_test(mixed, 4, other, 4, &p, &err), &err);
    expect_near(p, 1, 1e-12);
    expect_ok(jd_stats_rank_test(low, 5, low, 5, &p, &err), &err);
    expect_near(p, 1, 1e-12);
}

/* The promise of alpha: of 2000 pairs that do not differ, at most 5 % are called different (and
 * five standard deviations of that count). */
static void test_false_positives_stay_below_alpha(void **state)
{
    enum { PAIRS = 2000, N = 8 };
    double a[N], b[N], p;
    size_t positives = 0;
    struct jd_error err = JD_ERROR_INIT;
    struct jd_rng rng;
    (void)state;
    jd_rng_init(&rng, 5);
    for (int pair = 0; pair < PAIRS; pair++) {
        for (size_t i = 0; i < N; i++) {
            a[i] = random_time(&rng);
            b[i] = random_time(&rng);
        }
        expect_ok(jd_stats_rank_test(a, N, b, N, &p, &err), &err);
        positives += p < 0.05;
    }
    assert_in_range(positives, 40, 149);
}

/* What goes wrong when iterations of one process are pooled: each process has its own speed. */
static void test_pooling_is_worse_than_processes(void **state)
{
    enum { PAIRS = 200, PROCESSES = 6, ITERATIONS = 4 };
    size_t pooled_positives = 0, positives = 0;
    struct jd_error err = JD_ERROR_INIT;
    struct jd_rng rng;
    (void)state;
    jd_rng_init(&rng, 6);
    for (int pair = 0; pair < PAIRS; pair++) {
        double all[2][PROCESSES * ITERATIONS], medians[2][PROCESSES], p;
        for (size_t side = 0; side < 2; side++)
            for (size_t process = 0; process < PROCESSES; process++) {
                double speed = random_time(&rng), work[ITERATIONS];
                for (size_t i = 0; i < ITERATIONS; i++)
                    all[side][process * ITERATIONS + i] = work[i] = speed + uniform(&rng);
                medians[side][process] = jd_stats_median(work, ITERATIONS);
            }
        expect_ok(jd_stats_rank_test(all[0], PROCESSES * ITERATIONS, all[1], PROCESSES * ITERATIONS,
                                     &p, &err),
                  &err);
        pooled_positives += p < 0.05;
        expect_ok(jd_stats_rank_test(medians[0], PROCESSES, medians[1], PROCESSES, &p, &err), &err);
        positives += p < 0.05;
    }
    assert_true(positives < PAIRS / 10);
    assert_true(pooled_positives > PAIRS / 5);
}

static void test_holm(void **state)
{
    const double p[] = {0.01, 0.04, 0.03, 0.005};
    const double expected[] = {0.03, 0.06, 0.06, 0.02}; /* worked through by hand */
    double out[4];
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    expect_ok(jd_stats_holm(p, 4, out, &err), &err);
    for (size_t i = 0; i < 4; i++)
        expect_near(out[i], expected[i], 1e-12);
    expect_ok(jd_stats_holm((const double[]){0.6, 0.9}, 2, out, &err), &err);
    assert_true(out[0] == 1 && out[1] == 1); /* never above 1 */
    expect_ok(jd_stats_holm(p, 0, out, &err), &err);
}

static void test_samples_needed(void **state)
{
    (void)state;
    assert_int_equal(jd_stats_samples_needed(1, 0.05), 4);   /* 2 / 70 */
    assert_int_equal(jd_stats_samples_needed(6, 0.05), 5);   /* 6 * 2 / 252 */
    assert_int_equal(jd_stats_samples_needed(7, 0.05), 6);   /* 7 * 2 / 252 is too much */
    assert_int_equal(jd_stats_samples_needed(0, 0.05), 4);   /* as one */
    assert_int_equal(jd_stats_samples_needed(100, 0.05), 8); /* 100 * 2 / 3432 is too much */
}

/* ---- intervals ---- */

static void one_value_each(struct jd_stats_process *processes, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        processes[i] = (struct jd_stats_process){&values[i], 1};
}

/* Of 250 intervals for the median of 15 values, about 95 % hold the true one. */
static void test_interval_covers(void **state)
{
    enum { ROUNDS = 250, N = 15 };
    const double truth = 1000 + 40 * log(2);
    double values[N];
    struct jd_stats_process processes[N];
    struct jd_stats_interval interval;
    struct jd_error err = JD_ERROR_INIT;
    struct jd_rng rng;
    size_t covered = 0;
    (void)state;
    jd_rng_init(&rng, 7);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < N; i++)
            values[i] = random_time(&rng);
        one_value_each(processes, values, N);
        expect_ok(jd_stats_median_interval(&rng, processes, N, 0.95, &interval, &err), &err);
        assert_true(interval.low <= interval.high);
        covered += interval.low <= truth && truth <= interval.high;
    }
    assert_in_range(covered, ROUNDS * 90 / 100, ROUNDS * 99 / 100);
}

static void test_interval_is_repeatable(void **state)
{
    const double values[] = {5, 1, 4, 2, 8, 3};
    struct jd_stats_process processes[6];
    struct jd_stats_interval first, second;
    struct jd_error err = JD_ERROR_INIT;
    struct jd_rng rng;
    (void)state;
    one_value_each(processes, values, 6);
    jd_rng_init(&rng, 8);
    expect_ok(jd_stats_median_interval(&rng, processes, 6, 0.95, &first, &err), &err);
    jd_rng_init(&rng, 8);
    expect_ok(jd_stats_median_interval(&rng, processes, 6, 0.95, &second, &err), &err);
    assert_memory_equal(&first, &second, sizeof first);
}

/* Two processes that differ: however many iterations each has, the interval reaches both. */
static void test_interval_is_over_processes(void **state)
{
    double fast[50], slow[50];
    const struct jd_stats_process processes[] = {{fast, 50}, {slow, 50}};
    struct jd_stats_interval interval;
    struct jd_error err = JD_ERROR_INIT;
    struct jd_rng rng;
    (void)state;
    for (int i = 0; i < 50; i++) {
        fast[i] = 100 + 0.01 * i;
        slow[i] = 200 + 0.01 * i;
    }
    jd_rng_init(&rng, 9);
    expect_ok(jd_stats_median_interval(&rng, processes, 2, 0.95, &interval, &err), &err);
    assert_true(interval.low < 101 && interval.high > 199);
}

static void test_ratio_interval(void **state)
{
    const double a[] = {20, 21, 19, 20, 20.5}, b[] = {10, 10.5, 9.5, 10, 10.2};
    struct jd_stats_process pa[5], pb[5];
    struct jd_stats_interval interval;
    struct jd_error err = JD_ERROR_INIT;
    struct jd_rng rng;
    (void)state;
    one_value_each(pa, a, 5);
    one_value_each(pb, b, 5);
    jd_rng_init(&rng, 10);
    expect_ok(jd_stats_ratio_interval(&rng, pa, 5, pb, 5, 0.95, &interval, &err), &err);
    assert_true(interval.low > 1.8 && interval.low < 2 && interval.high > 2 && interval.high < 2.3);
}

/* ---- power ---- */

static struct jd_stats_power power_of(size_t count, double spread)
{
    double values[LARGEST];
    struct jd_stats_power power;
    struct jd_error err = JD_ERROR_INIT;
    struct jd_rng rng;
    jd_rng_init(&rng, 11);
    for (size_t i = 0; i < count; i++)
        values[i] = 1000 + spread * uniform(&rng);
    expect_ok(jd_stats_power(&rng, values, count, 0.05, 0.05, &power, &err), &err);
    return power;
}

static void test_power(void **state)
{
    struct jd_stats_power few = power_of(16, 100), many = power_of(60, 100),
                          quiet = power_of(16, 10);
    (void)state;
    assert_true(few.can_detect && many.can_detect && quiet.can_detect);
    assert_true(many.detectable_effect < few.detectable_effect);
    assert_true(quiet.detectable_effect < few.detectable_effect / 5);
    assert_true(few.detectable_effect > 0.01 && few.detectable_effect < 0.11);
    assert_true(few.false_positive_rate < 0.1 && many.false_positive_rate < 0.1);
    /* three against three cannot reach 0.05 whatever they differ by */
    assert_false(power_of(6, 10).can_detect);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary_like_gsl),
        cmocka_unit_test(test_outliers_are_counted),
        cmocka_unit_test(test_rank_test_by_hand),
        cmocka_unit_test(test_false_positives_stay_below_alpha),
        cmocka_unit_test(test_pooling_is_worse_than_processes),
        cmocka_unit_test(test_holm),
        cmocka_unit_test(test_samples_needed),
        cmocka_unit_test(test_interval_covers),
        cmocka_unit_test(test_interval_is_repeatable),
        cmocka_unit_test(test_interval_is_over_processes),
        cmocka_unit_test(test_ratio_interval),
        cmocka_unit_test(test_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
