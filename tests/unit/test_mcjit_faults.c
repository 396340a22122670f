/* SPDX-License-Identifier: Apache-2.0
 *
 * The mcjit engine when the Nth allocation or system call of ours fails: one clean error, nothing
 * lost, and the same engine then does what it could not do before.
 */
#include "mcjit_fixture.h"

#include <errno.h>
#include <stdbool.h>

#include "faults.h"

static const char first[] = "@t = thread_local global i32 3\n@c = common global i32 0\n"
                            "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
                            "[{ i32, ptr, ptr } { i32 65535, ptr @init, ptr null }]\n"
                            "define internal void @init() {\n  store i32 4, ptr @c\n  ret void\n}\n"
                            "define weak i32 @f() {\n  ret i32 1\n}\n@g = alias i32 (), ptr @f\n"
                            "define i32 @a() {\n  %g = call i32 @g()\n  %b = call i32 @b()\n"
                            "  %r = add i32 %g, %b\n  ret i32 %r\n}\ndeclare i32 @b()\n";

static const char second[] = "define i32 @f() {\n  ret i32 2\n}\n"
                             "@environ = external global ptr\ndeclare i32 @defined()\n"
                             "declare i32 @atexit(ptr)\ndeclare i32 @made()\n"
                             "define i32 @b() {\n  %p = load ptr, ptr @environ\n"
                             "  %d = call i32 @defined()\n  %m = call i32 @made()\n"
                             "  %r = add i32 %d, %m\n  ret i32 %r\n}\n"
                             "define i32 @unused() {\n  %r = call i32 @atexit(ptr null)\n"
                             "  ret i32 %r\n}\n";

static const char made[] = "define i32 @made() {\n  ret i32 30\n}\n";

static int defined(void)
{
    return 200;
}

static int make(void *context, struct jd_engine *engine, const char *name, enum jd_symbol_kind kind,
                struct jd_creation *out, struct jd_error *err)
{
    (void)context;
    (void)engine;
    (void)kind;
    (void)err;
    if (!strcmp(name, "made"))
        out->ir = (struct jd_ir){made, sizeof made - 1, "made.ll"};
    return JD_OK;
}

/* Each step is tried again without faults if it fails; `had_fault` is set by the first failure. */
static void step(struct fixture *f, int (*work)(struct fixture *), bool *had_fault)
{
    int result = work(f);
    if (result == JD_OK)
        return;
    assert_int_equal(f->err.kind, JD_KIND_ENVIRONMENT);
    assert_true(faults_disarm());
    *had_fault = true;
    jd_error_clear(&f->err);
    expect_ok(work(f), &f->err);
}

static int do_create(struct fixture *f)
{
    return jd_mcjit_ops.create(NULL, &f->engine, &f->err);
}

static int do_define(struct fixture *f)
{
    jd_mcjit_ops.set_creator(f->engine, make, NULL, NULL);
    return jd_mcjit_ops.define_symbol(f->engine, "defined", JD_SYMBOL_FUNCTION, (uintptr_t)defined,
                                      &f->err);
}

static int do_add_first(struct fixture *f)
{
    return fixture_try_add(f, "first.ll", first);
}

static int do_add_second(struct fixture *f)
{
    return fixture_try_add(f, "second.ll", second);
}

static int do_construct(struct fixture *f)
{
    return jd_mcjit_ops.run_constructors(f->engine, &f->err);
}

static int do_look_up(struct fixture *f)
{
    uintptr_t addr;
    return jd_mcjit_ops.lookup(f->engine, "a", &addr, &f->err);
}

/* False when the scenario has no nth call any more. */
static bool run_scenario(unsigned long nth)
{
    struct fixture f = {0};
    bool had_fault = false;
    faults_arm(nth, ENOMEM);
    step(&f, do_create, &had_fault);
    step(&f, do_define, &had_fault);
    step(&f, do_add_first, &had_fault);
    step(&f, do_add_second, &had_fault);
    step(&f, do_construct, &had_fault);
    step(&f, do_look_up, &had_fault);
    had_fault |= faults_disarm();
    assert_int_equal(fixture_call(&f, "a"), 231);
    assert_int_equal(*(int *)fixture_lookup(&f, "c"), 4);
    assert_int_equal(*(int *)fixture_lookup(&f, "t"), 3);
    fixture_close(&f);
    return had_fault;
}

static void test_every_fault_is_one_clean_error(void **state)
{
    unsigned long nth = 0;
    (void)state;
    run_scenario(0); /* what is allocated once per process */
    long blocks = faults_live_blocks();
    long mapped_bytes = faults_live_mapped_bytes();
    while (run_scenario(++nth)) {
        assert_int_equal(faults_live_blocks(), blocks);
        assert_int_equal(faults_live_mapped_bytes(), mapped_bytes);
    }
    assert_true(nth > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_fault_is_one_clean_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
