/* SPDX-License-Identifier: Apache-2.0
 *
 * The mcjit engine with granularity module: modules that are compiled at the first call into them.
 * What calls find there, where addresses come from, and what goes wrong behind a stub.
 */
#include "mcjit_fixture.h"
#include "patience.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETURNS(name, value) "define i32 @" name "() {\n  ret i32 " value "\n}\n"
#define CALLS(name, callee)                                                                        \
    "declare i32 @" callee "()\n"                                                                  \
    "define i32 @" name "() {\n  %r = call i32 @" callee "()\n  ret i32 %r\n}\n"
#define ADDRESS(name, of)                                                                          \
    "declare i32 @" of "()\n"                                                                      \
    "define ptr @" name "() {\n  ret ptr @" of "\n}\n"

/* What a first call that fails reports, and what it is told to do. */
static struct {
    unsigned count;
    int code;
    char text[JD_ERROR_TEXT_BYTES];
    uintptr_t substitute_addr;
    jmp_buf *landing;
} fault;

static uintptr_t on_fault(void *context, const char *name, const struct jd_error *err)
{
    (void)context;
    fault.count++;
    fault.code = (int)err->code;
    snprintf(fault.text, sizeof fault.text, "%.80s|%.600s", name, err->text);
    if (fault.landing)
        longjmp(*fault.landing, 1);
    return fault.substitute_addr;
}

static int minus_one(void)
{
    return -1;
}

static void open_lazy(struct fixture *f)
{
    const struct jd_engine_options options = {
        .struct_size = sizeof options, .granularity = JD_GRAN_MODULE, .on_error = on_fault};
    memset(&fault, 0, sizeof fault);
    fault.substitute_addr = (uintptr_t)minus_one;
    fixture_open(f, &options);
}

static uint64_t compiled(struct fixture *f)
{
    return fixture_counters(f).modules_compiled;
}

static void *call_for_address(struct fixture *f, const char *name)
{
    return ((void *(*)(void))fixture_lookup(f, name))();
}

static void test_first_call_compiles_one_module(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "a.ll", CALLS("a", "b"));
    fixture_add(&f, "b.ll", CALLS("b", "c") RETURNS("other_b", "5"));
    fixture_add(&f, "c.ll", RETURNS("c", "3"));
    expect_ok(jd_mcjit_ops.prepare(f.engine, &f.err), &f.err);
    assert_int_equal(compiled(&f), 0);
    uintptr_t a_addr = fixture_lookup(&f, "a");
    assert_int_equal(compiled(&f), 1);
    assert_int_equal(fixture_counters(&f).stubs_live, 1);
    assert_int_equal(((int (*)(void))a_addr)(), 3);
    assert_int_equal(compiled(&f), 3);
    assert_int_equal(fixture_counters(&f).stubs_live, 2);
    assert_int_equal(((int (*)(void))a_addr)(), 3);
    assert_int_equal(fixture_call(&f, "other_b"), 5);
    assert_int_equal(fixture_counters(&f).stubs_live, 2); /* its address was asked for late */
    assert_int_equal(fixture_counters(&f).functions_compiled, 4);
    fixture_close(&f);
}

/* One function, one address: in modules compiled before and after its own, in its own, in tables,
 * by an alias, from look-ups. */
