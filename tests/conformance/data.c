/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 58 to 60: variables. When they cost memory, who initialises them, and whose they are.
 */
#include "cases.h"

#include <pthread.h>
#include <string.h>

/* --- 58 --- */

enum { BIG_BYTES = 1024 * 1024 };

void case_lazy_global_emission(struct trial *t)
{
    static const char ir[] =
        "@big = global { i64, [1048568 x i8] } { i64 58, [1048568 x i8] zeroinitializer }\n"
        "@ping = global { ptr, i64 } { ptr @pong, i64 1 }\n"
        "@pong = global { ptr, i64 } { ptr @ping, i64 2 }\n"
        "@self = global ptr @self\n"
        "define i64 @small() {\n"
        "  ret i64 5\n"
        "}\n"
        "define i64 @read_big() {\n"
        "  %r = load i64, ptr @big, align 8\n"
        "  ret i64 %r\n"
        "}\n"
        "define i64 @around() {\n"
        "  %pong = load ptr, ptr @ping, align 8\n"
        "  %ping = load ptr, ptr %pong, align 8\n"
        "  %is = icmp eq ptr %ping, @ping\n"
        "  %s = load ptr, ptr @self, align 8\n"
        "  %is_self = icmp eq ptr %s, @self\n"
        "  %both = and i1 %is, %is_self\n"
        "  %p = getelementptr i8, ptr %pong, i64 8\n"
        "  %v = load i64, ptr %p, align 8\n"
        "  %r = select i1 %both, i64 %v, i64 -1\n"
        "  ret i64 %r\n"
        "}\n";
    trial_create(t, NULL);
    struct jd_counters empty = trial_counters(t);
    trial_add(t, "data", ir);
    CHECK_EQ(CALLEE(t, "small", int64_t, void)(), 5);
    CHECK_EQ(CALLEE(t, "around", int64_t, void)(), 2);
    struct jd_counters before = trial_counters(t);
    CHECK(before.data_bytes - empty.data_bytes < BIG_BYTES / 4);
    CHECK(before.committed_bytes < empty.committed_bytes + BIG_BYTES / 2);
    CHECK_EQ(CALLEE(t, "read_big", int64_t, void)(), 58);
    CHECK(trial_counters(t).data_bytes >= before.data_bytes + BIG_BYTES);
    trial_destroy(t);

    trial_create(t, NULL); /* a look-up is a reference too */
    trial_add(t, "data", ir);
    CHECK_EQ(*(const int64_t *)trial_lookup(t, "big"), 58);
    CHECK(trial_counters(t).data_bytes >= empty.data_bytes + BIG_BYTES);
}

/* --- 59 --- */

enum { MAX_NOTES = 32 };

static struct {
    int64_t values[MAX_NOTES];
    unsigned count;
} notes;

static void note(int64_t value)
{
    if (notes.count < MAX_NOTES)
        notes.values[notes.count++] = value;
}

static void check_notes(struct trial *t, const int64_t *expected, unsigned count)
{
    CHECK_EQ(notes.count, count);
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(notes.values[i], expected[i]);
}

/* Constructors note base + 1 (priority 65535) and base + 2 (priority 101), destructors base + 11
 * and base + 12. The late constructor also registers two functions for the exit of the program. */
static void add_structors(struct trial *t, const char *name, int base)
{
    struct text ir = {0};
    text_add(&ir, "declare void @note(i64)\n"
                  "declare i32 @__cxa_atexit(ptr, ptr, ptr)\n"
                  "@__dso_handle = external hidden global i8\n"
                  "%%entry = type { i32, ptr, ptr }\n"
                  "@llvm.global_ctors = appending global [2 x %%entry] ["
                  "%%entry { i32 65535, ptr @late, ptr null },"
                  " %%entry { i32 101, ptr @early, ptr null }]\n"
                  "@llvm.global_dtors = appending global [2 x %%entry] ["
                  "%%entry { i32 65535, ptr @late_end, ptr null },"
                  " %%entry { i32 101, ptr @early_end, ptr null }]\n");
    text_add(&ir,
             "define internal void @late() {\n"
             "  call void @note(i64 %d)\n"
             "  call i32 @__cxa_atexit(ptr @at_exit, ptr inttoptr (i64 %d to ptr),"
             " ptr @__dso_handle)\n"
             "  call i32 @__cxa_atexit(ptr @at_exit, ptr inttoptr (i64 %d to ptr),"
             " ptr @__dso_handle)\n"
             "  ret void\n"
             "}\n"
             "define internal void @at_exit(ptr %%p) {\n"
             "  %%x = ptrtoint ptr %%p to i64\n"
             "  call void @note(i64 %%x)\n"
             "  ret void\n"
             "}\n",
             base + 1, base + 21, base + 22);
    static const char *const functions[] = {"early", "late_end", "early_end"};
    static const int offsets[] = {2, 11, 12};
    for (int i = 0; i < 3; i++)
        text_add(&ir, "define internal void @%s() {\n  call void @note(i64 %d)\n  ret void\n}\n",
                 functions[i], base + offsets[i]);
    trial_add(t, name, ir.chars);
    text_free(&ir);
}

