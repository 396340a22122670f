/* SPDX-License-Identifier: Apache-2.0
 *
 * Stub chunks and their slots. Knows no CPU (see stubs_<cpu>.c), no LLVM, no symbols.
 */
#include "stubs.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_COUNT = 3 }; /* the stubs, trampoline, number of the first stub */

void jd_stubs_init(struct jd_stubs *stubs, struct jd_arena *arena, const struct jd_stub_arch *arch,
                   jd_stub_resolve_fn resolve, void *engine)
{
    *stubs = (struct jd_stubs){.arena = arena, .arch = arch, .resolve = resolve, .engine = engine};
}

uintptr_t jd_stub_resolve(struct jd_stubs *stubs, uint32_t stub_index)
{
    return stubs->resolve(stubs->engine, stub_index);
}

void jd_stubs_fini(struct jd_stubs *stubs)
{
    free(stubs->chunks);
    free(stubs->idle);
    *stubs = (struct jd_stubs){0};
}

static uintptr_t *slot_write(const struct jd_stubs *stubs, uint32_t index)
{
    const struct jd_stub_chunk *chunk = &stubs->chunks[index / JD_STUBS_PER_CHUNK];
    return (uintptr_t *)chunk->slots.write + CELL_COUNT + index % JD_STUBS_PER_CHUNK;
}

static size_t stub_offset(const struct jd_stubs *stubs, uint32_t index)
{
    return stubs->arch->entry_bytes + stubs->arch->stub_bytes * (index % JD_STUBS_PER_CHUNK);
}

uintptr_t jd_stub_addr(const struct jd_stubs *stubs, uint32_t index)
{
    return stubs->chunks[index / JD_STUBS_PER_CHUNK].code.addr + stub_offset(stubs, index);
}

bool jd_stub_find(const struct jd_stubs *stubs, uintptr_t addr, uint32_t *out_index)
{
    const struct jd_stub_arch *arch = stubs->arch;
    for (uint32_t i = 0; i < stubs->chunk_count; i++) {
        uintptr_t offset = addr - stubs->chunks[i].code.addr - arch->entry_bytes;
        if (offset >= arch->stub_bytes * JD_STUBS_PER_CHUNK || offset % arch->stub_bytes)
            continue;
        *out_index = i * JD_STUBS_PER_CHUNK + (uint32_t)(offset / arch->stub_bytes);
        return *out_index < stubs->count;
    }
    return false;
}

static int make_room(struct jd_stubs *stubs, struct jd_error *err)
{
    if (stubs->chunk_count < stubs->chunk_capacity)
        return JD_OK;
    uint32_t capacity = stubs->chunk_capacity ? stubs->chunk_capacity * 2 : 8;
    struct jd_stub_chunk *chunks = realloc(stubs->chunks, capacity * sizeof *chunks);
    if (!chunks)
        return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for stubs");
    stubs->chunks = chunks;
    stubs->chunk_capacity = capacity;
    return JD_OK;
}

/* All at once: where the arena seals pages, this is the only time to write them. */
static void write_chunk(const struct jd_stubs *stubs, const struct jd_stub_chunk *chunk,
                        uint32_t first_index)
{
    const struct jd_stub_arch *arch = stubs->arch;
    uintptr_t *cells = chunk->slots.write;
    cells[0] = (uintptr_t)stubs;
    cells[1] = (uintptr_t)jd_trampoline;
    cells[2] = first_index;
    arch->write_entry(chunk->code.write, chunk->code.addr, chunk->slots.addr);
    for (uint32_t i = 0; i < JD_STUBS_PER_CHUNK; i++) {
        size_t offset = arch->entry_bytes + arch->stub_bytes * i;
        arch->write_stub((unsigned char *)chunk->code.write + offset, chunk->code.addr + offset,
                         chunk->slots.addr + sizeof *cells * (CELL_COUNT + i), chunk->code.addr,
                         first_index + i);
    }
    jd_arena_publish_code(&chunk->code);
}

static int add_chunk(struct jd_stubs *stubs, struct jd_error *err)
{
    const struct jd_stub_arch *arch = stubs->arch;
    struct jd_stub_chunk chunk;
    size_t code_bytes = arch->entry_bytes + arch->stub_bytes * JD_STUBS_PER_CHUNK;
    size_t slot_bytes = sizeof(uintptr_t) * (CELL_COUNT + JD_STUBS_PER_CHUNK);
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
    write_chunk(stubs, &chunk, stubs->chunk_count * JD_STUBS_PER_CHUNK);
    jd_arena_commit(stubs->arena, &chunk.code);
    jd_arena_commit(stubs->arena, &chunk.slots);
    stubs->chunks[stubs->chunk_count++] = chunk;
    return JD_OK;
}

int jd_stub_create(struct jd_stubs *stubs, uint32_t *out_index, struct jd_error *err)
{
    uint32_t index = stubs->idle_count ? stubs->idle[stubs->idle_count - 1] : stubs->count;
    *out_index = 0;
    if (index / JD_STUBS_PER_CHUNK == stubs->chunk_count) {
        int result = add_chunk(stubs, err);
        if (result)
            return result;
    }
    if (stubs->idle_count)
        stubs->idle_count--;
    else
        stubs->count++;
    jd_stub_reset(stubs, index);
    *out_index = index;
    return JD_OK;
}

void jd_stub_publish(struct jd_stubs *stubs, uint32_t index, uintptr_t target_addr)
{
    atomic_store_explicit((_Atomic uintptr_t *)slot_write(stubs, index), target_addr,
                          memory_order_release);
}

void jd_stub_reset(struct jd_stubs *stubs, uint32_t index)
{
    const struct jd_stub_chunk *chunk = &stubs->chunks[index / JD_STUBS_PER_CHUNK];
    jd_stub_publish(stubs, index,
                    stubs->arch->lazy_addr(jd_stub_addr(stubs, index), chunk->code.addr));
}

void jd_stub_free(struct jd_stubs *stubs, uint32_t index)
{
    jd_stub_reset(stubs, index);
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

int jd_thunk_create(struct jd_stubs *stubs, uintptr_t cell_addr, uintptr_t *out_addr,
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
    jd_arena_publish_code(&block);
    *out_addr = block.addr;
    return JD_OK;
}

void jd_thunk_free(struct jd_stubs *stubs, uintptr_t thunk_addr)
{
    struct jd_arena_block block = {.addr = thunk_addr,
                                   .write = jd_arena_writable(stubs->arena, thunk_addr),
                                   .size_bytes = stubs->arch->thunk_bytes,
                                   .kind = JD_ARENA_STUB};
    jd_arena_free(stubs->arena, &block);
}

bool jd_stubs_want_veneers(const struct jd_stubs *stubs)
{
    struct jd_arena_stats stats;
    if (!stubs->arch->branch_reach_bytes)
        return false;
    jd_arena_get_stats(stubs->arena, &stats);
    return stats.reserved_bytes > stubs->arch->branch_reach_bytes;
}
