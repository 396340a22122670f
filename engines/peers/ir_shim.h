/* SPDX-License-Identifier: Apache-2.0
 *
 * What the peers need of LLVM's IR and the C API has no door for.
 */
#ifndef JITDUEL_PEERS_IR_SHIM_H
#define JITDUEL_PEERS_IR_SHIM_H

#include <llvm-c/Core.h>
#include <llvm-c/Orc.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Lock a thread-safe context, as ORC does while it uses it; recursive. Put back the result. */
void *peer_shim_lock_context(LLVMOrcThreadSafeContextRef context);
void peer_shim_unlock_context(void *lock);

/** Takes an unused declaration out of its module without freeing it; it must be kept. */
void peer_shim_detach(LLVMValueRef function);
/** The function becomes a declaration. */
void peer_shim_delete_body(LLVMValueRef function);

#ifdef __cplusplus
}
#endif
#endif
