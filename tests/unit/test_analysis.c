/* SPDX-License-Identifier: Apache-2.0
 *
 * From made-up samples to verdicts: what may be said and, above all, what may not.
 */
#include "expect.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis.h"

static const struct jd_engine_ops left = {.name = "left"}, right = {.name = "right"};
static const struct jd_engine_ops *const engines[] = {&left, &right};
static const struct jd_workload workload = {
    .name = "t/one", .group = "t", .hash = "1", .warm_entry = "f"};
static const struct jd_suite_line line = {.workload = &workload, .why = "", .is_cold = true};
static const struct jd_suite_line warm_line = {.workload = &workload, .why = "", .is_warm = true};
static const struct jd_suite suite = {.name = "s", .lines = &line, .line_count = 1};
static const struct jd_suite warm_suite = {.name = "w", .lines = &warm_line, .line_count = 1};

/* A run that is made up: every sample of the plan, changed by `change`. */
struct made {
    struct jd_plan *plan;
    struct jd_sample *samples;
    struct jd_analysis *analysis;
};

typedef void (*change_fn)(const struct jd_cell *cell, struct jd_sample *sample);

static void make(struct made *made, const struct jd_suite *from, unsigned samples,
                 bool has_calibration, change_fn change)
{
    const struct jd_plan_request request = {.suite = from,
                                            .engines = engines,
                                            .engine_count = 2,
                                            .samples = samples,
                                            .has_calibration = has_calibration,
                                            .seed = 1};
    struct jd_error err = JD_ERROR_INIT;
    expect_ok(jd_plan_create(&request, &made->plan, &err), &err);
    made->samples = calloc(made->plan->item_count, sizeof *made->samples);
    for (size_t i = 0; i < made->plan->item_count; i++) {
        struct jd_sample *sample = &made->samples[i];
        jd_sample_init(sample);
        sample->kind = JD_SAMPLE_OK;
        sample->position = i;
        sample->process = made->plan->items[i].process;
        change(&made->plan->cells[made->plan->items[i].cell], sample);
    }
    expect_ok(jd_analysis_create(made->plan, made->samples, made->plan->item_count, &made->analysis,
                                 &err),
              &err);
}

static void unmake(struct made *made)
{
    jd_analysis_destroy(made->analysis);
    jd_plan_destroy(made->plan);
    free(made->samples);
}

/* About 1 % of noise that depends on the process alone. */
static uint64_t noisy(const struct jd_sample *sample, double base)
{
    return (uint64_t)(base * (1 + 0.01 * sin(12.9898 * (double)sample->position)));
}

static const struct jd_comparison *primary(const struct made *made)
{
    for (size_t i = 0; i < made->analysis->comparison_count; i++)
        if (made->analysis->comparisons[i].is_primary)
            return &made->analysis->comparisons[i];
    fail_msg("no primary comparison");
    return NULL;
}

static void twice_as_slow(const struct jd_cell *cell, struct jd_sample *sample)
{
    sample->time_to_last_result_ns = noisy(sample, cell->ops == &left ? 2e6 : 1e6);
    sample->memory.peak_rss_bytes = cell->ops == &left ? 1000 : 4000;
}

static void test_clear_difference(void **state)
{
    struct made made;
    (void)state;
    make(&made, &suite, 10, true, twice_as_slow);
    const struct jd_comparison *c = primary(&made);
    assert_ptr_equal(c->engine->ops, &left);
    assert_ptr_equal(c->baseline->ops, &right);
    assert_int_equal(c->verdict, JD_VERDICT_SLOWER);
    assert_true(fabs(c->ratio - 2) < 0.05);
    assert_true(c->interval.low <= c->ratio && c->ratio <= c->interval.high);
    assert_true(c->p_holm < 0.001);
    assert_int_equal(made.analysis->family_size, 1);
    assert_int_equal(made.analysis->comparison_count, 2);
    assert_int_equal(made.analysis->comparisons[1].metric, JD_METRIC_PEAK_RSS);
    assert_int_equal(made.analysis->comparisons[1].verdict, JD_VERDICT_SMALLER);
    assert_false(made.analysis->comparisons[1].is_primary);
    unmake(&made);
}

static void one_percent(const struct jd_cell *cell, struct jd_sample *sample)
{
    double wiggle = 1 + 0.0001 * (double)sample->process;
    sample->time_to_last_result_ns = (uint64_t)((cell->ops == &left ? 1.01e6 : 1e6) * wiggle);
}

