/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 32 to 35 and 38 to 40: control that reaches code, or leaves it, by unusual ways: deep
 * chains of first calls, small stacks, longjmp, signals, and gotos through tables of labels.
 */
#include "cases.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

/* --- 32 --- */

enum { CHAIN_COUNT = 2000, FRAME_BYTES_MAX = 256 };

static uintptr_t deepest_addr;

static void note_depth(void)
{
    deepest_addr = (uintptr_t)__builtin_frame_address(0);
}

void case_deep_recursion_through_cold_stubs(struct trial *t)
{
    struct text ir = {0};
    text_add(&ir,
             "declare void @note_depth()\n"
             "define i64 @f%d(i64 %%x) {\n"
             "  call void @note_depth()\n"
             "  ret i64 %%x\n"
             "}\n",
             CHAIN_COUNT);
    for (int i = 0; i < CHAIN_COUNT; i++)
        text_add(&ir,
                 "define i64 @f%d(i64 %%x) {\n"
                 "  %%y = add i64 %%x, 1\n"
                 "  %%r = call i64 @f%d(i64 %%y)\n"
                 "  %%s = add i64 %%r, %%x\n"
                 "  ret i64 %%s\n"
                 "}\n",
                 i, i + 1);
    trial_create(t, NULL);
    trial_add(t, "chain", ir.chars);
    text_free(&ir);
    trial_define(t, "note_depth", JD_SYMBOL_FUNCTION, (uintptr_t)&note_depth);
    trial_prepare(t);
    int64_t (*f0)(int64_t) = CALLEE(t, "f0", int64_t, int64_t);
    uintptr_t begin_addr = (uintptr_t)__builtin_frame_address(0);
    CHECK_EQ(f0(0), CHAIN_COUNT + (int64_t)CHAIN_COUNT * (CHAIN_COUNT - 1) / 2);
    CHECK(begin_addr - deepest_addr < (uintptr_t)CHAIN_COUNT * FRAME_BYTES_MAX);
    CHECK_EQ(trial_counters(t).functions_compiled, CHAIN_COUNT + 1);
}

/* --- 33 --- */

enum { SMALL_STACK_BYTES = 32 * 1024 };

/* f(x) = g(x) + 1 and g(x) = 10 * x; g adds 0 as well, as a constant so deep that reading and
 * compiling it takes more stack than there is. */
static void write_two_cold(struct text *ir)
{
    enum { DEPTH = 400 };
    text_add(ir, "@a = global i8 0\n"
                 "@b = global i8 0\n"
                 "define i64 @f(i64 %%x) {\n"
                 "  %%y = call i64 @g(i64 %%x)\n"
                 "  %%r = add i64 %%y, 1\n"
                 "  ret i64 %%r\n"
                 "}\n"
                 "define i64 @g(i64 %%x) {\n"
                 "  %%m = mul i64 %%x, 10\n"
                 "  %%r = add i64 %%m, ");
    for (int i = 0; i < DEPTH; i++) /* a ^ (b ^ (a ^ (b ^ ... 0))) */
        text_add(ir, "xor (i64 ptrtoint (ptr @%c to i64), i64 ", i % 2 ? 'b' : 'a');
    text_add(ir, "0");
    for (int i = 0; i < DEPTH; i++)
        text_add(ir, ")");
    text_add(ir, "\n"
                 "  ret i64 %%r\n"
                 "}\n");
}

struct thread_call {
    int64_t (*function)(int64_t);
    int64_t result;
};

static void *call_in_thread(void *context)
{
    struct thread_call *call = context;
    call->result = call->function(4);
    return NULL;
}

/* makecontext passes no pointers. */
static struct thread_call *context_call;

static void call_in_context(void)
{
    call_in_thread(context_call);
}

/* On a stack of our own, where the C library lets no thread have one so small: glibc wants 128 KiB
 * on AArch64. */
static void run_on_small_stack(struct trial *t, struct thread_call *call)
{
    static _Alignas(64) unsigned char stack[SMALL_STACK_BYTES];
    ucontext_t back, there;
    CHECK(!getcontext(&there));
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    there.uc_link = &back;
    context_call = call;
    makecontext(&there, call_in_context, 0);
    CHECK(!swapcontext(&back, &there));
}

