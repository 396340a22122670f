/* SPDX-License-Identifier: Apache-2.0
 *
 * A generation: one LLVM context with one MCJIT instance in it. An engine has one, until a module
 * cannot be compiled: MCJIT cannot drop what it has half loaded, and its error is sticky. Then the
 * generation is retired with all its finished code, and the next prepare begins a new one.
 *
 * Knows modules as LLVM values and names as text; nothing of linkage. Guarded by the engine's lock.
 */
#ifndef JITDUEL_MCJIT_GENERATION_H
#define JITDUEL_MCJIT_GENERATION_H

#include <llvm-c/ExecutionEngine.h>
#include <stdbool.h>

#include "memory_manager.h"
#include "target.h"

/** An LLVM fatal error left the generation undefined: it can only be leaked. */
struct mcjit_generation {
    uint32_t number; /**< from 1 */
    LLVMContextRef context;
    struct jd_diagnostics diagnostics;
    LLVMExecutionEngineRef engine;
    LLVMTargetMachineRef machine; /**< the engine's own; borrowed */
    struct mcjit_pipeline *pipeline;
    LLVMValueRef scratch; /**< a declaration that lends its name to mappings */
    struct mcjit_memory *memory;
    bool is_undefined;
    struct mcjit_generation *older;
};

/** What the machine code depends on. */
struct mcjit_settings {
    unsigned opt_level;
    const char *cpu, *features; /**< NULL: none; borrowed for as long as modules are compiled */
};

/** New generation. Errors: NO_MEMORY, INTERNAL. */
int mcjit_generation_create(uint32_t number, const struct mcjit_settings *settings,
                            struct jd_arena *arena, struct mcjit_phases *phases,
                            struct mcjit_generation **out, struct jd_error *err);
/** Disposes of it, or leaks it if it is undefined; true if it was leaked. NULL is accepted. */
bool mcjit_generation_destroy(struct mcjit_generation *generation);

/** Read a module into the generation's context, whole. Errors: as jd_target_read_ir. */
int mcjit_generation_read(struct mcjit_generation *generation, const struct jd_ir *ir,
                          LLVMModuleRef *out, struct jd_error *err);
/** From now on `name` (as in the object file) is at `addr`, for what is compiled later. Errors:
 * NO_MEMORY. */
int mcjit_generation_map(struct mcjit_generation *generation, const char *name, uintptr_t addr,
                         struct jd_error *err);
/** Compile and load one module, which is consumed and gone on return; nothing is linked yet.
 * `number` must be new in the generation. On failure the generation must be retired. Errors:
 * COMPILE, and those of the memory manager. */
int mcjit_generation_compile(struct mcjit_generation *generation, LLVMModuleRef module,
                             uint32_t number, const char *name,
                             const struct mcjit_settings *settings, struct jd_error *err);
/** Make an object of a module, which stays the caller's, with another machine than the
 * generation's. The caller disposes of the buffer. Errors: COMPILE; the generation must be retired
 * if it is undefined then. */
int mcjit_generation_emit(struct mcjit_generation *generation, LLVMModuleRef module,
                          LLVMTargetMachineRef machine, const char *name, LLVMMemoryBufferRef *out,
                          struct jd_error *err);
/** Link all that was compiled since, make it executable. On failure the generation must be retired.
 * Errors: UNRESOLVED (a run-time library function that the compiler calls is missing), COMPILE, and
 * those of the memory manager. */
int mcjit_generation_finalize(struct mcjit_generation *generation, struct jd_error *err);
/** Address of a finalized definition; 0: there is none of that name. */
uintptr_t mcjit_generation_address(struct mcjit_generation *generation, const char *name);

#endif
