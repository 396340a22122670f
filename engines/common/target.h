/* SPDX-License-Identifier: Apache-2.0
 *
 * What every engine must do alike, so that a difference between engines is never a difference of
 * settings: one target machine configuration, one way to read IR, one way to find constructors.
 */
#ifndef JITDUEL_COMMON_TARGET_H
#define JITDUEL_COMMON_TARGET_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <stdbool.h>

#include "jitduel/engine.h"
#include "llvm_error.h"

/** Code model and relocation model of every engine: small and PIC. All memory of an engine lies
 * within 2 GiB; what does not (the process) is reached through GOT entries and thunks. */
#define JD_CODE_MODEL LLVMCodeModelSmall
#define JD_RELOC_MODEL LLVMRelocPIC

/** Initialise the native target, its assembly printer and parser; once per process. */
int jd_target_init(struct jd_error *err);

/** The host's triple; borrowed, static. jd_target_init must have succeeded. */
const char *jd_target_triple(void);

/** The CPU, and the features, that `options` ask for: for the CPU "native" those of this machine,
 * with the features of `options` behind them. New, to be freed; NULL without memory; "" for none.
 */
char *jd_target_cpu(const struct jd_engine_options *options);
char *jd_target_features(const struct jd_engine_options *options);

/** New target machine with the options' level, CPU and features; the caller disposes of it. NULL
 * options: all defaults (level 0). */
int jd_target_machine_create(const struct jd_engine_options *options, LLVMTargetMachineRef *out,
                             struct jd_error *err);

/** The C API's code generation level for an -O level (0 to 3). */
LLVMCodeGenOptLevel jd_target_opt_level(unsigned opt_level);

/** Read a module. Bitcode: lazily when `is_lazy` (function bodies stay in the bytes, which must
 * outlive the module), whole otherwise; text is always read whole, and verified: people write it,
 * and its parser takes what no code generator can. Then check that it is for this CPU; an empty
 * triple or data layout is set to the target's, an older LLVM's layout to today's. The context must
 * have `diagnostics` attached. Errors: BAD_IR ("file: line:column: ..." for text), WRONG_TARGET. */
int jd_target_read_ir(LLVMContextRef context, struct jd_diagnostics *diagnostics,
                      LLVMTargetMachineRef machine, const struct jd_ir *ir, bool is_lazy,
                      LLVMModuleRef *out, struct jd_error *err);

/** Called for each entry of llvm.global_ctors or llvm.global_dtors, in order; `function` is the IR
 * value (functions, or an alias of one). Not 0 stops and is returned. */
typedef int (*jd_structor_fn)(void *context, unsigned priority, LLVMValueRef function);

/** Call a static constructor with the options' arguments, on the caller's stack. */
void jd_target_call_constructor(uintptr_t addr, const struct jd_engine_options *options);

/** Walk a module's static constructors (or destructors). */
int jd_target_each_structor(LLVMModuleRef module, bool is_constructor, jd_structor_fn callback,
                            void *context);

/** The same for functions that variables put into the section .init_array (or .fini_array), which
 * a linker would hand to the C library. They come before those of the lists. */
int jd_target_each_array_structor(LLVMModuleRef module, bool is_constructor,
                                  jd_structor_fn callback, void *context);

#endif