void case_first_call_on_small_stack(struct trial *t)
{
    struct thread_call call = {0};
    pthread_attr_t attributes;
    pthread_t thread;
    struct text ir = {0};
    write_two_cold(&ir);
    trial_create(t, NULL);
    trial_add(t, "cold", ir.chars);
    text_free(&ir);
    trial_prepare(t);
    call.function = CALLEE(t, "f", int64_t, int64_t);
    pthread_attr_init(&attributes);
    int status = pthread_attr_setstacksize(&attributes, SMALL_STACK_BYTES);
    if (!status)
        status = pthread_create(&thread, &attributes, call_in_thread, &call);
    pthread_attr_destroy(&attributes);
    if (status)
        run_on_small_stack(t, &call);
    else
        pthread_join(thread, NULL);
    CHECK_EQ(call.result, 41);
}

/* --- 34 --- */

static const char jump_ir[] = "declare i32 @_setjmp(ptr) returns_twice\n"
                              "declare void @longjmp(ptr, i32) noreturn\n"
                              "define i64 @guarded(ptr %buffer, i64 %x) {\n"
                              "  %s = call i32 @_setjmp(ptr %buffer) returns_twice\n"
                              "  %first = icmp eq i32 %s, 0\n"
                              "  br i1 %first, label %try, label %caught\n"
                              "try:\n"
                              "  %r = call i64 @leaver(ptr %buffer, i64 %x)\n"
                              "  ret i64 %r\n"
                              "caught:\n"
                              "  %w = sext i32 %s to i64\n"
                              "  %v = add i64 %w, 1000\n"
                              "  ret i64 %v\n"
                              "}\n"
                              "define i64 @leaver(ptr %buffer, i64 %x) {\n"
                              "  %v = trunc i64 %x to i32\n"
                              "  call void @longjmp(ptr %buffer, i32 %v) noreturn\n"
                              "  unreachable\n"
                              "}\n"
                              "define i64 @after() {\n"
                              "  ret i64 3\n"
                              "}\n";

static void check_host_lands(struct trial *t)
{
    jmp_buf landing;
    int64_t (*leaver)(jmp_buf *, int64_t) = CALLEE(t, "leaver", int64_t, jmp_buf *, int64_t);
    switch (setjmp(landing)) {
    case 0:
        leaver(&landing, 21);
        CHECK(!"reached: the callee has left");
        break;
    case 21:
        break;
    default:
        CHECK(!"the value is right");
    }
}

void case_setjmp_longjmp_over_stub_frames(struct trial *t)
{
    jmp_buf landing;
    trial_create(t, NULL);
    trial_add(t, "jumps", jump_ir);
    int64_t (*guarded)(jmp_buf *, int64_t) = CALLEE(t, "guarded", int64_t, jmp_buf *, int64_t);
    CHECK_EQ(guarded(&landing, 5), 1005);
    CHECK_EQ(guarded(&landing, 6), 1006);
    CHECK_EQ(CALLEE(t, "after", int64_t, void)(), 3);
    trial_destroy(t);

    trial_create(t, NULL);
    trial_add(t, "jumps", jump_ir);
    check_host_lands(t);
    check_host_lands(t);
    CHECK_EQ(CALLEE(t, "after", int64_t, void)(), 3);
}

/* --- 35 --- */

struct leaving_creator {
    jmp_buf landing;
    bool is_leaving;
};

static int64_t created_function(void)
{
    return 17;
}

static int leave_or_answer(void *context, struct jd_engine *engine, const char *name,
                           enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *err)
{
    struct leaving_creator *creator = context;
    (void)engine;
    (void)name;
    (void)kind;
    (void)err;
    if (creator->is_leaving)
        longjmp(creator->landing, 1);
    out->addr = (uintptr_t)&created_function;
    return 0;
}

/* The contract forbids it, so nothing is asked of that call; the next one must say what happened,
 * and the one after it must work. */
