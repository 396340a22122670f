/* SPDX-License-Identifier: Apache-2.0
 *
 * The way into the engine and out of it. In: with the lock held, on a stack of the engine's own,
 * because LLVM needs more stack than the calling thread may have. Out: to foreign code (creator,
 * ifunc resolver) without the lock.
 *
 * Signals wait while a thread is inside, so that a handler may make first calls. Mishaps are
 * noticed here. A fault's handler that interrupts the engine on its own thread and makes a first
 * call would wait for itself: it is refused. An exception does not leave foreign code. Foreign code
 * that leaves with longjmp never comes back to the engine's stack, which then waits in the middle
 * of its work: the next entry of that thread notices it, lets that work end with an error, and is
 * itself refused. When a thread ends in foreign code, its work ends with an error, too.
 * Sources: sigaltstack(2), pthread_cleanup_push(3), pthread_getattr_np(3).
 */
#include "internal.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "guard_shim.h"
#include "undisturbed.h"

/* What code generation must find of a stack, to be called on it. */
enum { DEPTH_BYTES_MIN = 2 << 20 };

/* A call from the engine's stack to foreign code; lies on that stack. */
struct foreign_call {
    struct foreign_call *outer;
    const struct jd_stack *stack;
    sigjmp_buf resume;
};

/* A call onto an engine's stack; lies on the stack below it. */
struct entry {
    struct legacy_engine *engine;
    int (*work)(void *argument, struct jd_error *err);
    void *argument;
    struct jd_error *err;
    int result;
    struct jd_stack *stack;
    const void *caller_bottom; /* for AddressSanitizer */
    size_t caller_bytes;
};

static _Thread_local struct {
    bool is_inside; /* this thread holds a lock of an engine or is about to */
    struct foreign_call *foreign;
    const struct jd_stack *stack;  /* of the engine's own, that this thread runs on */
    struct jd_disturbance outside; /* while it is inside: what is put off */
    sigjmp_buf *back;              /* where work that was given up goes when it ends */
} here;

static void come_in(void)
{
    jd_undisturbed_begin(&here.outside);
    here.is_inside = true;
}

/* A signal that waited is handled in here, and its handler may come in again. */
static void leave(void)
{
    here.is_inside = false;
    jd_undisturbed_end(&here.outside);
}

static void on_own_stack(void *argument)
{
    struct entry *entry = argument;
    struct legacy_engine *engine = entry->engine;
    struct jd_stack *stack = entry->stack;
    jd_fiber_arrive(NULL, &entry->caller_bottom, &entry->caller_bytes);
    const void *caller_bottom = entry->caller_bottom;
    size_t caller_bytes = entry->caller_bytes;
    struct jd_error err = JD_ERROR_INIT;
    pthread_mutex_lock(&engine->lock);
    int result;
    if (!jd_guard_shim_call(entry->work, entry->argument, &err, &result))
        result = jd_fail(&err, JD_E_NO_MEMORY, NULL, "LLVM ran out of memory");
    legacy_debts_pay(engine);
    pthread_mutex_unlock(&engine->lock);
    jd_fiber_leave(NULL, caller_bottom, caller_bytes);
    if (here.back) {
        /* The caller's frames are gone, `entry` with them. */
        sigjmp_buf *back = here.back;
        here.back = NULL;
        jd_stack_put(&engine->stacks, stack);
        siglongjmp(*back, 1);
    }
    entry->result = result;
    if (result)
        jd_fail(entry->err, result, err.where, "%s", err.text);
}

/* Work whose foreign call never came back: let it see an error, clean up and end. */
static void give_up(struct foreign_call *call)
{
    sigjmp_buf back;
    void *fake_stack = NULL;
    here.back = &back;
    if (!sigsetjmp(back, 0))
        siglongjmp(call->resume, 1);
    jd_fiber_arrive(fake_stack, NULL, NULL);
    here.stack = NULL;
    leave(); /* the foreign call took note of the present state when it resumed */
}

static bool is_on_signal_stack(void)
{
    stack_t stack;
    return !sigaltstack(NULL, &stack) && stack.ss_flags & SS_ONSTACK;
}

static bool is_on_threads_stack(const char *frame)
{
    pthread_attr_t attributes;
    void *bottom;
    size_t bytes;
    if (is_on_signal_stack() || pthread_getattr_np(pthread_self(), &attributes))
        return false;
    bool is_known = !pthread_attr_getstack(&attributes, &bottom, &bytes);
    pthread_attr_destroy(&attributes);
    return is_known && frame >= (char *)bottom && frame < (char *)bottom + bytes;
}

/* Who runs on a stack that waits for the foreign call has left that by longjmp. Who runs on a stack
 * that is nobody's, that of a signal handler or of a coroutine, is a part of it. */
