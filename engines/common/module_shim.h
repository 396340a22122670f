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

/** Give declarations the versions that the module's file-level assembly asks for them (`.symver
 * NAME, SYMBOL@VERSION`): a declaration of NAME becomes one of `SYMBOL@VERSION`, as the assembler
 * would name it in an object of the whole module. A definition keeps its name. Errors and parser:
 * as jd_shim_each_asm_symbol. */
void jd_shim_apply_versions(LLVMModuleRef module);

/** Called for each symbol of a module's file-level assembly. `name` is not terminated, and borrowed
 * for the call. */
typedef void (*jd_asm_symbol_fn)(void *context, const char *name, size_t name_bytes,
                                 bool is_undefined, bool is_global, bool is_weak);

/** Parse file-level assembly and walk its symbols, but those that are undefined and have a version:
 * objects name them by it. Errors in it go to the diagnostic handler of the
 * module's context. The native target's assembly parser must have been initialised. */
void jd_shim_each_asm_symbol(LLVMModuleRef module, jd_asm_symbol_fn callback, void *context);

#ifdef __cplusplus
}
#endif
#endif
