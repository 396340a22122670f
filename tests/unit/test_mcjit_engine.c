/* SPDX-License-Identifier: Apache-2.0
 *
 * The mcjit engine's life: what fails leaves it usable, phases, constructors, threads, memory.
 */
#include "mcjit_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define RETURNS(name, value) "define i32 @" name "() {\n  ret i32 " value "\n}\n"
#define CALLS(name, callee)                                                                        \
    "declare i32 @" callee "()\n"                                                                  \
    "define i32 @" name "() {\n  %r = call i32 @" callee "()\n  ret i32 %r\n}\n"

static int answer_42(void)
{
    return 42;
}

static int define(struct fixture *f, const char *name, uintptr_t addr)
{
    return jd_mcjit_ops.define_symbol(f->engine, name, JD_SYMBOL_FUNCTION, addr, &f->err);
}

static int prepare(struct fixture *f)
{
    return jd_mcjit_ops.prepare(f->engine, &f->err);
}

static void test_compiles_nothing_before_prepare(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "a.ll", RETURNS("a", "1"));
    fixture_add(&f, "b.ll", RETURNS("b", "2"));
    assert_int_equal(fixture_counters(&f).functions_compiled, 0);
    expect_ok(prepare(&f), &f.err);
    assert_int_equal(fixture_counters(&f).functions_compiled, 2);
    assert_int_equal(fixture_counters(&f).modules_compiled, 2);
    fixture_add(&f, "c.ll", CALLS("c", "b"));
    assert_int_equal(fixture_counters(&f).modules_compiled, 2);
    assert_int_equal(fixture_call(&f, "c"), 2);
    assert_int_equal(fixture_counters(&f).modules_compiled, 3);
    fixture_close(&f);
}

static void test_unresolved_then_defined(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "a.ll", CALLS("a", "missing"));
    for (int i = 0; i < 2; i++)
        expect_error(prepare(&f), JD_E_UNRESOLVED, "missing: unresolved: declared in a.ll", &f.err);
    assert_int_equal(fixture_counters(&f).functions_compiled, 0);
    expect_ok(define(&f, "missing", (uintptr_t)answer_42), &f.err);
    assert_int_equal(fixture_call(&f, "a"), 42);
    fixture_add(&f, "b.ll", CALLS("b", "later"));
    fixture_lookup_fails(&f, "b", JD_E_UNRESOLVED, "later");
    fixture_add(&f, "c.ll", RETURNS("later", "7"));
    assert_int_equal(fixture_call(&f, "b"), 7);
    assert_int_equal(fixture_call(&f, "a"), 42);
    fixture_close(&f);
}

/* One bad module among good ones, which refer to each other and to what was compiled before. */
static void test_bad_module_is_dropped_alone(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "old.ll",
                RETURNS("old", "1") "@old_tls = thread_local global i32 4\n"
                                    "@table = global [1 x ptr] [ptr @old]\n");
    expect_ok(prepare(&f), &f.err);
    fixture_add(&f, "good.ll", CALLS("good", "old") RETURNS("weak_one", "10"));
    fixture_add(&f, "bad.ll",
                "define i32 @bad() {\n  call void asm sideeffect \"no such instruction\", \"\"()\n"
                "  ret i32 0\n}\n" RETURNS("only_bad", "5"));
    fixture_add(&f, "user.ll",
                "@old_tls = external thread_local global i32\n"
                "@table = external global [1 x ptr]\n"
                "declare ptr @llvm.threadlocal.address.p0(ptr)\n"
                "define i32 @user() {\n"
                "  %p = call ptr @llvm.threadlocal.address.p0(ptr @old_tls)\n"
                "  %f = load ptr, ptr @table\n  %o = call i32 %f()\n"
                "  %v = load i32, ptr %p\n  %r = add i32 %v, %o\n"
                "  ret i32 %r\n}\n");
    expect_error(prepare(&f), JD_E_COMPILE, "bad.ll: ", &f.err);
    assert_int_equal(fixture_counters(&f).functions_compiled, 1);
    assert_int_equal(fixture_call(&f, "old"), 1);
    fixture_lookup_fails(&f, "only_bad", JD_E_NOT_FOUND, "only_bad");
    assert_int_equal(fixture_call(&f, "good"), 1);
    assert_int_equal(fixture_call(&f, "user"), 5);
    assert_int_equal(fixture_counters(&f).modules_added, 3);
    fixture_add(&f, "mended.ll", RETURNS("only_bad", "6"));
    assert_int_equal(fixture_call(&f, "only_bad"), 6);
    fixture_close(&f);
}

