/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a body as LLVM instructions; the same table as do_step in evaluate.c, and as many
 * instructions as plan.c counts for each. Knows no files and no call tree.
 */
#include "emit.h"

#define NO_NAME ""

static LLVMValueRef number(const struct synth_emitter *e, uint64_t value)
{
    return LLVMConstInt(e->i64, value, false);
}

static LLVMValueRef slot_at(const struct synth_emitter *e, const struct synth_values *v,
                            LLVMValueRef index)
{
    LLVMValueRef indices[2] = {
        number(e, 0), LLVMBuildAnd(e->builder, index, number(e, SYNTH_GROUP_SLOTS - 1), NO_NAME)};
    return LLVMBuildInBoundsGEP2(e->builder, e->table_type, v->table, indices, 2, NO_NAME);
}

static void emit_branch(const struct synth_emitter *e, struct synth_values *v,
                        const struct synth_step *step)
{
    LLVMBuilderRef b = e->builder;
    LLVMBasicBlockRef blocks[3];
    LLVMValueRef results[2];
    for (int i = 0; i < 3; i++)
        blocks[i] = LLVMAppendBasicBlockInContext(e->context, v->function, NO_NAME);
    LLVMValueRef bit = LLVMBuildAnd(b, v->y, number(e, (uint64_t)1 << step->s), NO_NAME);
    LLVMValueRef is_set = LLVMBuildICmp(b, LLVMIntNE, bit, number(e, 0), NO_NAME);
    LLVMBuildCondBr(b, is_set, blocks[0], blocks[1]);
    LLVMPositionBuilderAtEnd(b, blocks[0]);
    results[0] = LLVMBuildXor(b, v->x, number(e, step->c), NO_NAME);
    results[0] = LLVMBuildAdd(b, results[0], number(e, step->d), NO_NAME);
    LLVMBuildBr(b, blocks[2]);
    LLVMPositionBuilderAtEnd(b, blocks[1]);
    results[1] = LLVMBuildSub(b, v->x, number(e, step->d), NO_NAME);
    results[1] = LLVMBuildXor(b, results[1], v->y, NO_NAME);
    LLVMBuildBr(b, blocks[2]);
    LLVMPositionBuilderAtEnd(b, blocks[2]);
    v->x = LLVMBuildPhi(b, e->i64, NO_NAME);
    LLVMAddIncoming(v->x, results, blocks, 2);
}

static void emit_loop(const struct synth_emitter *e, struct synth_values *v,
                      const struct synth_step *step)
{
    LLVMBuilderRef b = e->builder;
    LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(b), NULL}, after;
    from[1] = LLVMAppendBasicBlockInContext(e->context, v->function, NO_NAME);
    after = LLVMAppendBasicBlockInContext(e->context, v->function, NO_NAME);
    LLVMBuildBr(b, from[1]);
    LLVMPositionBuilderAtEnd(b, from[1]);
    LLVMValueRef i = LLVMBuildPhi(b, e->i64, NO_NAME), x = LLVMBuildPhi(b, e->i64, NO_NAME);
    LLVMValueRef product = LLVMBuildMul(b, x, number(e, step->c), NO_NAME);
    LLVMValueRef next_x = LLVMBuildAdd(b, product, i, NO_NAME);
    LLVMValueRef next_i = LLVMBuildAdd(b, i, number(e, 1), NO_NAME);
    LLVMValueRef more = LLVMBuildICmp(b, LLVMIntULT, next_i, number(e, 2 + step->s % 4), NO_NAME);
    LLVMBuildCondBr(b, more, from[1], after);
    LLVMValueRef i_from[2] = {number(e, 0), next_i}, x_from[2] = {v->x, next_x};
    LLVMAddIncoming(i, i_from, from, 2);
    LLVMAddIncoming(x, x_from, from, 2);
    LLVMPositionBuilderAtEnd(b, after);
    v->x = next_x;
}

static void emit_narrow(const struct synth_emitter *e, struct synth_values *v,
                        const struct synth_step *step)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef low = LLVMBuildTrunc(b, v->x, e->i32, NO_NAME);
    LLVMValueRef factor = LLVMConstInt(e->i32, (uint32_t)step->c, false);
    LLVMValueRef wide = LLVMBuildZExt(b, LLVMBuildMul(b, low, factor, NO_NAME), e->i64, NO_NAME);
    v->y = LLVMBuildAdd(b, v->y, wide, NO_NAME);
}

static LLVMValueRef emit_rotate(const struct synth_emitter *e, LLVMValueRef x, unsigned s)
{
    LLVMValueRef high = LLVMBuildShl(e->builder, x, number(e, s), NO_NAME);
    LLVMValueRef low = LLVMBuildLShr(e->builder, x, number(e, 64 - s), NO_NAME);
    return LLVMBuildOr(e->builder, high, low, NO_NAME);
}

static LLVMValueRef emit_select(const struct synth_emitter *e, const struct synth_values *v,
                                const struct synth_step *step)
{
    LLVMValueRef c = number(e, step->c), d = number(e, step->d);
    LLVMValueRef is_less = LLVMBuildICmp(e->builder, LLVMIntULT, v->x, v->y, NO_NAME);
    LLVMValueRef chosen = LLVMBuildSelect(e->builder, is_less, c, d, NO_NAME);
    return LLVMBuildAdd(e->builder, v->x, chosen, NO_NAME);
}

void synth_emit_step(const struct synth_emitter *e, struct synth_values *v,
                     const struct synth_step *step)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef c = number(e, step->c), value;
    switch (step->kind) {
    case SYNTH_ADD:
        v->x = LLVMBuildAdd(b, v->x, c, NO_NAME);
        break;
    case SYNTH_XOR:
        v->x = LLVMBuildXor(b, v->x, c, NO_NAME);
        break;
    case SYNTH_MUL:
        v->x = LLVMBuildMul(b, v->x, c, NO_NAME);
        break;
    case SYNTH_SHIFT:
        value = LLVMBuildLShr(b, v->x, number(e, step->s), NO_NAME);
        v->x = LLVMBuildXor(b, v->x, value, NO_NAME);
        break;
    case SYNTH_ROTATE:
        v->x = emit_rotate(e, v->x, step->s);
        break;
    case SYNTH_CROSS:
        v->x = LLVMBuildAdd(b, v->x, v->y, NO_NAME);
        break;
    case SYNTH_MIX:
        v->y = LLVMBuildXor(b, LLVMBuildMul(b, v->y, c, NO_NAME), v->x, NO_NAME);
        break;
    case SYNTH_NARROW:
        emit_narrow(e, v, step);
        break;
    case SYNTH_SELECT:
        v->x = emit_select(e, v, step);
        break;
    case SYNTH_LOAD:
        value = LLVMBuildLoad2(b, e->i64, slot_at(e, v, v->y), NO_NAME);
        v->x = LLVMBuildAdd(b, v->x, value, NO_NAME);
        break;
    case SYNTH_STORE:
        value = slot_at(e, v, v->x);
        LLVMBuildStore(b, LLVMBuildAdd(b, v->x, v->y, NO_NAME), value);
        break;
    case SYNTH_BRANCH:
        emit_branch(e, v, step);
        break;
    case SYNTH_LOOP:
        emit_loop(e, v, step);
        break;
    case SYNTH_KIND_COUNT:
        break;
    }
}
