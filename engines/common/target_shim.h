/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings of a target machine that the C API has no door for.
 */
#ifndef JITDUEL_COMMON_TARGET_SHIM_H
#define JITDUEL_COMMON_TARGET_SHIM_H

#include <llvm-c/TargetMachine.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The settings of every engine, before code is generated with this machine:
 *  - thread-local variables through __emutls_get_address, the one model that needs no loader's
 * help;
 *  - static constructors in .init_array, as compilers of today write them;
 *  - at level 0, branches in their long form at once, as clang -O0 does: no search for short ones.
 */
void jd_target_shim_configure(LLVMTargetMachineRef machine);

/** Is this data layout, of this LLVM or an older one, what `expected` says today? */
bool jd_target_shim_layout_is(const char *layout, const char *triple, const char *expected);

/** Is there such a CPU? True too where LLVM does not say. */
bool jd_target_shim_knows_cpu(LLVMTargetRef target, const char *triple, const char *cpu);

/** Does each of these, separated by commas, begin with + or - and name a feature? The first that
 * does not goes to `unknown`. */
bool jd_target_shim_knows_features(LLVMTargetRef target, const char *triple, const char *features,
                                   char *unknown, size_t unknown_bytes);

#ifdef __cplusplus
}
#endif
#endif
