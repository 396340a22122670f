/* SPDX-License-Identifier: Apache-2.0
 *
 * Several threads in the legacy engine's foreign calls, and the ways in which a thread can leave or
 * interrupt one: a signal handler on its own stack, an exception, the thread's end.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "legacy_fixture.h"
#include "patience.h"
#include "throw_through.h"

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
    alarm(PATIENCE_S); /* a deadlock shows as the signal that ends the test */
    handled = (struct jd_error)JD_ERROR_INIT;
    create((struct jd_engine_options){.on_error = on_error});
    return 0;
}

static int tear_down(void **state)
{
    destroy(state);
    alarm(0);
    return 0;
}

static int (*function(const char *name))(void)
{
    return (int (*)(void))find(name);
}

static void set_creator(jd_creator_fn creator, void *context)
{
    expect_ok(engine->ops->set_creator(engine, creator, context, &err), &err);
}

static int forty(void)
{
    return 40;
}

static void *call_it(void *function)
{
    return (void *)(intptr_t)((int (*)(void))(uintptr_t)function)();
}

/* ---- a creator that takes its time ---- */

static int slow_creator(void *context, struct jd_engine *asking, const char *name,
                        enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *error)
{
    atomic_int *asked = context;
    (void)asking, (void)name, (void)kind, (void)error;
    (*asked)++;
    usleep(30000);
    out->addr = (uintptr_t)forty;
    return JD_OK;
}

static void threads_that_need_the_same_name_wait_for_the_creator(void **state)
{
    enum { THREADS = 8 };
    atomic_int asked = 0;
    pthread_t threads[THREADS];
    (void)state;
    set_creator(slow_creator, &asked);
    add("m", "declare i32 @made()\ndefine i32 @f() { %r = call i32 @made() ret i32 %r }\n");
    int (*f)(void) = function("f");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_it, (void *)(uintptr_t)f), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_int_equal((intptr_t)result, 40);
    }
    assert_int_equal(asked, 1);
}

/* f claims x, waits in the creator, then needs y; g claims y and needs x. */
static pthread_barrier_t in_creator;
static int created_datum = 1;

static int meeting_creator(void *context, struct jd_engine *asking, const char *name,
                           enum jd_symbol_kind kind, struct jd_creation *out,
                           struct jd_error *error)
{
    (void)context, (void)asking, (void)name, (void)kind, (void)error;
    pthread_barrier_wait(&in_creator);
    usleep(30000);
    out->addr = (uintptr_t)&created_datum;
    return JD_OK;
}

static void *call_after_meeting(void *function)
{
    pthread_barrier_wait(&in_creator);
    return call_it(function);
}

static void units_that_need_each_others_data(void **state)
{
    pthread_t thread;
    void *result;
    (void)state;
    pthread_barrier_init(&in_creator, NULL, 2);
    set_creator(meeting_creator, NULL);
    add("a", "@made = external global i32\n@y = external global i32\n@x = global i32 10\n"
             "define i32 @f() { %m = load i32, ptr @made %x = load i32, ptr @x\n"
             "%y = load i32, ptr @y %s = add i32 %m, %x %t = add i32 %s, %y ret i32 %t }\n");
    add("b", "@x = external global i32\n@y = global i32 100\n"
             "define i32 @g() { %x = load i32, ptr @x %y = load i32, ptr @y\n"
             "%s = add i32 %x, %y ret i32 %s }\n");
    int (*f)(void) = function("f"), (*g)(void) = function("g");
    assert_int_equal(pthread_create(&thread, NULL, call_after_meeting, (void *)(uintptr_t)g), 0);
    assert_int_equal(f(), 111);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, 110);
    pthread_barrier_destroy(&in_creator);
}

/* ---- a signal handler on a stack of its own ---- */

static int (*in_handler)(void);
static volatile int handler_saw;

static void on_signal(int number)
{
    (void)number;
    handler_saw = in_handler();
}

static int raising_creator(void *context, struct jd_engine *asking, const char *name,
                           enum jd_symbol_kind kind, struct jd_creation *out,
                           struct jd_error *error)
{
    (void)context, (void)asking, (void)name, (void)kind, (void)error;
    raise(SIGUSR1);
    out->addr = (uintptr_t)forty;
    return JD_OK;
}

