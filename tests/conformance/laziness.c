/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 1 to 6, 10 and 11: what is compiled, and when. Counts are exact: a lazy engine compiles
 * what was called, an eager one what was added. How an engine gets there is none of this file's
 * business.
 */
#include "cases.h"

#include <string.h>

static bool is_lazy(const struct trial *t)
{
    return trial_has(t, JD_CAP_LAZY);
}

/* n calls down the chain f -> g -> h; each adds its own weight. */
static const char chain_ir[] = "define i64 @f(i64 %n) {\n"
                               "  %stop = icmp eq i64 %n, 0\n"
                               "  br i1 %stop, label %leaf, label %deeper\n"
                               "leaf:\n"
                               "  ret i64 1\n"
                               "deeper:\n"
                               "  %m = sub i64 %n, 1\n"
                               "  %r = call i64 @g(i64 %m)\n"
                               "  %s = add i64 %r, 1\n"
                               "  ret i64 %s\n"
                               "}\n"
                               "define i64 @g(i64 %n) {\n"
                               "  %stop = icmp eq i64 %n, 0\n"
                               "  br i1 %stop, label %leaf, label %deeper\n"
                               "leaf:\n"
                               "  ret i64 10\n"
                               "deeper:\n"
                               "  %m = sub i64 %n, 1\n"
                               "  %r = call i64 @h(i64 %m)\n"
                               "  %s = add i64 %r, 10\n"
                               "  ret i64 %s\n"
                               "}\n"
                               "define i64 @h(i64 %n) {\n"
                               "  %s = add i64 %n, 100\n"
                               "  ret i64 %s\n"
                               "}\n";

void case_lazy_only_entry_compiled(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "chain", chain_ir);
    CHECK_EQ(trial_counters(t).functions_compiled, 0);
    trial_prepare(t);
    int64_t (*f)(int64_t) = CALLEE(t, "f", int64_t, int64_t);
    CHECK_EQ(f(0), 1);
    CHECK_EQ(trial_counters(t).functions_compiled, is_lazy(t) ? 1 : 3);
    CHECK_EQ(trial_counters(t).functions_defined, 3);
    CHECK_EQ(f(2), 111);
    CHECK_EQ(trial_counters(t).functions_compiled, 3);
}

void case_lazy_untaken_call_never_compiled(struct trial *t)
{
    static const char ir[] = "define i64 @f(i64 %taken) {\n"
                             "  %go = icmp ne i64 %taken, 0\n"
                             "  br i1 %go, label %call, label %skip\n"
                             "call:\n"
                             "  %r = call i64 @g()\n"
                             "  ret i64 %r\n"
                             "skip:\n"
                             "  ret i64 7\n"
                             "}\n"
                             "define i64 @g() {\n"
                             "  ret i64 8\n"
                             "}\n";
    trial_create(t, NULL);
    trial_add(t, "untaken", ir);
    trial_prepare(t);
    int64_t (*f)(int64_t) = CALLEE(t, "f", int64_t, int64_t);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(f(0), 7);
    CHECK_EQ(trial_counters(t).functions_compiled, is_lazy(t) ? 1 : 2);
    CHECK_EQ(f(1), 8);
    CHECK_EQ(trial_counters(t).functions_compiled, 2);
}

static void count_phase(void *context, enum jd_phase phase)
{
    (void)phase;
    ++*(unsigned *)context;
}

/* Later calls do not come to the engine at all, not even to be told that there is code. */
void case_lazy_first_call_compiles_once(struct trial *t)
{
    unsigned phase_count = 0;
    const struct jd_probe probe = {
        .struct_size = sizeof probe, .context = &phase_count, .begin = count_phase};
    struct jd_engine_options options = trial_options(t);
    options.probe = &probe;
    static const char ir[] = "define i64 @g(i64 %x) {\n"
                             "  %r = add i64 %x, 1\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define i64 @f(i64 %n) {\n"
                             "entry:\n"
                             "  br label %loop\n"
                             "loop:\n"
                             "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]\n"
                             "  %next = call i64 @g(i64 %i)\n"
                             "  %more = icmp ult i64 %next, %n\n"
                             "  br i1 %more, label %loop, label %done\n"
                             "done:\n"
                             "  ret i64 %next\n"
                             "}\n";
    trial_create(t, &options);
    trial_add(t, "loop", ir);
    int64_t (*g)(int64_t) = CALLEE(t, "g", int64_t, int64_t);
    int64_t (*f)(int64_t) = CALLEE(t, "f", int64_t, int64_t);
    CHECK_EQ(g(0), 1);
    unsigned after_first = phase_count;
    CHECK(after_first > 0);
    for (int64_t i = 1; i < 1000; i++) {
        CHECK_EQ(g(i), i + 1);
        CHECK_EQ(trial_counters(t).functions_compiled, 1);
    }
    CHECK_EQ(phase_count, after_first);
    CHECK_EQ(f(1000), 1000);
    after_first = phase_count;
    CHECK_EQ(f(1000), 1000);
    CHECK_EQ(phase_count, after_first);
    CHECK_EQ(trial_counters(t).functions_compiled, 2);
    CHECK_EQ(trial_counters(t).bodies_materialised, 2);
    trial_destroy(t); /* while the probe is there */
}

