/* SPDX-License-Identifier: Apache-2.0
 *
 * MCJIT's memory manager over the code arena: sections of all modules in common memory, one change
 * of permissions per batch of modules.
 *
 * A batch is what is compiled between two finalisations. Its blocks are reserved section by section
 * and committed and sealed together, or given back together. When the arena is full MCJIT still
 * gets memory (from the heap, never executed), because it answers a null pointer by ending the
 * process; the batch then counts as failed and must be abandoned.
 */
#ifndef JITDUEL_MCJIT_MEMORY_MANAGER_H
#define JITDUEL_MCJIT_MEMORY_MANAGER_H

#include <llvm-c/ExecutionEngine.h>
#include <stdbool.h>

#include "arena.h"
#include "jitduel/engine.h"
#include "phase.h"

struct mcjit_memory;

/** New memory manager; borrows arena and phases. */
int mcjit_memory_create(struct jd_arena *arena, struct mcjit_phases *phases,
                        struct mcjit_memory **out, struct jd_error *err);
/** Frees what is not the arena's. The LLVM handle must be gone by then. NULL is accepted. */
void mcjit_memory_destroy(struct mcjit_memory *memory);

/** LLVM's handle for it; owned by the execution engine that it is given to. */
LLVMMCJITMemoryManagerRef mcjit_memory_llvm(struct mcjit_memory *memory);

/** What one object puts into a section that lies together with those of others. */
struct mcjit_memory_part {
    size_t offset, size_bytes;
};
/** In this batch the objects' sections of that name, in the order of loading, lie at these parts of
 * one block. Borrows name and parts until the batch ends. Errors: the arena's. */
int mcjit_memory_lay_out(struct mcjit_memory *memory, const char *name,
                         const struct mcjit_memory_part *parts, size_t part_count,
                         size_t align_bytes, uintptr_t *out_addr, struct jd_error *err);
/** From now on the finalize callback commits and seals what the batch reserved. Between batches it
 * does nothing: MCJIT calls it at every look-up. */
void mcjit_memory_expect_finalize(struct mcjit_memory *memory);
/** 0, or the batch's first failure (ARENA_FULL, EXEC_DENIED, NO_MEMORY). */
int mcjit_memory_check(const struct mcjit_memory *memory, struct jd_error *err);
/** The batch is finished and stays. */
void mcjit_memory_accept_batch(struct mcjit_memory *memory);
/** Gives the batch's blocks back to the arena. Nothing of the batch may be used after. */
void mcjit_memory_abandon_batch(struct mcjit_memory *memory);

#endif