static void interrupt_the_creator_on(void *memory, size_t bytes)
{
    stack_t stack = {.ss_sp = memory, .ss_size = bytes}, before;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, &before);
    sigaction(SIGUSR1, &action, NULL);
    set_creator(raising_creator, NULL);
    add("m", "declare i32 @made()\ndefine i32 @f() { %r = call i32 @made() ret i32 %r }\n"
             "define i32 @cold() { ret i32 7 }\n");
    in_handler = function("cold");
    handler_saw = 0;
    assert_int_equal(function("f")(), 40);
    assert_int_equal(handler_saw, 7);
    sigaltstack(&before, NULL);
}

static void handler_on_its_own_stack_interrupts_the_creator(void **state)
{
    static char memory[1 << 16];
    (void)state;
    interrupt_the_creator_on(memory, sizeof memory);
}

/* As if the creator had been left by longjmp, but for what sigaltstack says. */
static void handler_on_a_part_of_the_threads_stack_interrupts_the_creator(void **state)
{
    char memory[1 << 16];
    (void)state;
    interrupt_the_creator_on(memory, sizeof memory);
}

/* ---- a creator that does not return ---- */

static int exiting_creator(void *context, struct jd_engine *asking, const char *name,
                           enum jd_symbol_kind kind, struct jd_creation *out,
                           struct jd_error *error)
{
    atomic_int *asked = context;
    (void)asking, (void)name, (void)kind, (void)error;
    if (!(*asked)++)
        pthread_exit(context);
    out->addr = (uintptr_t)&created_datum;
    return JD_OK;
}

/* Work that is given up goes on, on another stack, from where a creator was called. */
static void skip_if_only_one_stack_is_followed(void)
{
#if defined(__SANITIZE_THREAD__)
    print_message("skipped: ThreadSanitizer follows longjmp on one stack only\n");
    skip();
#endif
}

static const char needs_made[] = "@made = external global i32\n"
                                 "define i32 @f() { %r = load i32, ptr @made ret i32 %r }\n"
                                 "define i32 @g() { %r = call i32 @f() ret i32 %r }\n";

static void thread_that_ends_in_the_creator_leaves_nothing_busy(void **state)
{
    atomic_int asked = 0;
    pthread_t thread;
    void *result;
    (void)state;
    skip_if_only_one_stack_is_followed();
    set_creator(exiting_creator, &asked);
    add("m", needs_made);
    assert_int_equal(pthread_create(&thread, NULL, call_it, (void *)(uintptr_t)function("f")), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &asked);
    assert_int_equal(function("g")(), 1);
    assert_int_equal(asked, 2);
}

static int waiting_creator(void *context, struct jd_engine *asking, const char *name,
                           enum jd_symbol_kind kind, struct jd_creation *out,
                           struct jd_error *error)
{
    atomic_int *asked = context;
    (void)asking, (void)name, (void)kind, (void)error;
    if (!(*asked)++)
        for (;;)
            pause();
    out->addr = (uintptr_t)&created_datum;
    return JD_OK;
}

