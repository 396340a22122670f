/* SPDX-License-Identifier: Apache-2.0
 *
 * Bound calls: where the branches of one function to another really go, read from its machine code,
 * before the callee has a body, when it has one, when it gets another and when it loses it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "core_sync.h"
#include "expect.h"
#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_legacy_ops;

struct body {
    uintptr_t addr;
    size_t bytes;
};

static struct {
    struct body caller, callee;
} compiled;
static struct jd_error err;
static struct jd_engine *engine;

/* The kernel's part, counted and denied at will (ld --wrap). */
static bool is_sync_denied;
static int sync_count;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_membarrier) {
        sync_count++;
        if (is_sync_denied) {
            errno = EPERM;
            return -1;
        }
    }
    return __real_syscall(number, a, b, c, d, e, f);
}

static void on_compiled(void *context, const char *name, uintptr_t code_addr, size_t code_bytes)
{
    (void)context;
    if (!strncmp(name, "caller", 6))
        compiled.caller = (struct body){code_addr, code_bytes};
    else if (!strcmp(name, "callee"))
        compiled.callee = (struct body){code_addr, code_bytes};
}

static const struct jd_probe probe = {.struct_size = sizeof probe, .compiled = on_compiled};

/* How many direct branches of the caller go to the address? All bytes of x86-64 code are tried as
 * the beginning of a branch: a chance hit on one address in 2^32 is no worry. */
static int branches_to(uintptr_t target)
{
    int count = 0;
    const unsigned char *code = (const unsigned char *)compiled.caller.addr;
#if defined(__x86_64__)
    for (size_t at = 0; at + 5 <= compiled.caller.bytes; at++) {
        int32_t displacement;
        memcpy(&displacement, code + at + 1, sizeof displacement);
        count += (code[at] == 0xe8 || code[at] == 0xe9) &&
                 compiled.caller.addr + at + 5 + (uintptr_t)(intptr_t)displacement == target;
    }
#else
    for (size_t at = 0; at + 4 <= compiled.caller.bytes; at += 4) {
        uint32_t word;
        memcpy(&word, code + at, sizeof word);
        int64_t words = (int64_t)((uint64_t)word << 38) >> 38;
        count += (word & 0x7c000000) == 0x14000000 &&
                 compiled.caller.addr + at + (uintptr_t)(words * 4) == target;
    }
#endif
    return count;
}

static void add(const char *name, const char *text, jd_module_id *out_id)
{
    struct jd_ir ir = {text, strlen(text), name};
    expect_ok(engine->ops->add_module(engine, &ir, out_id, &err), &err);
}

static int call(const char *name)
{
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, name, &addr, &err), &err);
    return ((int (*)(void))addr)();
}

/* Eight calls, of which some may not be bound where the kernel does not help. */
static const char caller_text[] = "declare i32 @callee()\n"
                                  "define i32 @caller() {\n"
                                  "  %a = call i32 @callee()\n"
                                  "  %b = call i32 @callee()\n"
                                  "  %c = call i32 @callee()\n"
                                  "  %d = call i32 @callee()\n"
                                  "  %e = call i32 @callee()\n"
                                  "  %f = call i32 @callee()\n"
                                  "  %g = call i32 @callee()\n"
                                  "  %h = call i32 @callee()\n"
                                  "  %r = add i32 %a, %h\n"
                                  "  ret i32 %r\n}\n";
enum { CALLS = 8, CALLS_BOUND_AT_LEAST = 4 };

static int create(void)
{
    struct jd_engine_options options = {.struct_size = sizeof options, .probe = &probe};
    jd_module_id id;
    memset(&compiled, 0, sizeof compiled);
    expect_ok(jd_legacy_ops.create(&options, &engine, &err), &err);
    add("caller.ll", caller_text, &id);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    is_sync_denied = false;
    return create();
}

#if defined(__x86_64__)
static int set_up_denied(void **state)
{
    (void)state;
    is_sync_denied = true;
    return create();
}
#endif

static int tear_down(void **state)
{
    (void)state;
    engine->ops->destroy(engine);
    return 0;
}

static uintptr_t callee_stub(void)
{
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, "callee", &addr, &err), &err);
    return addr;
}

static void test_calls_are_bound_when_the_callee_is_compiled(void **state)
{
    (void)state;
    jd_module_id id;
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller"), 2); /* compiled before its callee: went through the stub */
    assert_int_equal(branches_to(compiled.callee.addr) + branches_to(callee_stub()), CALLS);
    assert_true(branches_to(compiled.callee.addr) >= CALLS_BOUND_AT_LEAST);
    assert_int_equal(call("caller"), 2);
}

