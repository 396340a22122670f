/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling ahead in the legacy engine: what helpers do must be noticed by nothing but the clock.
 * The tests stop the program between the moment when a helper has made a function and the
 * function's first call, and change what the function depends on.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"
#include "jitduel/engine.h"
#include "patience.h"

extern const struct jd_engine_ops jd_legacy_ops;

static struct jd_error err;
static struct jd_engine *engine;
static _Thread_local unsigned codegen_count; /* of this thread: helpers report no phases */
static unsigned creator_calls;

static void on_begin(void *context, enum jd_phase phase)
{
    (void)context;
    codegen_count += phase == JD_PHASE_CODEGEN;
}

static const struct jd_probe probe = {.struct_size = sizeof probe, .begin = on_begin};

static void create(unsigned threads)
{
    const struct jd_engine_options options = {
        .struct_size = sizeof options, .speculate_threads = threads, .probe = &probe};
    jd_error_clear(&err);
    expect_ok(jd_legacy_ops.create(&options, &engine, &err), &err);
}

static int set_up(void **state)
{
    (void)state;
    codegen_count = creator_calls = 0;
    create(2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    engine->ops->destroy(engine);
    return 0;
}

static void need_two_cpus(void)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) || CPU_COUNT(&cpus) < 2)
        skip(); /* no helper runs on one CPU */
}

static jd_module_id add(const char *name, const char *text)
{
    struct jd_ir ir = {text, strlen(text), name};
    jd_module_id id;
    expect_ok(engine->ops->add_module(engine, &ir, &id, &err), &err);
    return id;
}

static int call(const char *name)
{
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, name, &addr, &err), &err);
    return ((int (*)(void))addr)();
}

static uint64_t compiled(void)
{
    struct jd_counters counters = {.struct_size = sizeof counters};
    expect_ok(engine->ops->counters(engine, &counters, &err), &err);
    return counters.functions_compiled;
}

/* Until the helpers have compiled so many functions more than the program had to. */
static void await(uint64_t count)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    alarm(PATIENCE_S);
    while (compiled() < count)
        nanosleep(&pause, NULL);
    alarm(0);
}

static void objects_are_used(void **state)
{
    (void)state;
    need_two_cpus();
    add("chain", "define i32 @a(i32 %x) {\n  %r = call i32 @b(i32 %x)\n  ret i32 %r\n}\n"
                 "define i32 @b(i32 %x) {\n  %r = call i32 @c(i32 %x)\n  ret i32 %r\n}\n"
                 "define internal i32 @c(i32 %x) {\n  %r = add i32 %x, 41\n  ret i32 %r\n}\n"
                 "define i32 @go() {\n  %r = call i32 @a(i32 1)\n  ret i32 %r\n}\n"
                 "define i32 @prime(i1 %no) {\n  br i1 %no, label %yes, label %out\n"
                 "yes:\n  %r = call i32 @go()\n  ret i32 %r\nout:\n  ret i32 7\n}\n");
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, "prime", &addr, &err), &err);
    assert_int_equal(((int (*)(int))addr)(0), 7);
    await(5); /* prime here, go, a, b and c ahead */
    assert_int_equal(codegen_count, 1);
    assert_int_equal(call("go"), 42);
    assert_int_equal(codegen_count, 1);
    assert_int_equal(compiled(), 5);
}

#define PRIME(NAME)                                                                                \
    "define i32 @prime(i1 %no) {\n  br i1 %no, label %yes, label %out\n"                           \
    "yes:\n  %r = call i32 @" NAME "()\n  ret i32 %r\nout:\n  ret i32 7\n}\n"

/* Run @prime, and wait until what it mentions is made. */
static void prime(uint64_t made_count)
{
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, "prime", &addr, &err), &err);
    assert_int_equal(((int (*)(int))addr)(0), 7);
    await(1 + made_count);
    assert_int_equal(codegen_count, 1);
}