void case_longjmp_out_of_creator(struct trial *t)
{
    static const char ir[] = "declare i64 @missing()\n"
                             "define i64 @f() {\n"
                             "  %r = call i64 @missing()\n"
                             "  ret i64 %r\n"
                             "}\n";
    struct leaving_creator creator = {.is_leaving = true};
    uintptr_t addr;
#if defined(__SANITIZE_THREAD__)
    SKIP("ThreadSanitizer follows longjmp on the stack that it began on, and on no other");
#endif
    trial_create(t, NULL);
    trial_add(t, "creator", ir);
    CHECK_OK(t->ops->set_creator(t->engine, leave_or_answer, &creator, &t->err));
    if (!setjmp(creator.landing)) {
        trial_prepare(t);
        CALLEE(t, "f", int64_t, void)();
        CHECK(!"reached: the creator has left");
    }
    creator.is_leaving = false;
    CHECK_KIND(t->ops->lookup(t->engine, "f", &addr, &t->err), JD_KIND_UNSUPPORTED);
    CHECK_EQ(addr, 0);
    CHECK_EQ(CALLEE(t, "f", int64_t, void)(), 17);
    trial_add(t, "cold", "define i64 @other() {\n  ret i64 18\n}\n");
    CHECK_EQ(CALLEE(t, "other", int64_t, void)(), 18);
}

/* --- 38 --- */

static const char signal_ir[] = "define i64 @warm(i64 %x) {\n"
                                "  %r = add i64 %x, 1\n"
                                "  ret i64 %r\n"
                                "}\n"
                                "define i64 @cold(i64 %x) {\n"
                                "  %r = add i64 %x, 2\n"
                                "  ret i64 %r\n"
                                "}\n";

static const char late_ir[] = "define i64 @late(i64 %x) {\n"
                              "  %r = add i64 %x, 4\n"
                              "  ret i64 %r\n"
                              "}\n";

static const char busy_ir[] = "define i64 @busy(i64 %x) {\n"
                              "  %r = add i64 %x, 3\n"
                              "  ret i64 %r\n"
                              "}\n";

static const char busier_ir[] = "define i64 @busier(i64 %x) {\n"
                                "  %r = add i64 %x, 5\n"
                                "  ret i64 %r\n"
                                "}\n";

static struct {
    int64_t (*warm)(int64_t);
    int64_t (*cold)(int64_t); /* NULL where no first call can happen in a handler */
    int64_t warm_result, cold_result;
    int signal_number; /* raised in code generation, once; 0: none */
} interruption;

static void interrupt_handler(int signal_number)
{
    (void)signal_number;
    interruption.warm_result = interruption.warm(10);
    if (interruption.cold)
        interruption.cold_result = interruption.cold(20);
}

static void raise_in_phase(void *context, enum jd_phase phase)
{
    int signal_number = interruption.signal_number;
    (void)context;
    if (signal_number && phase == JD_PHASE_CODEGEN) {
        interruption.signal_number = 0;
        raise(signal_number);
    }
}

static int64_t refused_call(int64_t x)
{
    return -x;
}

static void prepare_interruption(struct trial *t)
{
    static const struct jd_probe probe = {.struct_size = sizeof probe, .begin = raise_in_phase};
    struct jd_engine_options options = trial_options(t);
    options.probe = &probe;
    trial_create(t, &options);
    trial_add(t, "signal", signal_ir);
    trial_add(t, "late", late_ir);
    interruption.warm = CALLEE(t, "warm", int64_t, int64_t);
    CHECK_EQ(interruption.warm(1), 2);
}

static void interrupt(struct trial *t, int signal_number, const char *cold)
{
    interruption.cold = trial_has(t, JD_CAP_LAZY) ? CALLEE(t, cold, int64_t, int64_t) : NULL;
    interruption.warm_result = interruption.cold_result = 0;
    interruption.signal_number = signal_number;
    t->fault.count = 0;
}

void case_stub_in_signal_handler(struct trial *t)
{
    struct sigaction action = {.sa_handler = interrupt_handler};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    prepare_interruption(t);

    /* A fault does not wait: its handler may not call what is not compiled. */
    trial_add(t, "busy", busy_ir);
    interrupt(t, SIGTRAP, "cold");
    t->fault.substitute_addr = (uintptr_t)&refused_call;
    CHECK_EQ(CALLEE(t, "busy", int64_t, int64_t)(5), 8);
    CHECK(!interruption.signal_number);
    CHECK_EQ(interruption.warm_result, 11);
    if (interruption.cold) {
        CHECK_EQ(t->fault.count, 1);
        CHECK(!strcmp(t->fault.name, "cold"));
        CHECK_EQ(interruption.cold_result, -20);
    }
    t->fault.substitute_addr = 0;
    CHECK_EQ(CALLEE(t, "cold", int64_t, int64_t)(30), 32);

    /* Any other signal waits until the engine is done. */
    trial_add(t, "busier", busier_ir);
    interrupt(t, SIGUSR1, "late");
    CHECK_EQ(CALLEE(t, "busier", int64_t, int64_t)(5), 10);
    CHECK(!interruption.signal_number);
    CHECK_EQ(interruption.warm_result, 11);
    CHECK_EQ(t->fault.count, 0);
    CHECK_EQ(interruption.cold_result, interruption.cold ? 24 : 0);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGTRAP, SIG_DFL);
}