/* A compiler that walks the closure by recursion needs some kilobytes of stack for each function,
 * and there are enough of them here to use up any usual stack. */
enum { RING_COUNT = 2000 };

static void write_ring(struct text *ir)
{
    for (int i = 0; i < RING_COUNT; i++)
        text_add(ir,
                 "define i64 @ring%d(i64 %%n) {\n"
                 "  %%stop = icmp eq i64 %%n, 0\n"
                 "  br i1 %%stop, label %%leaf, label %%deeper\n"
                 "leaf:\n"
                 "  ret i64 %d\n"
                 "deeper:\n"
                 "  %%m = sub i64 %%n, 1\n"
                 "  %%r = call i64 @ring%d(i64 %%m)\n"
                 "  ret i64 %%r\n"
                 "}\n",
                 i, i, (i + 1) % RING_COUNT);
}

void case_lazy_disabled_compiles_closure(struct trial *t)
{
    struct text ir = {0};
    struct jd_engine_options options = trial_options(t);
    options.is_lazy_disabled = true;
    write_ring(&ir);
    trial_create(t, &options);
    trial_add(t, "ring", ir.chars);
    text_free(&ir);
    int64_t (*ring0)(int64_t) = CALLEE(t, "ring0", int64_t, int64_t);
    CHECK_EQ(trial_counters(t).functions_compiled, RING_COUNT);
    CHECK_EQ(ring0(0), 0);
    CHECK_EQ(ring0(RING_COUNT - 1), RING_COUNT - 1);
    CHECK_EQ(ring0(2 * RING_COUNT + 5), 5);
    CHECK_EQ(trial_counters(t).functions_compiled, RING_COUNT);
}

static int64_t substitute_minus_one(void)
{
    return -1;
}

void case_lazy_switched_off_with_live_stub(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "chain", chain_ir);
    int64_t (*f)(int64_t) = CALLEE(t, "f", int64_t, int64_t);
    int64_t (*g)(int64_t) = CALLEE(t, "g", int64_t, int64_t);
    CHECK_EQ(f(0), 1);
    CHECK_OK(t->ops->set_lazy(t->engine, false, &t->err));

    t->fault.substitute_addr = (uintptr_t)&substitute_minus_one;
    int64_t from_host = g(0), from_code = f(1);
    CHECK(from_host == 10 || (from_host == -1 && t->fault.count));
    CHECK(from_code == 11 || (from_code == 0 && t->fault.count));
    t->fault.substitute_addr = 0;

    CHECK_OK(t->ops->set_lazy(t->engine, true, &t->err));
    CHECK_EQ(f(2), 111);
}

