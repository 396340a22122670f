/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans: what is in them, that the order is random yet repeatable, and that engines interleave.
 */
#include "expect.h"

#include <stdbool.h>
#include <stdlib.h>

#include "plan.h"

static const struct jd_engine_ops first_engine = {.name = "first"},
                                  second_engine = {.name = "second"},
                                  third_engine = {.name = "third"};
static const struct jd_engine_ops *const engines[] = {&first_engine, &second_engine, &third_engine};

static const struct jd_workload alpha = {.name = "t/alpha", .hash = "1", .warm_entry = "f"},
                                beta = {.name = "t/beta", .hash = "2"},
                                gone = {.name = "t/gone", .hash = "", .unavailable = "not built"};

static const struct jd_suite_line lines[] = {
    {.workload = &alpha, .why = "a", .is_cold = true, .is_warm = true},
    {.workload = &beta, .why = "b", .is_cold = true, .processes = 7, .opt_levels = 1u << 2},
    {.workload = &gone, .why = "c", .is_cold = true, .is_warm = true}};
static const struct jd_suite suite = {.name = "test",
                                      .summary = "for tests",
                                      .processes = 5,
                                      .opt_levels = 1u << 0 | 1u << 3,
                                      .lines = lines,
                                      .line_count = 3};

static struct jd_plan_request request_of(uint64_t seed)
{
    return (struct jd_plan_request){
        .suite = &suite, .engines = engines, .engine_count = 3, .seed = seed};
}

static struct jd_plan *make(const struct jd_plan_request *request)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_plan *plan;
    expect_ok(jd_plan_create(request, &plan, &err), &err);
    return plan;
}

static size_t count_cells(const struct jd_plan *plan, const struct jd_workload *workload,
                          enum jd_regime regime, unsigned opt_level)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        count += plan->cells[i].workload == workload && plan->cells[i].regime == regime &&
                 plan->cells[i].opt_level == opt_level && !jd_cell_is_calibration(&plan->cells[i]);
    return count;
}

static void test_cells(void **state)
{
    struct jd_plan_request request = request_of(1);
    struct jd_plan *plan = make(&request);
    (void)state;
    /* alpha: cold and warm at two levels; beta: cold at its own level; for three engines */
    assert_int_equal(plan->cell_count, 15);
    assert_int_equal(count_cells(plan, &alpha, JD_REGIME_COLD_PROCESS, 0), 3);
    assert_int_equal(count_cells(plan, &alpha, JD_REGIME_COLD_PROCESS, 3), 3);
    assert_int_equal(count_cells(plan, &alpha, JD_REGIME_WARM, 0), 3);
    assert_int_equal(count_cells(plan, &beta, JD_REGIME_COLD_PROCESS, 2), 3);
    assert_int_equal(count_cells(plan, &beta, JD_REGIME_COLD_PROCESS, 0), 0);
    assert_int_equal(plan->item_count, 12 * 5 + 3 * 7);
    assert_int_equal(plan->block_count, 4 * 5 + 7);
    assert_int_equal(plan->skip_count, 1);
    assert_string_equal(plan->skips[0].workload, "t/gone");
    assert_string_equal(plan->skips[0].reason, "not built");
    jd_plan_destroy(plan);
}

static void test_every_sample_once(void **state)
{
    struct jd_plan_request request = request_of(1);
    request.has_calibration = true;
    struct jd_plan *plan = make(&request);
    bool *is_seen = calloc(plan->cell_count * 16, 1);
    (void)state;
    for (size_t i = 0; i < plan->item_count; i++) {
        const struct jd_plan_item *item = &plan->items[i];
        assert_true(item->process < plan->cells[item->cell].samples);
        assert_false(is_seen[item->cell * 16 + item->process]);
        is_seen[item->cell * 16 + item->process] = true;
    }
    size_t total = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        total += plan->cells[i].samples;
    assert_int_equal(plan->item_count, total);
    free(is_seen);
    jd_plan_destroy(plan);
}

/* A block is contiguous, of one group, and holds each of its cells once. */
static void test_engines_interleave(void **state)
{
    struct jd_plan_request request = request_of(1);
    struct jd_plan *plan = make(&request);
    size_t first_place[3] = {0};
    (void)state;
    for (size_t i = 0; i < plan->item_count; i += 3) {
        bool has[3] = {false};
        for (size_t k = 0; k < 3; k++) {
            const struct jd_plan_item *item = &plan->items[i + k];
            const struct jd_cell *cell = &plan->cells[item->cell];
            assert_int_equal(item->block, i / 3);
            assert_int_equal(cell->group, plan->cells[plan->items[i].cell].group);
            assert_int_equal(item->process, plan->items[i].process);
            has[cell->ops == engines[0] ? 0 : cell->ops == engines[1] ? 1 : 2] = true;
        }
        assert_true(has[0] && has[1] && has[2]);
        for (size_t e = 0; e < 3; e++)
            first_place[e] += plan->cells[plan->items[i].cell].ops == engines[e];
    }
    for (size_t e = 0; e < 3; e++) /* no engine always goes first */
        assert_true(first_place[e] > 0 && first_place[e] < plan->block_count);
    jd_plan_destroy(plan);
}

