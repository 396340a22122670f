/* SPDX-License-Identifier: Apache-2.0
 *
 * See json_memory.h.
 */
#include "json_memory.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_bool is_short;

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);
    if (!memory)
        atomic_store(&is_short, true);
    return memory;
}

/* jansson wants to be told before it is used at all. */
__attribute__((constructor)) static void watch(void)
{
    json_set_alloc_funcs(allocate, free);
}

bool jd_json_memory_is_short(void)
{
    return atomic_load(&is_short);
}