static void test_every_one_sees_one_address(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "before.ll", ADDRESS("before", "f"));
    fixture_add(
        &f, "own.ll",
        "@table = global [2 x ptr] [ptr @f, ptr @also_f]\n"
        "@also_f = alias i32 (), ptr @f\n" RETURNS(
            "f", "7") "define ptr @own() {\n  ret ptr @f\n}\n"
                      "define ptr @own_alias() {\n  ret ptr @also_f\n}\n"
                      "define i1 @same(ptr %p) {\n  %r = icmp eq ptr %p, @f\n  ret i1 %r\n}\n"
                      "define i32 @direct() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n");
    fixture_add(&f, "after.ll", ADDRESS("after", "f") ADDRESS("after_alias", "also_f"));
    fixture_add(&f, "reader.ll",
                "@table = external global [2 x ptr]\n"
                "define ptr @first_of_table() {\n  %r = load ptr, ptr @table\n  ret ptr %r\n}\n"
                "define ptr @second_of_table() {\n"
                "  %p = getelementptr ptr, ptr @table, i64 1\n"
                "  %r = load ptr, ptr %p\n  ret ptr %r\n}\n");
    void *addr = call_for_address(&f, "before");
    assert_int_equal(compiled(&f), 1);
    static const char *const others[] = {"own",         "own_alias",      "after",
                                         "after_alias", "first_of_table", "second_of_table"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_ptr_equal(call_for_address(&f, others[i]), addr);
    assert_ptr_equal((void *)fixture_lookup(&f, "f"), addr);
    assert_ptr_equal((void *)fixture_lookup(&f, "also_f"), addr);
    assert_int_equal(((int (*)(void))(uintptr_t)addr)(), 7);
    assert_int_equal(fixture_call(&f, "direct"), 7);
    assert_true(((_Bool(*)(void *))fixture_lookup(&f, "same"))(addr));
    assert_int_equal(fixture_counters(&f).stubs_live, 1);
    fixture_close(&f);
}

static void test_stub_by_an_alias(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "user.ll", ADDRESS("user", "alias_of_f"));
    fixture_add(&f, "own.ll",
                "@alias_of_f = alias i32 (), ptr @f\n" RETURNS(
                    "f", "8") "define ptr @own() {\n  ret ptr @f\n}\n");
    void *addr = call_for_address(&f, "user");
    assert_int_equal(compiled(&f), 1);
    assert_int_equal(((int (*)(void))(uintptr_t)addr)(), 8);
    assert_ptr_equal(call_for_address(&f, "own"), addr);
    assert_ptr_equal((void *)fixture_lookup(&f, "f"), addr);
    assert_ptr_equal((void *)fixture_lookup(&f, "alias_of_f"), addr);
    fixture_close(&f);
}

/* Variables cannot wait for a call: their modules come along. */
static void test_data_brings_its_module(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "user.ll",
                "@v = external global i32\ndeclare i32 @never()\n"
                "define i32 @user() {\n  %r = load i32, ptr @v\n  ret i32 %r\n}\n"
                "define i32 @other() {\n  %r = call i32 @never()\n  ret i32 %r\n}\n");
    fixture_add(&f, "data.ll", "@v = global i32 9\n" RETURNS("beside_v", "1"));
    fixture_add(&f, "never.ll", RETURNS("never", "4"));
    assert_int_equal(fixture_call(&f, "user"), 9);
    assert_int_equal(compiled(&f), 2);
    assert_int_equal(fixture_call(&f, "other"), 4);
    assert_int_equal(compiled(&f), 3);
    fixture_close(&f);
}

static void test_mutual_calls_and_linkage(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "even.ll",
                "declare i32 @odd(i32)\n"
                "define i32 @even(i32 %n) {\n  %z = icmp eq i32 %n, 0\n"
                "  br i1 %z, label %yes, label %no\nyes:\n  ret i32 1\nno:\n"
                "  %m = sub i32 %n, 1\n  %r = call i32 @odd(i32 %m)\n  ret i32 %r\n}\n"
                "define linkonce_odr i32 @shared() {\n  ret i32 5\n}\n");
    fixture_add(&f, "odd.ll",
                "declare i32 @even(i32)\n"
                "define i32 @odd(i32 %n) {\n  %z = icmp eq i32 %n, 0\n"
                "  br i1 %z, label %no, label %yes\nno:\n  ret i32 0\nyes:\n"
                "  %m = sub i32 %n, 1\n  %r = call i32 @even(i32 %m)\n  ret i32 %r\n}\n"
                "define linkonce_odr i32 @shared() {\n  ret i32 5\n}\n"
                "define ptr @shared_of_odd() {\n  ret ptr @shared\n}\n");
    fixture_add(&f, "weak.ll", "define weak i32 @w() {\n  ret i32 1\n}\n" CALLS("u", "x"));
    fixture_add(&f, "strong.ll", RETURNS("w", "2") RETURNS("x", "3"));
    assert_int_equal(((int (*)(int))fixture_lookup(&f, "odd"))(1001), 1);
    void *shared = call_for_address(&f, "shared_of_odd");
    assert_ptr_equal((void *)fixture_lookup(&f, "shared"), shared);
    assert_int_equal(compiled(&f), 2);
    assert_int_equal(fixture_call(&f, "u"), 3);
    assert_int_equal(fixture_call(&f, "w"), 2);
    fixture_close(&f);
}

