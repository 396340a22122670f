/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings of a target machine that the C API has no door for.
 */
#ifndef JITDUEL_COMMON_TARGET_SHIM_H
#define JITDUEL_COMMON_TARGET_SHIM_H

#include <llvm-c/TargetMachine.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Thread-local variables through __emutls_get_address: the one model that needs no loader's help.
 * Must be called before code is generated with this machine. */
void jd_target_shim_use_emulated_tls(LLVMTargetMachineRef machine);

#ifdef __cplusplus
}
#endif
#endif