/* Many calls, of which some lie across two blocks in which a CPU fetches (branch_patch.h). */
static void add_many_calls(void)
{
    static char text[64 + 40 * CALLS * CALLS];
    char *end = text;
    end += sprintf(end, "declare i32 @callee()\ndefine i32 @caller2() {\n");
    for (int i = 0; i < CALLS * CALLS; i++)
        end += sprintf(end, "  %%c%d = call i32 @callee()\n", i);
    sprintf(end, "  ret i32 %%c%d\n}\n", CALLS * CALLS - 1);
    jd_module_id id;
    add("caller2.ll", text, &id);
}

static void replace(const char *text, int expected)
{
    struct jd_ir ir = {text, strlen(text), "new.ll"};
    assert_int_equal(engine->ops->recompile(engine, "callee", &ir, &err), expected);
}

static void test_all_calls_are_bound_where_cores_can_be_synchronised(void **state)
{
    (void)state;
    jd_module_id id;
    add_many_calls();
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller2"), 1);
    if (!jd_core_sync())
        skip();
    assert_int_equal(branches_to(compiled.callee.addr), CALLS * CALLS);
    replace("define i32 @callee() { ret i32 2 }\n", JD_OK);
    assert_int_equal(branches_to(compiled.callee.addr), CALLS * CALLS);
    assert_int_equal(call("caller2"), 2);
    expect_ok(engine->ops->free_function(engine, "callee", &err), &err);
    assert_int_equal(branches_to(callee_stub()), CALLS * CALLS);
}

static void test_calls_of_a_compiled_callee_are_bound_at_link(void **state)
{
    (void)state;
    jd_module_id id;
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("callee"), 1);
    add_many_calls();
    is_sync_denied = false;
    sync_count = 0;
    assert_int_equal(call("caller2"), 1);
    assert_int_equal(sync_count, 0); /* nobody runs what is not there yet */
    if (jd_core_sync())
        assert_int_equal(branches_to(compiled.callee.addr), CALLS * CALLS);
}

#if defined(__x86_64__)
/* A CPU that fetches while the field is being replaced must not see half of it. */
static void test_fields_across_fetch_blocks_need_the_kernel(void **state)
{
    (void)state;
    jd_module_id id;
    int across = 0;
    add_many_calls();
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller2"), 1);
    const unsigned char *code = (const unsigned char *)compiled.caller.addr;
    for (size_t at = 0; at + 5 <= compiled.caller.bytes; at++) {
        int32_t displacement;
        memcpy(&displacement, code + at + 1, sizeof displacement);
        uintptr_t next = compiled.caller.addr + at + 5;
        if (code[at] != 0xe8 || (next + (uintptr_t)(intptr_t)displacement != compiled.callee.addr &&
                                 next + (uintptr_t)(intptr_t)displacement != callee_stub()))
            continue;
        bool is_bound = next + (uintptr_t)(intptr_t)displacement == compiled.callee.addr;
        bool is_across = (next - 4) / 16 != (next - 1) / 16;
        across += is_across;
        assert_int_equal(is_bound, !is_across);
    }
    assert_true(across > 0);
}

/* A program may give up system calls while it runs. */
static void test_kernel_that_no_longer_helps_leaves_calls_where_they_go(void **state)
{
    (void)state;
    jd_module_id id;
    add_many_calls();
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller2"), 1);
    if (!jd_core_sync())
        skip();
    is_sync_denied = true;
    replace("define i32 @callee() { ret i32 2 }\n", JD_E_LIMIT);
    assert_string_equal(err.where, "membarrier");
    jd_error_clear(&err);
    assert_int_equal(call("caller2"), 1);
    is_sync_denied = false;
    replace("define i32 @callee() { ret i32 3 }\n", JD_OK);
    assert_int_equal(call("caller2"), 3);
}
#endif

static void test_callee_of_a_module_that_came_later_is_bound(void **state)
{
    (void)state;
    jd_module_id id;
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, "caller", &addr, &err), &err);
    add("callee.ll", "define i32 @callee() { ret i32 3 }\n", &id);
    assert_int_equal(call("caller"), 6);
    assert_true(branches_to(compiled.callee.addr) >= CALLS_BOUND_AT_LEAST);
}

static void test_recompile_takes_the_calls_along(void **state)
{
    (void)state;
    jd_module_id id;
    static const char text[] = "define i32 @callee() { ret i32 5 }\n";
    struct jd_ir ir = {text, strlen(text), "new.ll"};
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller"), 2);
    struct body old = compiled.callee;
    expect_ok(engine->ops->recompile(engine, "callee", &ir, &err), &err);
    assert_int_equal(call("caller"), 10);
    assert_true(compiled.callee.addr != old.addr);
    assert_int_equal(branches_to(old.addr), 0);
    assert_true(branches_to(compiled.callee.addr) >= CALLS_BOUND_AT_LEAST);
}