static void thread_cancelled_in_the_creator_leaves_nothing_busy(void **state)
{
    atomic_int asked = 0;
    pthread_t thread;
    void *result;
    (void)state;
    skip_if_only_one_stack_is_followed();
    set_creator(waiting_creator, &asked);
    add("m", needs_made);
    assert_int_equal(pthread_create(&thread, NULL, call_it, (void *)(uintptr_t)function("f")), 0);
    while (!asked)
        usleep(1000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(function("g")(), 1);
}

static int throwing_creator(void *context, struct jd_engine *asking, const char *name,
                            enum jd_symbol_kind kind, struct jd_creation *out,
                            struct jd_error *error)
{
    atomic_int *asked = context;
    (void)asking, (void)name, (void)kind, (void)error;
    if (!(*asked)++)
        throw_an_int();
    out->addr = (uintptr_t)&created_datum;
    return JD_OK;
}

static void exception_out_of_the_creator_is_an_error(void **state)
{
    atomic_int asked = 0;
    (void)state;
    set_creator(throwing_creator, &asked);
    add("m", needs_made);
    assert_int_equal(function("f")(), -1);
    assert_int_equal(handled.code, JD_E_UNSUPPORTED);
    assert_int_equal(function("g")(), 1);
}

/* ---- forks and ends of the process ---- */

static int forking_creator(void *context, struct jd_engine *asking, const char *name,
                           enum jd_symbol_kind kind, struct jd_creation *out,
                           struct jd_error *error)
{
    pid_t *child = context;
    (void)asking, (void)name, (void)kind, (void)error;
    *child = fork();
    out->addr = (uintptr_t)&created_datum;
    return JD_OK;
}

static void fork_in_the_creator_lets_both_go_on(void **state)
{
    pid_t child = -1;
    int status;
    (void)state;
    set_creator(forking_creator, &child);
    add("m", needs_made);
    int result = function("g")();
    if (!child)
        _exit(result == 1 ? 0 : 1);
    assert_int_equal(result, 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The child has not the thread that asks the creator: it asks again. */
static void fork_while_another_thread_asks(void **state)
{
    atomic_int asked = 0;
    pthread_t thread;
    void *result;
    int status;
    (void)state;
    set_creator(slow_creator, &asked);
    add("m", "declare i32 @made()\ndefine i32 @f() { %r = call i32 @made() ret i32 %r }\n");
    int (*f)(void) = function("f");
    assert_int_equal(pthread_create(&thread, NULL, call_it, (void *)(uintptr_t)f), 0);
    while (!asked)
        usleep(100);
    pid_t child = fork();
    if (!child) {
        alarm(PATIENCE_S);
        _exit(f() == 40 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, 40);
}

/* Handlers that were registered before those of the engine run while it is held for the fork. */
static bool wants_signal_in_fork;

static void raise_in_fork(void)
{
    if (wants_signal_in_fork)
        raise(SIGUSR1);
}

static void signal_in_the_middle_of_a_fork_waits(void **state)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    int status;
    (void)state;
    add("m", "define i32 @cold() { ret i32 7 }\n");
    in_handler = function("cold");
    handler_saw = 0;
    sigaction(SIGUSR1, &action, &before);
    wants_signal_in_fork = true;
    pid_t child = fork();
    wants_signal_in_fork = false;
    if (!child)
        _exit(function("cold")() == 7 ? 0 : 1);
    sigaction(SIGUSR1, &before, NULL);
    assert_int_equal(handler_saw, 7);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Handlers and thread-local destructors of generated code make first calls when main has ended. */
static void first_calls_when_the_process_ends(void **state)
{
    static const char text[] =
        "@step = global i32 0\n@__dso_handle = external global i8\n"
        "declare i32 @__cxa_atexit(ptr, ptr, ptr)\ndeclare void @_exit(i32)\n"
        "declare i32 @__cxa_thread_atexit(ptr, ptr, ptr)\n"
        "define void @thread_end(ptr %p) { call void @cold(i32 1) ret void }\n"
        "define void @process_end(ptr %p) { call void @cold2(i32 2)\n"
        "  %v = load i32, ptr @step call void @_exit(i32 %v) ret void }\n"
        "define void @cold(i32 %x) { store i32 %x, ptr @step ret void }\n"
        "define void @cold2(i32 %x) { %v = load i32, ptr @step %m = mul i32 %v, 10\n"
        "  %s = add i32 %m, %x store i32 %s, ptr @step ret void }\n"
        "define i32 @f() {\n"
        "  %a = call i32 @__cxa_atexit(ptr @process_end, ptr null, ptr @__dso_handle)\n"
        "  %b = call i32 @__cxa_thread_atexit(ptr @thread_end, ptr null, ptr @__dso_handle)\n"
        "  ret i32 0 }\n";
    int status;
    (void)state;
    add("m", text);
    pid_t child = fork();
    if (!child) {
        function("f")();
        exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 12);
}

/* ---- resolvers of ifuncs ---- */

static void resolver_that_calls_what_is_not_compiled(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    (void)state;
    add("m", "@i = ifunc i32 (), ptr @pick\n@j = ifunc i32 (), ptr @pick2\n"
             "define i32 @one() { ret i32 1 }\ndefine i32 @two() { ret i32 2 }\n"
             "define i1 @cold() { ret i1 true }\n"
             "define internal ptr @pick() { %c = call i1 @cold() %n = call i32 @j()\n"
             "  %t = icmp eq i32 %n, 2 %b = and i1 %c, %t\n"
             "  %p = select i1 %b, ptr @one, ptr @two ret ptr %p }\n"
             "define internal ptr @pick2() { %c = call i1 @cold()\n"
             "  %p = select i1 %c, ptr @two, ptr @one ret ptr %p }\n"
             "define i32 @f() { %a = call i32 @i() %b = call i32 @j()\n"
             "  %r = add i32 %a, %b ret i32 %r }\n");
    int (*f)(void) = function("f");
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, call_it, (void *)(uintptr_t)f), 0);
    for (int t = 0; t < THREADS; t++) {
        void *result;
        pthread_join(threads[t], &result);
        assert_int_equal((intptr_t)result, 3);
    }
}

/* ---- modules that go while others look ---- */

static atomic_bool has_ended;

static void *look_and_look(void *unused)
{
    uintptr_t addr;
    (void)unused;
    while (!has_ended) {
        struct jd_error error = JD_ERROR_INIT;
        int result = engine->ops->lookup(engine, "datum", &addr, &error);
        if (result && result != JD_E_NOT_FOUND && result != JD_E_UNRESOLVED)
            return "look-up";
        jd_error_clear(&error);
        result = engine->ops->lookup(engine, "function", &addr, &error);
        if (result && result != JD_E_NOT_FOUND)
            return "look-up of a function";
    }
    return NULL;
}

static int answer_after_a_while(void *context, struct jd_engine *asking, const char *name,
                                enum jd_symbol_kind kind, struct jd_creation *out,
                                struct jd_error *error)
{
    (void)context, (void)asking, (void)kind, (void)error;
    usleep(100);
    if (!strcmp(name, "made"))
        out->addr = (uintptr_t)&created_datum;
    return JD_OK;
}

static void modules_go_while_others_look(void **state)
{
    enum { THREADS = 3, ROUNDS = 200 };
    static const char new_body[] = "define i32 @function() { ret i32 2 }\n";
    const struct jd_ir ir = {new_body, sizeof new_body - 1, "new"};
    pthread_t threads[THREADS];
    (void)state;
    set_creator(answer_after_a_while, NULL);
    has_ended = false;
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, look_and_look, NULL), 0);
    for (int round = 0; round < ROUNDS; round++) {
        jd_module_id id =
            add("m", "@made = external global i32\n@datum = global ptr @made\n"
                     "define i32 @function() { %r = load i32, ptr @made ret i32 %r }\n");
        if (round % 3 == 0)
            expect_ok(engine->ops->recompile(engine, "function", &ir, &err), &err);
        expect_ok(engine->ops->remove_module(engine, id, &err), &err);
        expect_error(engine->ops->remove_module(engine, id, &err), JD_E_NOT_FOUND, "", &err);
    }
    has_ended = true;
    for (int t = 0; t < THREADS; t++) {
        void *wrong;
        pthread_join(threads[t], &wrong);
        assert_null(wrong);
    }
}

