/* SPDX-License-Identifier: Apache-2.0
 *
 * The shim around Google Benchmark: results arrive, errors are counted, and the library's known
 * faults (skips across repetitions, a second run, no match) do not show.
 */
#include "expect.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "bench_shim.h"
#include "measure/clock.h"

struct seen {
    size_t results, errors;
    double last_real_ns, counter;
    uint64_t last_iterations;
    char last_error[64], last_label[16];
};

static void see_result(void *context, const struct jd_bench_result *result)
{
    struct seen *seen = context;
    seen->results++;
    seen->errors += result->error != NULL;
    seen->last_real_ns = result->real_ns;
    seen->last_iterations = result->iterations;
    snprintf(seen->last_error, sizeof seen->last_error, "%s", result->error ? result->error : "");
    snprintf(seen->last_label, sizeof seen->last_label, "%s", result->label);
}

static void see_counter(void *context, const char *name, double value)
{
    struct seen *seen = context;
    if (!strcmp(name, "answer"))
        seen->counter = value;
}

static void count_up(struct jd_bench_state *state, void *context)
{
    uint64_t *count = context;
    while (jd_bench_keep_running(state, 10))
        for (int i = 0; i < 10; i++)
            __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
    jd_bench_set_counter(state, "answer", 42);
    jd_bench_set_label(state, "labelled");
}

static void manual_time(struct jd_bench_state *state, void *context)
{
    (void)context;
    while (jd_bench_keep_running(state, 1))
        jd_bench_set_time(state, 0.005);
}

/* Leaves at once, without its loop, in the second repetition only. */
static void fail_second(struct jd_bench_state *state, void *context)
{
    int *calls = context;
    if (++*calls == 2) {
        jd_bench_skip(state, "out of luck");
        return;
    }
    while (jd_bench_keep_running(state, 1))
        ;
}

static void count_to_nan(struct jd_bench_state *state, void *context)
{
    (void)context;
    while (jd_bench_keep_running(state, 1))
        ;
    jd_bench_set_counter(state, "answer", NAN);
}

static void forget_the_loop(struct jd_bench_state *state, void *context)
{
    (void)state;
    (void)context;
}

static int run(const char *filter, struct seen *seen, struct jd_bench_counts *counts,
               struct jd_error *err)
{
    *seen = (struct seen){0};
    return jd_bench_run(filter, see_result, see_counter, seen, counts, err);
}

static void test_results_and_repetitions(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_bench_counts counts;
    struct seen seen;
    uint64_t count = 0;
    (void)state;
    for (int again = 0; again < 2; again++) { /* a second run in one process works */
        expect_ok(jd_bench_register("one", count_up, &count, false, &err), &err);
        uint64_t start_ns = jd_clock_ns();
        expect_ok(run(NULL, &seen, &counts, &err), &err);
        double whole_ns = (double)(jd_clock_ns() - start_ns);
        assert_int_equal(counts.matched, 1);
        assert_int_equal(counts.results, 3); /* repetitions, without their aggregates */
        assert_int_equal(seen.results, 3);
        assert_true(seen.last_real_ns > 0); /* of one iteration, and all were within the run */
        assert_true(seen.last_real_ns * (double)seen.last_iterations <= whole_ns);
        assert_true(seen.counter == 42);
        assert_string_equal(seen.last_label, "labelled");
    }
    assert_true(count > 0);
}

static void test_manual_time(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_bench_counts counts;
    struct seen seen;
    (void)state;
    expect_ok(jd_bench_register("manual", manual_time, NULL, true, &err), &err);
    expect_ok(run(NULL, &seen, &counts, &err), &err);
    assert_true(fabs(seen.last_real_ns - 5e6) < 1);
}

static void test_skip_in_one_repetition(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_bench_counts counts;
    struct seen seen;
    uint64_t count = 0;
    int calls = 0;
    (void)state;
    expect_ok(jd_bench_register("bad", fail_second, &calls, false, &err), &err);
    expect_ok(jd_bench_register("good", count_up, &count, false, &err), &err);
    expect_error(run(NULL, &seen, &counts, &err), JD_E_WRONG_RESULT, "out of luck", &err);
    assert_int_equal(counts.matched, 2);
    assert_true(counts.errors >= 1);
    assert_true(counts.results >= 3); /* the good one is not harmed */
}

static void test_not_finite(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_bench_counts counts;
    struct seen seen;
    (void)state;
    expect_ok(jd_bench_register("nan", count_to_nan, NULL, false, &err), &err);
    expect_error(run(NULL, &seen, &counts, &err), JD_E_WRONG_RESULT, "not finite", &err);
    assert_int_equal(counts.results, 0);
    assert_true(isfinite(seen.last_real_ns));
}

static void test_forgotten_loop_does_not_abort(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_bench_counts counts;
    struct seen seen;
    (void)state;
    expect_ok(jd_bench_register("empty", forget_the_loop, NULL, false, &err), &err);
    expect_ok(run(NULL, &seen, &counts, &err), &err);
    assert_int_equal(counts.results, 3);
}

static void test_filter(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_bench_counts counts;
    struct seen seen;
    uint64_t count = 0;
    (void)state;
    expect_ok(jd_bench_register("alpha", count_up, &count, false, &err), &err);
    expect_ok(jd_bench_register("beta", count_up, &count, false, &err), &err);
    expect_ok(run("alpha", &seen, &counts, &err), &err);
    assert_int_equal(counts.matched, 1);
    expect_ok(jd_bench_register("alpha", count_up, &count, false, &err), &err);
    expect_error(run("gamma", &seen, &counts, &err), JD_E_NOT_FOUND, "no benchmark matches", &err);
    assert_int_equal(counts.matched, 0);
}

static void test_flags(void **state)
{
    const char *const help[] = {"--help"}, *const unknown[] = {"--benchmark_nothing=1"};
    const char *const good[] = {"--benchmark_repetitions=3", "--benchmark_min_time=0.001"};
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    expect_error(jd_bench_init(help, 1, &err), JD_E_USAGE, "--help", &err);
    expect_error(jd_bench_init(unknown, 1, &err), JD_E_USAGE, "--benchmark_nothing", &err);
    expect_ok(jd_bench_init(good, 2, &err), &err);
    expect_ok(jd_bench_add_context("suite", "test", &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags), /* first: the others run with its flags */
        cmocka_unit_test(test_results_and_repetitions),
        cmocka_unit_test(test_manual_time),
        cmocka_unit_test(test_skip_in_one_repetition),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_forgotten_loop_does_not_abort),
        cmocka_unit_test(test_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
