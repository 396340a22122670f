/* SPDX-License-Identifier: Apache-2.0
 *
 * An LLVM fatal error in the middle of a compile. What LLVM holds then is lost, its locks included,
 * so this test has a process of its own.
 */
#include "mcjit_fixture.h"

/* The sanitizers must not count what the engine cannot avoid. */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

static int prepare_without_leak_check(struct fixture *f)
{
    if (__lsan_disable)
        __lsan_disable();
    int result = jd_mcjit_ops.prepare(f->engine, &f->err);
    if (__lsan_enable)
        __lsan_enable();
    return result;
}

/* LLVM raises a fatal error for an intrinsic of another target, which it cannot select. */
static void test_survives_fatal_error(void **state)
{
    struct fixture f;
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it takes the lock of the lost MCJIT for one that is still used */
#endif
    fixture_open(&f, NULL);
    fixture_add(&f, "old.ll", "define i32 @old() {\n  ret i32 1\n}\n");
    expect_ok(jd_mcjit_ops.prepare(f.engine, &f.err), &f.err);
    fixture_add(&f, "fatal.ll",
                "declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n"
                "define i32 @fatal() {\n"
                "  %r = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n"
                "  ret i32 %r\n}\n");
    fixture_add(&f, "good.ll",
                "declare i32 @old()\n"
                "define i32 @good() {\n  %r = call i32 @old()\n  ret i32 %r\n}\n");
    expect_error(prepare_without_leak_check(&f), JD_E_COMPILE, "fatal.ll", &f.err);
    assert_int_equal(fixture_call(&f, "old"), 1);
    assert_int_equal(fixture_call(&f, "good"), 1);
    fixture_lookup_fails(&f, "fatal", JD_E_NOT_FOUND, "fatal");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_survives_fatal_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