/* Significant, and still nothing to report: below the minimum effect. */
static void test_small_difference_is_no_verdict(void **state)
{
    struct made made;
    (void)state;
    make(&made, &suite, 10, true, one_percent);
    const struct jd_comparison *c = primary(&made);
    assert_true(c->p_holm < 0.001);
    assert_int_equal(c->verdict, JD_VERDICT_NO_DIFFERENCE);
    assert_true(c->floor >= JD_VERDICT_MINIMUM_EFFECT);
    unmake(&made);
}

/* 10 % between engines, but the same engine wanders by up to 30 %. */
static void wandering(const struct jd_cell *cell, struct jd_sample *sample)
{
    double chance = fmod((double)(sample->position * 7919 % 1000) / 1000 + 0.1, 1);
    double base = 1e6 * (1 + 0.3 * chance);
    if (!jd_cell_is_calibration(cell))
        base = 1e6 + 1000 * (double)sample->process;
    sample->time_to_last_result_ns =
        (uint64_t)(cell->ops == &left && cell->label[0] == '\0' ? base * 1.1 : base);
}

static void test_calibration_raises_the_floor(void **state)
{
    struct made made;
    (void)state;
    make(&made, &suite, 8, true, wandering);
    const struct jd_comparison *c = primary(&made);
    assert_true(made.analysis->regimes[JD_REGIME_COLD_PROCESS].is_calibrated);
    assert_true(c->floor > 0.1);
    assert_true(c->p_holm < 0.05);
    assert_int_equal(c->verdict, JD_VERDICT_INCONCLUSIVE);
    assert_non_null(strstr(c->reason, "below what this run can tell apart"));
    unmake(&made);
    make(&made, &suite, 8, false, wandering); /* the same without calibration: a verdict */
    c = primary(&made);
    assert_false(made.analysis->regimes[JD_REGIME_COLD_PROCESS].is_calibrated);
    assert_int_equal(c->verdict, JD_VERDICT_SLOWER);
    unmake(&made);
}

static void test_too_few_samples_say_nothing(void **state)
{
    struct made made;
    (void)state;
    make(&made, &suite, 3, true, twice_as_slow);
    const struct jd_comparison *c = primary(&made);
    assert_int_equal(c->verdict, JD_VERDICT_INCONCLUSIVE);
    assert_false(c->has_floor);
    assert_int_equal(made.analysis->samples_needed, 4);
    unmake(&made);
}

/* One wrong answer, however fast, and the engine is out. */
static void fast_and_wrong(const struct jd_cell *cell, struct jd_sample *sample)
{
    twice_as_slow(cell, sample);
    if (cell->ops == &right && sample->process == 4) {
        sample->kind = JD_SAMPLE_WRONG_OUTPUT;
        jd_sample_detail(sample, "byte 3");
    }
}

static void test_wrong_output_disqualifies(void **state)
{
    struct made made;
    (void)state;
    make(&made, &suite, 10, false, fast_and_wrong);
    const struct jd_comparison *c = primary(&made);
    assert_int_equal(c->verdict, JD_VERDICT_DISQUALIFIED);
    assert_false(c->has_ratio);
    assert_non_null(strstr(c->reason, "right: wrong_output"));
    assert_int_equal(made.analysis->comparison_count, 1); /* nor any other metric */
    const struct jd_cell_result *cell = &made.analysis->cells[c->baseline->id];
    assert_int_equal(cell->status, JD_CELL_WRONG_OUTPUT);
    assert_false(cell->metrics[JD_METRIC_TIME_TO_LAST_RESULT].has_value);
    assert_non_null(strstr(cell->detail, "1 of 10 samples: wrong_output: byte 3"));
    unmake(&made);
}

static void some_fail(const struct jd_cell *cell, struct jd_sample *sample)
{
    twice_as_slow(cell, sample);
    if (cell->ops == &left && sample->process < 2)
        sample->kind = JD_SAMPLE_CRASHED;
    if (cell->ops == &right)
        sample->kind = JD_SAMPLE_REFUSED;
}