static bool is_abandoned(const struct foreign_call *call, const char *frame)
{
    if (jd_stack_contains(call->stack, frame))
        return false;
    for (const struct foreign_call *outer = call->outer; outer; outer = outer->outer)
        if (jd_stack_contains(outer->stack, frame))
            return true;
    return is_on_threads_stack(frame);
}

static bool give_up_abandoned(void)
{
    bool was_abandoned = false;
    char frame;
    while (here.foreign && is_abandoned(here.foreign, &frame)) {
        give_up(here.foreign);
        was_abandoned = true;
    }
    return was_abandoned;
}

/* The C library comes here when the thread ends in a foreign call that was made from above. */
static void on_thread_end(void *unused)
{
    (void)unused;
    give_up_abandoned();
}

static void run_on_own_stack(struct entry *entry)
{
    const struct jd_stack *outer = here.stack;
    void *fake_stack = NULL;
    here.stack = entry->stack;
    jd_fiber_leave(&fake_stack, jd_stack_bottom(entry->stack), jd_stack_bytes(entry->stack));
    pthread_cleanup_push(on_thread_end, NULL);
    jd_call_on_stack(entry->stack, on_own_stack, entry);
    pthread_cleanup_pop(0);
    jd_fiber_arrive(fake_stack, NULL, NULL);
    here.stack = outer;
}

int legacy_enter(struct legacy_engine *engine, int (*work)(void *argument, struct jd_error *err),
                 void *argument, struct jd_error *err)
{
    struct entry entry = {.engine = engine, .work = work, .argument = argument, .err = err};
    if (here.is_inside)
        return jd_fail(err, JD_E_STATE, NULL,
                       "a signal handler that interrupted the engine cannot use it");
    if (give_up_abandoned())
        return jd_fail(err, JD_E_UNSUPPORTED, NULL,
                       "the creator (or an ifunc resolver) was left by longjmp");
    come_in();
    entry.stack = jd_stack_take(&engine->stacks, err);
    if (!entry.stack) {
        leave();
        return err ? (int)err->code : JD_E_NO_MEMORY;
    }
    run_on_own_stack(&entry);
    jd_stack_put(&engine->stacks, entry.stack);
    leave();
    return entry.result;
}

struct deeper {
    int (*work)(void *argument, struct jd_error *err);
    void *argument;
    struct jd_error *err;
    int result;
};

static void on_deeper_stack(void *argument)
{
    struct deeper *deeper = argument;
    const void *bottom;
    size_t bytes;
    jd_fiber_arrive(NULL, &bottom, &bytes);
    if (!jd_guard_shim_call(deeper->work, deeper->argument, deeper->err, &deeper->result))
        deeper->result = jd_fail(deeper->err, JD_E_NO_MEMORY, NULL, "LLVM ran out of memory");
    jd_fiber_leave(NULL, bottom, bytes);
}

int legacy_go_deeper(struct legacy_engine *engine,
                     int (*work)(void *argument, struct jd_error *err), void *argument,
                     struct jd_error *err)
{
    const struct jd_stack *outer = here.stack;
    struct deeper deeper = {.work = work, .argument = argument, .err = err};
    void *fake_stack = NULL;
    const char *frame = __builtin_frame_address(0);
    if (!outer || frame - (const char *)jd_stack_bottom(outer) > DEPTH_BYTES_MIN)
        return work(argument, err);
    struct jd_stack *stack = jd_stack_take(&engine->stacks, err);
    if (!stack)
        return err ? (int)err->code : JD_E_NO_MEMORY;
    here.stack = stack;
    jd_fiber_leave(&fake_stack, jd_stack_bottom(stack), jd_stack_bytes(stack));
    jd_call_on_stack(stack, on_deeper_stack, &deeper);
    jd_fiber_arrive(fake_stack, NULL, NULL);
    here.stack = outer;
    jd_stack_put(&engine->stacks, stack);
    return deeper.result;
}

int legacy_call_out(struct legacy_engine *engine, void (*function)(void *argument), void *argument,
                    struct jd_error *err)
{
    struct foreign_call call = {.outer = here.foreign, .stack = here.stack};
    const char *volatile left_by = "longjmp";
    engine->away_count++;
    pthread_mutex_unlock(&engine->lock);
    if (!sigsetjmp(call.resume, 0)) {
        here.foreign = &call;
        leave();
        left_by = jd_guard_shim_call_foreign(function, argument) ? NULL : "an exception";
    }
    come_in();
    here.foreign = call.outer;
    here.stack = call.stack;
    pthread_mutex_lock(&engine->lock);
    engine->away_count--;
    return left_by ? jd_fail(err, JD_E_UNSUPPORTED, NULL, "foreign code was left by %s", left_by)
                   : JD_OK;
}
