/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy engine when the Nth allocation or system call of ours fails, anywhere in its life:
 * first calls, recompile, free, removal. One clean error, nothing lost, and the same engine then
 * does what it could not do before.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "faults.h"
#include "legacy_fixture.h"

static const char first[] =
    "@t = thread_local global i32 3\n@c = common global i32 0\n"
    "module asm \".data\"\nmodule asm \"label: .long 5\"\n@label = external global i32\n"
    "@listed = internal global i32 6, section \"listed\"\n"
    "@__start_listed = external global i32\n"
    "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
    "[{ i32, ptr, ptr } { i32 65535, ptr @init, ptr null }]\n"
    "define internal void @init() {\n  store i32 4, ptr @c\n  ret void\n}\n"
    "define weak i32 @f() {\n  ret i32 1\n}\n@g = alias i32 (), ptr @f\n"
    "@i = ifunc i32 (), ptr @pick\n"
    "define internal ptr @pick() {\n  ret ptr @seven\n}\n"
    "define internal i32 @seven() {\n  ret i32 7\n}\n"
    "@labels = internal constant [2 x ptr] [ptr blockaddress(@jump, %a), "
    "ptr blockaddress(@jump, %b)]\n"
    "define internal i32 @jump(i32 %x) {\n"
    "  %p = getelementptr [2 x ptr], ptr @labels, i32 0, i32 %x\n  %l = load ptr, ptr %p\n"
    "  indirectbr ptr %l, [label %a, label %b]\na:\n  ret i32 0\nb:\n  ret i32 8\n}\n"
    "define i32 @sum() {\n  %g = call i32 @g()\n  %b = call i32 @b()\n  %i = call i32 @i()\n"
    "  %j = call i32 @jump(i32 1)\n  %t = load i32, ptr @t\n  %c = load i32, ptr @c\n"
    "  %l = load i32, ptr @label\n  %s = load i32, ptr @__start_listed\n"
    "  %1 = add i32 %g, %b\n  %2 = add i32 %1, %i\n  %3 = add i32 %2, %j\n  %4 = add i32 %3, %t\n"
    "  %5 = add i32 %4, %c\n  %6 = add i32 %5, %l\n  %7 = add i32 %6, %s\n  ret i32 %7\n}\n"
    "declare i32 @b()\n";

static const char second[] = "define i32 @f() {\n  ret i32 2\n}\n"
                             "@environ = external global ptr\ndeclare i32 @defined()\n"
                             "declare i32 @atexit(ptr)\ndeclare i32 @made()\n"
                             "define i32 @b() {\n  %p = load ptr, ptr @environ\n"
                             "  %d = call i32 @defined()\n  %m = call i32 @made()\n"
                             "  %r = add i32 %d, %m\n  ret i32 %r\n}\n";

static const char made[] = "define i32 @made() {\n  ret i32 30\n}\n";
static const char replaced[] = "@by = internal global i32 60\n"
                               "define i32 @made() {\n  %r = load i32, ptr @by\n  ret i32 %r\n}\n";

/* g, b, i, jump, t, c, label, listed */
enum { SUM = 1 + 230 + 7 + 8 + 3 + 4 + 5 + 6 };

static struct jd_engine_options options;
static struct jd_error handled;
static jd_module_id second_id;
static bool had_fault;

static int defined(void)
{
    return 200;
}

static int make(void *context, struct jd_engine *asking, const char *name, enum jd_symbol_kind kind,
                struct jd_creation *out, struct jd_error *error)
{
    (void)context, (void)asking, (void)kind, (void)error;
    if (!strcmp(name, "made"))
        out->ir = (struct jd_ir){made, sizeof made - 1, "made.ll"};
    return JD_OK;
}

static int substitute(void)
{
    return -100000;
}

static uintptr_t on_error(void *context, const char *name, const struct jd_error *error)
{
    (void)context, (void)name;
    if (!handled.code)
        handled = *error;
    return (uintptr_t)substitute;
}

