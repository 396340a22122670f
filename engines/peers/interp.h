/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter's two halves: running (interp.c) and what IR has to look like before
 * (interp_ir.c).
 */
#ifndef JITDUEL_PEERS_INTERP_H
#define JITDUEL_PEERS_INTERP_H

#include "peer.h"

/** Before the names of declarations of native functions. */
#define INTERP_NATIVE "jitduel.native."

/** What the preparation needs of the engine. */
struct interp_host {
    void *context;
    /** Address of a native function that stands for an interpreted one; 0: it cannot have one. */
    uintptr_t (*native)(void *context, LLVMValueRef function);
    /** A declared function is to be found at this address. */
    void (*map)(void *context, LLVMValueRef function, uintptr_t addr);
    /** Keeps a text as long as the engine lives; NULL: no memory. */
    const char *(*keep)(void *context, const char *text);
    /** Called by interpreted code where it reaches what cannot be interpreted. */
    uintptr_t refuse_addr;
};

/** Makes one module fit for LLVM's interpreter: aliases resolved, calls of variadic functions
 * typed, functions that are handed to native code replaced by native ones, and a call of `refuse`
 * in front of what the interpreter would crash on. Errors: UNSUPPORTED (ifuncs), NO_MEMORY. */
int interp_prepare_module(struct peer *peer, LLVMModuleRef module, const struct interp_host *host,
                          struct jd_error *err);

#endif
