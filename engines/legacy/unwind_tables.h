/* SPDX-License-Identifier: Apache-2.0
 *
 * Unwind tables of generated code, found by the system's unwinder at a cost that does not grow with
 * their number. Knows the arena and DWARF's call frame information; no LLVM, no symbols, no engine.
 *
 * The unwinder asks _Unwind_Find_FDE for every frame that it walks; libgcc's own answer for
 * registered tables takes time linear in their number. This room defines that function for the
 * program: code of an arena is answered for here, all else is passed on to libgcc. A bit per 16
 * bytes of the arena marks where blocks of code begin; the first bytes of a block say where its
 * table is. So adding, removing and finding allocate nothing and take no lock, and finding is
 * possible in a signal handler at any time.
 *
 * Where the program's definition does not take effect (libgcc bound to its own, as in a static
 * link), tables are registered with libgcc one by one: right, but with libgcc's cost.
 *
 * Sources: LSB core 5.0, 10.6 (.eh_frame); DWARF 5, 6.4; libgcc's unwind-dw2-fde.h.
 */
#ifndef JITDUEL_LEGACY_UNWIND_TABLES_H
#define JITDUEL_LEGACY_UNWIND_TABLES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "jitduel/error.h"

/** Every block of code in the arena begins with so many bytes of this room's. */
enum { LEGACY_UNWIND_PREFIX_BYTES = 16 };

/** The code of one arena. The caller's memory; fields are this room's. */
struct legacy_unwind {
    const struct jd_arena *arena; /* borrowed until fini */
    uintptr_t base_addr;
    size_t bytes;
    _Atomic uint64_t *starts; /* bit n: a block begins at base_addr + 16 * n */
    struct legacy_unwind_slot *slot;
};

/** How tables are found in this process. */
enum legacy_unwind_mode {
    LEGACY_UNWIND_OWN,   /* by this room */
    LEGACY_UNWIND_LIBGCC /* by libgcc's list or tree */
};

/** Decided once per process, by walking a frame. Any thread. */
enum legacy_unwind_mode legacy_unwind_mode(void);
/** From now on code of the arena can be unwound, its stubs too. Errors: NO_MEMORY; `unwind` is
 * all zero then. Any thread. */
int legacy_unwind_init(struct legacy_unwind *unwind, const struct jd_arena *arena,
                       struct jd_error *err);
/** Before the arena goes, when every block was removed. All zero is accepted. Any thread. */
void legacy_unwind_fini(struct legacy_unwind *unwind);

/** Bytes that a block for an .eh_frame section needs: the section, the zero word that ends it and
 * the search table. The section's bytes need no relocation for this. */
size_t legacy_unwind_room(const void *frames, size_t size_bytes);
/** A block of code can run now. `code` begins with the prefix. `frames` is where its relocated
 * .eh_frame of `size_bytes` is written, in a block of legacy_unwind_room bytes, 4-aligned, with
 * zeros behind the section; `frames_addr` is where it is read; NULL and 0 for code without. The
 * bytes do not change until remove. Errors: BAD_OBJECT, UNSUPPORTED (an encoding); nothing was
 * added then. One thread at a time for one arena; other threads may be unwinding. */
int legacy_unwind_add(struct legacy_unwind *unwind, const struct jd_arena_block *code, void *frames,
                      uintptr_t frames_addr, size_t size_bytes, struct jd_error *err);
/** The block is no longer run by anyone; before its memory is given back. A block that was not
 * added is accepted. As add for threads. */
void legacy_unwind_remove(struct legacy_unwind *unwind, const struct jd_arena_block *code);

/** The frame description entry of the code at `pc`, whichever arena it is in, and the address that
 * its instructions count from; NULL when there is none. Any thread, signal handlers included; exact
 * for code that cannot be removed meanwhile, as code on a stack cannot. */
const void *legacy_unwind_find(uintptr_t pc, uintptr_t *out_function_addr);

/** What holds in a stub, entry or thunk when the instruction at `pc` is to run (unwind_stub.c): a
 * frame description entry whose own address range means nothing. */
const void *legacy_unwind_stub_entry(uintptr_t pc);

#endif
