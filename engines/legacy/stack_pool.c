/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks of the engine's own. Idle ones are kept; each has a guard page below. Knows no engine
 * internals but its list.
 */
#include "internal.h"

#include <sys/mman.h>
#include <unistd.h>

/* As much as a main thread has by default. Only touched pages cost memory. */
enum { STACK_BYTES = 8 << 20, HEADER_BYTES = 64 };

/** Lies at the top of its own mapping, where the stack begins to grow down. */
struct legacy_stack {
    struct legacy_stack *next;
    char *mapping;
    size_t mapping_bytes;
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
    struct legacy_stack *stack = (struct legacy_stack *)(void *)(mapping + bytes - HEADER_BYTES);
    *stack = (struct legacy_stack){.mapping = mapping, .mapping_bytes = bytes};
    return stack;
}

struct legacy_stack *legacy_stack_take(struct legacy_engine *engine, struct jd_error *err)
{
    pthread_mutex_lock(&engine->stack_lock);
    struct legacy_stack *stack = engine->idle_stacks;
    if (stack)
        engine->idle_stacks = stack->next;
    pthread_mutex_unlock(&engine->stack_lock);
    return stack ? stack : new_stack(err);
}

void legacy_stack_put(struct legacy_engine *engine, struct legacy_stack *stack)
{
    pthread_mutex_lock(&engine->stack_lock);
    stack->next = engine->idle_stacks;
    engine->idle_stacks = stack;
    pthread_mutex_unlock(&engine->stack_lock);
}

const void *legacy_stack_bottom(const struct legacy_stack *stack)
{
    return stack->mapping;
}

size_t legacy_stack_bytes(const struct legacy_stack *stack)
{
    return stack->mapping_bytes - HEADER_BYTES;
}

bool legacy_stack_contains(const struct legacy_stack *stack, const void *address)
{
    return (const char *)address >= stack->mapping && (const char *)address < (const char *)stack;
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
