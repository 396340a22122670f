/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy engine's life cycle where things of several modules depend on each other: what is
 * left of a module that goes, of a unit that fails half-way, of a creator that is replaced.
 */
#include <stdio.h>
#include <stdlib.h>

#include "legacy_fixture.h"

static struct jd_error handled;

static int substitute(void)
{
    return -1;
}

static uintptr_t on_error(void *context, const char *name, const struct jd_error *error)
{
    (void)context, (void)name;
    handled = *error;
    return (uintptr_t)substitute;
}

static int set_up(void **state)
{
    (void)state;
    handled = (struct jd_error)JD_ERROR_INIT;
    create((struct jd_engine_options){.on_error = on_error});
    return 0;
}

static void removed(jd_module_id id)
{
    expect_ok(engine->ops->remove_module(engine, id, &err), &err);
}

/* x and y point to each other; the unit that needs them first fails when both have addresses. */
static void data_of_a_failed_unit_keeps_its_place(void **state)
{
    static int z = 5;
    uintptr_t addr;
    (void)state;
    add("y", "@x = external global ptr\n@y = global ptr @x\n");
    add("x", "@y = external global ptr\n@z = external global i32\n@x = global ptr @y\n"
             "define i32 @f() { %q = load ptr, ptr @y\n"
             "  %same = icmp eq ptr %q, @x %v = load i32, ptr @z\n"
             "  %r = select i1 %same, i32 %v, i32 99 ret i32 %r }\n");
    assert_int_equal(call("f"), -1);
    assert_int_equal(handled.code, JD_E_UNRESOLVED);
    add("filler", "@filler = global i64 1\n");
    find("filler"); /* takes the memory of what failed, if that was given back */
    expect_ok(engine->ops->define_symbol(engine, "z", JD_SYMBOL_VARIABLE, (uintptr_t)&z, &err),
              &err);
    assert_int_equal(call("f"), 5);
    addr = find("x");
    assert_int_equal(**(uintptr_t **)addr, addr);
}

/* `frem` calls fmod, which no IR of the caller mentions: its stub must outlive the definition. */
static void runtime_function_that_a_module_defined_for_a_while(void **state)
{
    jd_module_id id;
    double (*remainder)(double, double);
    (void)state;
    add("user", "define double @rest(double %a, double %b) { %r = frem double %a, %b "
                "ret double %r }\n");
    id = add("own", "define double @fmod(double %a, double %b) { ret double 7.0 }\n");
    remainder = (double (*)(double, double))find("rest");
    assert_true(remainder(5, 3) == 7);
    removed(id);
    add("other", "define double @stranger() { ret double 3.0 }\n");
    find("stranger"); /* gets the stub that was given back, if one was */
    assert_true(remainder(5, 3) == 2);
}

/* The definition that took the place of another goes with it. */
/* Calls within one object go straight to the body, and have to leave it. */
static void recompile_reaches_calls_within_a_compiled_module(void **state)
{
    jd_module_id id;
    (void)state;
    destroy(NULL);
    create((struct jd_engine_options){.granularity = JD_GRAN_MODULE});
    id = add("m", "define i32 @f() { ret i32 1 }\n"
                  "define i32 @g() { %r = call i32 @f() ret i32 %r }\n"
                  "define i32 @t() { %r = tail call i32 @f() ret i32 %r }\n"
                  "define i32 @down(i32 %n) { %z = icmp eq i32 %n, 0 br i1 %z, label %a, label %b\n"
                  "a: %r = call i32 @f() ret i32 %r\n"
                  "b: %m = sub i32 %n, 1 %s = call i32 @down(i32 %m) ret i32 %s }\n");
    int (*down)(int) = (int (*)(int))find("down");
    assert_int_equal(call("g") + call("t") + down(3), 3);
    struct jd_ir ir = {"define i32 @f() { ret i32 2 }\n", 30, "new"};
    expect_ok(engine->ops->recompile(engine, "f", &ir, &err), &err);
    assert_int_equal(call("f"), 2);
    assert_int_equal(call("g"), 2);
    assert_int_equal(call("t"), 2);
    assert_int_equal(down(3), 2);
    expect_ok(engine->ops->free_function(engine, "f", &err), &err);
    assert_int_equal(call("g"), 2);
    uint64_t stubs = count().stubs_live;
    expect_ok(engine->ops->remove_module(engine, id, &err), &err);
    assert_true(count().stubs_live <= stubs);
}

static void replaced_function_goes_with_its_module(void **state)
{
    static const char two[] = "define i32 @f() { ret i32 2 }\n";
    struct jd_ir ir = {two, sizeof two - 1, "two"};
    jd_module_id id;
    uintptr_t addr;
    (void)state;
    add("caller", "declare i32 @f()\ndefine i32 @call() { %r = call i32 @f() ret i32 %r }\n");
    id = add("one", "define i32 @f() { ret i32 1 }\n");
    assert_int_equal(call("call"), 1);
    expect_ok(engine->ops->recompile(engine, "f", &ir, &err), &err);
    assert_int_equal(call("call"), 2);
    removed(id);
    expect_error(engine->ops->lookup(engine, "f", &addr, &err), JD_E_NOT_FOUND, "f", &err);
    add("three", "define i32 @f() { ret i32 3 }\n");
    assert_int_equal(call("call"), 3);
    assert_int_equal(call("f"), 3);
}