/* Tried again without faults where it fails. */
static void step(int (*work)(void))
{
    jd_error_clear(&handled);
    if (work() == JD_OK)
        return;
    if (!err.code)
        err = handled;
    if (err.kind != JD_KIND_ENVIRONMENT)
        print_error("%s: %s: %s\n", jd_code_name((int)err.code), err.where, err.text);
    assert_int_equal(err.kind, JD_KIND_ENVIRONMENT);
    assert_true(faults_disarm());
    had_fault = true;
    jd_error_clear(&err);
    jd_error_clear(&handled);
    expect_ok(work(), &err);
}

static int do_create(void)
{
    return jd_legacy_ops.create(&options, &engine, &err);
}

static int do_define(void)
{
    int result = engine->ops->set_creator(engine, make, NULL, &err);
    return result ? result
                  : engine->ops->define_symbol(engine, "defined", JD_SYMBOL_FUNCTION,
                                               (uintptr_t)defined, &err);
}

static int do_add_first(void)
{
    const struct jd_ir ir = {first, sizeof first - 1, "first.ll"};
    return engine->ops->add_module(engine, &ir, NULL, &err);
}

static int do_add_second(void)
{
    const struct jd_ir ir = {second, sizeof second - 1, "second.ll"};
    return engine->ops->add_module(engine, &ir, &second_id, &err);
}

static int do_construct(void)
{
    return engine->ops->run_constructors(engine, &err);
}

static int call_for(int wanted)
{
    uintptr_t addr;
    int result = engine->ops->lookup(engine, "sum", &addr, &err);
    if (result)
        return result;
    int got = ((int (*)(void))addr)();
    if (handled.code)
        return (int)handled.code;
    assert_int_equal(got, wanted);
    return JD_OK;
}

static int do_call(void)
{
    return call_for(SUM);
}

static int do_recompile(void)
{
    const struct jd_ir ir = {replaced, sizeof replaced - 1, "replaced.ll"};
    return engine->ops->recompile(engine, "made", &ir, &err);
}

static int do_call_recompiled(void)
{
    return call_for(SUM + 30);
}

static int do_free(void)
{
    int result = engine->ops->free_function(engine, "b", &err);
    return result ? result : engine->ops->free_function(engine, "sum", &err);
}

static int do_remove(void)
{
    return engine->ops->remove_module(engine, second_id, &err);
}

static int do_destruct(void)
{
    return engine->ops->run_destructors(engine, &err);
}

static void run_scenario(unsigned long nth)
{
    had_fault = false;
    faults_arm(nth, ENOMEM);
    step(do_create);
    step(do_define);
    step(do_add_first);
    step(do_add_second);
    step(do_construct);
    step(do_call);
    step(do_recompile);
    step(do_call_recompiled);
    step(do_free);
    step(do_call_recompiled);
    step(do_remove);
    step(do_add_second);
    step(do_call_recompiled);
    step(do_destruct);
    had_fault |= faults_disarm();
    engine->ops->destroy(engine);
}

static void every_fault_is_one_clean_error(void **state)
{
    unsigned long nth = 0;
    (void)state;
    options.on_error = on_error;
    run_scenario(0); /* what is allocated once per process */
    long blocks = faults_live_blocks(), mapped = faults_live_mapped_bytes();
    size_t files = faults_open_files();
    do {
        run_scenario(++nth);
        if (faults_live_blocks() != blocks)
            print_error("call %lu: %ld blocks more\n", nth, faults_live_blocks() - blocks);
        assert_int_equal(faults_live_blocks(), blocks);
        assert_int_equal(faults_live_mapped_bytes(), mapped);
        assert_int_equal(faults_open_files(), files);
    } while (had_fault);
    print_message("%lu calls failed one by one\n", nth - 1);
    assert_true(nth > 100);
}

static void by_function(void **state)
{
    options = (struct jd_engine_options){.struct_size = sizeof options, .wants_gdb = true};
    every_fault_is_one_clean_error(state);
}

static void by_block(void **state)
{
    options =
        (struct jd_engine_options){.struct_size = sizeof options, .granularity = JD_GRAN_BLOCK};
    every_fault_is_one_clean_error(state);
}

static void by_module(void **state)
{
    options =
        (struct jd_engine_options){.struct_size = sizeof options, .granularity = JD_GRAN_MODULE};
    every_fault_is_one_clean_error(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_function),
        cmocka_unit_test(by_block),
        cmocka_unit_test(by_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