/* What the dropped module had won goes back to the one that lost. */
static void test_loser_wins_after_drop(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "weak.ll", "define weak i32 @f() {\n  ret i32 1\n}\n");
    fixture_add(
        &f, "bad.ll",
        RETURNS("f",
                "2") "define void @g() {\n"
                     "  call void asm sideeffect \"no such instruction\", \"\"()\n  ret void\n}\n");
    expect_error(prepare(&f), JD_E_COMPILE, "bad.ll", &f.err);
    assert_int_equal(fixture_call(&f, "f"), 1);
    fixture_close(&f);
}

static void test_full_arena_leaves_old_code_running(void **state)
{
    struct jd_engine_options options = {.struct_size = sizeof options,
                                        .arena_limit_bytes = 256 << 10};
    struct fixture f;
    (void)state;
    fixture_open(&f, &options);
    fixture_add(&f, "small.ll", RETURNS("small", "1"));
    assert_int_equal(fixture_call(&f, "small"), 1);
    fixture_add(&f, "large.ll", "@large = global [1000000 x i8] zeroinitializer\n");
    for (int i = 0; i < 3; i++)
        expect_error(prepare(&f), JD_E_ARENA_FULL, "data", &f.err);
    assert_int_equal(fixture_call(&f, "small"), 1);
    assert_int_equal(fixture_counters(&f).modules_compiled, 1);
    fixture_close(&f);
}

static void test_refuses_bad_ir_and_stays(void **state)
{
    static const char *const bad[] = {"", "define i32 @f( {", "BC\xC0\xDE and then nothing",
                                      "target triple = \"sparc-sun-solaris\"\n"};
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int code = fixture_try_add(&f, "bad.ll", bad[i]);
        expect_error(code, i == 3 ? JD_E_WRONG_TARGET : JD_E_BAD_IR, "bad.ll", &f.err);
    }
    fixture_add(&f, "good.ll", RETURNS("f", "3"));
    assert_int_equal(fixture_call(&f, "f"), 3);
    fixture_close(&f);
}

static void test_verifier_names_the_file(void **state)
{
    static const char ir[] = "define i32 @f(i1 %c) {\n  br i1 %c, label %a, label %b\n"
                             "a:\n  %x = add i32 1, 2\n  br label %b\nb:\n  ret i32 %x\n}\n";
    struct jd_engine_options options = {.struct_size = sizeof options, .wants_verify = true};
    struct fixture f;
    (void)state;
    fixture_open(&f, &options);
    expect_error(fixture_try_add(&f, "broken.ll", ir), JD_E_BAD_IR, "broken.ll", &f.err);
    fixture_add(&f, "good.ll", RETURNS("g", "3"));
    assert_int_equal(fixture_call(&f, "g"), 3);
    fixture_close(&f);
}

/* --- Creator ---------------------------------------------------------------------------------- */

struct creator {
    struct fixture *fixture;
    unsigned call_count;
    int variable;
};

static int create_anything(void *context, struct jd_engine *engine, const char *name,
                           enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *err)
{
    struct creator *creator = context;
    uintptr_t addr;
    creator->call_count++;
    if (!strcmp(name, "a_function") && kind == JD_SYMBOL_FUNCTION)
        out->addr = (uintptr_t)answer_42;
    else if (!strcmp(name, "a_variable") && kind == JD_SYMBOL_VARIABLE)
        out->addr = (uintptr_t)&creator->variable;
    else if (!strcmp(name, "a_module"))
        out->ir = (struct jd_ir){CALLS("a_module", "a_function"),
                                 strlen(CALLS("a_module", "a_function")), "made.ll"};
    else if (!strcmp(name, "wrong_module"))
        out->ir = (struct jd_ir){RETURNS("other", "1"), strlen(RETURNS("other", "1")), "wrong.ll"};
    else if (!strcmp(name, "itself"))
        return jd_mcjit_ops.lookup(engine, "needs_itself", &addr, err);
    else if (!strcmp(name, "reentrant")) {
        int result = jd_mcjit_ops.lookup(engine, "independent", &addr, err);
        out->addr = addr;
        return result;
    }
    return JD_OK;
}

