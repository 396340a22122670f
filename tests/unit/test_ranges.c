/* SPDX-License-Identifier: Apache-2.0
 *
 * The set of free ranges against a model that cannot be wrong: one byte per place.
 */
#include "expect.h"

#include <stdbool.h>
#include <stdlib.h>

#include "ranges.h"

enum { PLACES = 512, ROUNDS = 20000 };

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static size_t run_at(const bool *is_free, size_t at)
{
    size_t end = at;
    while (end < PLACES && is_free[end])
        end++;
    return end - at;
}

static void model_measure(const bool *is_free, size_t *count, size_t *largest)
{
    *count = *largest = 0;
    for (size_t at = 0; at < PLACES; at++) {
        size_t run = run_at(is_free, at);
        if (!run)
            continue;
        ++*count;
        if (run > *largest)
            *largest = run;
        at += run;
    }
}

static bool model_first_fit(const bool *is_free, size_t size, size_t align, size_t *out)
{
    for (size_t at = 0; at < PLACES; at += align)
        if (run_at(is_free, at) >= size) {
            *out = at;
            return true;
        }
    return false;
}

static void try_take(struct jd_ranges *ranges, bool *is_free, uint32_t *state)
{
    size_t size = 1 + next_random(state) % 24, align = (size_t)1 << next_random(state) % 4;
    size_t wanted = 0, got = 0;
    bool can = model_first_fit(is_free, size, align, &wanted);
    assert_int_equal(jd_ranges_take(ranges, size, align, &got), can);
    if (!can)
        return;
    if (align == 1)
        assert_int_equal(got, wanted);
    assert_int_equal(got % align, 0);
    assert_true(run_at(is_free, got) >= size);
    memset(is_free + got, false, size);
}

static void try_put(struct jd_ranges *ranges, bool *is_free, uint32_t *state)
{
    size_t at = next_random(state) % PLACES, size = 1 + next_random(state) % 24;
    for (size_t i = at; i < at + size; i++)
        if (i >= PLACES || is_free[i])
            return;
    assert_true(jd_ranges_put(ranges, at, size));
    memset(is_free + at, true, size);
}

static void follows_the_model(void **unused)
{
    (void)unused;
    bool is_free[PLACES] = {false};
    struct jd_ranges ranges;
    uint32_t state = 20240607;
    jd_ranges_init(&ranges);
    for (int i = 0; i < ROUNDS; i++) {
        size_t count, largest;
        if (next_random(&state) % 2)
            try_put(&ranges, is_free, &state);
        else
            try_take(&ranges, is_free, &state);
        model_measure(is_free, &count, &largest);
        assert_int_equal(ranges.range_count, count);
        assert_int_equal(jd_ranges_largest(&ranges), largest);
    }
    jd_ranges_fini(&ranges);
}

static void joins_on_both_sides(void **unused)
{
    (void)unused;
    struct jd_ranges ranges;
    size_t at = 99;
    jd_ranges_init(&ranges);
    assert_true(jd_ranges_put(&ranges, 0, 16));
    assert_true(jd_ranges_put(&ranges, 32, 16));
    assert_int_equal(ranges.range_count, 2);
    assert_true(jd_ranges_put(&ranges, 16, 16));
    assert_int_equal(ranges.range_count, 1);
    assert_false(jd_ranges_take_ending_at(&ranges, 47, &at));
    assert_true(jd_ranges_take_ending_at(&ranges, 48, &at));
    assert_int_equal(at, 0);
    assert_int_equal(ranges.range_count, 0);
    jd_ranges_fini(&ranges);
}

static void remove_cuts_ranges(void **unused)
{
    (void)unused;
    struct jd_ranges ranges;
    size_t at = 0;
    jd_ranges_init(&ranges);
    for (size_t i = 0; i < 10; i++)
        assert_true(jd_ranges_put(&ranges, i * 100, 50));
    jd_ranges_remove(&ranges, 120, 530); /* cuts 100..150 and 500..550, drops 200 to 400 */
    assert_int_equal(ranges.range_count, 7);
    assert_true(jd_ranges_take_ending_at(&ranges, 120, &at));
    assert_int_equal(at, 100);
    assert_true(jd_ranges_take_ending_at(&ranges, 550, &at));
    assert_int_equal(at, 530);
    jd_ranges_remove(&ranges, 310, 320);
    assert_int_equal(ranges.range_count, 5);
    jd_ranges_fini(&ranges);
}

/* More badly placed ranges than are tried one by one: the search must still end with a fit. */
static void aligned_fit_behind_many_misfits(void **unused)
{
    (void)unused;
    struct jd_ranges ranges;
    size_t at = 0;
    jd_ranges_init(&ranges);
    for (size_t i = 0; i < 1000; i++)
        assert_true(jd_ranges_put(&ranges, i * 4096 + 16, 1024));
    assert_false(jd_ranges_take(&ranges, 1024, 4096, &at));
    assert_true(jd_ranges_put(&ranges, 5000 * 4096 + 4080, 8192));
    assert_true(jd_ranges_take(&ranges, 1024, 4096, &at));
    assert_int_equal(at, 5001 * 4096);
    jd_ranges_fini(&ranges);
}

/* 200,000 ranges, none of which touch: a walk over them would not end in the time limit. */
static void stays_fast_with_many_ranges(void **unused)
{
    (void)unused;
    enum { COUNT = 200000 };
    struct jd_ranges ranges;
    size_t at = 0;
    uint32_t state = 7;
    jd_ranges_init(&ranges);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(jd_ranges_put(&ranges, i * 32, 16));
    assert_true(jd_ranges_put(&ranges, COUNT * 32, 64));
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(jd_ranges_take(&ranges, 48, 16, &at));
        assert_int_equal(at, COUNT * 32);
        assert_true(jd_ranges_put(&ranges, at, 48));
        size_t hole = next_random(&state) % COUNT * 32;
        if (jd_ranges_take_ending_at(&ranges, hole + 16, &at))
            assert_true(jd_ranges_put(&ranges, hole, 16));
    }
    assert_int_equal(ranges.range_count, COUNT + 1);
    jd_ranges_fini(&ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_model),
        cmocka_unit_test(joins_on_both_sides),
        cmocka_unit_test(remove_cuts_ranges),
        cmocka_unit_test(aligned_fit_behind_many_misfits),
        cmocka_unit_test(stays_fast_with_many_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