static void test_constructors_compile_their_modules_only(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "early.ll",
                "@llvm.global_ctors = appending global [1 x {i32, ptr, ptr}] "
                "[{i32, ptr, ptr} {i32 65535, ptr @set, ptr null}]\n"
                "@set_to = global i32 0\ndeclare i32 @value()\n"
                "define void @set() {\n  %v = call i32 @value()\n"
                "  store i32 %v, ptr @set_to\n  ret void\n}\n");
    fixture_add(&f, "value.ll", RETURNS("value", "6"));
    fixture_add(&f, "later.ll", RETURNS("later", "1"));
    expect_ok(jd_mcjit_ops.run_constructors(f.engine, &f.err), &f.err);
    assert_int_equal(compiled(&f), 2);
    assert_int_equal(*(int *)fixture_lookup(&f, "set_to"), 6);
    fixture_close(&f);
}

static void test_errors_at_the_call(void **state)
{
    struct fixture f;
    jmp_buf landing;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "a.ll", CALLS("a", "bad") CALLS("b", "lonely"));
    fixture_add(&f, "bad.ll",
                "define i32 @bad() {\n  call void asm sideeffect \"no such instruction\", \"\"()\n"
                "  ret i32 0\n}\n");
    fixture_add(&f, "lonely.ll", CALLS("lonely", "nowhere"));
    errno = 77;
    assert_int_equal(fixture_call(&f, "b"), -1);
    assert_int_equal(fault.code, JD_E_UNRESOLVED);
    assert_non_null(strstr(fault.text, "lonely|unresolved: declared in lonely.ll"));
    expect_ok(jd_mcjit_ops.define_symbol(f.engine, "nowhere", JD_SYMBOL_FUNCTION,
                                         (uintptr_t)minus_one, &f.err),
              &f.err);
    assert_int_equal(fixture_call(&f, "b"), -1);
    assert_int_equal(fault.count, 1); /* the retry succeeded */
    assert_int_equal(fixture_call(&f, "a"), -1);
    assert_int_equal(fault.code, JD_E_COMPILE);
    if (!setjmp(landing)) {
        fault.landing = &landing;
        fixture_call(&f, "a");
        fail_msg("the handler has left");
    }
    assert_int_equal(fault.code, JD_E_UNRESOLVED);
    assert_non_null(strstr(fault.text, "its module could not be compiled"));
    fault.landing = NULL;
    fixture_add(&f, "good.ll", RETURNS("good", "4"));
    assert_int_equal(fixture_call(&f, "good"), 4);
    assert_int_equal(fault.count, 3);
    fixture_close(&f);
}

static void test_errno_survives(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "a.ll", CALLS("a", "b"));
    fixture_add(&f, "b.ll",
                "declare ptr @__errno_location()\n"
                "define i32 @b() {\n  %p = call ptr @__errno_location()\n"
                "  %r = load i32, ptr %p\n  ret i32 %r\n}\n");
    uintptr_t a_addr = fixture_lookup(&f, "a");
    errno = 77;
    assert_int_equal(((int (*)(void))a_addr)(), 77);
    fixture_close(&f);
}

