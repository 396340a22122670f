/* SPDX-License-Identifier: Apache-2.0
 *
 * What arena.c (bookkeeping) and arena_map.c (system calls) share. Not for anyone else.
 *
 * Places are offsets into the reservation; in DUAL mode the same offset is the place in the memfd
 * and in the writable alias. Offset 0 lies on the largest alignment that is given, so alignment
 * of an offset is alignment of the address.
 */
#ifndef JITDUEL_COMMON_ARENA_INTERNAL_H
#define JITDUEL_COMMON_ARENA_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "arena.h"
#include "ranges.h"

enum {
    JD_ARENA_MAX_ALIGN = 1 << 24, /* data on huge pages asks for 2 MiB; above: nobody seen */
    /* One byte per page: kind + 1 (0: not handed to a kind), and these. A page that is not touched
     * is all zero. */
    JD_PAGE_KIND = 0x07,
    JD_PAGE_TOUCHED = 0x08,
    JD_PAGE_SEALED = 0x10
};

/* A run of pages of one kind, mapped in one piece (two while part of it is sealed). */
struct jd_arena_extent {
    size_t begin, end;
    size_t sealed_end; /* [begin, sealed_end) is sealed */
    enum jd_arena_kind kind;
};

/* One kind's places. The last extent that it got is bumped through; all else is in `free`. */
struct jd_arena_region {
    size_t bump;  /* next byte never reserved since the last seal, or reserved and given back */
    size_t fresh; /* nothing at or above it was ever reserved in the current extent */
    size_t end;   /* of the current extent */
    size_t total; /* of all extents */
    size_t pending_count;
    struct jd_ranges free;
};

struct jd_arena {
    pthread_mutex_t lock;
    struct jd_arena *next, *previous; /* live arenas, for fork */
    enum jd_arena_mode mode;
    uintptr_t base_addr;
    unsigned char *alias; /* NULL in SEAL mode */
    int memfd;            /* -1 in SEAL mode; its number, which the program may have closed */
    dev_t memfd_device;   /* whose number it is */
    ino_t memfd_inode;
    unsigned char *fork_alias; /* that copy where it is no memfd; NULL: none */
    int fork_memfd;            /* the child's copy, while a fork is under way; -1 - errno: none */
    size_t limit;
    size_t step; /* smallest extent */
    size_t page;
    unsigned page_shift;
    size_t handed_out; /* [0, handed_out) belongs to extents */
    struct jd_arena_extent *extents;
    size_t extent_count, extent_capacity;
    _Atomic unsigned char *pages;
    struct jd_arena_region regions[JD_ARENA_KIND_COUNT];
    _Atomic uint64_t used_bytes[JD_ARENA_KIND_COUNT];
    _Atomic uint64_t committed_bytes;
    _Atomic uint64_t mappings;
};

struct jd_arena_kind_info {
    const char *name;
    int prot; /* where the machine sees it */
    unsigned granule;
    bool is_writable; /* in place: private pages in both modes */
};

extern const struct jd_arena_kind_info jd_arena_kinds[JD_ARENA_KIND_COUNT];

static inline size_t jd_align_up(size_t value, size_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* Where a place is written. */
static inline unsigned char *jd_arena_write_at(const struct jd_arena *arena,
                                               enum jd_arena_kind kind, size_t offset)
{
    if (arena->alias && !jd_arena_kinds[kind].is_writable)
        return arena->alias + offset;
    return (unsigned char *)(arena->base_addr + offset);
}

/* Reservation, memfd and alias; joins the list of live arenas. */
int jd_arena_map_open(struct jd_arena *arena, struct jd_error *err);
/* Undoes as much of it as was done. */
void jd_arena_map_close(struct jd_arena *arena);
/* Map [begin, end) of the reservation for a kind. */
int jd_arena_map_extend(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin, size_t end,
                        struct jd_error *err);
/* Take write access from [begin, end) and give the kind's own. */
int jd_arena_map_seal(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin, size_t end,
                      struct jd_error *err);
/* Give whole pages back to the system; they read as zero again. False: nothing was done. */
bool jd_arena_map_release(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin,
                          size_t end);

#endif
