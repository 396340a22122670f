/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks of the engine's own: LLVM needs far more stack than a thread that makes a first call may
 * have. Idle stacks are kept; each has a guard page below. Knows no engine internals but its list.
 */
#include "internal.h"

#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define JD_ASAN 1
#else
#define JD_ASAN 0
#endif

/* As much as a main thread has by default. Only touched pages cost memory. */
enum { STACK_BYTES = 8 << 20 };

/** Lies at the top of its own mapping. */
struct legacy_stack {
    struct legacy_stack *next;
    char *mapping;
    size_t mapping_bytes;
};

struct switched_call {
    int (*work)(void *argument, struct jd_error *err);
    void *argument;
    struct jd_error *err;
    int result;
    const void *caller_bottom; /* for AddressSanitizer */
    size_t caller_bytes;
};

static struct legacy_stack *new_stack(struct jd_error *err)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE), bytes = STACK_BYTES + guard;
    char *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED || mprotect(mapping, guard, PROT_NONE)) {
        if (mapping != MAP_FAILED)
            munmap(mapping, bytes);
        jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for a stack of %d bytes", STACK_BYTES);
        return NULL;
    }
    struct legacy_stack *stack = (struct legacy_stack *)(void *)(mapping + bytes - 64);
    *stack = (struct legacy_stack){.mapping = mapping, .mapping_bytes = bytes};
    return stack;
}

static struct legacy_stack *take_stack(struct legacy_engine *engine, struct jd_error *err)
{
    pthread_mutex_lock(&engine->stack_lock);
    struct legacy_stack *stack = engine->idle_stacks;
    if (stack)
        engine->idle_stacks = stack->next;
    pthread_mutex_unlock(&engine->stack_lock);
    return stack ? stack : new_stack(err);
}

static void put_stack(struct legacy_engine *engine, struct legacy_stack *stack)
{
    pthread_mutex_lock(&engine->stack_lock);
    stack->next = engine->idle_stacks;
    engine->idle_stacks = stack;
    pthread_mutex_unlock(&engine->stack_lock);
}

static void on_own_stack(void *argument)
{
    struct switched_call *call = argument;
#if JD_ASAN
    __sanitizer_finish_switch_fiber(NULL, &call->caller_bottom, &call->caller_bytes);
#endif
    call->result = call->work(call->argument, call->err);
#if JD_ASAN
    __sanitizer_start_switch_fiber(NULL, call->caller_bottom, call->caller_bytes);
#endif
}

int legacy_run_on_own_stack(struct legacy_engine *engine,
                            int (*work)(void *argument, struct jd_error *err), void *argument,
                            struct jd_error *err)
{
    struct switched_call call = {.work = work, .argument = argument, .err = err};
    struct legacy_stack *stack = take_stack(engine, err);
    if (!stack)
        return err ? (int)err->code : JD_E_NO_MEMORY;
#if JD_ASAN
    void *fake_stack;
    __sanitizer_start_switch_fiber(&fake_stack, stack->mapping, stack->mapping_bytes - 64);
#endif
    legacy_call_on_stack(stack, on_own_stack, &call);
#if JD_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
    put_stack(engine, stack);
    return call.result;
}

void legacy_stacks_fini(struct legacy_engine *engine)
{
    struct legacy_stack *next;
    for (struct legacy_stack *stack = engine->idle_stacks; stack; stack = next) {
        next = stack->next;
        munmap(stack->mapping, stack->mapping_bytes);
    }
    engine->idle_stacks = NULL;
}
