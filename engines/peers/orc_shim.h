/* SPDX-License-Identifier: Apache-2.0
 *
 * ORC's set-up that the C API has no door for: which platform and linking layer an LLJIT has, the
 * compile-on-demand layer, and what linking layers tell.
 */
#ifndef JITDUEL_PEERS_ORC_SHIM_H
#define JITDUEL_PEERS_ORC_SHIM_H

#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct peer_shim_orc {
    LLVMOrcJITTargetMachineBuilderRef machine_builder; /**< consumed */
    bool is_rtdyld;                                    /**< RuntimeDyld links; otherwise JITLink */
    bool is_on_demand;                                 /**< an LLLazyJIT */
    uintptr_t failed_addr; /**< called instead of a function that cannot be compiled */
    void *context;         /**< of the callbacks, which are called on the thread that links */
    /** An object is linked; any number of functions in it were announced before. */
    void (*emitted)(void *context);
    void (*function)(void *context, const char *name, uintptr_t addr, size_t size_bytes);
};

/** New LLJIT without platform: nothing is searched, nothing is run by itself. */
LLVMErrorRef peer_shim_orc_create(const struct peer_shim_orc *options, LLVMOrcLLJITRef *out);
/** Adds a module to the compile-on-demand layer of an LLLazyJIT; consumes it on success. */
LLVMErrorRef peer_shim_orc_add_lazy(LLVMOrcLLJITRef jit, LLVMOrcThreadSafeModuleRef module);

#ifdef __cplusplus
}
#endif
#endif