static void resolver_without_an_answer_is_an_error(void **state)
{
    (void)state;
    add("m", "@i = ifunc i32 (), ptr @none\ndefine internal ptr @none() { ret ptr null }\n"
             "define i32 @f() { %r = call i32 @i() ret i32 %r }\n");
    assert_int_equal(function("f")(), -1);
    assert_int_equal(handled.code, JD_E_COMPILE);
    assert_string_equal(handled.where, "i");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_that_need_the_same_name_wait_for_the_creator),
        TEST(units_that_need_each_others_data),
        TEST(handler_on_its_own_stack_interrupts_the_creator),
        TEST(handler_on_a_part_of_the_threads_stack_interrupts_the_creator),
        TEST(thread_that_ends_in_the_creator_leaves_nothing_busy),
        TEST(thread_cancelled_in_the_creator_leaves_nothing_busy),
        TEST(exception_out_of_the_creator_is_an_error),
        TEST(fork_in_the_creator_lets_both_go_on),
        TEST(fork_while_another_thread_asks),
        TEST(signal_in_the_middle_of_a_fork_waits),
        TEST(first_calls_when_the_process_ends),
        TEST(resolver_that_calls_what_is_not_compiled),
        TEST(resolver_without_an_answer_is_an_error),
        TEST(modules_go_while_others_look),
    };
    if (pthread_atfork(raise_in_fork, NULL, NULL))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
