/* SPDX-License-Identifier: Apache-2.0
 *
 * The mcjit engine and names that no IR declares, because only code generation calls them: found in
 * archives, in modules that nothing else needs yet, and by modules that come after a failure.
 */
#include "mcjit_fixture.h"

#include <stdlib.h>

#include "read_file.h"

/* A load that no instruction does at once: a call of __atomic_load(32, from, to, order). */
#define LOADS(name, value)                                                                         \
    "define i32 @" name "() {\n"                                                                   \
    "  %x = alloca i256, align 8\n"                                                                \
    "  store i256 " value ", ptr %x\n"                                                             \
    "  %v = load atomic i256, ptr %x seq_cst, align 8\n"                                           \
    "  %r = trunc i256 %v to i32\n"                                                                \
    "  ret i32 %r\n"                                                                               \
    "}\n"
#define HELPER                                                                                     \
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n"                                     \
    "define void @__atomic_load(i64 %size, ptr %from, ptr %to, i32 %order) {\n"                    \
    "  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)\n"                \
    "  ret void\n"                                                                                 \
    "}\n"

static void open_by_module(struct fixture *f, enum jd_granularity granularity)
{
    struct jd_engine_options options = {.struct_size = sizeof options, .granularity = granularity};
    fixture_open(f, &options);
}

static void test_error_names_it(void **state)
{
    struct fixture f;
    (void)state;
    open_by_module(&f, JD_GRAN_DEFAULT);
    fixture_add(&f, "user.ll", LOADS("first", "7"));
    fixture_lookup_fails(&f, "first", JD_E_UNRESOLVED, "__atomic_load: unresolved");
    fixture_add(&f, "helper.ll", HELPER);
    assert_int_equal(fixture_call(&f, "first"), 7);
    fixture_close(&f);
}

/* Broken assembly retires the MCJIT instance that has the helper. */
static void use_again_after_failure(struct fixture *f)
{
    fixture_add(f, "bad.ll",
                "define void @bad() {\n  call void asm sideeffect \"no such thing\", \"\"()\n"
                "  ret void\n}\n");
    fixture_lookup_fails(f, "bad", JD_E_COMPILE, "bad.ll");
    fixture_add(f, "second.ll", LOADS("second", "8"));
    assert_int_equal(fixture_call(f, "second"), 8);
}

static void test_module_on_demand(void **state)
{
    struct fixture f;
    (void)state;
    open_by_module(&f, JD_GRAN_MODULE);
    fixture_add(&f, "user.ll", LOADS("first", "7"));
    fixture_add(&f, "helper.ll", HELPER);
    assert_int_equal(fixture_call(&f, "first"), 7);
    use_again_after_failure(&f);
    fixture_close(&f);
}

static void from_archive(enum jd_granularity granularity)
{
    struct fixture f;
    size_t size_bytes;
    void *bytes = read_file(JD_OBJECT_ARCHIVE, &size_bytes);
    open_by_module(&f, granularity);
    fixture_add(&f, "user.ll", LOADS("first", "7"));
    expect_ok(jd_mcjit_ops.add_object(f.engine, bytes, size_bytes, "library.a", &f.err), &f.err);
    assert_int_equal(fixture_call(&f, "first"), 7);
    use_again_after_failure(&f);
    fixture_close(&f);
    free(bytes);
}

static void test_member_of_an_archive(void **state)
{
    (void)state;
    from_archive(JD_GRAN_DEFAULT);
    from_archive(JD_GRAN_MODULE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_names_it),
        cmocka_unit_test(test_module_on_demand),
        cmocka_unit_test(test_member_of_an_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
