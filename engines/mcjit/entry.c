/* SPDX-License-Identifier: Apache-2.0
 *
 * The way into the engine. Operations take the lock; first calls, which may come from a thread with
 * hardly any stack left, take a stack of the engine's own besides. Knows no LLVM and no symbols.
 *
 * Signals wait while a thread is inside. A fault's handler that interrupts the engine on its own
 * thread and makes a first call would wait for itself: it is refused. Creators that leave by
 * longjmp never come back to the stack that they were called on: the next entry of that thread
 * notices, the stack is unmapped with the engine.
 */
#include "mcjit.h"
#include "undisturbed.h"

/* A first call that is under way; lies on the stack below the engine's own. */
struct mcjit_entry {
    struct mcjit_engine *engine;
    int (*work)(void *argument, struct jd_error *err);
    void *argument;
    struct jd_error *err;
    int result;
    struct jd_stack *stack;
    const void *caller_bottom; /* for AddressSanitizer */
    size_t caller_bytes;
};

/* First calls within creators of first calls; no program nests them by accident. */
enum { ENTRIES_MAX = 32 };

/* Kept by value: the stack of one that was left by longjmp may be gone with its engine. */
static _Thread_local struct {
    unsigned depth;                /* not 0: this thread holds an engine's lock or is about to */
    struct jd_disturbance outside; /* while depth is not 0: what is put off */
    unsigned entry_count;
    struct {
        uint64_t id; /* from 1, differs from that of every earlier one of the thread */
        uintptr_t bottom_addr, end_addr;
    } entries[ENTRIES_MAX];
    uint64_t last_id;
} here;

void mcjit_lock(struct mcjit_engine *engine)
{
    if (!here.depth)
        jd_undisturbed_begin(&here.outside);
    here.depth++;
    pthread_mutex_lock(&engine->lock);
}

void mcjit_unlock(struct mcjit_engine *engine)
{
    pthread_mutex_unlock(&engine->lock);
    if (!--here.depth) /* a handler that waited may come in again */
        jd_undisturbed_end(&here.outside);
}

bool mcjit_is_inside(void)
{
    return here.depth;
}

uint64_t mcjit_entry_settle(uintptr_t frame_addr)
{
    while (here.entry_count && (frame_addr < here.entries[here.entry_count - 1].bottom_addr ||
                                frame_addr >= here.entries[here.entry_count - 1].end_addr))
        here.entry_count--;
    return here.entry_count ? here.entries[here.entry_count - 1].id : 0;
}

bool mcjit_entry_is_under_way(uint64_t id)
{
    for (unsigned i = 0; i < here.entry_count; i++)
        if (here.entries[i].id == id)
            return true;
    return !id;
}

static void on_own_stack(void *argument)
{
    struct mcjit_entry *entry = argument;
    jd_fiber_arrive(NULL, &entry->caller_bottom, &entry->caller_bytes);
    mcjit_lock(entry->engine);
    entry->result = entry->work(entry->argument, entry->err);
    mcjit_unlock(entry->engine);
    jd_fiber_leave(NULL, entry->caller_bottom, entry->caller_bytes);
}

int mcjit_enter(struct mcjit_engine *engine, int (*work)(void *argument, struct jd_error *err),
                void *argument, struct jd_error *err)
{
    struct mcjit_entry entry = {.engine = engine, .work = work, .argument = argument, .err = err};
    void *fake_stack = NULL;
    if (here.depth)
        return jd_fail(err, JD_E_STATE, NULL,
                       "a signal handler that interrupted the engine cannot use it");
    mcjit_entry_settle((uintptr_t)__builtin_frame_address(0));
    if (here.entry_count == ENTRIES_MAX)
        return jd_fail(err, JD_E_LIMIT, NULL, "more than %d first calls within each other",
                       ENTRIES_MAX);
    entry.stack = jd_stack_take(&engine->stacks, err);
    if (!entry.stack)
        return JD_E_NO_MEMORY;
    unsigned outer_count = here.entry_count++;
    uintptr_t bottom_addr = (uintptr_t)jd_stack_bottom(entry.stack);
    here.entries[outer_count].id = ++here.last_id;
    here.entries[outer_count].bottom_addr = bottom_addr;
    here.entries[outer_count].end_addr = bottom_addr + jd_stack_bytes(entry.stack);
    jd_fiber_leave(&fake_stack, jd_stack_bottom(entry.stack), jd_stack_bytes(entry.stack));
    jd_call_on_stack(entry.stack, on_own_stack, &entry);
    jd_fiber_arrive(fake_stack, NULL, NULL);
    here.entry_count = outer_count;
    jd_stack_put(&engine->stacks, entry.stack);
    return entry.result;
}