static void open_with_creator(struct fixture *f, struct creator *creator)
{
    *creator = (struct creator){.fixture = f, .variable = 8};
    fixture_open(f, NULL);
    expect_ok(jd_mcjit_ops.set_creator(f->engine, create_anything, creator, &f->err), &f->err);
}

static void test_creator_answers_in_three_ways(void **state)
{
    struct fixture f;
    struct creator creator;
    (void)state;
    open_with_creator(&f, &creator);
    fixture_add(&f, "a.ll", CALLS("a", "a_module"));
    fixture_add(&f, "b.ll",
                CALLS("b", "a_module") "@a_variable = external global i32\n"
                                       "define i32 @v() {\n  %r = load i32, ptr @a_variable\n"
                                       "  ret i32 %r\n}\n");
    assert_int_equal(fixture_call(&f, "a"), 42);
    assert_int_equal(fixture_call(&f, "b"), 42);
    assert_int_equal(fixture_call(&f, "v"), 8);
    assert_int_equal(creator.call_count, 3);
    assert_int_equal(fixture_counters(&f).creator_calls, 3);
    fixture_close(&f);
}

static void test_creator_that_does_not_help(void **state)
{
    struct fixture f;
    struct creator creator;
    (void)state;
    open_with_creator(&f, &creator);
    fixture_add(&f, "a.ll", CALLS("a", "nobody"));
    for (int i = 0; i < 2; i++)
        fixture_lookup_fails(&f, "a", JD_E_UNRESOLVED, "nobody");
    assert_int_equal(creator.call_count, 1);
    expect_ok(define(&f, "nobody", (uintptr_t)answer_42), &f.err);
    assert_int_equal(fixture_call(&f, "a"), 42);
    fixture_add(&f, "b.ll", CALLS("b", "wrong_module"));
    fixture_lookup_fails(&f, "b", JD_E_UNRESOLVED, "does not define 'wrong_module'");
    expect_ok(define(&f, "wrong_module", (uintptr_t)answer_42), &f.err);
    assert_int_equal(fixture_call(&f, "b"), 42);
    fixture_close(&f);
}

/* From within a creator, what it is asked for cannot be had; anything else can. */
static void test_creator_calls_back(void **state)
{
    struct fixture f;
    struct creator creator;
    (void)state;
    open_with_creator(&f, &creator);
    fixture_add(&f, "independent.ll", RETURNS("independent", "11"));
    fixture_add(&f, "user.ll", CALLS("user", "reentrant"));
    assert_int_equal(fixture_call(&f, "user"), 11);
    fixture_add(&f, "needs.ll", CALLS("needs_itself", "itself"));
    fixture_lookup_fails(&f, "needs_itself", JD_E_STATE, "itself");
    assert_int_equal(fixture_call(&f, "user"), 11);
    fixture_close(&f);
}

/* --- Constructors ----------------------------------------------------------------------------- */

static char order[16];

static void note(int c)
{
    order[strlen(order)] = (char)c;
}

#define STRUCTOR(name, letter)                                                                     \
    "define internal void @" name "() {\n  call void @note(i32 " letter ")\n  ret void\n}\n"