/* Interrupted anywhere, no two cells of equal size differ by more than one round. */
static void test_rounds_keep_cells_level(void **state)
{
    struct jd_plan_request request = request_of(3);
    request.samples = 6;
    struct jd_plan *plan = make(&request);
    size_t *taken = calloc(plan->cell_count, sizeof *taken);
    (void)state;
    for (size_t i = 0; i < plan->item_count; i++) {
        size_t most = 0, least = SIZE_MAX;
        taken[plan->items[i].cell]++;
        for (size_t c = 0; c < plan->cell_count; c++) {
            most = taken[c] > most ? taken[c] : most;
            least = taken[c] < least ? taken[c] : least;
        }
        assert_true(most - least <= 1);
    }
    free(taken);
    jd_plan_destroy(plan);
}

static bool is_same_order(const struct jd_plan *a, const struct jd_plan *b)
{
    return a->item_count == b->item_count &&
           !memcmp(a->items, b->items, a->item_count * sizeof *a->items);
}

static void test_seed_decides(void **state)
{
    struct jd_plan_request one = request_of(1), two = request_of(2);
    struct jd_plan *a = make(&one), *b = make(&one), *c = make(&two);
    (void)state;
    assert_true(is_same_order(a, b));
    assert_int_equal(a->hash, b->hash);
    assert_false(is_same_order(a, c));
    assert_true(a->hash != c->hash);
    jd_plan_destroy(a);
    jd_plan_destroy(b);
    jd_plan_destroy(c);
}

/* Same names, other IR: another plan. */
static void test_hash_covers_ir(void **state)
{
    struct jd_workload changed = beta;
    struct jd_suite_line line = lines[1], changed_line = lines[1];
    struct jd_suite a = suite, b = suite;
    struct jd_plan_request request = request_of(1);
    (void)state;
    changed.hash = "3";
    changed_line.workload = &changed;
    a.lines = &line;
    b.lines = &changed_line;
    a.line_count = b.line_count = 1;
    request.suite = &a;
    struct jd_plan *before = make(&request);
    request.suite = &b;
    struct jd_plan *after = make(&request);
    assert_true(before->hash != after->hash);
    jd_plan_destroy(before);
    jd_plan_destroy(after);
}

static void test_calibration_cells(void **state)
{
    struct jd_plan_request request = request_of(1);
    request.has_calibration = true;
    struct jd_plan *plan = make(&request);
    size_t pairs = 0;
    (void)state;
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct jd_cell *cell = &plan->cells[i];
        if (strcmp(cell->label, "A1") != 0)
            continue;
        pairs++;
        assert_string_equal(cell[1].label, "A2");
        assert_ptr_equal(cell->ops, engines[0]);
        assert_ptr_equal(cell[1].ops, engines[0]);
        assert_ptr_equal(cell->workload, cell[1].workload);
        assert_int_equal(cell->group, cell[1].group);
    }
    assert_int_equal(pairs, 3); /* cold first and last, warm */
    jd_plan_destroy(plan);
}

static void test_command_line_narrows(void **state)
{
    const char *const names[] = {"t/alpha"};
    const char *const skips[] = {NULL, "cannot be generated", NULL};
    const bool filtered[] = {true, false, false};
    struct jd_plan_request request = request_of(1);
    (void)state;
    request.workloads = names;
    request.workload_count = 1;
    request.opt_levels = 1u << 1;
    request.samples = 2;
    request.regimes = 1u << JD_REGIME_WARM | 1u << JD_REGIME_COLD_ENGINE;
    struct jd_plan *plan = make(&request);
    assert_int_equal(plan->cell_count, 6);
    assert_int_equal(plan->item_count, 12);
    assert_int_equal(count_cells(plan, &alpha, JD_REGIME_COLD_ENGINE, 1), 3);
    jd_plan_destroy(plan);

    request = request_of(1);
    request.line_skips = skips;
    request.is_warm_filtered = filtered;
    plan = make(&request);
    assert_int_equal(count_cells(plan, &beta, JD_REGIME_COLD_PROCESS, 2), 0);
    assert_int_equal(count_cells(plan, &alpha, JD_REGIME_WARM, 0), 0);
    assert_int_equal(plan->skip_count, 3);
    jd_plan_destroy(plan);
}

static void test_errors(void **state)
{
    const char *const unknown[] = {"t/alpha", "t/delta"}, *const only_gone[] = {"t/gone"};
    struct jd_plan_request request = request_of(1);
    struct jd_error err = JD_ERROR_INIT;
    struct jd_plan *plan;
    (void)state;
    request.workloads = unknown;
    request.workload_count = 2;
    expect_error(jd_plan_create(&request, &plan, &err), JD_E_USAGE,
                 "t/delta: no such workload in suite 'test' (there are: t/alpha, t/beta, t/gone)",
                 &err);
    assert_null(plan);
    request.workloads = only_gone;
    request.workload_count = 1;
    expect_error(jd_plan_create(&request, &plan, &err), JD_E_USAGE, "not built", &err);
    jd_plan_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_every_sample_once),
        cmocka_unit_test(test_engines_interleave),
        cmocka_unit_test(test_rounds_keep_cells_level),
        cmocka_unit_test(test_seed_decides),
        cmocka_unit_test(test_hash_covers_ir),
        cmocka_unit_test(test_calibration_cells),
        cmocka_unit_test(test_command_line_narrows),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
