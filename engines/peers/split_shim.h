/* SPDX-License-Identifier: Apache-2.0
 *
 * What one module per function needs of LLVM's IR and the C API has no door for: reading one body,
 * and copying a function, or all that is not one, into a module of its own.
 */
#ifndef JITDUEL_PEERS_SPLIT_SHIM_H
#define JITDUEL_PEERS_SPLIT_SHIM_H

#include <llvm-c/Core.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Reads the body of a function of a lazily read module, if that has not been done; says whether it
 * did. Returns NULL, or a message that the caller disposes of. */
char *peer_shim_read_body(LLVMValueRef function, bool *out_was_read);

/** A copy of a function whose body was read, under the name `name` and strongly defined, in a new
 * module of the same context; what it refers to is declared there. Its address, where it uses that
 * itself, is that of its old name. Returns NULL and the module, which the caller owns, or a message
 * that the caller disposes of: it refers to labels of another function. */
char *peer_shim_part(LLVMValueRef function, const char *name, LLVMModuleRef *out);

/** A copy of a module, in the same context, in which functions are declarations unless `keeps` says
 * otherwise. Bodies that are kept must have been read. The caller owns it. */
LLVMModuleRef peer_shim_rest(LLVMModuleRef module, bool (*keeps)(void *context, LLVMValueRef),
                             void *context);

#ifdef __cplusplus
}
#endif
#endif
