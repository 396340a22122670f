/* SPDX-License-Identifier: Apache-2.0
 *
 * Code that lies further apart than a branch of AArch64 reaches (128 MiB): calls to a compiled
 * function, to one that is not compiled, to the process and back, and what becomes of them when the
 * callee's code is freed or replaced. The same on x86-64, where every call reaches. That the code
 * does lie that far apart is checked, too.
 */
#include "expect.h"

#include <stdio.h>

#include "jitduel/engine.h"

#if defined(__aarch64__)
#define JUMP "b"
#else
#define JUMP "jmp"
#endif

enum { REACH_BYTES = 128 << 20 };

static const char near_ir[] = "define i32 @near(i32 %x) {\n"
                              "  %r = add i32 %x, 1\n"
                              "  ret i32 %r\n"
                              "}\n"
                              "define i32 @call_near(i32 %x) {\n"
                              "  %r = call i32 @near(i32 %x)\n"
                              "  ret i32 %r\n"
                              "}\n";
static const char wide_ir[] = "@wide = global [209715200 x i8] zeroinitializer\n"
                              "define ptr @widen() {\n"
                              "  store volatile i8 1, ptr @wide\n"
                              "  ret ptr @wide\n"
                              "}\n";
/* Too large for the room that is left beside the first functions. */
static const char far_ir[] =
    "declare i32 @near(i32)\n"
    "declare i32 @cold(i32)\n"
    "declare i32 @host(i32)\n"
    "define i32 @far(i32 %x) {\n"
    "  call void asm sideeffect \"" JUMP " 1f\\0A.space 25165824\\0A1:\", \"\"()\n"
    "  %a = call i32 @near(i32 %x)\n"
    "  %b = call i32 @cold(i32 %a)\n"
    "  %c = call i32 @host(i32 %b)\n"
    "  %d = call i32 @near(i32 %c)\n"
    "  ret i32 %d\n"
    "}\n";
static const char back_ir[] = "declare i32 @far(i32)\n"
                              "define i32 @back(i32 %x) {\n"
                              "  %r = call i32 @far(i32 %x)\n"
                              "  ret i32 %r\n"
                              "}\n"
                              "define i32 @cold(i32 %x) {\n"
                              "  %r = mul i32 %x, 10\n"
                              "  ret i32 %r\n"
                              "}\n";
static const char new_near_ir[] = "define i32 @near(i32 %x) {\n"
                                  "  %r = add i32 %x, 100\n"
                                  "  ret i32 %r\n"
                                  "}\n";

static uintptr_t near_addr, far_addr;

static int host(int x)
{
    return x + 5;
}

static void note_address(void *context, const char *name, uintptr_t code_addr, size_t code_bytes)
{
    (void)context;
    (void)code_bytes;
    if (!strcmp(name, "near"))
        near_addr = code_addr;
    if (!strcmp(name, "far"))
        far_addr = code_addr;
}

static const struct jd_probe probe = {.struct_size = sizeof probe, .compiled = note_address};

/* A first call that fails has no other way to say so. */
static uintptr_t tell(void *context, const char *name, const struct jd_error *err)
{
    char line[JD_ERROR_WHERE_BYTES + JD_ERROR_TEXT_BYTES];
    (void)context;
    print_error("%s: %s\n", name, jd_error_line(err, line, sizeof line));
    return 0;
}

struct fixture {
    struct jd_engine *engine;
    struct jd_error err;
};

static void add(struct fixture *f, const char *name, const char *text)
{
    struct jd_ir ir = {.bytes = text, .size_bytes = strlen(text), .name = name};
    expect_ok(f->engine->ops->add_module(f->engine, &ir, NULL, &f->err), &f->err);
}

static uintptr_t lookup(struct fixture *f, const char *name)
{
    uintptr_t addr;
    expect_ok(f->engine->ops->lookup(f->engine, name, &addr, &f->err), &f->err);
    return addr;
}

