/* SPDX-License-Identifier: Apache-2.0
 *
 * Stub chunks and their slots. Knows no CPU (see stubs_<cpu>.c), no LLVM, no symbols.
 */
#include "stubs.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_COUNT = 3 }; /* engine, trampoline, number of the first stub */

void legacy_stubs_init(struct legacy_stubs *stubs, struct jd_arena *arena,
                       const struct legacy_stub_arch *arch, void *engine)
{
    *stubs = (struct legacy_stubs){.arena = arena, .arch = arch, .engine = engine};
}

void legacy_stubs_fini(struct legacy_stubs *stubs)
{
    free(stubs->chunks);
    free(stubs->idle);
    *stubs = (struct legacy_stubs){0};
}

static uintptr_t *slot_write(const struct legacy_stubs *stubs, uint32_t index)
{
    const struct legacy_stub_chunk *chunk = &stubs->chunks[index / LEGACY_STUBS_PER_CHUNK];
    return (uintptr_t *)chunk->slots.write + CELL_COUNT + index % LEGACY_STUBS_PER_CHUNK;
}

static uintptr_t slot_addr(const struct legacy_stubs *stubs, uint32_t index)
{
    const struct legacy_stub_chunk *chunk = &stubs->chunks[index / LEGACY_STUBS_PER_CHUNK];
    return chunk->slots.addr + sizeof(uintptr_t) * (CELL_COUNT + index % LEGACY_STUBS_PER_CHUNK);
}

static size_t stub_offset(const struct legacy_stubs *stubs, uint32_t index)
{
    return stubs->arch->entry_bytes + stubs->arch->stub_bytes * (index % LEGACY_STUBS_PER_CHUNK);
}

uintptr_t legacy_stub_addr(const struct legacy_stubs *stubs, uint32_t index)
{
    return stubs->chunks[index / LEGACY_STUBS_PER_CHUNK].code.addr + stub_offset(stubs, index);
}

static int make_room(struct legacy_stubs *stubs, struct jd_error *err)
{
    if (stubs->chunk_count < stubs->chunk_capacity)
        return JD_OK;
    uint32_t capacity = stubs->chunk_capacity ? stubs->chunk_capacity * 2 : 8;
    struct legacy_stub_chunk *chunks = realloc(stubs->chunks, capacity * sizeof *chunks);
    if (!chunks)
        return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for stubs");
    stubs->chunks = chunks;
    stubs->chunk_capacity = capacity;
    return JD_OK;
}

static int add_chunk(struct legacy_stubs *stubs, struct jd_error *err)
{
    const struct legacy_stub_arch *arch = stubs->arch;
    struct legacy_stub_chunk chunk;
    size_t code_bytes = arch->entry_bytes + arch->stub_bytes * LEGACY_STUBS_PER_CHUNK;
    size_t slot_bytes = sizeof(uintptr_t) * (CELL_COUNT + LEGACY_STUBS_PER_CHUNK);
    int result = make_room(stubs, err);
    if (result)
        return result;
    result = jd_arena_reserve(stubs->arena, JD_ARENA_STUB, code_bytes, arch->align_bytes,
                              &chunk.code, err);
    if (result)
        return result;
    result = jd_arena_reserve(stubs->arena, JD_ARENA_GOT, slot_bytes, sizeof(uintptr_t),
                              &chunk.slots, err);
    if (result) {
        jd_arena_abort(stubs->arena, &chunk.code);
        return result;
    }
    uintptr_t *cells = chunk.slots.write;
    cells[0] = (uintptr_t)stubs->engine;
    cells[1] = (uintptr_t)legacy_trampoline;
    cells[2] = (uintptr_t)stubs->chunk_count * LEGACY_STUBS_PER_CHUNK;
    arch->write_entry(chunk.code.write, chunk.code.addr, chunk.slots.addr);
    jd_arena_flush_icache(chunk.code.addr, arch->entry_bytes);
    jd_arena_commit(stubs->arena, &chunk.code);
    jd_arena_commit(stubs->arena, &chunk.slots);
    stubs->chunks[stubs->chunk_count++] = chunk;
    return JD_OK;
}

