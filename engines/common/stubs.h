/* SPDX-License-Identifier: Apache-2.0
 *
 * Stubs: the canonical addresses of functions. A stub is a jump through a slot in writable memory;
 * until the function is compiled the slot leads back into the stub's second half, which tells the
 * trampoline its number. Thunks are stubs without a second half, for targets out of branch range.
 * Plain C; what is CPU-specific is behind struct jd_stub_arch. Knows no LLVM, no symbols.
 * Callers hold the engine's lock, except for jd_stub_publish's reader side: running code.
 */
#ifndef JITDUEL_COMMON_STUBS_H
#define JITDUEL_COMMON_STUBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "jitduel/error.h"

/** The engine's part of a first call: the trampoline calls it on the caller's stack, in the
 * default rounding mode; it returns where to go on. Any thread, without locks. */
typedef uintptr_t (*jd_stub_resolve_fn)(void *engine, uint32_t stub_index);

/** Layout and encoding for one CPU. A chunk starts with an entry that passes the engine on. */
struct jd_stub_arch {
    uint16_t elf_machine; /* EM_ number */
    size_t entry_bytes, stub_bytes, thunk_bytes, align_bytes;
    /* Of a branch; 0: the whole arena. Then there are no veneers. */
    size_t branch_reach_bytes, veneer_bytes;
    /** Write the chunk's entry; `cells_addr` holds the struct jd_stubs, the trampoline's address
     * and the number of the chunk's first stub; the slots follow. */
    void (*write_entry)(unsigned char *write, uintptr_t addr, uintptr_t cells_addr);
    void (*write_stub)(unsigned char *write, uintptr_t addr, uintptr_t slot_addr,
                       uintptr_t entry_addr, uint32_t stub_index);
    /** Where the slot of a stub at `stub_addr` leads in its lazy state. */
    uintptr_t (*lazy_addr)(uintptr_t stub_addr, uintptr_t entry_addr);
    void (*write_thunk)(unsigned char *write, uintptr_t addr, uintptr_t cell_addr);
    /** Write a jump from where a branch can reach it to a place in the arena that it cannot. */
    void (*write_veneer)(unsigned char *write, uintptr_t addr, uintptr_t target_addr);
};

/** The architecture this program was built for. Static. */
extern const struct jd_stub_arch jd_stub_arch_native;

enum { JD_STUBS_PER_CHUNK = 128 };

struct jd_stub_chunk {
    struct jd_arena_block code;  /* entry, then stubs */
    struct jd_arena_block slots; /* three cells, then one slot per stub */
};

struct jd_stubs {
    struct jd_arena *arena; /* borrowed */
    const struct jd_stub_arch *arch;
    jd_stub_resolve_fn resolve;
    void *engine;
    struct jd_stub_chunk *chunks;
    uint32_t chunk_count, chunk_capacity;
    uint32_t count; /* highest number handed out, plus one */
    uint32_t *idle; /* numbers that were given back */
    uint32_t idle_count, idle_capacity;
};

/** `stubs` stays where it is until fini: the trampoline gets its address. */
void jd_stubs_init(struct jd_stubs *stubs, struct jd_arena *arena, const struct jd_stub_arch *arch,
                   jd_stub_resolve_fn resolve, void *engine);
/** Frees the bookkeeping; the memory goes with the arena. */
void jd_stubs_fini(struct jd_stubs *stubs);
/** A new stub in its lazy state. It is written together with others: in an arena of mode SEAL some
 * of the calls leave committed bytes that jd_arena_seal must make executable before it is called.
 * Errors: ARENA_FULL, NO_MEMORY. */
int jd_stub_create(struct jd_stubs *stubs, uint32_t *out_index, struct jd_error *err);
uintptr_t jd_stub_addr(const struct jd_stubs *stubs, uint32_t index);
/** The number of the stub at that address. False: there is none. Takes time with the chunks. */
bool jd_stub_find(const struct jd_stubs *stubs, uintptr_t addr, uint32_t *out_index);
/** From now on the stub leads to `target_addr`: one aligned atomic store. */
void jd_stub_publish(struct jd_stubs *stubs, uint32_t index, uintptr_t target_addr);
/** Back to the lazy state. */
void jd_stub_reset(struct jd_stubs *stubs, uint32_t index);
/** The stub is no longer in use; its number is handed out again. */
void jd_stub_free(struct jd_stubs *stubs, uint32_t index);
/** A thunk that jumps through the cell at `cell_addr` (in the arena). */
int jd_thunk_create(struct jd_stubs *stubs, uintptr_t cell_addr, uintptr_t *out_addr,
                    struct jd_error *err);
void jd_thunk_free(struct jd_stubs *stubs, uintptr_t thunk_addr);

/** True when the arena is longer than a branch, so that some branches need veneers. */
bool jd_stubs_want_veneers(const struct jd_stubs *stubs);

/** Read the CPU's state size; once per process, before the first stub runs. */
void jd_trampoline_init(void);
/** Where stubs that are not compiled lead; assembly. */
void jd_trampoline(void);
/** Call `function(argument)` on another stack whose highest address is `stack_top` (aligned to 16);
 * assembly, with unwind information through the switch. */
void jd_call_on_stack(void *stack_top, void (*function)(void *argument), void *argument);
/** Called by the trampoline; passes on to the engine. */
uintptr_t jd_stub_resolve(struct jd_stubs *stubs, uint32_t stub_index);

#endif