static void test_constructors_by_priority_once(void **state)
{
    struct fixture f;
    (void)state;
    memset(order, 0, sizeof order);
    fixture_open(&f, NULL);
    expect_ok(define(&f, "note", (uintptr_t)note), &f.err);
    fixture_add(&f, "a.ll",
                "declare void @note(i32)\n" STRUCTOR("init", "97") STRUCTOR("last", "122") STRUCTOR(
                    "fini", "65") "@llvm.global_ctors = appending global [2 x { i32, ptr, ptr }] ["
                                  "{ i32, ptr, ptr } { i32 65535, ptr @last, ptr null }, "
                                  "{ i32, ptr, ptr } { i32 200, ptr @init, ptr null }]\n"
                                  "@llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] ["
                                  "{ i32, ptr, ptr } { i32 65535, ptr @fini, ptr null }]\n");
    fixture_add(&f, "b.ll",
                "declare void @note(i32)\n" STRUCTOR("init", "98") STRUCTOR(
                    "fini", "66") "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] ["
                                  "{ i32, ptr, ptr } { i32 101, ptr @init, ptr null }]\n"
                                  "@llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] ["
                                  "{ i32, ptr, ptr } { i32 101, ptr @fini, ptr null }]\n");
    for (int i = 0; i < 2; i++)
        expect_ok(jd_mcjit_ops.run_constructors(f.engine, &f.err), &f.err);
    assert_string_equal(order, "baz");
    for (int i = 0; i < 2; i++)
        expect_ok(jd_mcjit_ops.run_destructors(f.engine, &f.err), &f.err);
    assert_string_equal(order, "bazAB");
    fixture_close(&f);
}

static void test_atexit_runs_with_the_engine(void **state)
{
    struct fixture f;
    (void)state;
    memset(order, 0, sizeof order);
    fixture_open(&f, NULL);
    expect_ok(define(&f, "note", (uintptr_t)note), &f.err);
    fixture_add(&f, "a.ll",
                "declare void @note(i32)\ndeclare i32 @atexit(ptr)\n" STRUCTOR(
                    "at_end", "101") "define i32 @f() {\n"
                                     "  %r = call i32 @atexit(ptr @at_end)\n"
                                     "  ret i32 %r\n}\n");
    assert_int_equal(fixture_call(&f, "f"), 0);
    assert_int_equal(fixture_counters(&f).modules_compiled, 1);
    assert_string_equal(order, "");
    expect_ok(jd_mcjit_ops.run_destructors(f.engine, &f.err), &f.err);
    assert_string_equal(order, "e");
    fixture_close(&f);
}

/* --- Phases ----------------------------------------------------------------------------------- */

struct phase_log {
    int depth;
    unsigned counts[JD_PHASE_COUNT];
};

static void begin_phase(void *context, enum jd_phase phase)
{
    struct phase_log *log = context;
    log->counts[phase]++;
    log->depth++;
}

static void end_phase(void *context, enum jd_phase phase)
{
    struct phase_log *log = context;
    (void)phase;
    log->depth--;
}

static void test_phases_are_closed_even_after_failure(void **state)
{
    struct phase_log log = {0};
    struct jd_probe probe = {
        .struct_size = sizeof probe, .context = &log, .begin = begin_phase, .end = end_phase};
    struct jd_engine_options options = {.struct_size = sizeof options, .probe = &probe};
    struct fixture f;
    (void)state;
    fixture_open(&f, &options);
    fixture_add(&f, "a.ll", RETURNS("a", "1"));
    fixture_add(&f, "b.ll", CALLS("b", "a"));
    assert_int_equal(log.counts[JD_PHASE_PARSE], 2);
    assert_int_equal(log.counts[JD_PHASE_CODEGEN], 0);
    assert_int_equal(fixture_call(&f, "b"), 1);
    assert_int_equal(log.counts[JD_PHASE_CODEGEN], 2);
    assert_int_equal(log.counts[JD_PHASE_FINALIZE], 1);
    assert_true(log.counts[JD_PHASE_LINK] >= 2);
    assert_int_equal(log.depth, 0);
    fixture_add(&f, "bad.ll",
                "define void @g() {\n"
                "  call void asm sideeffect \"no such instruction\", \"\"()\n  ret void\n}\n");
    expect_error(prepare(&f), JD_E_COMPILE, "bad.ll", &f.err);
    assert_int_equal(log.depth, 0);
    fixture_close(&f);
    assert_int_equal(log.counts[JD_PHASE_TEARDOWN], 1);
    assert_int_equal(log.depth, 0);
}

