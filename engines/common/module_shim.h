/* SPDX-License-Identifier: Apache-2.0
 *
 * What engines need of a module's symbols and the C API has no door for.
 */
#ifndef JITDUEL_COMMON_MODULE_SHIM_H
#define JITDUEL_COMMON_MODULE_SHIM_H

#include <llvm-c/Core.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Say whether a global value is known to lie within 32 bits' reach of the code that uses it. */
void jd_shim_set_dso_local(LLVMValueRef global, bool is_local);

/** Called for each symbol of a module's file-level assembly. `name` is not terminated, and borrowed
 * for the call. */
typedef void (*jd_asm_symbol_fn)(void *context, const char *name, size_t name_bytes,
                                 bool is_undefined, bool is_global, bool is_weak);

/** Parse file-level assembly and walk its symbols. Errors in it go to the diagnostic handler of the
 * module's context. The native target's assembly parser must have been initialised. */
void jd_shim_each_asm_symbol(LLVMModuleRef module, jd_asm_symbol_fn callback, void *context);

#ifdef __cplusplus
}
#endif
#endif
