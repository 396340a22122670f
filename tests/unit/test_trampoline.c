/* SPDX-License-Identifier: Apache-2.0
 *
 * Stubs and trampoline without an engine: the test is the resolver. What must survive a first call
 * is taken from the calling conventions (psABIs), not from the implementation.
 */
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdarg.h>

#include "arena.h"
#include "expect.h"
#include "stubs.h"

static struct {
    void *engine;
    uint32_t index;
    unsigned calls;
    uintptr_t target_addr;
    int rounding;
} seen;

/* Spoils everything that a C function may spoil, and looks at what it was given. */
static uintptr_t resolve(void *engine, uint32_t stub_index)
{
    volatile double spoil[16];
    for (int i = 0; i < 16; i++)
        spoil[i] = (double)i * 1.5 + (double)stub_index;
    seen.engine = engine;
    seen.index = stub_index;
    seen.rounding = fegetround();
    seen.calls += spoil[3] > 0;
    errno = 0;
    return seen.target_addr;
}

static struct jd_arena *arena;
static struct jd_stubs stubs;
static int the_engine;

static int set_up(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    jd_trampoline_init();
    memset(&seen, 0, sizeof seen);
    if (jd_arena_create(JD_ARENA_DUAL, 0, &arena, &err))
        return -1;
    jd_stubs_init(&stubs, arena, &jd_stub_arch_native, resolve, &the_engine);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jd_stubs_fini(&stubs);
    jd_arena_destroy(arena);
    return 0;
}

static uintptr_t new_stub(uint32_t *out_index)
{
    struct jd_error err = JD_ERROR_INIT;
    expect_ok(jd_stub_create(&stubs, out_index, &err), &err);
    return jd_stub_addr(&stubs, *out_index);
}

struct wide {
    int64_t a;
    double b;
    int64_t c, d, e;
};

static struct wide gather(int a, long b, short c, char d, long e, long f, long g, long h, double i,
                          double j, double k, double l, double m, double n, double o, double p,
                          double q, float r)
{
    return (struct wide){a + b * 10 + c * 100, i + 2 * j + 4 * k + 8 * l + 16 * m + 32 * n, d + e,
                         f * 1000 + g, h + (int64_t)(o * 100 + p * 10 + q + (double)r)};
}

static void arguments_of_every_class_arrive(void **state)
{
    uint32_t index;
    uintptr_t addr = new_stub(&index);
    struct wide (*call)(int, long, short, char, long, long, long, long, double, double, double,
                        double, double, double, double, double, double, float) = NULL;
    (void)state;
    seen.target_addr = (uintptr_t)gather;
    memcpy(&call, &addr, sizeof call);
    struct wide got = call(1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1, 1, 1, 1, 7, 8, 9, 0.5f);
    struct wide want = gather(1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1, 1, 1, 1, 7, 8, 9, 0.5f);
    assert_memory_equal(&got, &want, sizeof got);
    assert_ptr_equal(seen.engine, &the_engine);
    assert_int_equal(seen.index, index);
    assert_int_equal(seen.calls, 1);
}

static double sum(int count, ...)
{
    va_list list;
    double total = 0;
    va_start(list, count);
    for (int i = 0; i < count; i++)
        total += va_arg(list, double);
    va_end(list);
    return total;
}

static void variadic_doubles_arrive(void **state)
{
    uint32_t index;
    uintptr_t addr = new_stub(&index);
    double (*call)(int, ...) = NULL;
    (void)state;
    seen.target_addr = (uintptr_t)sum;
    memcpy(&call, &addr, sizeof call);
    assert_true(call(10, 1., 2., 4., 8., 16., 32., 64., 128., 256., 512.) == 1023.);
}

/* The control word stays the caller's, but the resolver works with the default one. */
static int rounding_now(void)
{
    return fegetround();
}

static void rounding_mode_is_the_callers(void **state)
{
    uint32_t index;
    uintptr_t addr = new_stub(&index);
    int (*call)(void) = NULL;
    (void)state;
    seen.target_addr = (uintptr_t)rounding_now;
    memcpy(&call, &addr, sizeof call);
    fesetround(FE_UPWARD);
    int inside = call(), after = fegetround();
    fesetround(FE_TONEAREST);
    assert_int_equal(inside, FE_UPWARD);
    assert_int_equal(after, FE_UPWARD);
    assert_int_equal(seen.rounding, FE_TONEAREST);
}

static int one(void)
{
    return 1;
}

static int two(void)
{
    return 2;
}

