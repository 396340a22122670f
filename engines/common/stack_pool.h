/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks of an engine's own: LLVM needs more stack than a thread that makes a first call may have.
 * Idle ones are kept; each has a guard page below. Knows no engine.
 *
 * To run on one: jd_stack_take, jd_fiber_leave, jd_call_on_stack (stubs.h) with the stack as the
 * address of its top, jd_fiber_arrive, jd_stack_put.
 */
#ifndef JITDUEL_COMMON_STACK_POOL_H
#define JITDUEL_COMMON_STACK_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "jitduel/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

struct jd_stack;

struct jd_stack_pool {
    pthread_mutex_t lock; /**< whoever forks holds it meanwhile */
    struct jd_stack *idle, *all;
};

void jd_stack_pool_init(struct jd_stack_pool *pool);
/** Unmaps every stack, those that were never put back too. */
void jd_stack_pool_fini(struct jd_stack_pool *pool);
/** An idle stack or a new one; its address is its top, aligned to 64. NULL with NO_MEMORY. */
struct jd_stack *jd_stack_take(struct jd_stack_pool *pool, struct jd_error *err);
void jd_stack_put(struct jd_stack_pool *pool, struct jd_stack *stack);
const void *jd_stack_bottom(const struct jd_stack *stack);
size_t jd_stack_bytes(const struct jd_stack *stack);
bool jd_stack_contains(const struct jd_stack *stack, const void *address);

/** Tell AddressSanitizer that this thread is about to go on at another stack; nothing without it.
 * `fake_stack` NULL: it does not come back to the present one. */
static inline void jd_fiber_leave(void **fake_stack, const void *bottom, size_t bytes)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
#else
    (void)fake_stack, (void)bottom, (void)bytes;
#endif
}

/** The thread has arrived at the other stack; outputs say where it came from and may be NULL. */
static inline void jd_fiber_arrive(void *fake_stack, const void **bottom, size_t *bytes)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, bottom, bytes);
#else
    (void)fake_stack, (void)bottom, (void)bytes;
#endif
}

#endif