static void test_free_and_compile_again(void **state)
{
    (void)state;
    jd_module_id id;
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller"), 2);
    struct body old = compiled.callee;
    expect_ok(engine->ops->free_function(engine, "callee", &err), &err);
    assert_int_equal(branches_to(old.addr), 0);
    assert_int_equal(branches_to(callee_stub()), CALLS);
    assert_int_equal(call("caller"), 2);
    assert_true(branches_to(compiled.callee.addr) >= CALLS_BOUND_AT_LEAST);
}

static void test_removed_callee_leaves_no_branch_behind(void **state)
{
    (void)state;
    jd_module_id id;
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller"), 2);
    struct body old = compiled.callee;
    expect_ok(engine->ops->remove_module(engine, id, &err), &err);
    assert_int_equal(branches_to(old.addr), 0);
    add("again.ll", "define i32 @callee() { ret i32 7 }\n", &id);
    assert_int_equal(call("caller"), 14);
}

/* Threads run through the branches while they are rewritten under them. */
static atomic_bool has_ended;

static void *keep_calling(void *argument)
{
    int (*function)(void) = (int (*)(void))(uintptr_t)argument;
    intptr_t wrong = 0;
    while (!has_ended) {
        int value = function();
        wrong += value < 2 || value > 20;
    }
    return (void *)wrong;
}

static void test_branches_change_while_threads_run_them(void **state)
{
    (void)state;
    enum { THREADS = 3, ROUNDS = 300 };
    pthread_t threads[THREADS];
    jd_module_id id;
    uintptr_t addr;
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller"), 2);
    expect_ok(engine->ops->lookup(engine, "caller", &addr, &err), &err);
    has_ended = false;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_calling, (void *)addr), 0);
    for (int i = 0; i < ROUNDS; i++) {
        char text[64];
        snprintf(text, sizeof text, "define i32 @callee() { ret i32 %d }\n", 1 + i % 10);
        struct jd_ir ir = {text, strlen(text), "new.ll"};
        expect_ok(engine->ops->recompile(engine, "callee", &ir, &err), &err);
    }
    has_ended = true;
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

/* A signal that the engine does not put off (it might be a fault), whose handler runs the branches
 * that this very thread is rewriting. */
static int (*interrupted)(void);
static volatile sig_atomic_t interruptions, wrong_results;

static void run_the_branches(int number)
{
    (void)number;
    int value = interrupted();
    interruptions = interruptions + 1;
    if (value < 1 || value > 10)
        wrong_results = wrong_results + 1;
}

static void *keep_interrupting(void *argument)
{
    while (!has_ended) {
        pthread_kill(*(pthread_t *)argument, SIGSYS);
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    return NULL;
}

static void test_handler_runs_branches_that_its_thread_rewrites(void **state)
{
    (void)state;
    enum { ROUNDS = 300 };
    pthread_t self = pthread_self(), other;
    jd_module_id id;
    uintptr_t addr;
    struct sigaction action = {.sa_handler = run_the_branches}, before;
    add_many_calls();
    add("callee.ll", "define i32 @callee() { ret i32 1 }\n", &id);
    assert_int_equal(call("caller2"), 1);
    expect_ok(engine->ops->lookup(engine, "caller2", &addr, &err), &err);
    interrupted = (int (*)(void))addr;
    sigaction(SIGSYS, &action, &before);
    has_ended = false;
    assert_int_equal(pthread_create(&other, NULL, keep_interrupting, &self), 0);
    while (!interruptions) /* the other thread has started, and goes on until it is told */
        sched_yield();
    for (int i = 0; i < ROUNDS; i++) {
        char text[64];
        snprintf(text, sizeof text, "define i32 @callee() { ret i32 %d }\n", 1 + i % 10);
        replace(text, JD_OK);
    }
    has_ended = true;
    pthread_join(other, NULL);
    sigaction(SIGSYS, &before, NULL);
    assert_int_equal(wrong_results, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls_are_bound_when_the_callee_is_compiled),
        TEST(test_all_calls_are_bound_where_cores_can_be_synchronised),
        TEST(test_calls_of_a_compiled_callee_are_bound_at_link),
#if defined(__x86_64__)
        cmocka_unit_test_setup_teardown(test_fields_across_fetch_blocks_need_the_kernel,
                                        set_up_denied, tear_down),
        TEST(test_kernel_that_no_longer_helps_leaves_calls_where_they_go),
#endif
        TEST(test_callee_of_a_module_that_came_later_is_bound),
        TEST(test_recompile_takes_the_calls_along),
        TEST(test_free_and_compile_again),
        TEST(test_removed_callee_leaves_no_branch_behind),
        TEST(test_branches_change_while_threads_run_them),
        TEST(test_handler_runs_branches_that_its_thread_rewrites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
