/* SPDX-License-Identifier: Apache-2.0
 *
 * The arena's bookkeeping: which bytes of the reservation belong to which kind, which are free, and
 * the ledger. Knows no system call; those are in arena_map.c.
 *
 * A kind bumps through the last extent it was given. What is freed, and what alignment skips, goes
 * to the kind's set of free ranges; bytes freed right below the bump pointer go back under it.
 */
#include "arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena_internal.h"

#define JD_ARENA_DEFAULT_LIMIT ((size_t)1 << 30)
/* Displacements are signed 32 bits, and a field may lie 64 KiB from the place it counts from. */
#define JD_ARENA_MAX_LIMIT (((size_t)2 << 30) - 65536)
#define JD_ARENA_MAX_FIRST_STEP ((size_t)1 << 20)
#define JD_ARENA_MAX_STEP ((size_t)16 << 20)
/* Freed blocks of this size give their pages back to the system: below it, faulting them in again
 * costs more than they are worth. */
#define JD_ARENA_RELEASE_BYTES ((size_t)256 << 10)

const struct jd_arena_kind_info jd_arena_kinds[JD_ARENA_KIND_COUNT] = {
    [JD_ARENA_CODE] = {"code", PROT_READ | PROT_EXEC, 16, false},
    [JD_ARENA_STUB] = {"stub", PROT_READ | PROT_EXEC, 16, false},
    [JD_ARENA_RODATA] = {"rodata", PROT_READ, 16, false},
    [JD_ARENA_UNWIND] = {"unwind", PROT_READ, 16, false},
    [JD_ARENA_DATA] = {"data", PROT_READ | PROT_WRITE, 16, true},
    [JD_ARENA_GOT] = {"got", PROT_READ | PROT_WRITE, 8, true},
};

/* Counters are written under the lock and read without. */
static void count(_Atomic uint64_t *counter, int64_t delta)
{
    atomic_fetch_add_explicit(counter, (uint64_t)delta, memory_order_relaxed);
}

static unsigned page_state(const struct jd_arena *arena, size_t offset)
{
    return atomic_load_explicit(&arena->pages[offset >> arena->page_shift], memory_order_relaxed);
}