/* Thrown behind a stub that was cold, caught before it. */
static void test_exception_through_a_stub(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "catch.ll",
                "declare i32 @thrower()\ndeclare i32 @__gxx_personality_v0(...)\n"
                "declare ptr @__cxa_begin_catch(ptr)\ndeclare void @__cxa_end_catch()\n"
                "define i32 @catcher() personality ptr @__gxx_personality_v0 {\n"
                "  %r = invoke i32 @thrower() to label %no unwind label %pad\n"
                "no:\n  ret i32 %r\npad:\n"
                "  %l = landingpad {ptr, i32} catch ptr null\n"
                "  %e = extractvalue {ptr, i32} %l, 0\n"
                "  %p = call ptr @__cxa_begin_catch(ptr %e)\n"
                "  %v = load i32, ptr %p\n  call void @__cxa_end_catch()\n"
                "  ret i32 %v\n}\n");
    fixture_add(&f, "throw.ll",
                "@_ZTIi = external constant ptr\ndeclare ptr @__cxa_allocate_exception(i64)\n"
                "declare void @__cxa_throw(ptr, ptr, ptr)\n"
                "define i32 @thrower() {\n"
                "  %p = call ptr @__cxa_allocate_exception(i64 4)\n  store i32 31, ptr %p\n"
                "  call void @__cxa_throw(ptr %p, ptr @_ZTIi, ptr null)\n  unreachable\n}\n");
    uintptr_t addr = fixture_lookup(&f, "catcher");
    assert_int_equal(compiled(&f), 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(((int (*)(void))addr)(), 31);
    assert_int_equal(compiled(&f), 2);
    fixture_close(&f);
}

/* --- Threads, small stacks, signals, creators ------------------------------------------------- */

static void *call_it(void *function)
{
    int (*call)(void) = (int (*)(void))(uintptr_t)function;
    return (void *)(intptr_t)call();
}

static void test_first_call_on_a_small_stack(void **state)
{
    struct fixture f;
    pthread_t thread;
    pthread_attr_t attributes;
    void *result;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "a.ll", CALLS("a", "b"));
    fixture_add(&f, "b.ll", RETURNS("b", "12"));
    uintptr_t a_addr = fixture_lookup(&f, "a");
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN + (16 << 10));
    assert_int_equal(pthread_create(&thread, &attributes, call_it, (void *)a_addr), 0);
    pthread_join(thread, &result);
    pthread_attr_destroy(&attributes);
    assert_int_equal((intptr_t)result, 12);
    fixture_close(&f);
}

static void test_threads_make_one_first_call(void **state)
{
    enum { ROUNDS = 20, THREADS = 8 };
    static char names[ROUNDS][4][16], texts[ROUNDS][2][256];
    struct fixture f;
    (void)state;
    open_lazy(&f);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t threads[THREADS];
        void *result;
        snprintf(names[i][0], sizeof names[i][0], "caller%d", i);
        snprintf(texts[i][0], sizeof texts[i][0],
                 "declare i32 @callee%d()\ndefine i32 @caller%d() {\n"
                 "  %%r = call i32 @callee%d()\n  ret i32 %%r\n}\n",
                 i, i, i);
        snprintf(texts[i][1], sizeof texts[i][1], RETURNS("callee%d", "%d"), i, i);
        fixture_add(&f, "caller.ll", texts[i][0]);
        fixture_add(&f, "callee.ll", texts[i][1]);
        uintptr_t addr = fixture_lookup(&f, names[i][0]);
        for (int t = 0; t < THREADS; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, call_it, (void *)addr), 0);
        for (int t = 0; t < THREADS; t++) {
            pthread_join(threads[t], &result);
            assert_int_equal((intptr_t)result, i);
        }
        assert_int_equal(compiled(&f), 2 * i + 2);
    }
    fixture_close(&f);
}

/* A handler that interrupts the engine and calls what is not compiled: refused, not a deadlock.
 * Only signals that an instruction raises can interrupt it; others wait. */
