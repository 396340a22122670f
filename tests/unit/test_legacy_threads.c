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
#include <unistd.h>

#include "expect.h"
#include "jitduel/engine.h"
#include "throw_through.h"

extern const struct jd_engine_ops jd_legacy_ops;

static struct jd_error err;
static struct jd_engine *engine;
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
    struct jd_engine_options options = {.struct_size = sizeof options, .on_error = on_error};
    (void)state;
    alarm(60); /* a deadlock shows as the signal that ends the test */
    jd_error_clear(&err);
    handled = (struct jd_error)JD_ERROR_INIT;
    expect_ok(jd_legacy_ops.create(&options, &engine, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    engine->ops->destroy(engine);
    alarm(0);
    return 0;
}

static jd_module_id add(const char *name, const char *text)
{
    struct jd_ir ir = {text, strlen(text), name};
    jd_module_id id;
    expect_ok(engine->ops->add_module(engine, &ir, &id, &err), &err);
    return id;
}

static int (*find(const char *name))(void)
{
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, name, &addr, &err), &err);
    return (int (*)(void))addr;
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
    int (*f)(void) = find("f");
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
    int (*f)(void) = find("f"), (*g)(void) = find("g");
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

static void handler_on_its_own_stack_interrupts_the_creator(void **state)
{
    static char memory[1 << 16];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory}, before;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    (void)state;
    sigaltstack(&stack, &before);
    sigaction(SIGUSR1, &action, NULL);
    set_creator(raising_creator, NULL);
    add("m", "declare i32 @made()\ndefine i32 @f() { %r = call i32 @made() ret i32 %r }\n"
             "define i32 @cold() { ret i32 7 }\n");
    in_handler = find("cold");
    handler_saw = 0;
    assert_int_equal(find("f")(), 40);
    assert_int_equal(handler_saw, 7);
    sigaltstack(&before, NULL);
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
    assert_int_equal(pthread_create(&thread, NULL, call_it, (void *)(uintptr_t)find("f")), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &asked);
    assert_int_equal(find("g")(), 1);
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
    assert_int_equal(pthread_create(&thread, NULL, call_it, (void *)(uintptr_t)find("f")), 0);
    while (!asked)
        usleep(1000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(find("g")(), 1);
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
    assert_int_equal(find("f")(), -1);
    assert_int_equal(handled.code, JD_E_UNSUPPORTED);
    assert_int_equal(find("g")(), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_that_need_the_same_name_wait_for_the_creator),
        TEST(units_that_need_each_others_data),
        TEST(handler_on_its_own_stack_interrupts_the_creator),
        TEST(thread_that_ends_in_the_creator_leaves_nothing_busy),
        TEST(thread_cancelled_in_the_creator_leaves_nothing_busy),
        TEST(exception_out_of_the_creator_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
