/* SPDX-License-Identifier: Apache-2.0
 *
 * Code memory common to all modules of one engine: one reservation of address space, small enough
 * that any place in it reaches any other with a 32-bit PC-relative displacement.
 *
 * Knows nothing of LLVM, ELF or engines. No page is ever writable and executable through one
 * mapping. Two modes:
 *   JD_ARENA_DUAL   code and rodata are pages of a memfd, mapped twice: read/execute (read-only for
 *                   rodata) at the address code runs at, read/write at an alias. A block is written
 *                   through `write` while other threads run neighbouring code. A fork gives the
 *                   child its own copy (pthread_atfork), because the pages are shared mappings; it
 *                   costs the parent a copy of the pages in use. A child for which that fails
 *                   ends at once with a line on stderr and exit code 127. vfork, posix_spawn and
 *                   the bare system call run no handlers: there the child must only exec.
 *   JD_ARENA_SEAL   code and rodata are private pages, writable until jd_arena_seal makes all that
 *                   was committed since the last seal executable (or read-only); what follows
 *                   starts on a fresh page. `write` equals `addr`.
 * Data, stub slots and GOT are private writable pages in both modes. Where memfd is denied, create
 * in DUAL mode fails with JD_E_EXEC_DENIED and says what was denied; the caller may fall back.
 *
 * A reservation is a transaction: reserve, write, then commit or abort. Abort gives the bytes back.
 * Freed blocks are reused (first fit, neighbours joined). Thread-safe: one internal mutex.
 */
#ifndef JITDUEL_COMMON_ARENA_H
#define JITDUEL_COMMON_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

enum jd_arena_mode { JD_ARENA_DUAL = 0, JD_ARENA_SEAL = 1 };

/** Kinds are separate regions, so that each has one protection and the ledger can tell them apart.
 */
enum jd_arena_kind {
    JD_ARENA_CODE,   /**< read/execute */
    JD_ARENA_STUB,   /**< read/execute; stubs, thunks, trampoline entries */
    JD_ARENA_RODATA, /**< read-only */
    JD_ARENA_UNWIND, /**< read-only; .eh_frame and .gcc_except_table */
    JD_ARENA_DATA,   /**< read/write, zeroed */
    JD_ARENA_GOT,    /**< read/write; GOT entries and stub slots */
    JD_ARENA_KIND_COUNT
};

struct jd_arena;

/** A piece of the arena. `addr` is where the machine sees it, `write` where it is written. */
struct jd_arena_block {
    uintptr_t addr;
    void *write;
    size_t size_bytes; /**< as asked for */
    enum jd_arena_kind kind;
    bool is_reused; /**< another block may have been here before; set by reserve */
};

struct jd_arena_stats {
    uint64_t used_bytes[JD_ARENA_KIND_COUNT]; /**< committed and not freed */
    uint64_t reserved_bytes;                  /**< address space, aliases not counted twice */
    /** Whole pages ever handed out and not given back; a large block that is freed gives back the
     * pages that lie within it. */
    uint64_t committed_bytes;
    uint64_t mappings; /**< ranges of one protection held, aliases and the unused rest included */
};

/** New arena; destroy it. `limit_bytes` 0: 1 GiB; rounded up to pages and shared out among the
 * kinds as they ask (a region grows in steps; the limit holds for the sum). At most 2 GiB less 64
 * KiB. Errors: USAGE (limit too large), NO_MEMORY (address space), EXEC_DENIED (memfd or
 * PROT_EXEC). */
int jd_arena_create(enum jd_arena_mode mode, size_t limit_bytes, struct jd_arena **out,
                    struct jd_error *err);
/** Unmaps everything. NULL is accepted. */
void jd_arena_destroy(struct jd_arena *arena);

/** Reserve zeroed memory. `align_bytes` is a power of two, at most 16 MiB; 0 means 16. Size 0 gives
 * a distinct address. Sizes are taken in steps of 16 bytes (8 for GOT). Errors: USAGE (alignment),
 * ARENA_FULL (naming kind, size and limit), EXEC_DENIED, NO_MEMORY; the arena stays usable. */
int jd_arena_reserve(struct jd_arena *arena, enum jd_arena_kind kind, size_t size_bytes,
                     size_t align_bytes, struct jd_arena_block *out, struct jd_error *err);
/** The block is in use; it counts in the ledger from here. Cannot fail. */
void jd_arena_commit(struct jd_arena *arena, const struct jd_arena_block *block);
/** The block was not needed; its bytes are free again. */
void jd_arena_abort(struct jd_arena *arena, const struct jd_arena_block *block);
/** A committed block is no longer used by anyone. Its bytes are reused (zeroed by the next
 * reserve). SEAL mode: sealed bytes are only given back in the ledger, not reused. */
void jd_arena_free(struct jd_arena *arena, const struct jd_arena_block *block);
/** SEAL mode: change the protection of all committed, unsealed code and rodata (stubs and unwind
 * tables too) at once; one mprotect per contiguous range of a region. DUAL mode: does nothing.
 * Errors: STATE while a block of these kinds is reserved and neither committed nor aborted (nothing
 * is sealed then), EXEC_DENIED, NO_MEMORY. */
int jd_arena_seal(struct jd_arena *arena, struct jd_error *err);
/** The writable alias of an address in the arena; NULL when it is not in it, in no kind's pages, or
 * sealed. Constant time, takes no lock. */
void *jd_arena_writable(const struct jd_arena *arena, uintptr_t addr);
/** The reservation. */
void jd_arena_get_range(const struct jd_arena *arena, uintptr_t *out_addr, size_t *out_bytes);
/** True when the address lies in pages that were given to a kind. Constant time, takes no lock. */
bool jd_arena_is_kind(const struct jd_arena *arena, uintptr_t addr, enum jd_arena_kind kind);
/** True when the address lies within the reservation. */
bool jd_arena_contains(const struct jd_arena *arena, uintptr_t addr);
/** Make code that was written, whether new or over old, visible to instruction fetch at `addr`;
 * before it runs. Nothing to do on x86-64. Emulators that do not see writes through an alias are
 * told in their own way. */
void jd_arena_flush_icache(uintptr_t addr, size_t size_bytes);
/** The same for a whole block of new code, before anything leads to it: no core runs what was at
 * its place before (core_sync.h), as far as the kernel helps. */
void jd_arena_publish_code(const struct jd_arena_block *block);
/** Constant time, takes no lock; the fields are each right, but not of one instant. */
void jd_arena_get_stats(const struct jd_arena *arena, struct jd_arena_stats *out);

#endif