static void rounds_with_a_recompile_reuse_memory(void **state)
{
    struct jd_counters early = {0}, late;
    (void)state;
    for (int round = 0; round < 500; round++) {
        static const char two[] = "define i32 @f() { ret i32 2 }\n";
        struct jd_ir ir = {two, sizeof two - 1, "two"};
        jd_module_id id = add("one", "define i32 @f() { ret i32 1 }\n");
        assert_int_equal(call("f"), 1);
        expect_ok(engine->ops->recompile(engine, "f", &ir, &err), &err);
        assert_int_equal(call("f"), 2);
        removed(id);
        if (round == 20)
            early = count();
    }
    late = count();
    assert_int_equal(late.modules_added, early.modules_added);
    assert_int_equal(late.code_bytes, early.code_bytes);
    assert_int_equal(late.stubs_live, early.stubs_live);
}

/* What its code registered with __cxa_atexit must not run: the function is gone. */
static void exit_handler_of_a_removed_module_is_forgotten(void **state)
{
    static int runs;
    jd_module_id id;
    (void)state;
    runs = 0;
    expect_ok(
        engine->ops->define_symbol(engine, "runs", JD_SYMBOL_VARIABLE, (uintptr_t)&runs, &err),
        &err);
    id = add("m", "@runs = external global i32\n@__dso_handle = external global i8\n"
                  "declare i32 @__cxa_atexit(ptr, ptr, ptr)\n"
                  "define internal void @bye(ptr %p) { store i32 1, ptr @runs ret void }\n"
                  "define void @hello() {\n"
                  "  %r = call i32 @__cxa_atexit(ptr @bye, ptr null, ptr @__dso_handle)\n"
                  "  ret void }\n");
    ((void (*)(void))find("hello"))();
    removed(id);
    add("n", "@runs = external global i32\n"
             "define void @g() { store i32 2, ptr @runs ret void }\n");
    find("g");
    expect_ok(engine->ops->run_destructors(engine, &err), &err);
    assert_int_equal(runs, 0);
}

static int not_mine(void *context, struct jd_engine *asking, const char *name,
                    enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *error)
{
    (void)context, (void)asking, (void)name, (void)kind, (void)out, (void)error;
    return JD_OK;
}

static int forty(void)
{
    return 40;
}

static int mine(void *context, struct jd_engine *asking, const char *name, enum jd_symbol_kind kind,
                struct jd_creation *out, struct jd_error *error)
{
    (void)context, (void)asking, (void)name, (void)kind, (void)error;
    out->addr = (uintptr_t)forty;
    return JD_OK;
}

static void new_creator_is_asked_what_the_old_one_did_not_know(void **state)
{
    (void)state;
    add("m", "declare i32 @made()\ndefine i32 @f() { %r = call i32 @made() ret i32 %r }\n");
    expect_ok(engine->ops->set_creator(engine, not_mine, NULL, &err), &err);
    assert_int_equal(call("f"), -1);
    assert_int_equal(handled.code, JD_E_UNRESOLVED);
    expect_ok(engine->ops->set_creator(engine, mine, NULL, &err), &err);
    assert_int_equal(call("f"), 40);
}

static int garbage_first(void *context, struct jd_engine *asking, const char *name,
                         enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *error)
{
    int *asked = context;
    static const char good[] = "define i32 @made() { ret i32 41 }\n";
    (void)asking, (void)name, (void)kind, (void)error;
    if (!(*asked)++)
        out->ir = (struct jd_ir){"BC\xc0\xde garbage", 12, "garbage"};
    else
        out->ir = (struct jd_ir){good, sizeof good - 1, "good"};
    return JD_OK;
}

static void creator_that_answered_with_garbage_is_asked_again(void **state)
{
    int asked = 0;
    (void)state;
    add("m", "declare i32 @made()\ndefine i32 @f() { %r = call i32 @made() ret i32 %r }\n");
    expect_ok(engine->ops->set_creator(engine, garbage_first, &asked, &err), &err);
    assert_int_equal(call("f"), -1);
    assert_int_equal(handled.code, JD_E_BAD_IR);
    assert_int_equal(call("f"), 41);
    assert_int_equal(asked, 2);
}

static int other_name_first(void *context, struct jd_engine *asking, const char *name,
                            enum jd_symbol_kind kind, struct jd_creation *out,
                            struct jd_error *error)
{
    int *asked = context;
    static const char other[] = "define i32 @other() { ret i32 1 }\n";
    static const char both[] = "define i32 @other() { ret i32 2 }\n"
                               "define i32 @made() { %r = call i32 @other() ret i32 %r }\n";
    (void)asking, (void)name, (void)kind, (void)error;
    if ((*asked)++ < 2)
        out->ir = (struct jd_ir){other, sizeof other - 1, "other"};
    else
        out->ir = (struct jd_ir){both, sizeof both - 1, "both"};
    return JD_OK;
}