static int call(struct fixture *f, const char *name, int x)
{
    return ((int (*)(int))lookup(f, name))(x);
}

static void open_engine(struct fixture *f, const char *engine)
{
    struct jd_engine_options options = {
        .struct_size = sizeof options, .probe = &probe, .on_error = tell};
    *f = (struct fixture){0};
    near_addr = far_addr = 0;
    expect_ok(jd_engine_create(engine, &options, &f->engine, &f->err), &f->err);
    expect_ok(f->engine->ops->define_symbol(f->engine, "host", JD_SYMBOL_FUNCTION, (uintptr_t)&host,
                                            &f->err),
              &f->err);
}

/* Whatever order the engine compiles in, the wide table comes between near and far. */
static void spread(struct fixture *f)
{
    add(f, "near", near_ir);
    assert_int_equal(call(f, "near", 1), 2);
    assert_int_equal(call(f, "call_near", 2), 3);
    add(f, "wide", wide_ir);
    assert_int_equal(*((unsigned char *(*)(void))lookup(f, "widen"))(), 1);
    add(f, "back", back_ir);
    add(f, "far", far_ir);
}

static void expect_far_apart(struct fixture *f)
{
    if (!near_addr) { /* engines that do not tell have no stubs before the code */
        near_addr = lookup(f, "near");
        far_addr = lookup(f, "far");
    }
    uintptr_t distance = near_addr < far_addr ? far_addr - near_addr : near_addr - far_addr;
    assert_true(distance > REACH_BYTES);
}

static void calls_reach(void **state)
{
    struct fixture f;
    open_engine(&f, *state);
    spread(&f);
    assert_int_equal(call(&f, "back", 1), (1 + 1) * 10 + 5 + 1);
    assert_int_equal(call(&f, "far", 2), (2 + 1) * 10 + 5 + 1);
    expect_far_apart(&f);
    jd_engine_destroy(f.engine);
}

static void calls_follow_the_callee(void **state)
{
    struct fixture f;
    struct jd_ir ir = {.bytes = new_near_ir, .size_bytes = strlen(new_near_ir), .name = "new"};
    open_engine(&f, *state);
    spread(&f);
    assert_int_equal(call(&f, "back", 1), 26);
    expect_ok(f.engine->ops->free_function(f.engine, "near", &f.err), &f.err);
    assert_int_equal(call(&f, "far", 1), 26);
    assert_int_equal(call(&f, "call_near", 1), 2);
    expect_ok(f.engine->ops->recompile(f.engine, "near", &ir, &f.err), &f.err);
    assert_int_equal(call(&f, "far", 1), (1 + 100) * 10 + 5 + 100);
    assert_int_equal(call(&f, "call_near", 1), 101);
    expect_ok(f.engine->ops->free_function(f.engine, "far", &f.err), &f.err);
    assert_int_equal(call(&f, "back", 1), (1 + 100) * 10 + 5 + 100);
    expect_far_apart(&f);
    jd_engine_destroy(f.engine);
}

/* Where no branch can be out of reach, nothing is kept for it: the arena is as long as a branch. */
static void a_short_arena_does_without(void **state)
{
    struct fixture f = {0};
    struct jd_engine_options options = {
        .struct_size = sizeof options, .arena_limit_bytes = REACH_BYTES, .on_error = tell};
    expect_ok(jd_engine_create(*state, &options, &f.engine, &f.err), &f.err);
    add(&f, "near", near_ir);
    assert_int_equal(call(&f, "call_near", 2), 3);
    assert_int_equal(call(&f, "near", 2), 3);
    jd_engine_destroy(f.engine);
}

int main(void)
{
    static char legacy[] = "legacy", mcjit[] = "mcjit";
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(calls_reach, legacy),
        cmocka_unit_test_prestate(calls_reach, mcjit),
        cmocka_unit_test_prestate(calls_follow_the_callee, legacy),
        cmocka_unit_test_prestate(a_short_arena_does_without, legacy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
