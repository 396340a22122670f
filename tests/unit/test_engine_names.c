/* SPDX-License-Identifier: Apache-2.0
 *
 * Names with a story, in every engine that compiles: those that are to be taken as they are ('\1'),
 * those that file-level assembly asks for by version, those that are defined once more, and
 * those that the engine's own work would change.
 */
#include "expect.h"

#include <string.h>

#include "jitduel/engine.h"

#ifdef __aarch64__
#define GETPID_VERSION "GLIBC_2.17"
#else
#define GETPID_VERSION "GLIBC_2.2.5"
#endif

static const char *const engines[] = {
    "legacy",     "mcjit", "orc", "orc-lazy", "orc-lazy-split", "aot",
#ifndef __aarch64__ /* where its linker, LLVM's RuntimeDyld, crashes at functions' addresses */
    "orc-rtdyld",
#endif
};

static struct jd_engine *engine;
static struct jd_error err;

static int try_add(const char *name, const char *text)
{
    struct jd_ir ir = {.bytes = text, .size_bytes = strlen(text), .name = name};
    jd_error_clear(&err);
    return engine->ops->add_module(engine, &ir, NULL, &err);
}

static void add(const char *name, const char *text)
{
    expect_ok(try_add(name, text), &err);
}

static int call(const char *name)
{
    uintptr_t addr;
    jd_error_clear(&err);
    expect_ok(engine->ops->lookup(engine, name, &addr, &err), &err);
    return ((int (*)(void))addr)();
}

static void for_each(void (*check)(void))
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        jd_error_clear(&err);
        expect_ok(jd_engine_create(engines[i], NULL, &engine, &err), &err);
        check();
        jd_engine_destroy(engine);
    }
}

static int nine = 9;

static void check_raw(void)
{
    expect_ok(engine->ops->define_symbol(engine, "v", JD_SYMBOL_VARIABLE, (uintptr_t)&nine, &err),
              &err);
    add("weak.ll", "@\"\01v\" = global i32 1\n"
                   "define weak i32 @\"\01raw\"() {\n  ret i32 1\n}\n");
    add("strong.ll", "@v = external global i32\n"
                     "define i32 @raw() {\n  %r = load i32, ptr @v\n  ret i32 %r\n}\n");
    assert_int_equal(call("raw"), 9);
}

static void test_names_as_they_are(void **state)
{
    (void)state;
    for_each(check_raw);
}

/* The linker of aot reads versions in any name that has one. */
static void check_version(void)
{
    if (!strcmp(engine->ops->name, "aot"))
        return;
    add("user.ll", "module asm \".symver getpid, getpid@" GETPID_VERSION "\"\n"
                   "declare i32 @getpid()\n"
                   "define i32 @user() {\n  %r = call i32 @getpid()\n"
                   "  %s = icmp sgt i32 %r, 0\n  %t = zext i1 %s to i32\n  ret i32 %t\n}\n");
    assert_int_equal(call("user"), 1);
}

static void test_versions(void **state)
{
    (void)state;
    for_each(check_version);
}

/* The name that has the version is nobody's but the module's; the other is not used at all. */
static void check_renamed(void)
{
    if (!strcmp(engine->ops->name, "aot"))
        return;
    add("user.ll", "module asm \".symver old_getpid, getpid@" GETPID_VERSION "\"\n"
                   "module asm \".symver old_getppid, getppid@" GETPID_VERSION "\"\n"
                   "@pointer = global ptr @old_getpid\n"
                   "declare i32 @old_getpid()\n"
                   "define i32 @user() {\n  %p = load ptr, ptr @pointer\n"
                   "  %q = call i32 %p()\n  %r = call i32 @old_getpid()\n"
                   "  %s = icmp eq i32 %r, %q\n  %t = zext i1 %s to i32\n  ret i32 %t\n}\n");
    assert_int_equal(call("user"), 1);
}

static void test_renamed_versions(void **state)
{
    (void)state;
    for_each(check_renamed);
}

/* A strong definition after a weak one was compiled: engines refuse it at once, cannot compile it,
 * or take it for what comes; none forgets the first. */
static void check_late(void)
{
    uintptr_t addr;
    if (engine->ops->caps & JD_CAP_LAZY)
        return; /* they find out at the call */
    add("weak.ll", "define weak i32 @f() {\n  ret i32 1\n}\n");
    assert_int_equal(call("f"), 1);
    bool is_taken = try_add("strong.ll", "define i32 @f() {\n  ret i32 2\n}\n") == JD_OK &&
                    engine->ops->lookup(engine, "f", &addr, &err) == JD_OK;
    assert_int_equal(call("f"), is_taken ? 2 : 1);
}

static void test_late_definition(void **state)
{
    (void)state;
    for_each(check_late);
}

/* std::call_once sets this variable before it calls pthread_once with a function that is cold. */
static void check_once(void)
{
    add("once.ll", "@_ZSt11__once_call = external thread_local global ptr\n"
                   "declare ptr @llvm.threadlocal.address.p0(ptr)\n"
                   "declare void @__once_proxy()\n"
                   "@seen = global i32 0\n"
                   "define i32 @cold() {\n  ret i32 0\n}\n"
                   "define void @note() {\n  store i32 7, ptr @seen\n  ret void\n}\n"
                   "define i32 @once() {\n"
                   "  %p = call ptr @llvm.threadlocal.address.p0(ptr @_ZSt11__once_call)\n"
                   "  store ptr @note, ptr %p\n"
                   "  %a = call i32 @cold()\n"
                   "  call void @__once_proxy()\n"
                   "  %b = load i32, ptr @seen\n"
                   "  ret i32 %b\n}\n");
    assert_int_equal(call("once"), 7);
}

static void test_call_once(void **state)
{
    (void)state;
    for_each(check_once);
}

/* Inside and outside of itself, global and local. */
static void check_own_address(void)
{
    add("own.ll", "define ptr @own() {\n  ret ptr @own\n}\n"
                  "define internal ptr @local() {\n  ret ptr @local\n}\n"
                  "define i32 @same() {\n"
                  "  %a = call ptr @own()\n  %b = call ptr @local()\n"
                  "  %c = icmp eq ptr %a, @own\n  %d = icmp eq ptr %b, @local\n"
                  "  %e = and i1 %c, %d\n  %r = zext i1 %e to i32\n  ret i32 %r\n}\n");
    assert_int_equal(call("same"), 1);
}

static void test_own_address(void **state)
{
    (void)state;
    for_each(check_own_address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_as_they_are), cmocka_unit_test(test_versions),
        cmocka_unit_test(test_renamed_versions),  cmocka_unit_test(test_late_definition),
        cmocka_unit_test(test_call_once),         cmocka_unit_test(test_own_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