/* --- 39, 40 --- */

void case_computed_goto(struct trial *t)
{
    /* An interpreter: each digit of %program, lowest first, is an instruction. */
    static const char ir[] =
        "@labels = internal constant [3 x ptr] [ptr blockaddress(@run, %stop),"
        " ptr blockaddress(@run, %increment), ptr blockaddress(@run, %twice)]\n"
        "define i64 @run(i64 %program) {\n"
        "entry:\n"
        "  br label %next\n"
        "next:\n"
        "  %pc = phi i64 [ %program, %entry ], [ %rest, %increment ], [ %rest, %twice ]\n"
        "  %acc = phi i64 [ 1, %entry ], [ %inc, %increment ], [ %dbl, %twice ]\n"
        "  %digit = urem i64 %pc, 10\n"
        "  %rest = udiv i64 %pc, 10\n"
        "  %slot = getelementptr [3 x ptr], ptr @labels, i64 0, i64 %digit\n"
        "  %label = load ptr, ptr %slot, align 8\n"
        "  indirectbr ptr %label, [label %stop, label %increment, label %twice]\n"
        "increment:\n"
        "  %inc = add i64 %acc, 1\n"
        "  br label %next\n"
        "twice:\n"
        "  %dbl = mul i64 %acc, 2\n"
        "  br label %next\n"
        "stop:\n"
        "  ret i64 %acc\n"
        "}\n";
    trial_create(t, NULL);
    trial_add(t, "goto", ir);
    int64_t (*run)(int64_t) = CALLEE(t, "run", int64_t, int64_t);
    CHECK_EQ(run(0), 1);
    CHECK_EQ(run(121), 5);    /* (1 + 1) * 2 + 1 */
    CHECK_EQ(run(22212), 24); /* (1 * 2 + 1) * 2 * 2 * 2 */
}

void case_blockaddress_table_from_other_function(struct trial *t)
{
    static const char ir[] =
        "@labels = constant [2 x ptr] [ptr blockaddress(@f, %one), ptr blockaddress(@f, %two)]\n"
        "define ptr @label_at(i64 %i) {\n"
        "  %slot = getelementptr [2 x ptr], ptr @labels, i64 0, i64 %i\n"
        "  %label = load ptr, ptr %slot, align 8\n"
        "  ret ptr %label\n"
        "}\n"
        "define i64 @f(ptr %label) {\n"
        "  indirectbr ptr %label, [label %one, label %two]\n"
        "one:\n"
        "  ret i64 1\n"
        "two:\n"
        "  ret i64 2\n"
        "}\n"
        "define i64 @through_table(i64 %i) {\n"
        "  %label = call ptr @label_at(i64 %i)\n"
        "  %r = call i64 @f(ptr %label)\n"
        "  ret i64 %r\n"
        "}\n";
    trial_create(t, NULL);
    trial_add(t, "labels", ir);
    uintptr_t (*label_at)(int64_t) = CALLEE(t, "label_at", uintptr_t, int64_t);
    uintptr_t one = label_at(0), two = label_at(1);
    CHECK(one != two);
    int64_t (*f)(uintptr_t) = CALLEE(t, "f", int64_t, uintptr_t);
    CHECK_EQ(f(one), 1);
    CHECK_EQ(f(two), 2);
    CHECK_EQ(CALLEE(t, "through_table", int64_t, int64_t)(0), 1);
    CHECK_EQ(CALLEE(t, "through_table", int64_t, int64_t)(1), 2);
    CHECK_EQ(label_at(0), one);
    CHECK_EQ(((const uintptr_t *)trial_lookup(t, "labels"))[1], two);
}
