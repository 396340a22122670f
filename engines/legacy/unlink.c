/* SPDX-License-Identifier: Apache-2.0
 *
 * Giving objects back: call sites, unwind tables, memory. The opposite of link.c.
 */
#include "internal.h"

#include <stdlib.h>

void legacy_object_free_code(struct legacy_engine *engine, struct legacy_object *object)
{
    legacy_sites_free(object);
    legacy_gdb_deregister(object->gdb);
    object->gdb = NULL;
    if (object->has_block[JD_ARENA_CODE])
        legacy_unwind_remove(&engine->unwind, &object->blocks[JD_ARENA_CODE]);
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++) {
        bool is_code = kind == JD_ARENA_CODE || kind == JD_ARENA_UNWIND;
        if (!is_code || !object->has_block[kind])
            continue;
        jd_arena_free(engine->arena, &object->blocks[kind]);
        object->has_block[kind] = false;
    }
}

void legacy_object_free(struct legacy_engine *engine, struct legacy_object *object)
{
    legacy_object_free_code(engine, object);
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++)
        if (object->has_block[kind])
            jd_arena_free(engine->arena, &object->blocks[kind]);
    free(object);
}