/* --- Options and refusals --------------------------------------------------------------------- */

static void test_refuses_what_mcjit_cannot_do(void **state)
{
    struct jd_engine_options options = {.struct_size = sizeof options,
                                        .granularity = JD_GRAN_FUNCTION};
    struct fixture f = {0};
    (void)state;
    expect_error(jd_mcjit_ops.create(&options, &f.engine, &f.err), JD_E_UNSUPPORTED, "granularity",
                 &f.err);
    assert_null(f.engine);
    fixture_open(&f, NULL);
    fixture_add(&f, "a.ll", RETURNS("a", "1"));
    expect_error(jd_mcjit_ops.remove_module(f.engine, 1, &f.err), JD_E_UNSUPPORTED, "", &f.err);
    expect_error(jd_mcjit_ops.recompile(f.engine, "a", NULL, &f.err), JD_E_UNSUPPORTED, "a",
                 &f.err);
    expect_error(jd_mcjit_ops.free_function(f.engine, "a", &f.err), JD_E_UNSUPPORTED, "a", &f.err);
    expect_error(jd_mcjit_ops.set_lazy(f.engine, true, &f.err), JD_E_UNSUPPORTED, "", &f.err);
    assert_int_equal(fixture_call(&f, "a"), 1);
    fixture_close(&f);
}

static void test_module_granularity_links_what_is_reached(void **state)
{
    struct jd_engine_options options = {
        .struct_size = sizeof options, .granularity = JD_GRAN_MODULE, .is_lazy_disabled = true};
    struct fixture f;
    (void)state;
    fixture_open(&f, &options);
    fixture_add(&f, "a.ll", CALLS("a", "b"));
    fixture_add(&f, "b.ll", RETURNS("b", "2"));
    fixture_add(&f, "c.ll", CALLS("c", "missing"));
    expect_ok(prepare(&f), &f.err);
    assert_int_equal(fixture_counters(&f).modules_compiled, 0);
    assert_int_equal(fixture_call(&f, "a"), 2);
    assert_int_equal(fixture_counters(&f).modules_compiled, 2);
    fixture_lookup_fails(&f, "c", JD_E_UNRESOLVED, "missing");
    fixture_close(&f);
}

/* Passes turn a printf into a puts, which no module declares, and drop what only others use. */
static void test_passes_bring_in_names(void **state)
{
    struct jd_engine_options options = {.struct_size = sizeof options, .ir_passes = "default<O2>"};
    struct fixture f;
    (void)state;
    fixture_open(&f, &options);
    fixture_add(&f, "a.ll",
                "@text = private constant [2 x i8] c\"\\0A\\00\"\n"
                "declare i32 @printf(ptr, ...)\n"
                "define linkonce_odr i32 @shared() {\n  ret i32 6\n}\n"
                "define i32 @f() {\n  %n = call i32 (ptr, ...) @printf(ptr @text)\n"
                "  ret i32 5\n}\n");
    fixture_add(&f, "b.ll", CALLS("b", "shared"));
    assert_int_equal(fixture_call(&f, "f"), 5);
    assert_int_equal(fixture_call(&f, "b"), 6);
    fixture_close(&f);
}

/* --- Threads ---------------------------------------------------------------------------------- */

/* --- Modules linked as IR ----------------------------------------------------------------------
 */

static void open_linked(struct fixture *f, const char *passes)
{
    const struct jd_engine_options options = {
        .struct_size = sizeof options, .wants_linked_modules = true, .ir_passes = passes};
    fixture_open(f, &options);
}

