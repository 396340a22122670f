/* SPDX-License-Identifier: Apache-2.0
 *
 * Giving objects back: call sites, unwind tables, memory; and those that could not be linked. The
 * opposite of link.c.
 */
#include "internal.h"

#include <stdlib.h>

#include "link_private.h"

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

/* Units that are done may hold addresses of this one's data: those stay where they are, and are
 * emitted there next time. */
static bool keep_known_data(struct legacy_link *link)
{
    bool is_any = false;
    for (uint32_t i = 1; link->symbols && i < link->elf.symbol_count; i++) {
        struct legacy_symbol *symbol = link->symbols[i];
        if (!legacy_link_defines(link, i, symbol) || symbol->kind != LEGACY_KIND_DATA ||
            !symbol->is_known_early || symbol->is_thread_local)
            continue;
        symbol->is_known_early = false;
        symbol->placed_addr = symbol->addr;
        is_any = true;
    }
    return is_any;
}

/* Only the data of a unit that failed; its code goes. */
static void keep_data_blocks(struct legacy_link *link)
{
    struct legacy_object *object = link->object;
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++) {
        if (!object->has_block[kind])
            continue;
        if (kind == JD_ARENA_DATA || kind == JD_ARENA_RODATA) {
            jd_arena_commit(link->engine->arena, &object->blocks[kind]);
            continue;
        }
        jd_arena_abort(link->engine->arena, &object->blocks[kind]);
        object->has_block[kind] = false;
    }
    object->gdb = NULL;
    object->module = link->module;
    object->next = link->module->objects;
    link->module->objects = object;
}

/* Nobody claims what module asm defines, so nobody else takes the addresses back. */
static void take_back_asm(struct legacy_link *link)
{
    for (uint32_t i = 1; link->symbols && i < link->elf.symbol_count; i++) {
        struct legacy_symbol *symbol = link->symbols[i];
        if (legacy_link_defines(link, i, symbol) && symbol->kind == LEGACY_KIND_ASM &&
            symbol->state != LEGACY_STATE_READY)
            symbol->addr = 0;
    }
}

void legacy_link_give_up(struct legacy_link *link)
{
    take_back_asm(link);
    legacy_gdb_deregister(link->object->gdb);
    if (link->object->has_block[JD_ARENA_CODE])
        legacy_unwind_remove(&link->engine->unwind, &link->object->blocks[JD_ARENA_CODE]);
    if (keep_known_data(link)) {
        keep_data_blocks(link);
        return;
    }
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++)
        if (link->object->has_block[kind])
            jd_arena_abort(link->engine->arena, &link->object->blocks[kind]);
    free(link->object);
}