void case_constructor_priority_and_once(struct trial *t)
{
    static const int64_t begun[] = {102, 202, 101, 201};
    static const int64_t ended[] = {222, 221, 122, 121, 211, 111, 212, 112};
    static const int64_t third_begun[] = {302, 301};
    trial_create(t, NULL);
    trial_define(t, "note", JD_SYMBOL_FUNCTION, (uintptr_t)&note);
    add_structors(t, "a", 100);
    add_structors(t, "b", 200);
    notes.count = 0;
    trial_prepare(t);
    CHECK_EQ(notes.count, 0);
    CHECK_OK(t->ops->run_constructors(t->engine, &t->err));
    check_notes(t, begun, 4);
    CHECK_OK(t->ops->run_constructors(t->engine, &t->err));
    CHECK_EQ(notes.count, 4);

    notes.count = 0;
    CHECK_OK(t->ops->run_destructors(t->engine, &t->err));
    check_notes(t, ended, 8);
    CHECK_OK(t->ops->run_destructors(t->engine, &t->err));
    CHECK_EQ(notes.count, 8);

    /* A module that comes later has its turn. What it registers for the exit is never run: the
     * engine is destroyed first, and nothing in this process may call the code after that. */
    notes.count = 0;
    add_structors(t, "c", 300);
    CHECK_OK(t->ops->run_constructors(t->engine, &t->err));
    check_notes(t, third_begun, 2);
}

/* --- 60 --- */

/* Found through the dynamic symbol table of this program. */
_Thread_local int64_t conformance_host_tls = 600;

struct tls_thread {
    uintptr_t (*address)(void);
    int64_t (*exchange)(int64_t);
    uintptr_t seen_addr;
    int64_t first, second;
};

static void *use_tls(void *context)
{
    struct tls_thread *thread = context;
    thread->first = thread->exchange(70);
    thread->second = thread->exchange(71);
    thread->seen_addr = thread->address();
    return NULL;
}

static void run_thread(struct trial *t, struct tls_thread *context)
{
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, use_tls, context));
    pthread_join(thread, NULL);
}

static const char tls_ir[] = "@own = thread_local global i64 42\n"
                             "@zero = internal thread_local global i64 0\n"
                             "declare ptr @llvm.threadlocal.address.p0(ptr)\n"
                             "define i64 @exchange(i64 %x) {\n"
                             "  %p = call ptr @llvm.threadlocal.address.p0(ptr @own)\n"
                             "  %q = call ptr @llvm.threadlocal.address.p0(ptr @zero)\n"
                             "  %old = load i64, ptr %p, align 8\n"
                             "  store i64 %x, ptr %p, align 8\n"
                             "  %n = load i64, ptr %q, align 8\n"
                             "  %m = add i64 %n, 1000\n"
                             "  store i64 %m, ptr %q, align 8\n"
                             "  %r = add i64 %old, %m\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define ptr @address() {\n"
                             "  %p = call ptr @llvm.threadlocal.address.p0(ptr @own)\n"
                             "  ret ptr %p\n"
                             "}\n";

static const char host_tls_ir[] = "@conformance_host_tls = external thread_local global i64\n"
                                  "declare ptr @llvm.threadlocal.address.p0(ptr)\n"
                                  "define i64 @exchange(i64 %x) {\n"
                                  "  %p = call ptr @llvm.threadlocal.address.p0(ptr"
                                  " @conformance_host_tls)\n"
                                  "  %old = load i64, ptr %p, align 8\n"
                                  "  store i64 %x, ptr %p, align 8\n"
                                  "  ret i64 %old\n"
                                  "}\n"
                                  "define ptr @address() {\n"
                                  "  %p = call ptr @llvm.threadlocal.address.p0(ptr"
                                  " @conformance_host_tls)\n"
                                  "  ret ptr %p\n"
                                  "}\n";

static void check_own_tls(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "tls", tls_ir);
    struct tls_thread other = {.address = CALLEE(t, "address", uintptr_t, void),
                               .exchange = CALLEE(t, "exchange", int64_t, int64_t)};
    CHECK_EQ(other.exchange(50), 42 + 1000);
    run_thread(t, &other);
    CHECK_EQ(other.first, 42 + 1000);
    CHECK_EQ(other.second, 70 + 2000);
    CHECK_EQ(other.exchange(51), 50 + 2000);
    CHECK(other.seen_addr != other.address());
    trial_destroy(t);
}

static int64_t refused_exchange(int64_t x)
{
    (void)x;
    return -60;
}

/* Right in every thread, or refused: when it is added or linked, or at the first call. */
static void check_host_tls(struct trial *t)
{
    uintptr_t addr = 0;
    trial_create(t, NULL);
    int code = trial_try_add(t, "host_tls", host_tls_ir);
    if (!code)
        code = t->ops->prepare(t->engine, &t->err);
    if (!code)
        code = t->ops->lookup(t->engine, "exchange", &addr, &t->err);
    if (code) {
        CHECK_EQ(t->err.kind, JD_KIND_UNSUPPORTED);
        return;
    }
    struct tls_thread other = {.exchange = (int64_t(*)(int64_t))addr};
    t->fault.count = 0;
    t->fault.substitute_addr = (uintptr_t)&refused_exchange;
    int64_t old = other.exchange(61);
    t->fault.substitute_addr = 0;
    if (t->fault.count) {
        CHECK_EQ(t->fault.error.kind, JD_KIND_UNSUPPORTED);
        return;
    }
    CHECK_EQ(old, 600);
    CHECK_EQ(conformance_host_tls, 61);
    other.address = CALLEE(t, "address", uintptr_t, void);
    run_thread(t, &other);
    CHECK_EQ(other.first, 600);
    CHECK_EQ(other.second, 70);
    CHECK_EQ(conformance_host_tls, 61);
    conformance_host_tls = 600;
}

void case_tls_per_thread(struct trial *t)
{
    check_own_tls(t);
    check_host_tls(t);
}