static void test_linked_modules_are_one(void **state)
{
    static const char *const names[] = {"a", "b", "f"};
    struct fixture f;
    (void)state;
    open_linked(&f, "default<O2>");
    fixture_add(&f, "a.ll", CALLS("a", "b") "define weak i32 @f() {\n  ret i32 1\n}\n");
    fixture_add(&f, "b.ll",
                "define internal i32 @local() {\n  ret i32 20\n}\n"
                "define i32 @b() {\n  %r = call i32 @local()\n  ret i32 %r\n}\n");
    fixture_add(&f, "f.ll",
                RETURNS("f", "2") "define internal i32 @local() {\n  ret i32 9\n}\n"
                                  "@p = global ptr @local\n");
    fixture_add(&f, "asm.ll",
                "module asm \".globl in_asm\"\nmodule asm \"in_asm:\"\n"
                "module asm \"nop\"\n" RETURNS("beside_asm", "4"));
    expect_ok(prepare(&f), &f.err);
    assert_int_equal(fixture_counters(&f).modules_compiled, 4);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fixture_call(&f, names[i]), i < 2 ? 20 : 2);
    assert_int_equal(fixture_call(&f, "beside_asm"), 4);
    assert_int_equal((*(int (**)(void))fixture_lookup(&f, "p"))(), 9);
    /* a calls b, which is in another module: without that call it is as short as b. */
    const unsigned char *a = (const unsigned char *)fixture_lookup(&f, "a");
    assert_memory_equal(a, (const unsigned char *)fixture_lookup(&f, "b"), 5);
    fixture_add(&f, "later.ll", CALLS("later", "b"));
    assert_int_equal(fixture_call(&f, "later"), 20);
    fixture_close(&f);
}

static void test_linked_modules_name_the_culprit(void **state)
{
    struct fixture f;
    (void)state;
    open_linked(&f, NULL);
    fixture_add(&f, "a.ll", CALLS("a", "b"));
    fixture_add(&f, "b.ll", RETURNS("b", "2"));
    fixture_add(&f, "bad.ll",
                "define i32 @bad() {\n  call void asm sideeffect \"no such instruction\", \"\"()\n"
                "  ret i32 0\n}\n");
    expect_error(prepare(&f), JD_E_COMPILE, "bad.ll: ", &f.err);
    assert_int_equal(fixture_call(&f, "a"), 2);
    assert_int_equal(fixture_counters(&f).modules_added, 2);
    fixture_lookup_fails(&f, "bad", JD_E_NOT_FOUND, "bad");
    fixture_close(&f);
}

static void test_linked_modules_are_refused_with(void **state)
{
    struct jd_engine_options options = {
        .struct_size = sizeof options, .wants_linked_modules = true, .granularity = JD_GRAN_MODULE};
    struct fixture f = {0};
    (void)state;
    expect_error(jd_mcjit_ops.create(&options, &f.engine, &f.err), JD_E_UNSUPPORTED, "link_modules",
                 &f.err);
}

static void *look_up_all(void *context)
{
    struct fixture own = {.engine = ((struct fixture *)context)->engine};
    uintptr_t sum = 0;
    for (int i = 0; i < 200; i++) {
        uintptr_t addr = 0;
        char name[] = {'f', (char)('a' + i % 20), 0};
        if (!jd_mcjit_ops.lookup(own.engine, name, &addr, &own.err))
            sum += (uintptr_t)((int (*)(void))addr)();
    }
    return (void *)sum;
}

static void test_threads_look_up_together(void **state)
{
    static char texts[20][64];
    struct fixture f;
    pthread_t threads[4];
    (void)state;
    fixture_open(&f, NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(texts[i], sizeof texts[i], "define i32 @f%c() {\n  ret i32 %d\n}\n", 'a' + i, i);
        fixture_add(&f, "f.ll", texts[i]);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_up_all, &f), 0);
    for (int i = 0; i < 4; i++) {
        void *sum;
        pthread_join(threads[i], &sum);
        assert_int_equal((uintptr_t)sum, 10 * 190);
    }
    assert_int_equal(fixture_counters(&f).modules_compiled, 20);
    fixture_close(&f);
}