static uintptr_t cold_addr;
static int answer_in_handler, signal_number;

static void on_signal(int number)
{
    (void)number;
    answer_in_handler = ((int (*)(void))cold_addr)();
}

static void interrupt(void *context, enum jd_phase phase)
{
    (void)context;
    if (phase == JD_PHASE_CODEGEN && cold_addr)
        raise(signal_number);
}

static void test_signal_handler_is_refused(void **state)
{
    const struct jd_probe probe = {.struct_size = sizeof probe, .begin = interrupt};
    const struct jd_engine_options options = {.struct_size = sizeof options,
                                              .granularity = JD_GRAN_MODULE,
                                              .on_error = on_fault,
                                              .probe = &probe};
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_close(&f);
    fixture_open(&f, &options);
    fixture_add(&f, "a.ll", CALLS("a", "cold"));
    fixture_add(&f, "cold.ll", RETURNS("cold", "5"));
    fixture_add(&f, "other.ll", RETURNS("other", "6"));
    fixture_add(&f, "more.ll", RETURNS("more", "7"));
    signal(SIGTRAP, on_signal);
    signal(SIGUSR1, on_signal);
    uintptr_t a_addr = fixture_lookup(&f, "a");
    cold_addr = a_addr;
    signal_number = SIGTRAP;
    assert_int_equal(fixture_call(&f, "other"), 6);
    assert_int_equal(answer_in_handler, -1);
    assert_int_equal(fault.code, JD_E_STATE);
#if !defined(__SANITIZE_THREAD__)
    signal_number = SIGUSR1; /* ThreadSanitizer reports every allocation in a handler */
    assert_int_equal(fixture_call(&f, "more"), 7);
    assert_int_equal(answer_in_handler, 5);
    assert_int_equal(fault.count, 1);
#endif
    cold_addr = 0;
    assert_int_equal(((int (*)(void))a_addr)(), 5);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGTRAP, SIG_DFL);
    fixture_close(&f);
}

static jmp_buf out_of_creator;
static bool is_helpful;

static int creator(void *context, struct jd_engine *engine, const char *name,
                   enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *err)
{
    uintptr_t addr;
    (void)context, (void)kind, (void)name;
    if (!is_helpful)
        longjmp(out_of_creator, 1);
    int result = engine->ops->lookup(engine, "helper", &addr, err);
    /* Through one more stub, from the stack on which the first one is being resolved. */
    if (!result && ((int (*)(void))addr)() == 3)
        out->addr = (uintptr_t)minus_one;
    return result;
}

static void test_creator_within_a_first_call(void **state)
{
    struct fixture f;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "a.ll", CALLS("a", "b"));
    fixture_add(&f, "b.ll", CALLS("b", "created"));
    fixture_add(&f, "helper.ll", CALLS("helper", "deeper"));
    fixture_add(&f, "deeper.ll", RETURNS("deeper", "3"));
    expect_ok(jd_mcjit_ops.set_creator(f.engine, creator, NULL, &f.err), &f.err);
    uintptr_t a_addr = fixture_lookup(&f, "a");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    is_helpful = false; /* the sanitizers do not see where a longjmp between stacks goes */
    if (!setjmp(out_of_creator)) {
        ((int (*)(void))a_addr)();
        fail_msg("the creator has left");
    }
    assert_int_equal(((int (*)(void))a_addr)(), -1);
    assert_int_equal(fault.count, 1);
    assert_int_equal(fault.code, JD_E_UNSUPPORTED);
#endif
    fault.count = 0;
    is_helpful = true;
    assert_int_equal(((int (*)(void))a_addr)(), -1);
    assert_int_equal(fault.count, 0);
    assert_int_equal(compiled(&f), 4);
    fixture_close(&f);
}

/* --- Forks -------------------------------------------------------------------------------------
 */

static pthread_barrier_t in_creator, has_forked;