static void publish_reset_and_reuse(void **state)
{
    uint32_t first, second, third;
    uintptr_t addr = new_stub(&first);
    int (*call)(void) = NULL;
    (void)state;
    new_stub(&second);
    memcpy(&call, &addr, sizeof call);
    seen.target_addr = (uintptr_t)one;
    jd_stub_publish(&stubs, first, (uintptr_t)two);
    assert_int_equal(call(), 2);
    assert_int_equal(seen.calls, 0);
    jd_stub_reset(&stubs, first);
    assert_int_equal(call(), 1);
    assert_int_equal(seen.calls, 1);
    jd_stub_free(&stubs, first);
    new_stub(&third);
    assert_int_equal(third, first);
    assert_int_equal(call(), 1); /* lazy again, not what it led to before */
    assert_int_equal(seen.calls, 2);
}

static void many_stubs_have_distinct_numbers(void **state)
{
    enum { COUNT = 3 * JD_STUBS_PER_CHUNK + 5 };
    int (*call)(void) = NULL;
    uintptr_t previous = 0;
    (void)state;
    seen.target_addr = (uintptr_t)one;
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t index;
        uintptr_t addr = new_stub(&index);
        memcpy(&call, &addr, sizeof call);
        assert_int_equal(index, i);
        assert_int_equal(call(), 1);
        assert_int_equal(seen.index, i);
        assert_int_not_equal(addr, previous);
        previous = addr;
    }
}

static void thunk_follows_its_cell(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_arena_block cell;
    uintptr_t addr;
    int (*call)(void) = NULL;
    (void)state;
    expect_ok(jd_arena_reserve(arena, JD_ARENA_GOT, sizeof addr, sizeof addr, &cell, &err), &err);
    jd_arena_commit(arena, &cell);
    *(uintptr_t *)cell.write = (uintptr_t)one;
    expect_ok(jd_thunk_create(&stubs, cell.addr, &addr, &err), &err);
    memcpy(&call, &addr, sizeof call);
    assert_int_equal(call(), 1);
    *(uintptr_t *)cell.write = (uintptr_t)two;
    assert_int_equal(call(), 2);
    jd_thunk_free(&stubs, addr);
}

static void full_arena_is_an_error(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_stubs tight;
    struct jd_arena *small;
    uint32_t index;
    int result = JD_OK;
    (void)state;
    expect_ok(jd_arena_create(JD_ARENA_DUAL, 64 << 10, &small, &err), &err);
    jd_stubs_init(&tight, small, &jd_stub_arch_native, resolve, &the_engine);
    for (int i = 0; i < 100000 && !result; i++)
        result = jd_stub_create(&tight, &index, &err);
    expect_error(result, JD_E_ARENA_FULL, "", &err);
    jd_stubs_fini(&tight);
    jd_arena_destroy(small);
}

static void works_where_pages_are_sealed(void **state)
{
    enum { COUNT = JD_STUBS_PER_CHUNK + 1 };
    struct jd_error err = JD_ERROR_INIT;
    struct jd_stubs sealed;
    struct jd_arena *seal;
    uint32_t index = 0;
    int (*call)(void) = NULL;
    (void)state;
    expect_ok(jd_arena_create(JD_ARENA_SEAL, 0, &seal, &err), &err);
    jd_stubs_init(&sealed, seal, &jd_stub_arch_native, resolve, &the_engine);
    seen.target_addr = (uintptr_t)one;
    for (uint32_t i = 0; i < COUNT; i++) {
        expect_ok(jd_stub_create(&sealed, &index, &err), &err);
        expect_ok(jd_arena_seal(seal, &err), &err);
        uintptr_t addr = jd_stub_addr(&sealed, index);
        memcpy(&call, &addr, sizeof call);
        assert_int_equal(call(), 1);
        assert_int_equal(seen.index, i);
    }
    jd_stub_publish(&sealed, index, (uintptr_t)two);
    assert_int_equal(call(), 2);
    jd_stub_reset(&sealed, index);
    assert_int_equal(call(), 1);
    assert_int_equal(seen.calls, COUNT + 1);
    jd_stubs_fini(&sealed);
    jd_arena_destroy(seal);
}

static uintptr_t own_stack_of;

static void note_stack(void *argument)
{
    own_stack_of = (uintptr_t)__builtin_frame_address(0);
    *(int *)argument = 42;
}

static void call_on_stack_switches_and_returns(void **state)
{
    enum { BYTES = 256 << 10 };
    static _Alignas(64) char stack[BYTES];
    int result = 0;
    (void)state;
    jd_call_on_stack(stack + BYTES, note_stack, &result);
    assert_int_equal(result, 42);
    assert_true(own_stack_of >= (uintptr_t)stack && own_stack_of < (uintptr_t)stack + BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arguments_of_every_class_arrive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(variadic_doubles_arrive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rounding_mode_is_the_callers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(publish_reset_and_reuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_stubs_have_distinct_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thunk_follows_its_cell, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_arena_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(works_where_pages_are_sealed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(call_on_stack_switches_and_returns, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