static void data_exist_once(void **state)
{
    (void)state;
    need_two_cpus();
    add("data",
        "@count = internal global i32 5\n@peer = internal global ptr @self\n"
        "@self = internal global ptr @peer\n"
        "@text = private unnamed_addr constant [3 x i8] c\"ab\\00\"\n" PRIME(
            "use") "define i32 @use() {\n  %x = load i32, ptr @count\n  %y = add i32 %x, 1\n"
                   "  store i32 %y, ptr @count\n  %p = load ptr, ptr @peer\n"
                   "  %q = load ptr, ptr %p\n  %same = icmp eq ptr %q, @peer\n"
                   "  %c = load i8, ptr @text\n  %w = zext i8 %c to i32\n"
                   "  %s = select i1 %same, i32 %y, i32 -1\n  %t = sub i32 %w, 97\n"
                   "  %r = add i32 %s, %t\n  ret i32 %r\n}\n"
                   "define i32 @early() {\n  store i32 40, ptr @count\n  %c = load i8, ptr @text\n"
                   "  %p = load ptr, ptr @self\n  %same = icmp eq ptr %p, @peer\n"
                   "  %r = zext i1 %same to i32\n  ret i32 %r\n}\n");
    prime(1);
    assert_int_equal(call("early"), 1); /* emits the data first */
    assert_int_equal(codegen_count, 2);
    assert_int_equal(call("use"), 41);
    assert_int_equal(call("use"), 42);
    assert_int_equal(codegen_count, 2);
}

static void data_are_taken_from_the_object(void **state)
{
    (void)state;
    need_two_cpus();
    add("data",
        "@count = internal global i32 5\n" PRIME(
            "use") "define i32 @use() {\n  %x = load i32, ptr @count\n  %y = add i32 %x, 1\n"
                   "  store i32 %y, ptr @count\n  ret i32 %y\n}\n"
                   "define i32 @late() {\n  %x = load i32, ptr @count\n  ret i32 %x\n}\n");
    prime(1);
    assert_int_equal(call("use"), 6);
    assert_int_equal(call("late"), 6);
}

static void redefined_data_win(void **state)
{
    static int mine = 30;
    (void)state;
    need_two_cpus();
    add("data", "@datum = global i32 5\n" PRIME(
                    "use") "define i32 @use() {\n  %x = load i32, ptr @datum\n  ret i32 %x\n}\n");
    prime(1);
    expect_ok(
        engine->ops->define_symbol(engine, "datum", JD_SYMBOL_VARIABLE, (uintptr_t)&mine, &err),
        &err);
    assert_int_equal(call("use"), 30);
}

static int host_answer(void)
{
    return 77;
}

static void redefined_functions_win(void **state)
{
    (void)state;
    need_two_cpus();
    add("calls", PRIME("use") "define i32 @callee() {\n  ret i32 1\n}\n"
                              "define i32 @use() {\n  %x = call i32 @callee()\n  ret i32 %x\n}\n");
    prime(2);
    expect_ok(engine->ops->define_symbol(engine, "callee", JD_SYMBOL_FUNCTION,
                                         (uintptr_t)host_answer, &err),
              &err);
    assert_int_equal(call("use"), 77);
}

static void strong_definitions_win(void **state)
{
    (void)state;
    need_two_cpus();
    add("weak",
        "@datum = weak global i32 1\n" PRIME(
            "use") "define weak i32 @callee() {\n  ret i32 1\n}\n"
                   "define i32 @use() {\n  %x = call i32 @callee()\n  %d = load i32, ptr @datum\n"
                   "  %r = add i32 %x, %d\n  ret i32 %r\n}\n");
    prime(2);
    add("strong", "@datum = global i32 20\ndefine i32 @callee() {\n  ret i32 300\n}\n");
    assert_int_equal(call("use"), 320);
}

static int answer(void *context, struct jd_engine *of, const char *name, enum jd_symbol_kind kind,
                  struct jd_creation *out, struct jd_error *error)
{
    static int variable = 9;
    (void)context, (void)of, (void)error;
    creator_calls++;
    assert_string_equal(name, "wanted");
    assert_int_equal(kind, JD_SYMBOL_VARIABLE);
    out->addr = (uintptr_t)&variable;
    return JD_OK;
}

static void the_creator_is_asked_at_the_first_call(void **state)
{
    (void)state;
    need_two_cpus();
    expect_ok(engine->ops->set_creator(engine, answer, NULL, &err), &err);
    add("wants", "@wanted = external global i32\n" PRIME(
                     "use") "define i32 @use() {\n  %x = load i32, ptr @wanted\n  ret i32 %x\n}\n");
    prime(1);
    assert_int_equal(creator_calls, 0);
    assert_int_equal(call("use"), 9);
    assert_int_equal(creator_calls, 1);
    assert_int_equal(codegen_count, 1);
}

