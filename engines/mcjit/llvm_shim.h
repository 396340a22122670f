/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings of MCJIT's target machine, edits of IR and questions to it that the C API has no door
 * for. No policy here.
 */
#ifndef JITDUEL_MCJIT_LLVM_SHIM_H
#define JITDUEL_MCJIT_LLVM_SHIM_H

#include <llvm-c/Core.h>
#include <llvm-c/ExecutionEngine.h>
#include <llvm-c/TargetMachine.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Position-independent code from a machine that was made for static code. MCJIT on x86-64 makes
 * such a machine, whose 32-bit absolute addresses do not reach the arena. Must be called before
 * code is generated with it. */
void mcjit_shim_use_pic(LLVMTargetMachineRef machine);

/** Make a function with a body a declaration of external linkage. */
void mcjit_shim_delete_body(LLVMValueRef function);

/** Remove a global value of any kind (the C API has no call for aliases). It must have no uses. */
void mcjit_shim_erase(LLVMValueRef global);

/** Let everything refer to `replacement` that refers to `function`, except for direct calls,
 * aliases and ifuncs of it, and the addresses of its blocks. */
void mcjit_shim_replace_addresses(LLVMValueRef function, LLVMValueRef replacement);

/** The code sections of the next object need so many bytes together, each aligned to `align_bytes`.
 */
typedef void (*mcjit_reserve_code_fn)(void *context, size_t size_bytes, size_t align_bytes);

/** As LLVMCreateSimpleMCJITMemoryManager, but room for an object's code is announced before its
 * sections are asked for, and unwind tables are deregistered in the reverse of the
 * order in which they were registered: libgcc searches its list from the latest on, so that LLVM's
 * order makes tear-down quadratic (40,000 modules: minutes). Owned by the engine it is given to. */
LLVMMCJITMemoryManagerRef
mcjit_shim_memory_manager(void *context, mcjit_reserve_code_fn reserve_code,
                          LLVMMemoryManagerAllocateCodeSectionCallback allocate_code,
                          LLVMMemoryManagerAllocateDataSectionCallback allocate_data,
                          LLVMMemoryManagerFinalizeMemoryCallback finalize,
                          LLVMMemoryManagerDestroyCallback destroy);

#ifdef __cplusplus
}
#endif
#endif