/* No page per module, no mapping per module. */
/* At once, and module by module as a console would: a page or two more each, but no mappings. */
static void test_many_modules_share_pages(void **state)
{
    enum { COUNT = 1000 };
    char(*texts)[64] = calloc(COUNT, sizeof *texts);
    (void)state;
    assert_non_null(texts);
    for (int is_one_by_one = 0; is_one_by_one < 2; is_one_by_one++) {
        struct fixture f;
        uint64_t mappings_before;
        fixture_open(&f, NULL);
        fixture_add(&f, "first.ll", RETURNS("first", "1"));
        expect_ok(prepare(&f), &f.err);
        mappings_before = fixture_counters(&f).mappings;
        for (int i = 0; i < COUNT; i++) {
            snprintf(texts[i], sizeof texts[i], "define i32 @f%d() {\n  ret i32 %d\n}\n", i, i);
            fixture_add(&f, "f.ll", texts[i]);
            if (is_one_by_one)
                expect_ok(prepare(&f), &f.err);
        }
        assert_int_equal(fixture_call(&f, "f999"), 999);
        assert_int_equal(fixture_call(&f, "f0"), 0);
        assert_int_equal(fixture_counters(&f).modules_compiled, COUNT + 1);
        assert_true(fixture_counters(&f).mappings <= mappings_before + 10);
        if (!is_one_by_one)
            assert_true(fixture_counters(&f).committed_bytes < 512 << 10);
        fixture_close(&f);
    }
    free(texts);
}

/* 3 MB of instructions that do nothing. */
#if defined(__aarch64__)
#define SLIDE ".fill 750000, 4, 0xd503201f"
#else
#define SLIDE ".fill 3000000, 1, 0x90"
#endif

/* libgcc's search for the unwind table entry of a program counter; 0 when it finds none. */
const void *_Unwind_Find_FDE(void *pc, void *bases[3]);

/* A large function finds no room beside its small neighbour, but the next module's code does:
 * libgcc looks for an address in one object, the one that begins nearest below it. */
static void test_unwinder_finds_code_of_all_modules(void **state)
{
    static const char *const names[] = {"first", "small", "large", "last"};
    struct fixture f;
    (void)state;
    fixture_open(&f, NULL);
    fixture_add(&f, "a.ll", RETURNS("first", "1"));
    fixture_add(&f, "b.ll",
                "define i32 @small() section \".text.small\" {\n  ret i32 2\n}\n"
                "define i32 @large() section \".text.large\" {\n"
                "  call void asm sideeffect \"" SLIDE "\", \"\"()\n"
                "  ret i32 3\n}\n");
    fixture_add(&f, "c.ll", RETURNS("last", "4"));
    expect_ok(prepare(&f), &f.err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uintptr_t addr = 0;
        void *bases[3];
        expect_ok(jd_mcjit_ops.lookup(f.engine, names[i], &addr, &f.err), &f.err);
        assert_non_null(_Unwind_Find_FDE((void *)addr, bases));
        assert_ptr_equal(bases[2], (void *)addr);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compiles_nothing_before_prepare),
        cmocka_unit_test(test_unresolved_then_defined),
        cmocka_unit_test(test_bad_module_is_dropped_alone),
        cmocka_unit_test(test_loser_wins_after_drop),
        cmocka_unit_test(test_full_arena_leaves_old_code_running),
        cmocka_unit_test(test_refuses_bad_ir_and_stays),
        cmocka_unit_test(test_verifier_names_the_file),
        cmocka_unit_test(test_creator_answers_in_three_ways),
        cmocka_unit_test(test_creator_that_does_not_help),
        cmocka_unit_test(test_creator_calls_back),
        cmocka_unit_test(test_constructors_by_priority_once),
        cmocka_unit_test(test_atexit_runs_with_the_engine),
        cmocka_unit_test(test_phases_are_closed_even_after_failure),
        cmocka_unit_test(test_refuses_what_mcjit_cannot_do),
        cmocka_unit_test(test_module_granularity_links_what_is_reached),
        cmocka_unit_test(test_passes_bring_in_names),
        cmocka_unit_test(test_linked_modules_are_one),
        cmocka_unit_test(test_linked_modules_name_the_culprit),
        cmocka_unit_test(test_linked_modules_are_refused_with),
        cmocka_unit_test(test_threads_look_up_together),
        cmocka_unit_test(test_many_modules_share_pages),
        cmocka_unit_test(test_unwinder_finds_code_of_all_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