static int blocking_creator(void *context, struct jd_engine *engine, const char *name,
                            enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *err)
{
    (void)engine, (void)name, (void)kind, (void)err;
    if (getpid() == *(pid_t *)context) {
        pthread_barrier_wait(&in_creator);
        pthread_barrier_wait(&has_forked);
    }
    out->addr = (uintptr_t)minus_one;
    return JD_OK;
}

/* A fork while another thread's first call waits for a creator: the child asks by itself. */
static void test_fork_in_a_first_call(void **state)
{
    struct fixture f;
    pthread_t thread;
    pid_t self = getpid();
    void *result;
    int status;
    (void)state;
    open_lazy(&f);
    fixture_add(&f, "a.ll", CALLS("a", "b"));
    fixture_add(&f, "b.ll", CALLS("b", "created"));
    fixture_add(&f, "c.ll", CALLS("c", "d"));
    fixture_add(&f, "d.ll", RETURNS("d", "4"));
    expect_ok(jd_mcjit_ops.set_creator(f.engine, blocking_creator, &self, &f.err), &f.err);
    int (*a)(void) = (int (*)(void))fixture_lookup(&f, "a");
    int (*c)(void) = (int (*)(void))fixture_lookup(&f, "c");
    pthread_barrier_init(&in_creator, NULL, 2);
    pthread_barrier_init(&has_forked, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, call_it, (void *)(uintptr_t)a), 0);
    pthread_barrier_wait(&in_creator);
    pid_t child = fork();
    if (!child) {
        alarm(PATIENCE_S);
        _exit(c() == 4 && a() == -1 ? 0 : 1);
    }
    pthread_barrier_wait(&has_forked);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, -1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(c(), 4);
    fixture_close(&f);
}

/* More stubs than a page holds, sealed page by page. */
static void test_many_stubs(void **state)
{
    enum { COUNT = 300, LINE = 64 };
    static char text[3 * COUNT * LINE], names[COUNT][16], bodies[COUNT][LINE];
    struct fixture f;
    size_t used = 0;
    (void)state;
    open_lazy(&f);
    for (int i = 0; i < COUNT; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "declare i32 @f%d()\n", i);
    used += (size_t)snprintf(text + used, sizeof text - used,
                             "define i32 @sum() {\n  %%s0 = call i32 @f0()\n");
    for (int i = 1; i < COUNT; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "  %%a%d = call i32 @f%d()\n  %%s%d = add i32 %%a%d, %%s%d\n", i,
                                 i, i, i, i - 1);
    snprintf(text + used, sizeof text - used, "  ret i32 %%s%d\n}\n", COUNT - 1);
    fixture_add(&f, "sum.ll", text);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "f%d.ll", i);
        snprintf(bodies[i], sizeof bodies[i], RETURNS("f%d", "%d"), i, i);
        fixture_add(&f, names[i], bodies[i]);
    }
    assert_int_equal(fixture_call(&f, "sum"), COUNT * (COUNT - 1) / 2);
    assert_int_equal(fixture_counters(&f).stubs_live, COUNT);
    assert_int_equal(compiled(&f), COUNT + 1);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_call_compiles_one_module),
        cmocka_unit_test(test_every_one_sees_one_address),
        cmocka_unit_test(test_stub_by_an_alias),
        cmocka_unit_test(test_data_brings_its_module),
        cmocka_unit_test(test_mutual_calls_and_linkage),
        cmocka_unit_test(test_constructors_compile_their_modules_only),
        cmocka_unit_test(test_errors_at_the_call),
        cmocka_unit_test(test_errno_survives),
        cmocka_unit_test(test_exception_through_a_stub),
        cmocka_unit_test(test_first_call_on_a_small_stack),
        cmocka_unit_test(test_threads_make_one_first_call),
        cmocka_unit_test(test_signal_handler_is_refused),
        cmocka_unit_test(test_creator_within_a_first_call),
        cmocka_unit_test(test_fork_in_a_first_call),
        cmocka_unit_test(test_many_stubs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
