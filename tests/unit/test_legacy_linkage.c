/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy engine's symbols where what a linker sees of a module is not what its IR says: file-
 * level assembly, and data that code generation adds. Expected results are those of `ld` on the
 * same modules.
 */
#include "legacy_fixture.h"

static int set_up(void **state)
{
    (void)state;
    create((struct jd_engine_options){.opt_level = 0});
    return 0;
}

#define READS(name, datum) "define i32 @" name "() { %r = load i32, ptr @" datum " ret i32 %r }\n"

/* Both have a label `secret`; a third module has a function of that name. */
static void local_labels_of_asm_stay_in_their_module(void **state)
{
    (void)state;
    add("a", "module asm \".data\"\nmodule asm \"secret: .long 11\"\n"
             "@secret = external global i32\n" READS("a", "secret"));
    add("b", "module asm \".data\"\nmodule asm \"secret: .long 22\"\n"
             "@secret = external global i32\n" READS("b", "secret"));
    add("c", "define i32 @secret() { ret i32 33 }\n");
    add("d", "declare i32 @secret()\ndefine i32 @d() { %r = call i32 @secret() ret i32 %r }\n");
    assert_int_equal(call("d"), 33);
    assert_int_equal(call("b"), 22);
    assert_int_equal(call("a"), 11);
    assert_int_equal(call("secret"), 33);
}

static void weak_symbols_of_asm_give_way(void **state)
{
    (void)state;
    add("a", "module asm \".data\"\nmodule asm \".weak w\"\nmodule asm \"w: .long 1\"\n");
    add("b", "@w = global i32 2\n");
    add("c", "module asm \".data\"\nmodule asm \".weak w\"\nmodule asm \"w: .long 3\"\n"
             "@w = external global i32\n" READS("c", "w"));
    assert_int_equal(call("c"), 2);
}

static void second_strong_symbol_of_asm_is_refused(void **state)
{
    static const char text[] = "module asm \".data\"\nmodule asm \".globl s\"\n"
                               "module asm \"s: .long 2\"\n";
    const struct jd_ir ir = {text, sizeof text - 1, "b"};
    (void)state;
    add("a", "@s = global i32 1\n" READS("a", "s"));
    expect_error(engine->ops->add_module(engine, &ir, NULL, &err), JD_E_DUPLICATE,
                 "'s' is already defined in 'a'", &err);
    assert_int_equal(call("a"), 1);
}

/* A chain of frames whose head each function with a shadow stack would bring along. */
#define ROOTED(name, callee)                                                                       \
    "declare void @llvm.gcroot(ptr, ptr)\n"                                                        \
    "declare i32 @" callee "()\n"                                                                  \
    "define i32 @" name "() gc \"shadow-stack\" {\n"                                               \
    "  %root = alloca ptr\n  call void @llvm.gcroot(ptr %root, ptr null)\n"                        \
    "  store ptr null, ptr %root\n  %r = call i32 @" callee "() ret i32 %r }\n"
#define FRAMES(head)                                                                               \
    head "define i32 @frames() {\n"                                                                \
         "e: %first = load ptr, ptr @llvm_gc_root_chain br label %l\n"                             \
         "l: %p = phi ptr [ %first, %e ], [ %n, %m ] %c = phi i32 [ 0, %e ], [ %d, %m ]\n"         \
         "  %z = icmp eq ptr %p, null br i1 %z, label %x, label %m\n"                              \
         "m: %n = load ptr, ptr %p %d = add i32 %c, 1 br label %l\nx: ret i32 %c }\n"

static void shadow_stack_has_one_head(void **state)
{
    (void)state;
    add("a", ROOTED("outer", "inner"));
    add("b", ROOTED("inner", "frames"));
    add("c", FRAMES("@llvm_gc_root_chain = external global ptr\n"));
    assert_int_equal(call("outer"), 2);
    assert_int_equal(call("frames"), 0);
}

static void shadow_stack_has_the_head_that_is_defined(void **state)
{
    (void)state;
    add("a", ROOTED("outer", "inner"));
    add("b", FRAMES("@llvm_gc_root_chain = global ptr null\n"));
    add("c", ROOTED("inner", "frames"));
    assert_int_equal(call("outer"), 2);
    assert_int_equal(call("frames"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(local_labels_of_asm_stay_in_their_module),  TEST(weak_symbols_of_asm_give_way),
        TEST(second_strong_symbol_of_asm_is_refused),    TEST(shadow_stack_has_one_head),
        TEST(shadow_stack_has_the_head_that_is_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
