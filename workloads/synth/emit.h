/* SPDX-License-Identifier: Apache-2.0
 *
 * From a plan to LLVM modules. Private to synth/.
 */
#ifndef JITDUEL_SYNTH_EMIT_H
#define JITDUEL_SYNTH_EMIT_H

#include <llvm-c/Core.h>
#include <llvm-c/Target.h>

#include "plan.h"

/** One module being filled, in a context of its own so that its memory goes with it. */
struct synth_emitter {
    const struct synth_plan *plan;
    uint64_t module_index;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef i32, i64, pointer;
    LLVMTypeRef body_type;  /**< i64 (i64, i64) */
    LLVMTypeRef table_type; /**< [slots x i64] */
    LLVMValueRef gates[2];  /**< variables that say whether a guarded call is made: 0 no, 1 yes */
};

/** What a body works on while its steps are emitted. */
struct synth_values {
    LLVMValueRef function, table, x, y;
};

/** Make module `module_index` of the plan for this machine. Fini it in any case. Errors: INTERNAL
 * (LLVM rejects what was emitted, or has no target). */
int synth_emitter_init(struct synth_emitter *emitter, const struct synth_plan *plan,
                       uint64_t module_index, struct jd_error *err);
void synth_emitter_fini(struct synth_emitter *emitter);

/** Append the code of one step at the builder's place; may go on in a new block. */
void synth_emit_step(const struct synth_emitter *emitter, struct synth_values *values,
                     const struct synth_step *step);

#endif