static void set_page_state(struct jd_arena *arena, size_t offset, unsigned state)
{
    atomic_store_explicit(&arena->pages[offset >> arena->page_shift], (unsigned char)state,
                          memory_order_relaxed);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void set_page_size(struct jd_arena *arena)
{
    arena->page = (size_t)sysconf(_SC_PAGESIZE);
    while (((size_t)1 << arena->page_shift) < arena->page)
        arena->page_shift++;
}

int jd_arena_create(enum jd_arena_mode mode, size_t limit_bytes, struct jd_arena **out,
                    struct jd_error *err)
{
    *out = NULL;
    if (limit_bytes > JD_ARENA_MAX_LIMIT)
        return jd_fail(err, JD_E_USAGE, "arena", "limit of %zu bytes is above %zu", limit_bytes,
                       JD_ARENA_MAX_LIMIT);
    struct jd_arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return jd_fail(err, JD_E_NO_MEMORY, "arena", "%zu bytes for an arena", sizeof *arena);
    set_page_size(arena);
    arena->mode = mode;
    arena->memfd = arena->fork_memfd = -1;
    arena->limit = jd_align_up(limit_bytes ? limit_bytes : JD_ARENA_DEFAULT_LIMIT, arena->page);
    arena->step = jd_align_up(smaller(arena->limit / 64, JD_ARENA_MAX_FIRST_STEP), arena->page);
    arena->step = larger(arena->step, arena->page);
    pthread_mutex_init(&arena->lock, NULL);
    int rc = JD_OK;
    arena->pages = calloc(arena->limit >> arena->page_shift, 1);
    if (!arena->pages)
        rc = jd_fail(err, JD_E_NO_MEMORY, "arena", "bookkeeping for %zu bytes", arena->limit);
    if (rc == JD_OK)
        rc = jd_arena_map_open(arena, err);
    if (rc != JD_OK) {
        jd_arena_destroy(arena);
        return rc;
    }
    arena->mappings = mode == JD_ARENA_DUAL ? 2 : 1;
    *out = arena;
    return JD_OK;
}

void jd_arena_destroy(struct jd_arena *arena)
{
    if (!arena)
        return;
    jd_arena_map_close(arena);
    for (size_t i = 0; i < JD_ARENA_KIND_COUNT; i++)
        jd_ranges_fini(&arena->regions[i].free);
    pthread_mutex_destroy(&arena->lock);
    free(arena->extents);
    free(arena->pages);
    free(arena);
}

static void full(const struct jd_arena *arena, enum jd_arena_kind kind, size_t bytes,
                 struct jd_error *err)
{
    jd_fail(err, JD_E_ARENA_FULL, "arena",
            "no room for %zu bytes of %s: %zu of the limit of %zu bytes are taken "
            "(a limit may be up to %zu)",
            bytes, jd_arena_kinds[kind].name, arena->handed_out, arena->limit, JD_ARENA_MAX_LIMIT);
}

/* Room for one more extent in the table, before anything is mapped. */
static int grow_extent_table(struct jd_arena *arena, struct jd_error *err)
{
    if (arena->extent_count < arena->extent_capacity)
        return JD_OK;
    size_t capacity = arena->extent_capacity ? arena->extent_capacity * 2 : 16;
    struct jd_arena_extent *table = realloc(arena->extents, capacity * sizeof *table);
    if (!table)
        return jd_fail(err, JD_E_NO_MEMORY, "arena", "bookkeeping for %zu extents", capacity);
    arena->extents = table;
    arena->extent_capacity = capacity;
    return JD_OK;
}

/* A region's next extent is a quarter of what it has, so that mappings stay few; never more than an
 * eighth of what is left beyond the need, so that one kind cannot starve the others by its steps.
 */
static size_t extent_bytes(const struct jd_arena *arena, const struct jd_arena_region *region,
                           size_t need)
{
    size_t left = arena->limit - arena->handed_out;
    size_t step = smaller(smaller(region->total / 4, JD_ARENA_MAX_STEP), left / 8);
    size_t bytes = larger(larger(step, arena->step), need);
    return smaller(jd_align_up(bytes, arena->page), left);
}

static void add_extent(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin, size_t end)
{
    struct jd_arena_region *region = &arena->regions[kind];
    struct jd_arena_extent *last =
        arena->extent_count ? &arena->extents[arena->extent_count - 1] : NULL;
    if (last && last->kind == kind) {
        last->end = end;
        /* The pages join the unsealed rest of the extent, or are the first of it. */
        if (last->sealed_end == begin)
            count(&arena->mappings, 1);
    } else {
        if (region->bump < region->end)
            jd_ranges_put(&region->free, region->bump, region->end - region->bump);
        arena->extents[arena->extent_count++] =
            (struct jd_arena_extent){.begin = begin, .end = end, .sealed_end = begin, .kind = kind};
        region->bump = region->fresh = begin;
        count(&arena->mappings, 1);
    }
    region->end = end;
    region->total += end - begin;
    arena->handed_out = end;
    if (end == arena->limit)
        count(&arena->mappings, -1);
    for (size_t at = begin; at < end; at += arena->page)
        set_page_state(arena, at, (unsigned)kind + 1);
}

/* Map more pages for a kind, enough for the request. ARENA_FULL is left to the caller to tell. */
static int grow(struct jd_arena *arena, enum jd_arena_kind kind, size_t bytes, size_t align,
                struct jd_error *err)
{
    struct jd_arena_region *region = &arena->regions[kind];
    size_t begin = arena->handed_out;
    bool is_contiguous = region->total && region->end == begin;
    size_t from = jd_align_up(is_contiguous ? region->bump : begin, align);
    if (bytes > arena->limit || from > arena->limit - bytes)
        return JD_E_ARENA_FULL;
    int rc = grow_extent_table(arena, err);
    if (rc != JD_OK)
        return rc;
    size_t end = begin + extent_bytes(arena, region, from + bytes - begin);
    rc = jd_arena_map_extend(arena, kind, begin, end, err);
    if (rc == JD_OK)
        add_extent(arena, kind, begin, end);
    return rc;
}

static bool bump(struct jd_arena_region *region, size_t bytes, size_t align, size_t *out)
{
    size_t at = jd_align_up(region->bump, align);
    if (at > region->end || bytes > region->end - at)
        return false;
    if (at > region->bump)
        jd_ranges_put(&region->free, region->bump, at - region->bump);
    region->bump = at + bytes;
    *out = at;
    return true;
}

/* Find room. Bytes at or above *clean were never handed out. */
static int take(struct jd_arena *arena, enum jd_arena_kind kind, size_t bytes, size_t align,
                size_t *out, size_t *clean, struct jd_error *err)
{
    struct jd_arena_region *region = &arena->regions[kind];
    *clean = SIZE_MAX;
    if (jd_ranges_largest(&region->free) >= bytes &&
        jd_ranges_take(&region->free, bytes, align, out))
        return JD_OK;
    if (!bump(region, bytes, align, out)) {
        int rc = grow(arena, kind, bytes, align, err);
        if (rc != JD_OK)
            return rc;
        bool is_bumped = bump(region, bytes, align, out);
        assert(is_bumped);
        (void)is_bumped;
    }
    *clean = region->fresh;
    region->fresh = larger(region->fresh, region->bump);
    return JD_OK;
}

/* Zero what may have been written before, and count the pages that are touched for the first time.
 * An untouched page is zero. */
static void claim(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin, size_t bytes,
                  size_t clean)
{
    size_t end = begin + bytes, dirty_end = smaller(end, clean);
    uint64_t fresh_count = 0;
    for (size_t at = begin & ~(arena->page - 1); at < end; at += arena->page) {
        unsigned state = page_state(arena, at);
        if (!(state & JD_PAGE_TOUCHED)) {
            set_page_state(arena, at, state | JD_PAGE_TOUCHED);
            fresh_count++;
            continue;
        }
        size_t low = larger(at, begin), high = smaller(at + arena->page, dirty_end);
        if (low < high)
            memset(jd_arena_write_at(arena, kind, low), 0, high - low);
    }
    if (fresh_count)
        count(&arena->committed_bytes, (int64_t)(fresh_count << arena->page_shift));
}

static size_t taken_bytes(enum jd_arena_kind kind, size_t size)
{
    return jd_align_up(size ? size : 1, jd_arena_kinds[kind].granule);
}

int jd_arena_reserve(struct jd_arena *arena, enum jd_arena_kind kind, size_t size_bytes,
                     size_t align_bytes, struct jd_arena_block *out, struct jd_error *err)
{
    *out = (struct jd_arena_block){0};
    size_t align = align_bytes ? align_bytes : 16, at = 0, clean = 0;
    if ((unsigned)kind >= JD_ARENA_KIND_COUNT)
        return jd_fail(err, JD_E_USAGE, "arena", "%u is no kind", (unsigned)kind);
    if (align & (align - 1) || align > JD_ARENA_MAX_ALIGN)
        return jd_fail(err, JD_E_USAGE, "arena",
                       "alignment %zu is not a power of two of at most %d", align,
                       JD_ARENA_MAX_ALIGN);
    pthread_mutex_lock(&arena->lock);
    size_t bytes = taken_bytes(kind, size_bytes);
    int rc = JD_E_ARENA_FULL;
    if (size_bytes <= arena->limit)
        rc = take(arena, kind, bytes, align, &at, &clean, err);
    if (rc == JD_E_ARENA_FULL)
        full(arena, kind, size_bytes, err);
    if (rc == JD_OK) {
        claim(arena, kind, at, bytes, clean);
        arena->regions[kind].pending_count++;
        out->addr = arena->base_addr + at;
        out->write = jd_arena_write_at(arena, kind, at);
        out->size_bytes = size_bytes;
        out->kind = kind;
        out->is_reused = at < clean;
    }
    pthread_mutex_unlock(&arena->lock);
    return rc;
}

void jd_arena_commit(struct jd_arena *arena, const struct jd_arena_block *block)
{
    pthread_mutex_lock(&arena->lock);
    assert(arena->regions[block->kind].pending_count);
    arena->regions[block->kind].pending_count--;
    count(&arena->used_bytes[block->kind], (int64_t)block->size_bytes);
    pthread_mutex_unlock(&arena->lock);
}

/* Whole pages of a large block go back to the system. */
static void release_pages(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin, size_t end)
{
    begin = jd_align_up(begin, arena->page);
    end &= ~(arena->page - 1);
    if (begin >= end || !jd_arena_map_release(arena, kind, begin, end))
        return;
    for (size_t at = begin; at < end; at += arena->page)
        set_page_state(arena, at, page_state(arena, at) & ~(unsigned)JD_PAGE_TOUCHED);
    count(&arena->committed_bytes, -(int64_t)(end - begin));
}

/* Where there is no memory for bookkeeping the bytes are lost until the arena goes. */
static void give_back(struct jd_arena *arena, const struct jd_arena_block *block)
{
    struct jd_arena_region *region = &arena->regions[block->kind];
    size_t begin = block->addr - arena->base_addr;
    size_t bytes = taken_bytes(block->kind, block->size_bytes);
    unsigned state = page_state(arena, begin);
    assert((state & JD_PAGE_KIND) == (unsigned)block->kind + 1);
    if (state & JD_PAGE_SEALED)
        return;
    if (bytes >= JD_ARENA_RELEASE_BYTES)
        release_pages(arena, block->kind, begin, begin + bytes);
    if (begin + bytes != region->bump) {
        jd_ranges_put(&region->free, begin, bytes);
        return;
    }
    region->bump = begin;
    jd_ranges_take_ending_at(&region->free, begin, &region->bump);
}

void jd_arena_abort(struct jd_arena *arena, const struct jd_arena_block *block)
{
    pthread_mutex_lock(&arena->lock);
    assert(arena->regions[block->kind].pending_count);
    arena->regions[block->kind].pending_count--;
    give_back(arena, block);
    pthread_mutex_unlock(&arena->lock);
}

void jd_arena_free(struct jd_arena *arena, const struct jd_arena_block *block)
{
    pthread_mutex_lock(&arena->lock);
    count(&arena->used_bytes[block->kind], -(int64_t)block->size_bytes);
    give_back(arena, block);
    pthread_mutex_unlock(&arena->lock);
}

/* End of what was ever reserved in the unsealed part of an extent, in whole pages. */
static size_t used_end(struct jd_arena *arena, const struct jd_arena_extent *extent)
{
    struct jd_arena_region *region = &arena->regions[extent->kind];
    size_t end = extent->end;
    if (extent->end == region->end)
        end = region->bump;
    else if (jd_ranges_take_ending_at(&region->free, extent->end, &end))
        jd_ranges_put(&region->free, end, extent->end - end);
    return jd_align_up(larger(end, extent->sealed_end), arena->page);
}

static int seal_extent(struct jd_arena *arena, struct jd_arena_extent *extent, struct jd_error *err)
{
    struct jd_arena_region *region = &arena->regions[extent->kind];
    size_t begin = extent->sealed_end, end = used_end(arena, extent);
    if (begin == end)
        return JD_OK;
    int rc = jd_arena_map_seal(arena, extent->kind, begin, end, err);
    if (rc != JD_OK)
        return rc;
    jd_ranges_remove(&region->free, begin, end);
    for (size_t at = begin; at < end; at += arena->page)
        set_page_state(arena, at, page_state(arena, at) | JD_PAGE_SEALED);
    if (begin == extent->begin && end < extent->end)
        count(&arena->mappings, 1);
    if (begin > extent->begin && end == extent->end)
        count(&arena->mappings, -1);
    extent->sealed_end = end;
    if (extent->end == region->end) {
        region->bump = end;
        region->fresh = larger(region->fresh, end);
    }
    return JD_OK;
}

int jd_arena_seal(struct jd_arena *arena, struct jd_error *err)
{
    if (arena->mode == JD_ARENA_DUAL)
        return JD_OK;
    int rc = JD_OK;
    pthread_mutex_lock(&arena->lock);
    for (size_t i = 0; rc == JD_OK && i < JD_ARENA_KIND_COUNT; i++)
        if (!jd_arena_kinds[i].is_writable && arena->regions[i].pending_count)
            rc = jd_fail(err, JD_E_STATE, "arena", "seal with %zu blocks of %s not yet committed",
                         arena->regions[i].pending_count, jd_arena_kinds[i].name);
    for (size_t i = 0; rc == JD_OK && i < arena->extent_count; i++) {
        struct jd_arena_extent *extent = &arena->extents[i];
        if (!jd_arena_kinds[extent->kind].is_writable && extent->sealed_end < extent->end)
            rc = seal_extent(arena, extent, err);
    }
    pthread_mutex_unlock(&arena->lock);
    return rc;
}

bool jd_arena_contains(const struct jd_arena *arena, uintptr_t addr)
{
    return addr - arena->base_addr < arena->limit;
}

void jd_arena_get_range(const struct jd_arena *arena, uintptr_t *out_addr, size_t *out_bytes)
{
    *out_addr = arena->base_addr;
    *out_bytes = arena->limit;
}

bool jd_arena_is_kind(const struct jd_arena *arena, uintptr_t addr, enum jd_arena_kind kind)
{
    return jd_arena_contains(arena, addr) &&
           (page_state(arena, addr - arena->base_addr) & JD_PAGE_KIND) == (unsigned)kind + 1;
}

void *jd_arena_writable(const struct jd_arena *arena, uintptr_t addr)
{
    if (!jd_arena_contains(arena, addr))
        return NULL;
    size_t offset = addr - arena->base_addr;
    unsigned state = page_state(arena, offset);
    if (!(state & JD_PAGE_KIND) || state & JD_PAGE_SEALED)
        return NULL;
    return jd_arena_write_at(arena, (enum jd_arena_kind)((state & JD_PAGE_KIND) - 1), offset);
}

void jd_arena_get_stats(const struct jd_arena *arena, struct jd_arena_stats *out)
{
    for (size_t i = 0; i < JD_ARENA_KIND_COUNT; i++)
        out->used_bytes[i] = atomic_load_explicit(&arena->used_bytes[i], memory_order_relaxed);
    out->reserved_bytes = arena->limit;
    out->committed_bytes = atomic_load_explicit(&arena->committed_bytes, memory_order_relaxed);
    out->mappings = atomic_load_explicit(&arena->mappings, memory_order_relaxed);
}
