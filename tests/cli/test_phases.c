/* SPDX-License-Identifier: Apache-2.0
 *
 * The phase recorder: exclusive times, threads, pauses, misuse, and what one event costs.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "expect.h"
#include "measure/clock.h"
#include "measure/phases.h"

enum { MS = 1000000 };

static struct jd_error err;

static struct jd_phases *new_phases(size_t capacity)
{
    struct jd_phases *phases;
    expect_ok(jd_phases_create(capacity, &phases, &err), &err);
    return phases;
}

static void spend_ns(uint64_t ns)
{
    uint64_t start = jd_clock_ns();
    while (jd_clock_ns() - start < ns)
        continue;
}

static void times_are_exclusive(void **state)
{
    struct jd_phases *phases = new_phases(16);
    const struct jd_probe *probe = jd_phases_probe(phases);
    struct jd_phase_totals t;
    (void)state;
    uint64_t start = jd_clock_ns();
    jd_probe_begin(probe, JD_PHASE_RESOLVE);
    spend_ns(2 * MS);
    jd_probe_begin(probe, JD_PHASE_CODEGEN);
    spend_ns(8 * MS);
    jd_probe_end(probe, JD_PHASE_CODEGEN);
    spend_ns(2 * MS);
    jd_probe_end(probe, JD_PHASE_RESOLVE);
    uint64_t all = jd_clock_ns() - start;
    jd_phases_read(phases, &t);
    assert_true(t.ns[JD_PHASE_CODEGEN] >= 8 * MS && t.ns[JD_PHASE_RESOLVE] >= 4 * MS);
    /* Both together are the pause, to the nanosecond, and no more than the time that passed. */
    assert_int_equal(t.ns[JD_PHASE_CODEGEN] + t.ns[JD_PHASE_RESOLVE], t.pause_ns);
    assert_true(t.pause_ns <= all);
    assert_int_equal(t.pause_max_ns, t.pause_ns);
    assert_int_equal(t.pause_count, 1);
    assert_int_equal(t.count[JD_PHASE_CODEGEN], 1);
    assert_int_equal(t.ns[JD_PHASE_PARSE], 0);
    assert_int_equal(t.mismatch_count, 0);
    jd_phases_destroy(phases);
}

static void the_same_phase_nests(void **state)
{
    struct jd_phases *phases = new_phases(1);
    const struct jd_probe *probe = jd_phases_probe(phases);
    struct jd_phase_totals t;
    (void)state;
    for (int i = 0; i < 3; i++)
        jd_probe_begin(probe, JD_PHASE_RESOLVE);
    assert_int_equal(jd_phase_current(), JD_PHASE_RESOLVE);
    for (int i = 0; i < 3; i++)
        jd_probe_end(probe, JD_PHASE_RESOLVE);
    assert_int_equal(jd_phase_current(), -1);
    jd_phases_read(phases, &t);
    assert_int_equal(t.count[JD_PHASE_RESOLVE], 3);
    assert_int_equal(t.pause_count, 1);
    assert_int_equal(t.ns[JD_PHASE_RESOLVE], t.pause_ns);
    jd_phases_destroy(phases);
}

static void two_recorders_share_the_nest(void **state)
{
    struct jd_phases *outer = new_phases(4), *inner = new_phases(4);
    struct jd_phase_totals a, b;
    (void)state;
    jd_probe_begin(jd_phases_probe(outer), JD_PHASE_RESOLVE);
    jd_probe_begin(jd_phases_probe(inner), JD_PHASE_RESOLVE);
    spend_ns(4 * MS);
    jd_probe_end(jd_phases_probe(inner), JD_PHASE_RESOLVE);
    jd_probe_end(jd_phases_probe(outer), JD_PHASE_RESOLVE);
    jd_phases_read(outer, &a);
    jd_phases_read(inner, &b);
    assert_true(b.ns[JD_PHASE_RESOLVE] >= 4 * MS);
    assert_true(a.ns[JD_PHASE_RESOLVE] + b.ns[JD_PHASE_RESOLVE] == a.pause_ns);
    assert_int_equal(b.pause_count, 0);
    jd_phases_destroy(inner);
    jd_phases_destroy(outer);
}