/* Writes the stub's bytes and gives its lazy half; writing them again changes nothing. */
static uintptr_t write_stub(struct legacy_stubs *stubs, uint32_t index)
{
    const struct legacy_stub_chunk *chunk = &stubs->chunks[index / LEGACY_STUBS_PER_CHUNK];
    return stubs->arch->write_stub((unsigned char *)chunk->code.write + stub_offset(stubs, index),
                                   legacy_stub_addr(stubs, index), slot_addr(stubs, index),
                                   chunk->code.addr, index);
}

int legacy_stub_create(struct legacy_stubs *stubs, uint32_t *out_index, struct jd_error *err)
{
    uint32_t index = stubs->idle_count ? stubs->idle[stubs->idle_count - 1] : stubs->count;
    *out_index = 0;
    if (index / LEGACY_STUBS_PER_CHUNK == stubs->chunk_count) {
        int result = add_chunk(stubs, err);
        if (result)
            return result;
    }
    if (stubs->idle_count)
        stubs->idle_count--;
    else
        stubs->count++;
    legacy_stub_publish(stubs, index, write_stub(stubs, index));
    jd_arena_flush_icache(legacy_stub_addr(stubs, index), stubs->arch->stub_bytes);
    *out_index = index;
    return JD_OK;
}

void legacy_stub_publish(struct legacy_stubs *stubs, uint32_t index, uintptr_t target_addr)
{
    atomic_store_explicit((_Atomic uintptr_t *)slot_write(stubs, index), target_addr,
                          memory_order_release);
}

void legacy_stub_reset(struct legacy_stubs *stubs, uint32_t index)
{
    legacy_stub_publish(stubs, index, write_stub(stubs, index));
}

void legacy_stub_free(struct legacy_stubs *stubs, uint32_t index)
{
    legacy_stub_reset(stubs, index);
    if (stubs->idle_count == stubs->idle_capacity) {
        uint32_t capacity = stubs->idle_capacity ? stubs->idle_capacity * 2 : 64;
        uint32_t *idle = realloc(stubs->idle, capacity * sizeof *idle);
        if (!idle)
            return; /* the number is lost, nothing else */
        stubs->idle = idle;
        stubs->idle_capacity = capacity;
    }
    stubs->idle[stubs->idle_count++] = index;
}

int legacy_thunk_create(struct legacy_stubs *stubs, uintptr_t cell_addr, uintptr_t *out_addr,
                        struct jd_error *err)
{
    struct jd_arena_block block;
    int result = jd_arena_reserve(stubs->arena, JD_ARENA_STUB, stubs->arch->thunk_bytes,
                                  stubs->arch->align_bytes, &block, err);
    *out_addr = 0;
    if (result)
        return result;
    stubs->arch->write_thunk(block.write, block.addr, cell_addr);
    jd_arena_commit(stubs->arena, &block);
    jd_arena_flush_icache(block.addr, block.size_bytes);
    *out_addr = block.addr;
    return JD_OK;
}

void legacy_thunk_free(struct legacy_stubs *stubs, uintptr_t thunk_addr)
{
    struct jd_arena_block block = {.addr = thunk_addr,
                                   .write = jd_arena_writable(stubs->arena, thunk_addr),
                                   .size_bytes = stubs->arch->thunk_bytes,
                                   .kind = JD_ARENA_STUB};
    jd_arena_free(stubs->arena, &block);
}

bool legacy_stubs_want_veneers(const struct legacy_stubs *stubs)
{
    struct jd_arena_stats stats;
    if (!stubs->arch->branch_reach_bytes)
        return false;
    jd_arena_get_stats(stubs->arena, &stats);
    return stats.reserved_bytes > stubs->arch->branch_reach_bytes;
}
