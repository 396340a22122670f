/* SPDX-License-Identifier: Apache-2.0
 *
 * Linkage between modules on the mcjit engine: what MCJIT alone gets wrong or cannot say.
 */
#include "mcjit_fixture.h"

#include <sys/mman.h>

#define RETURNS(linkage, name, value)                                                              \
    "define " linkage " i32 @" name "() {\n  ret i32 " value "\n}\n"
#define CALLS(name, callee)                                                                        \
    "declare i32 @" callee "()\n"                                                                  \
    "define i32 @" name "() {\n  %r = call i32 @" callee "()\n  ret i32 %r\n}\n"

static void test_refuses_second_strong(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "first.ll", RETURNS("", "f", "1"));
    expect_error(fixture_try_add(&f, "second.ll", RETURNS("", "f", "2") RETURNS("", "g", "3")),
                 JD_E_DUPLICATE, "second.ll: 'f' is already defined in first.ll", &f.err);
    assert_int_equal(fixture_call(&f, "f"), 1);
    fixture_lookup_fails(&f, "g", JD_E_NOT_FOUND, "g");
    assert_int_equal(fixture_counters(&f).modules_added, 1);
    expect_error(fixture_try_add(&f, "third.ll", RETURNS("", "f", "2")), JD_E_DUPLICATE,
                 "third.ll: 'f' is already defined in first.ll", &f.err);
    fixture_close(&f);
}

static void test_strong_beats_weak_in_both_orders(void **state)
{
    static const char weak[] = RETURNS("weak", "f", "1") CALLS("call_weak", "h")
        RETURNS("linkonce_odr", "g", "10") "define ptr @weak_address() {\n  ret ptr @f\n}\n";
    static const char strong[] = RETURNS("", "f", "2") RETURNS("", "g", "20") RETURNS("", "h", "5");
    struct fixture f;
    (void)state;
    for (int order = 0; order < 2; order++) {
        fixture_open(&f, NULL);
        fixture_add(&f, "a.ll", order ? strong : weak);
        fixture_add(&f, "b.ll", order ? weak : strong);
        assert_int_equal(fixture_call(&f, "f"), 2);
        assert_int_equal(fixture_call(&f, "g"), 20);
        assert_int_equal(fixture_call(&f, "call_weak"), 5);
        uintptr_t (*address)(void) = (uintptr_t(*)(void))fixture_lookup(&f, "weak_address");
        assert_int_equal(address(), fixture_lookup(&f, "f"));
        assert_int_equal(fixture_counters(&f).functions_defined, 7);
        assert_int_equal(fixture_counters(&f).functions_compiled, 5);
        fixture_close(&f);
    }
}

/* Code that calls the weak one exists already: MCJIT cannot rebind it. */
static void test_refuses_strong_after_compiled_weak(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "weak.ll", RETURNS("weak", "f", "1"));
    assert_int_equal(fixture_call(&f, "f"), 1);
    expect_error(fixture_try_add(&f, "strong.ll", RETURNS("", "f", "2")), JD_E_UNSUPPORTED,
                 "strong.ll: defines 'f' anew, which compiled code already takes from weak.ll",
                 &f.err);
    fixture_add(&f, "again.ll", RETURNS("weak", "f", "3") CALLS("g", "h"));
    fixture_add(&f, "h.ll", CALLS("h", "f"));
    assert_int_equal(fixture_call(&f, "g"), 1);
    assert_int_equal(fixture_call(&f, "f"), 1);
    fixture_close(&f);
}

static void test_common_takes_largest_size_and_alignment(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "a.ll",
                "@c = common global i32 0, align 4\n"
                "define ptr @a() {\n  ret ptr @c\n}\n");
    fixture_add(&f, "b.ll",
                "@c = common global [1000 x i32] zeroinitializer, align 16\n"
                "define ptr @b() {\n  ret ptr @c\n}\n");
    fixture_add(&f, "d.ll",
                "@c = common global i8 0, align 64\n"
                "define ptr @d() {\n  ret ptr @c\n}\n");
    int *c = (int *)fixture_lookup(&f, "c");
    assert_int_equal((uintptr_t)c % 64, 0);
    assert_true(fixture_counters(&f).data_bytes >= 4000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(c[i]++, 0);
    assert_ptr_equal(((int *(*)(void))fixture_lookup(&f, "a"))(), c);
    assert_ptr_equal(((int *(*)(void))fixture_lookup(&f, "b"))(), c);
    assert_ptr_equal(((int *(*)(void))fixture_lookup(&f, "d"))(), c);
    fixture_close(&f);
}