void case_block_cold_region_deferred(struct trial *t)
{
    /* The region `cold` reads and writes a local and feeds a phi. */
    static const char ir[] = "define i64 @f(i64 %n, i64 %rare_at) {\n"
                             "entry:\n"
                             "  %local = alloca i64, align 8\n"
                             "  store i64 5, ptr %local, align 8\n"
                             "  br label %loop\n"
                             "loop:\n"
                             "  %i = phi i64 [ 0, %entry ], [ %next, %join ]\n"
                             "  %sum = phi i64 [ 0, %entry ], [ %sum2, %join ]\n"
                             "  %is_rare = icmp eq i64 %i, %rare_at\n"
                             "  br i1 %is_rare, label %cold, label %hot, !prof !0\n"
                             "cold:\n"
                             "  %old = load i64, ptr %local, align 8\n"
                             "  %a = mul i64 %i, 1000\n"
                             "  %b = add i64 %a, %old\n"
                             "  store i64 %b, ptr %local, align 8\n"
                             "  %c = mul i64 %b, 2\n"
                             "  %d = add i64 %c, %sum\n"
                             "  br label %join\n"
                             "hot:\n"
                             "  %h = add i64 %sum, %i\n"
                             "  br label %join\n"
                             "join:\n"
                             "  %sum2 = phi i64 [ %d, %cold ], [ %h, %hot ]\n"
                             "  %next = add i64 %i, 1\n"
                             "  %done = icmp eq i64 %next, %n\n"
                             "  br i1 %done, label %exit, label %loop\n"
                             "exit:\n"
                             "  %last = load i64, ptr %local, align 8\n"
                             "  %r = add i64 %sum2, %last\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "!0 = !{!\"branch_weights\", i32 1, i32 1000000}\n";
    struct jd_engine_options options = trial_options(t);
    options.granularity = JD_GRAN_BLOCK;
    trial_create(t, &options);
    trial_add(t, "region", ir);
    int64_t (*f)(int64_t, int64_t) = CALLEE(t, "f", int64_t, int64_t, int64_t);
    CHECK_EQ(f(10, -1), 50);
    struct jd_counters hot = trial_counters(t);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(f(10, -1), 50);
    CHECK_EQ(trial_counters(t).functions_compiled, hot.functions_compiled);
    CHECK_EQ(trial_counters(t).code_bytes, hot.code_bytes);

    CHECK_EQ(f(10, 3), 9057);
    struct jd_counters cold = trial_counters(t);
    CHECK(cold.functions_compiled > hot.functions_compiled);
    CHECK(cold.code_bytes > hot.code_bytes);
    CHECK_EQ(f(10, 4), 12056);
    CHECK_EQ(f(10, -1), 50);
    CHECK_EQ(trial_counters(t).functions_compiled, cold.functions_compiled);
}

/* No CPU has the register that @bad asks for, so it is valid IR that no back end can compile. */
static const char uncompilable_ir[] =
    "define i64 @f(i64 %taken) {\n"
    "  %go = icmp ne i64 %taken, 0\n"
    "  br i1 %go, label %call, label %skip\n"
    "call:\n"
    "  %r = call i64 @bad()\n"
    "  ret i64 %r\n"
    "skip:\n"
    "  ret i64 7\n"
    "}\n"
    "define i64 @bad() {\n"
    "  %r = call i64 asm sideeffect \"\", \"={nosuchregister}\"()\n"
    "  ret i64 %r\n"
    "}\n"
    "define i64 @good() {\n"
    "  ret i64 9\n"
    "}\n";

static void check_fault(struct trial *t, unsigned count, const char *name)
{
    CHECK_EQ(t->fault.count, count);
    CHECK(!strcmp(t->fault.name, name));
    CHECK(t->fault.error.code != JD_OK);
    CHECK(t->fault.error.kind == JD_KIND_INPUT);
}

static void check_compile_error_when_called(struct trial *t)
{
    jmp_buf landing;
    int64_t (*f)(int64_t) = CALLEE(t, "f", int64_t, int64_t);
    CHECK_EQ(f(0), 7);
    CHECK_EQ(t->fault.count, 0);

    t->fault.substitute_addr = (uintptr_t)&substitute_minus_one;
    CHECK_EQ(f(1), -1);
    check_fault(t, 1, "bad");

    if (!setjmp(landing)) {
        t->fault.landing = &landing;
        f(1);
        CHECK(!"reached: the handler has left");
    }
    check_fault(t, 2, "bad");
    CHECK_EQ(f(0), 7);
    CHECK_EQ(CALLEE(t, "good", int64_t, void)(), 9);
}

void case_lazy_compile_error(struct trial *t)
{
    trial_create(t, NULL);
    if (is_lazy(t)) {
        trial_add(t, "uncompilable", uncompilable_ir);
        trial_prepare(t);
        check_compile_error_when_called(t);
    } else {
        int code = trial_try_add(t, "uncompilable", uncompilable_ir);
        if (!code)
            code = t->ops->prepare(t->engine, &t->err);
        CHECK_EQ(jd_code_kind(code), JD_KIND_INPUT);
        CHECK_EQ(t->err.kind, JD_KIND_INPUT);
    }
    trial_destroy(t);
    trial_create(t, NULL);
    trial_add(t, "chain", chain_ir);
    CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(2), 111);
}

void case_lazy_bitcode_bodies_untouched(struct trial *t)
{
    enum { COUNT = 10000 };
    struct text ir = {0};
    for (int i = 0; i < COUNT; i++)
        text_add(&ir,
                 "define i64 @f%d(i64 %%x) {\n"
                 "  %%go = icmp ne i64 %%x, 0\n"
                 "  br i1 %%go, label %%call, label %%skip\n"
                 "call:\n"
                 "  %%r = call i64 @f%d(i64 %%x)\n"
                 "  ret i64 %%r\n"
                 "skip:\n"
                 "  ret i64 %d\n"
                 "}\n",
                 i, (i + 1) % COUNT, i);
    trial_create(t, NULL);
    trial_add(t, "many", ir.chars);
    text_free(&ir);
    CHECK_EQ(trial_counters(t).functions_defined, COUNT);
    CHECK_EQ(trial_counters(t).bodies_materialised, 0);
    CHECK_EQ(CALLEE(t, "f5000", int64_t, int64_t)(0), 5000);
    CHECK_EQ(trial_counters(t).bodies_materialised, 1);
    CHECK_EQ(trial_counters(t).functions_compiled, 1);
}
