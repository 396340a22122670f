/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy engine's symbols where what a linker sees of a module is not what its IR says: file-
 * level assembly, data that code generation adds, aliases of what another module overrides.
 * Expected results are those of `ld` on the same modules.
 */
#include <stdio.h>

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

/* An alias is another name of a place in its module, whoever has the first name. */
static void alias_stays_with_its_module(void **state)
{
    static const char *const order[][2] = {{"weak", "strong"}, {"strong", "weak"}};
    static const char weak_text[] =
        "define weak i32 @w() { %r = call i32 @self() ret i32 %r }\n"
        "define internal i32 @self() { %p = icmp eq ptr @w, @a %r = select i1 %p, i32 99, i32 1\n"
        "  ret i32 %r }\n"
        "@a = alias i32 (), ptr @w\n@aa = alias i32 (), ptr @a\n"
        "@v = weak global [2 x i32] [i32 3, i32 4]\n"
        "@second = alias i32, getelementptr (i8, ptr @v, i64 4)\n" READS("second_of", "second")
            READS("first_of", "v");
    static const char strong_text[] = "define i32 @w() { ret i32 2 }\n"
                                      "@v = global [2 x i32] [i32 5, i32 6]\n";
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (int m = 0; m < 2; m++)
            add(order[i][m], order[i][m][0] == 'w' ? weak_text : strong_text);
        assert_int_equal(call("a"), 1);
        assert_int_equal(call("w"), 2);
        assert_int_equal(call("aa"), 1);
        assert_int_equal(find("a"), find("aa"));
        assert_int_equal(call("second_of"), 4);
        assert_int_equal(call("first_of"), 5);
        destroy(NULL);
        set_up(NULL);
    }
}

/* What was recompiled is the same function with another body. */
static void alias_goes_along_with_a_new_body(void **state)
{
    static const char text[] = "define i32 @f() { ret i32 2 }\n";
    const struct jd_ir ir = {text, sizeof text - 1, "new"};
    (void)state;
    add("m", "define i32 @f() { ret i32 1 }\n@a = alias i32 (), ptr @f\n");
    expect_ok(engine->ops->recompile(engine, "f", &ir, &err), &err);
    assert_int_equal(call("a"), 2);
    assert_int_equal(find("a"), find("f"));
}

static void overridden_definition_goes_with_its_module(void **state)
{
    jd_module_id weak;
    (void)state;
    weak = add("weak", "define weak i32 @w() { ret i32 1 }\n@a = alias i32 (), ptr @w\n");
    add("strong", "define i32 @w() { ret i32 2 }\n");
    assert_int_equal(call("a"), 1);
    expect_ok(engine->ops->remove_module(engine, weak, &err), &err);
    assert_int_equal(call("w"), 2);
    uintptr_t addr;
    expect_error(engine->ops->lookup(engine, "a", &addr, &err), JD_E_NOT_FOUND, "", &err);
}

/* Each datum is emitted where the one before it is linked: the stack must not end before the data
 * do. */
static void chain_of_data_through_many_modules(void **state)
{
#ifdef __SANITIZE_THREAD__ /* which keeps megabytes for each module */
    enum { MODULES = 500, TEXT_BYTES = 80 };
#else
    enum { MODULES = 10000, TEXT_BYTES = 80 };
#endif
    static char texts[MODULES][TEXT_BYTES];
    int count = 1;
    (void)state;
    for (int i = 0; i < MODULES - 1; i++) {
        snprintf(texts[i], TEXT_BYTES, "@d%d = external global ptr\n@d%d = global ptr @d%d\n",
                 i + 1, i, i + 1);
        add("link", texts[i]);
    }
    snprintf(texts[MODULES - 1], TEXT_BYTES, "@d%d = global ptr null\n", MODULES - 1);
    add("end", texts[MODULES - 1]);
    for (void **p = (void **)find("d0"); *p; p = *p)
        count++;
    assert_int_equal(count, MODULES);
}

/* What has an address and has not run: its stub leads to the strong definition that came later. */
static void strong_definition_takes_over_what_has_not_run(void **state)
{
    int (*late)(void), (*early)(void);
    (void)state;
    add("weak", "define weak i32 @late() { ret i32 1 }\ndefine weak i32 @early() { ret i32 1 }\n");
    add("user", "declare i32 @late()\ndefine i32 @user() { %r = call i32 @late() ret i32 %r }\n");
    late = (int (*)(void))find("late");
    early = (int (*)(void))find("early");
    assert_int_equal(early(), 1);
    add("strong", "define i32 @late() { ret i32 2 }\ndefine i32 @early() { ret i32 2 }\n");
    assert_int_equal(call("user"), 2);
    assert_int_equal(late(), 2);
    assert_int_equal(early(), 1); /* it has run, and callers may be bound to it */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(local_labels_of_asm_stay_in_their_module),
        TEST(weak_symbols_of_asm_give_way),
        TEST(second_strong_symbol_of_asm_is_refused),
        TEST(shadow_stack_has_one_head),
        TEST(shadow_stack_has_the_head_that_is_defined),
        TEST(alias_stays_with_its_module),
        TEST(alias_goes_along_with_a_new_body),
        TEST(overridden_definition_goes_with_its_module),
        TEST(chain_of_data_through_many_modules),
        TEST(strong_definition_takes_over_what_has_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