static void test_internals_of_one_name_are_apart(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "a.ll",
                "@v = internal global i32 1\n@0 = internal global i32 100\n"
                "define internal i32 @f() {\n"
                "  %v = load i32, ptr @v\n  %u = load i32, ptr @0\n"
                "  %r = add i32 %v, %u\n  ret i32 %r\n}\n"
                "define i32 @a() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n");
    fixture_add(&f, "b.ll",
                "@v = internal global i32 2\n@0 = internal global i32 200\n"
                "define internal i32 @f() {\n"
                "  %v = load i32, ptr @v\n  %u = load i32, ptr @0\n"
                "  %r = add i32 %v, %u\n  ret i32 %r\n}\n"
                "define i32 @b() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n");
    fixture_add(&f, "c.ll", CALLS("c", "f"));
    fixture_lookup_fails(&f, "a", JD_E_UNRESOLVED, "f: unresolved: declared in c.ll");
    expect_ok(
        jd_mcjit_ops.define_symbol(f.engine, "f", JD_SYMBOL_FUNCTION, (uintptr_t)&mlockall, &f.err),
        &f.err);
    assert_int_equal(fixture_call(&f, "a"), 101);
    assert_int_equal(fixture_call(&f, "b"), 202);
    fixture_lookup_fails(&f, "v", JD_E_NOT_FOUND, "v");
    fixture_close(&f);
}

/* The name goes to another module, the alias stays with this module's body. */
static void test_alias_of_a_loser_keeps_its_body(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "alias.ll",
                RETURNS("weak", "f",
                        "1") "@g = alias i32 (), ptr @f\n"
                             "define i32 @both() {\n"
                             "  %f = call i32 @f()\n  %g = call i32 @g()\n"
                             "  %t = mul i32 %f, 10\n  %r = add i32 %t, %g\n  ret i32 %r\n}\n");
    fixture_add(&f, "strong.ll", RETURNS("", "f", "2"));
    assert_int_equal(fixture_call(&f, "both"), 21);
    assert_int_equal(fixture_call(&f, "g"), 1);
    assert_int_equal(fixture_call(&f, "f"), 2);
    fixture_close(&f);
}

static void test_losing_alias_is_declared(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "alias.ll",
                "@v = global [2 x i32] [i32 1, i32 2]\n"
                "@second = weak alias i32, getelementptr ([2 x i32], ptr @v, i64 0, i64 1)\n"
                "define i32 @f() {\n  %r = load i32, ptr @second\n  ret i32 %r\n}\n");
    fixture_add(&f, "strong.ll", "@second = global i32 3\n");
    assert_int_equal(fixture_call(&f, "f"), 3);
    fixture_close(&f);
}

static int answer_42(void)
{
    return 42;
}

/* A defined symbol wins over a definition in a module, and over what its own module sees. */
static void test_defined_symbol_beats_module(void **state)
{
    static int elsewhere = 7;
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(
        &f, "m.ll",
        RETURNS("", "f", "1") "@v = dso_local global i32 5\n"
                              "define i32 @call() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n"
                              "define i32 @load() {\n  %r = load i32, ptr @v\n  ret i32 %r\n}\n");
    expect_ok(
        jd_mcjit_ops.define_symbol(f.engine, "f", JD_SYMBOL_FUNCTION, (uintptr_t)answer_42, &f.err),
        &f.err);
    expect_ok(jd_mcjit_ops.define_symbol(f.engine, "v", JD_SYMBOL_VARIABLE, (uintptr_t)&elsewhere,
                                         &f.err),
              &f.err);
    assert_int_equal(fixture_call(&f, "call"), 42);
    assert_int_equal(fixture_call(&f, "load"), 7);
    assert_int_equal(fixture_lookup(&f, "f"), (uintptr_t)answer_42);
    expect_error(jd_mcjit_ops.define_symbol(f.engine, "f", JD_SYMBOL_FUNCTION, 1, &f.err),
                 JD_E_UNSUPPORTED, "f: compiled code uses it already", &f.err);
    fixture_close(&f);
}

/* A direct reference would be truncated: the declaration says dso_local, the address is far. */
static void test_far_variable_declared_local(void **state)
{
    struct fixture f;
    int *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    (void)state;
    if (low == MAP_FAILED)
        skip();
    *low = 11;
    fixture_open(&f, NULL);
    fixture_add(&f, "far.ll",
                "@far = external dso_local global i32\n@hid = external hidden global i32\n"
                "define i32 @f() {\n  %a = load i32, ptr @far\n  %b = load i32, ptr @hid\n"
                "  %r = add i32 %a, %b\n  ret i32 %r\n}\n");
    for (int i = 0; i < 2; i++)
        expect_ok(jd_mcjit_ops.define_symbol(f.engine, i ? "hid" : "far", JD_SYMBOL_VARIABLE,
                                             (uintptr_t)low, &f.err),
                  &f.err);
    assert_true(fixture_lookup(&f, "f") - (uintptr_t)low > (uintptr_t)1 << 31);
    assert_int_equal(fixture_call(&f, "f"), 22);
    fixture_close(&f);
    munmap(low, 4096);
}