static void forgotten_end_is_counted(void **state)
{
    struct jd_phases *phases = new_phases(4);
    const struct jd_probe *probe = jd_phases_probe(phases);
    struct jd_phase_totals t;
    (void)state;
    jd_probe_begin(probe, JD_PHASE_RESOLVE);
    jd_probe_begin(probe, JD_PHASE_CODEGEN);
    jd_probe_end(probe, JD_PHASE_RESOLVE); /* leaves both */
    assert_int_equal(jd_phase_current(), -1);
    jd_probe_end(probe, JD_PHASE_CODEGEN); /* never begun, as far as can be told */
    jd_phases_read(phases, &t);
    assert_int_equal(t.mismatch_count, 2);
    assert_int_equal(t.pause_count, 1);
    jd_phases_destroy(phases);
}

static void too_deep_is_counted_and_recovers(void **state)
{
    struct jd_phases *phases = new_phases(4);
    const struct jd_probe *probe = jd_phases_probe(phases);
    struct jd_phase_totals t;
    (void)state;
    for (int i = 0; i < JD_PHASES_DEPTH + 5; i++)
        jd_probe_begin(probe, JD_PHASE_LINK);
    for (int i = 0; i < JD_PHASES_DEPTH + 5; i++)
        jd_probe_end(probe, JD_PHASE_LINK);
    jd_phases_read(phases, &t);
    assert_int_equal(t.mismatch_count, 5);
    assert_int_equal(t.pause_count, 1);
    assert_int_equal(t.ns[JD_PHASE_LINK], t.pause_ns);
    assert_int_equal(jd_phase_current(), -1);
    jd_phases_destroy(phases);
}

static void pauses_are_remembered(void **state)
{
    struct jd_phases *phases = new_phases(3); /* rounded up to 4 */
    const struct jd_probe *probe = jd_phases_probe(phases);
    uint64_t ns[8], first = 99;
    (void)state;
    for (uint64_t i = 0; i < 6; i++) {
        jd_probe_begin(probe, JD_PHASE_CODEGEN);
        spend_ns(i * MS / 4);
        jd_probe_end(probe, JD_PHASE_CODEGEN);
    }
    assert_int_equal(jd_phases_pauses(phases, 0, ns, 8, &first), 4);
    assert_int_equal(first, 2);
    for (size_t i = 0; i < 4; i++)
        assert_true(ns[i] >= (i + 2) * MS / 4);
    assert_int_equal(jd_phases_pauses(phases, 5, ns, 8, &first), 1);
    assert_int_equal(first, 5);
    assert_true(ns[0] >= 5 * MS / 4);
    assert_int_equal(jd_phases_pauses(phases, 6, ns, 8, NULL), 0);
    assert_int_equal(jd_phases_pauses(phases, 2, ns, 2, NULL), 2);
    jd_phases_reset(phases);
    assert_int_equal(jd_phases_pauses(phases, 0, ns, 8, &first), 0);
    jd_phases_destroy(phases);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *compile_a_lot(void *context)
{
    const struct jd_probe *probe = context;
    for (int i = 0; i < ROUNDS; i++) {
        jd_probe_begin(probe, JD_PHASE_RESOLVE);
        jd_probe_begin(probe, JD_PHASE_CODEGEN);
        jd_probe_compiled(probe, "f", 0x1000, 16);
        jd_probe_end(probe, JD_PHASE_CODEGEN);
        jd_probe_end(probe, JD_PHASE_RESOLVE);
    }
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    struct jd_phases *phases = new_phases(1024);
    struct jd_probe probe = *jd_phases_probe(phases);
    pthread_t threads[THREADS];
    struct jd_phase_totals t;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, compile_a_lot, &probe), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    jd_phases_read(phases, &t);
    assert_int_equal(t.count[JD_PHASE_CODEGEN], THREADS * ROUNDS);
    assert_int_equal(t.pause_count, THREADS * ROUNDS);
    assert_int_equal(t.compiled_count, THREADS * ROUNDS);
    assert_int_equal(t.compiled_bytes, THREADS * ROUNDS * 16);
    assert_int_equal(t.ns[JD_PHASE_CODEGEN] + t.ns[JD_PHASE_RESOLVE], t.pause_ns);
    assert_int_equal(t.mismatch_count, 0);
    jd_phases_destroy(phases);
}

