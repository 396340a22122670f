/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks, each a mapping of its own. Knows no engine.
 */
#include "stack_pool.h"

#include <sys/mman.h>
#include <unistd.h>

/* As much as a main thread has by default. Only touched pages cost memory. */
enum { STACK_BYTES = 8 << 20, HEADER_BYTES = 64 };

/** Lies at the top of its own mapping, where the stack begins to grow down. */
struct jd_stack {
    struct jd_stack *next_idle, *next;
    char *mapping;
    size_t mapping_bytes;
};

_Static_assert(sizeof(struct jd_stack) <= HEADER_BYTES, "the header");

void jd_stack_pool_init(struct jd_stack_pool *pool)
{
    *pool = (struct jd_stack_pool){.idle = NULL};
    pthread_mutex_init(&pool->lock, NULL);
}

void jd_stack_pool_fini(struct jd_stack_pool *pool)
{
    struct jd_stack *next;
    for (struct jd_stack *stack = pool->all; stack; stack = next) {
        next = stack->next;
        munmap(stack->mapping, stack->mapping_bytes);
    }
    pool->idle = pool->all = NULL;
    pthread_mutex_destroy(&pool->lock);
}

static struct jd_stack *new_stack(struct jd_stack_pool *pool, struct jd_error *err)
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
    struct jd_stack *stack = (struct jd_stack *)(void *)(mapping + bytes - HEADER_BYTES);
    *stack = (struct jd_stack){.mapping = mapping, .mapping_bytes = bytes};
    pthread_mutex_lock(&pool->lock);
    stack->next = pool->all;
    pool->all = stack;
    pthread_mutex_unlock(&pool->lock);
    return stack;
}

struct jd_stack *jd_stack_take(struct jd_stack_pool *pool, struct jd_error *err)
{
    pthread_mutex_lock(&pool->lock);
    struct jd_stack *stack = pool->idle;
    if (stack)
        pool->idle = stack->next_idle;
    pthread_mutex_unlock(&pool->lock);
    return stack ? stack : new_stack(pool, err);
}

void jd_stack_put(struct jd_stack_pool *pool, struct jd_stack *stack)
{
    pthread_mutex_lock(&pool->lock);
    stack->next_idle = pool->idle;
    pool->idle = stack;
    pthread_mutex_unlock(&pool->lock);
}

const void *jd_stack_bottom(const struct jd_stack *stack)
{
    return stack->mapping;
}

size_t jd_stack_bytes(const struct jd_stack *stack)
{
    return stack->mapping_bytes - HEADER_BYTES;
}

bool jd_stack_contains(const struct jd_stack *stack, const void *address)
{
    return (const char *)address >= stack->mapping && (const char *)address < (const char *)stack;
}