static void module_without_the_name_does_not_stay(void **state)
{
    int asked = 0;
    (void)state;
    add("m", "declare i32 @made()\ndefine i32 @f() { %r = call i32 @made() ret i32 %r }\n");
    expect_ok(engine->ops->set_creator(engine, other_name_first, &asked, &err), &err);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(call("f"), -1);
        assert_int_equal(handled.code, JD_E_UNRESOLVED);
        assert_string_equal(handled.where, "made");
    }
    assert_int_equal(call("f"), 2);
    assert_int_equal(asked, 3);
}

/* A constructor of the host's removes a module whose own constructor is still to run. */
static jd_module_id victim;

static void remove_victim(void)
{
    struct jd_error error = JD_ERROR_INIT;
    if (engine->ops->remove_module(engine, victim, &error))
        abort();
}

static void constructor_removes_a_module_with_constructors(void **state)
{
    static int runs;
    (void)state;
    runs = 0;
    expect_ok(engine->ops->define_symbol(engine, "remove_victim", JD_SYMBOL_FUNCTION,
                                         (uintptr_t)remove_victim, &err),
              &err);
    expect_ok(
        engine->ops->define_symbol(engine, "runs", JD_SYMBOL_VARIABLE, (uintptr_t)&runs, &err),
        &err);
    add("m", "declare void @remove_victim()\n"
             "define void @c() { call void @remove_victim() ret void }\n"
             "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }]"
             " [{ i32, ptr, ptr } { i32 1, ptr @c, ptr null }]\n");
    victim = add("v", "@runs = external global i32\n"
                      "define internal void @d() { store i32 1, ptr @runs ret void }\n"
                      "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }]"
                      " [{ i32, ptr, ptr } { i32 2, ptr @d, ptr null }]\n");
    expect_ok(engine->ops->run_constructors(engine, &err), &err);
    assert_int_equal(runs, 0);
}

static void structors_after_a_failure_run_the_next_time(void **state)
{
    static int runs, late;
    (void)state;
    runs = 0;
    expect_ok(
        engine->ops->define_symbol(engine, "runs", JD_SYMBOL_VARIABLE, (uintptr_t)&runs, &err),
        &err);
#define RUNS(name, digit)                                                                          \
    "define void @" name "() { %r = load i32, ptr @runs %m = mul i32 %r, 10 "                      \
    "%n = add i32 %m, " digit " store i32 %n, ptr @runs ret void }\n"
#define ENTRY(priority, name) "{ i32, ptr, ptr } { i32 " priority ", ptr @" name ", ptr null }"
    add("m",
        "@runs = external global i32\n@late = external global i32\n" RUNS(
            "a",
            "1") "define void @b() { store i32 5, ptr @late call void @two() ret void }\n" RUNS("tw"
                                                                                                "o",
                                                                                                "2")
            RUNS("c", "3") "@llvm.global_ctors = appending global [3 x { i32, ptr, ptr }]"
                           " [" ENTRY("1", "a") ", " ENTRY("2", "b") ", " ENTRY(
                               "3",
                               "c") "]\n"
                                    "@llvm.global_dtors = appending global [3 x { i32, ptr, ptr }]"
                                    " [" ENTRY("3", "a") ", " ENTRY("2", "b") ", " ENTRY(
                                        "1", "c") "]\n");
#undef RUNS
#undef ENTRY
    for (int round = 0; round < 2; round++) {
        assert_int_equal(engine->ops->run_constructors(engine, &err), JD_E_UNRESOLVED);
        assert_non_null(strstr(err.text, "unresolved"));
        jd_error_clear(&err);
        assert_int_equal(runs, 1);
    }
    runs = 0;
    assert_int_equal(engine->ops->run_destructors(engine, &err), JD_E_UNRESOLVED);
    jd_error_clear(&err);
    assert_int_equal(runs, 1);
    expect_ok(
        engine->ops->define_symbol(engine, "late", JD_SYMBOL_VARIABLE, (uintptr_t)&late, &err),
        &err);
    expect_ok(engine->ops->run_constructors(engine, &err), &err);
    assert_int_equal(runs, 123);
    runs = 1;
    expect_ok(engine->ops->run_destructors(engine, &err), &err);
    assert_int_equal(runs, 123);
    expect_ok(engine->ops->run_constructors(engine, &err), &err);
    assert_int_equal(runs, 123);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(data_of_a_failed_unit_keeps_its_place),
        TEST(runtime_function_that_a_module_defined_for_a_while),
        TEST(recompile_reaches_calls_within_a_compiled_module),
        TEST(replaced_function_goes_with_its_module),
        TEST(rounds_with_a_recompile_reuse_memory),
        TEST(exit_handler_of_a_removed_module_is_forgotten),
        TEST(new_creator_is_asked_what_the_old_one_did_not_know),
        TEST(creator_that_answered_with_garbage_is_asked_again),
        TEST(module_without_the_name_does_not_stay),
        TEST(constructor_removes_a_module_with_constructors),
        TEST(structors_after_a_failure_run_the_next_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