static void tracker_knows_the_phase(void **state)
{
    (void)state;
    assert_int_equal(jd_phase_current(), -1);
    jd_probe_begin(&jd_probe_track, JD_PHASE_LINK);
    jd_probe_begin(&jd_probe_track, JD_PHASE_CODEGEN);
    assert_int_equal(jd_phase_current(), JD_PHASE_CODEGEN);
    jd_probe_end(&jd_probe_track, JD_PHASE_CODEGEN);
    assert_int_equal(jd_phase_current(), JD_PHASE_LINK);
    jd_probe_end(&jd_probe_track, JD_PHASE_LINK);
    assert_int_equal(jd_phase_current(), -1);
    jd_probe_begin(&jd_probe_none, JD_PHASE_LINK);
    assert_int_equal(jd_phase_current(), -1);
    jd_probe_end(&jd_probe_none, JD_PHASE_LINK);
    jd_probe_compiled(&jd_probe_none, "f", 0, 0);
}

static void phases_have_names(void **state)
{
    (void)state;
    assert_string_equal(jd_phase_name(JD_PHASE_IR_PASSES), "ir_passes");
    for (int i = 0; i < JD_PHASE_COUNT; i++)
        assert_non_null(jd_phase_name(i));
    assert_null(jd_phase_name(-1));
    assert_null(jd_phase_name(JD_PHASE_COUNT));
}

/* The best of many rounds, so that a busy machine spoils the figure less; the promise is 100 ns
 * besides the clock's own reading. */
static void an_event_costs_a_clock_reading(void **state)
{
    enum { EVENTS = 2000 };
    struct jd_phases *phases = new_phases(1 << 16);
    const struct jd_probe *probe = jd_phases_probe(phases);
    double best = 1e9, clock_ns = jd_clock_overhead_ns();
    (void)state;
    for (int round = 0; round < 50; round++) {
        uint64_t start = jd_clock_ns();
        for (int i = 0; i < EVENTS / 4; i++) {
            jd_probe_begin(probe, JD_PHASE_RESOLVE);
            jd_probe_begin(probe, JD_PHASE_CODEGEN);
            jd_probe_end(probe, JD_PHASE_CODEGEN);
            jd_probe_end(probe, JD_PHASE_RESOLVE);
        }
        double each = (double)(jd_clock_ns() - start) / EVENTS;
        best = each < best ? each : best;
    }
    print_message("an event costs %.0f ns, of which the clock %.0f ns\n", best, clock_ns);
    assert_true(clock_ns > 0 && best > 0); /* a figure to read, not a bar to fail at */
    jd_phases_destroy(phases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_exclusive),
        cmocka_unit_test(the_same_phase_nests),
        cmocka_unit_test(two_recorders_share_the_nest),
        cmocka_unit_test(forgotten_end_is_counted),
        cmocka_unit_test(too_deep_is_counted_and_recovers),
        cmocka_unit_test(pauses_are_remembered),
        cmocka_unit_test(threads_lose_nothing),
        cmocka_unit_test(tracker_knows_the_phase),
        cmocka_unit_test(phases_have_names),
        cmocka_unit_test(an_event_costs_a_clock_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