static void a_removed_module_is_forgotten(void **state)
{
    char text[1024];
    (void)state;
    for (int round = 0; round < 200; round++) {
        snprintf(text, sizeof text,
                 "define i32 @use() {\n  %%x = call i32 @leaf()\n  ret i32 %%x\n}\n"
                 "define i32 @leaf() {\n  ret i32 %d\n}\n",
                 round);
        jd_module_id id = add("module", text);
        assert_int_equal(call("use"), round);
        expect_ok(engine->ops->remove_module(engine, id, &err), &err);
        memset(text, 0, sizeof text);
    }
}

static void a_child_goes_on_alone(void **state)
{
    (void)state;
    add("module", PRIME("use") "define i32 @use() {\n  %x = call i32 @leaf()\n  ret i32 %x\n}\n"
                               "define i32 @leaf() {\n  ret i32 23\n}\n");
    for (int round = 0; round < 20; round++) {
        if (round == 1)
            assert_int_equal(call("use"), 23); /* wakes the helpers */
        pid_t child = fork();
        if (!child) {
            alarm(PATIENCE_S);
            int result = call("use");
            engine->ops->destroy(engine);
            _exit(result);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 23);
    }
}

static void whole_modules_are_not_compiled_ahead(void **state)
{
    const struct jd_engine_options options = {
        .struct_size = sizeof options, .speculate_threads = 1, .granularity = JD_GRAN_MODULE};
    (void)state;
    jd_error_clear(&err);
    assert_int_equal(jd_legacy_ops.create(&options, &engine, &err), JD_E_UNSUPPORTED);
    assert_null(engine);
}

/* A graph of functions: each adds its number to a counter of its own and calls two others. */
enum { NODES = 120, CALLERS = 4 };

static char *graph(void)
{
    enum { NODE_BYTES = 400 };
    char *text = malloc((size_t)NODES * NODE_BYTES), *end = text;
    assert_non_null(text);
    for (int i = 0; i < NODES; i++) {
        int left = 2 * i + 1, right = 2 * i + 2;
        end += sprintf(end,
                       "@g%d = internal global i32 %d\ndefine i32 @f%d() {\n"
                       "  %%v = load i32, ptr @g%d\n",
                       i, i, i, i);
        if (right < NODES)
            end += sprintf(end,
                           "  %%l = call i32 @f%d()\n  %%r = call i32 @f%d()\n"
                           "  %%s = add i32 %%l, %%r\n  %%t = add i32 %%s, %%v\n  ret i32 %%t\n}\n",
                           left, right);
        else
            end += sprintf(end, "  ret i32 %%v\n}\n");
    }
    return text;
}

static int sum_of(int node)
{
    return 2 * node + 2 < NODES ? node + sum_of(2 * node + 1) + sum_of(2 * node + 2) : node;
}

static void *call_all(void *argument)
{
    int *wrong = argument;
    char name[16];
    for (int i = 0; i < NODES; i++) {
        struct jd_error local = JD_ERROR_INIT;
        uintptr_t addr;
        snprintf(name, sizeof name, "f%d", (i * 7) % NODES);
        if (engine->ops->lookup(engine, name, &addr, &local) ||
            ((int (*)(void))addr)() != sum_of((i * 7) % NODES))
            ++*wrong;
    }
    return NULL;
}

static void threads_and_helpers_agree(void **state)
{
    char *text = graph();
    (void)state;
    for (int round = 0; round < 5; round++) {
        pthread_t threads[CALLERS];
        int wrong[CALLERS] = {0};
        jd_module_id id = add("graph", text);
        for (int i = 0; i < CALLERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, call_all, &wrong[i]), 0);
        for (int i = 0; i < CALLERS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(wrong[i], 0);
        }
        expect_ok(engine->ops->remove_module(engine, id, &err), &err);
    }
    free(text);
}

static void functions_come_and_go(void **state)
{
    char *text = graph();
    (void)state;
    add("graph", text);
    for (int round = 0; round < 20; round++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", round);
        assert_int_equal(call("f0"), sum_of(0));
        expect_ok(engine->ops->free_function(engine, name, &err), &err);
    }
    assert_int_equal(call("f0"), sum_of(0));
    free(text);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(objects_are_used),
        CASE(data_exist_once),
        CASE(data_are_taken_from_the_object),
        CASE(redefined_data_win),
        CASE(redefined_functions_win),
        CASE(strong_definitions_win),
        CASE(the_creator_is_asked_at_the_first_call),
        CASE(a_removed_module_is_forgotten),
        CASE(a_child_goes_on_alone),
        cmocka_unit_test(whole_modules_are_not_compiled_ahead),
        CASE(threads_and_helpers_agree),
        CASE(functions_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