static void test_failures_and_refusals(void **state)
{
    struct made made;
    (void)state;
    make(&made, &suite, 10, false, some_fail);
    const struct jd_cell_result *crashed = &made.analysis->cells[0];
    const struct jd_cell_result *refused = &made.analysis->cells[1];
    assert_int_equal(crashed->status, JD_CELL_PARTIAL);
    assert_int_equal(crashed->metrics[JD_METRIC_TIME_TO_LAST_RESULT].stats.count, 8);
    assert_int_equal(crashed->sample_count, 10); /* kept, all of them */
    assert_int_equal(refused->status, JD_CELL_REFUSED);
    assert_int_equal(primary(&made)->verdict, JD_VERDICT_DISQUALIFIED);
    unmake(&made);
}

static void one_outlier(const struct jd_cell *cell, struct jd_sample *sample)
{
    (void)cell;
    sample->time_to_last_result_ns = sample->process == 3 ? 9000000 : noisy(sample, 1e6);
}

static void test_outliers_are_flagged_and_kept(void **state)
{
    struct made made;
    (void)state;
    make(&made, &suite, 12, false, one_outlier);
    const struct jd_cell_result *cell = &made.analysis->cells[0];
    const struct jd_stats_summary *stats = &cell->metrics[JD_METRIC_TIME_TO_LAST_RESULT].stats;
    assert_int_equal(stats->count, 12);
    assert_int_equal(stats->outlier_count, 1);
    assert_true(stats->max == 9000000);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(cell->samples[i].is_outlier, cell->samples[i].process == 3);
    unmake(&made);
}

/* Iterations within a process agree; processes do not: the interval must be about processes. */
static void speedy_processes(const struct jd_cell *cell, struct jd_sample *sample)
{
    double base = cell->ops == &left ? 100 : 101;
    base += 20 * (double)(sample->process % 5);
    sample->warm = (struct jd_sample_warm){base, 5000, 5, {base, base, base, base, base}};
}

static void test_warm_uses_processes(void **state)
{
    struct made made;
    (void)state;
    make(&made, &warm_suite, 10, false, speedy_processes);
    const struct jd_metric_summary *summary =
        &made.analysis->cells[0].metrics[JD_METRIC_NS_PER_CALL];
    assert_int_equal(summary->stats.count, 10);
    assert_true(summary->interval.high - summary->interval.low > 15);
    assert_int_equal(primary(&made)->metric, JD_METRIC_NS_PER_CALL);
    assert_int_equal(primary(&made)->verdict, JD_VERDICT_INCONCLUSIVE);
    unmake(&made);
}

/* An interrupted run: what is there counts, what is not there is said. */
static void test_partial_run(void **state)
{
    struct made made;
    struct jd_analysis *analysis;
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    make(&made, &suite, 10, false, twice_as_slow);
    expect_ok(jd_analysis_create(made.plan, made.samples, 0, &analysis, &err), &err);
    assert_int_equal(analysis->cells[0].status, JD_CELL_NOT_RUN);
    assert_int_equal(analysis->comparisons[0].verdict, JD_VERDICT_INCONCLUSIVE);
    jd_analysis_destroy(analysis);
    expect_ok(jd_analysis_create(made.plan, made.samples, 9, &analysis, &err), &err);
    assert_int_equal(analysis->cells[0].sample_count + analysis->cells[1].sample_count, 9);
    assert_int_equal(
        analysis->comparisons[0].engine_count + analysis->comparisons[0].baseline_count, 9);
    jd_analysis_destroy(analysis);
    unmake(&made);
}

static void test_same_input_same_numbers(void **state)
{
    struct made a, b;
    (void)state;
    make(&a, &suite, 10, true, twice_as_slow);
    make(&b, &suite, 10, true, twice_as_slow);
    assert_true(primary(&a)->interval.low == primary(&b)->interval.low);
    assert_true(a.analysis->pairs[0].power.detectable_effect ==
                b.analysis->pairs[0].power.detectable_effect);
    unmake(&a);
    unmake(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear_difference),
        cmocka_unit_test(test_small_difference_is_no_verdict),
        cmocka_unit_test(test_calibration_raises_the_floor),
        cmocka_unit_test(test_too_few_samples_say_nothing),
        cmocka_unit_test(test_wrong_output_disqualifies),
        cmocka_unit_test(test_failures_and_refusals),
        cmocka_unit_test(test_outliers_are_flagged_and_kept),
        cmocka_unit_test(test_warm_uses_processes),
        cmocka_unit_test(test_partial_run),
        cmocka_unit_test(test_same_input_same_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