/* Both modules have the template's variable and the constructor that belongs to it. */
static void test_associated_constructor_goes_with_its_variable(void **state)
{
    static const char ir[] =
        "$v = comdat any\n@v = linkonce_odr global i32 0, comdat\n"
        "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
        "[{ i32, ptr, ptr } { i32 65535, ptr @init, ptr @v }]\n"
        "define internal void @init() comdat($v) {\n"
        "  %v = load i32, ptr @v\n  %n = add i32 %v, 1\n  store i32 %n, ptr @v\n  ret void\n}\n";
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "a.ll", ir);
    fixture_add(&f, "b.ll", ir);
    for (int i = 0; i < 2; i++)
        expect_ok(jd_mcjit_ops.run_constructors(f.engine, &f.err), &f.err);
    assert_int_equal(*(int *)fixture_lookup(&f, "v"), 1);
    fixture_close(&f);
}

static void test_file_level_assembly_shares_names(void **state)
{
    struct fixture f;
    (void)state;
#ifndef __x86_64__
    skip();
#endif
    fixture_open(&f, NULL);
    fixture_add(&f, "asm.ll",
                "module asm \".globl from_asm\"\n"
                "module asm \"from_asm: jmp hidden_helper\"\n"
                "module asm \"local_asm: movl $9, %eax\"\n"
                "module asm \"ret\"\n" RETURNS(
                    "internal", "hidden_helper",
                    "8") "@llvm.used = appending global [1 x ptr] [ptr @hidden_helper]\n"
                         "declare i32 @local_asm()\n"
                         "define i32 @own() {\n  %r = call i32 @local_asm()\n"
                         "  ret i32 %r\n}\n");
    fixture_add(&f, "user.ll", CALLS("f", "from_asm"));
    assert_int_equal(fixture_call(&f, "f"), 8);
    assert_int_equal(fixture_call(&f, "own"), 9);
    expect_error(fixture_try_add(&f, "twice.ll", RETURNS("", "from_asm", "1")), JD_E_DUPLICATE,
                 "'from_asm' is already defined in asm.ll", &f.err);
    fixture_close(&f);
}

/* One function, one record: header, function address, stack size, count, the record's id. */
#define STACK_MAPPED(number, id)                                                                   \
    "@__LLVM_StackMaps = external global i8\n"                                                     \
    "declare void @llvm.experimental.stackmap(i64, i32, ...)\n"                                    \
    "define void @mapped" number "() {\n"                                                          \
    "  call void (i64, i32, ...) @llvm.experimental.stackmap(i64 " id ", i32 0)\n"                 \
    "  ret void\n}\n"                                                                              \
    "define i32 @id" number "() {\n"                                                               \
    "  %p = getelementptr i8, ptr @__LLVM_StackMaps, i64 40\n"                                     \
    "  %r = load i32, ptr %p, align 8\n"                                                           \
    "  ret i32 %r\n}\n"                                                                            \
    "define i32 @is_at" number "() {\n"                                                            \
    "  %p = getelementptr i8, ptr @__LLVM_StackMaps, i64 16\n"                                     \
    "  %f = load ptr, ptr %p, align 8\n"                                                           \
    "  %is = icmp eq ptr %f, @mapped" number "\n"                                                  \
    "  %r = zext i1 %is to i32\n"                                                                  \
    "  ret i32 %r\n}\n"

/* LLVM 19's RuntimeDyld for AArch64 crashes at a second module that refers to its own. */
static void test_each_module_keeps_its_stack_maps(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "one.ll", STACK_MAPPED("1", "71"));
    assert_int_equal(fixture_call(&f, "id1"), 71);
    assert_int_equal(fixture_call(&f, "is_at1"), 1);
#ifndef __aarch64__
    fixture_add(&f, "two.ll", STACK_MAPPED("2", "72"));
    assert_int_equal(fixture_call(&f, "id2"), 72);
    assert_int_equal(fixture_call(&f, "id1"), 71);
    assert_int_equal(fixture_call(&f, "is_at2"), 1);
#endif
    fixture_add(&f, "none.ll",
                "@__LLVM_StackMaps = external global i8\n"
                "define ptr @none() { ret ptr @__LLVM_StackMaps }\n");
    fixture_lookup_fails(&f, "none", JD_E_UNRESOLVED, "__LLVM_StackMaps");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_second_strong),
        cmocka_unit_test(test_strong_beats_weak_in_both_orders),
        cmocka_unit_test(test_refuses_strong_after_compiled_weak),
        cmocka_unit_test(test_common_takes_largest_size_and_alignment),
        cmocka_unit_test(test_internals_of_one_name_are_apart),
        cmocka_unit_test(test_alias_of_a_loser_keeps_its_body),
        cmocka_unit_test(test_losing_alias_is_declared),
        cmocka_unit_test(test_defined_symbol_beats_module),
        cmocka_unit_test(test_far_variable_declared_local),
        cmocka_unit_test(test_associated_constructor_goes_with_its_variable),
        cmocka_unit_test(test_file_level_assembly_shares_names),
        cmocka_unit_test(test_each_module_keeps_its_stack_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
