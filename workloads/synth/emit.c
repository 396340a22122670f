/* SPDX-License-Identifier: Apache-2.0
 *
 * One module of a plan: tables, bodies in order of position, and in module 0 main with its drivers.
 * Knows no files. Source: llvm-c/Core.h.
 */
#include "emit.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/TargetMachine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 48 };

static LLVMValueRef number(const struct synth_emitter *e, uint64_t value)
{
    return LLVMConstInt(e->i64, value, false);
}

/* Internal names start anew in each module: what is private to one must not meet its namesake. */
static void name_function(const struct synth_plan *plan, uint64_t position, char *out)
{
    uint64_t start = synth_module_start(plan, synth_module_of(plan, position));
    bool is_internal = synth_is_internal(plan, position);
    snprintf(out, NAME_BYTES, is_internal ? "synth_local_%llu" : "synth_f%llu",
             (unsigned long long)(is_internal ? position - start : position));
}

/* noinline: a function that runs must stay a function. uwtable: as clang does on both CPUs. */
static void mark(const struct synth_emitter *e, LLVMValueRef function)
{
    static const struct {
        const char *name;
        uint64_t value;
    } attributes[] = {{"noinline", 0}, {"nounwind", 0}, {"uwtable", 2}};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        unsigned kind =
            LLVMGetEnumAttributeKindForName(attributes[i].name, strlen(attributes[i].name));
        LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                LLVMCreateEnumAttribute(e->context, kind, attributes[i].value));
    }
}

/* The function at a position, declared when this module has not met it yet. */
static LLVMValueRef function_at(const struct synth_emitter *e, uint64_t position)
{
    char name[NAME_BYTES];
    name_function(e->plan, position, name);
    LLVMValueRef function = LLVMGetNamedFunction(e->module, name);
    return function ? function : LLVMAddFunction(e->module, name, e->body_type);
}

static LLVMValueRef call_rank(const struct synth_emitter *e, uint32_t rank, LLVMValueRef x)
{
    LLVMValueRef args[2] = {x, number(e, synth_call_key(e->plan, rank))};
    return LLVMBuildCall2(e->builder, e->body_type, function_at(e, e->plan->position[rank]), args,
                          2, "");
}

/* A call behind a test of a variable, which no optimiser can foresee. Calls that are made and calls
 * that are not look alike, so that the code of a program does not depend on how much of it runs. */
static void guarded_call(const struct synth_emitter *e, struct synth_values *v, uint32_t rank)
{
    LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(e->builder), NULL}, after;
    from[1] = LLVMAppendBasicBlockInContext(e->context, v->function, "");
    after = LLVMAppendBasicBlockInContext(e->context, v->function, "");
    LLVMValueRef gate = e->gates[rank < e->plan->params.executed];
    LLVMValueRef value = LLVMBuildLoad2(e->builder, e->i64, gate, "");
    LLVMValueRef is_open = LLVMBuildICmp(e->builder, LLVMIntNE, value, number(e, 0), "");
    LLVMBuildCondBr(e->builder, is_open, from[1], after);
    LLVMPositionBuilderAtEnd(e->builder, from[1]);
    LLVMValueRef results[2] = {v->x, call_rank(e, rank, v->x)};
    LLVMBuildBr(e->builder, after);
    LLVMPositionBuilderAtEnd(e->builder, after);
    v->x = LLVMBuildPhi(e->builder, e->i64, "");
    LLVMAddIncoming(v->x, results, from, 2);
}

static void emit_half(const struct synth_emitter *e, struct synth_values *v, uint32_t rank,
                      unsigned half)
{
    struct synth_steps steps;
    struct synth_step step;
    synth_steps_start(&steps, e->plan, rank, half);
    while (synth_steps_next(&steps, &step))
        synth_emit_step(e, v, &step);
}

static void start_function(const struct synth_emitter *e, LLVMValueRef function)
{
    mark(e, function);
    LLVMPositionBuilderAtEnd(e->builder, LLVMAppendBasicBlockInContext(e->context, function, ""));
}

static void emit_body(const struct synth_emitter *e, uint64_t position, const LLVMValueRef *tables)
{
    const struct synth_plan *plan = e->plan;
    uint32_t rank = plan->rank[position];
    LLVMValueRef function = function_at(e, position);
    struct synth_values v = {
        .function = function,
        .table = tables[synth_group_of(plan, position) - synth_group_start(plan, e->module_index)],
        .x = LLVMGetParam(function, 0),
        .y = LLVMGetParam(function, 1)};
    start_function(e, function);
    emit_half(e, &v, rank, 0);
    for (uint32_t i = plan->first_child[rank]; i < plan->first_child[rank + 1]; i++)
        guarded_call(e, &v, plan->children[i]);
    emit_half(e, &v, rank, 1);
    LLVMBuildRet(e->builder, LLVMBuildXor(e->builder, v.x, v.y, ""));
}

static LLVMValueRef emit_table(const struct synth_emitter *e, uint64_t group, uint64_t index)
{
    LLVMValueRef slots[SYNTH_GROUP_SLOTS];
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "synth_table_%llu", (unsigned long long)index);
    LLVMValueRef table = LLVMAddGlobal(e->module, e->table_type, name);
    for (unsigned slot = 0; slot < SYNTH_GROUP_SLOTS; slot++)
        slots[slot] = number(e, synth_slot_initial(e->plan, group, slot));
    LLVMSetInitializer(table, LLVMConstArray2(e->i64, slots, SYNTH_GROUP_SLOTS));
    LLVMSetLinkage(table, LLVMInternalLinkage);
    LLVMSetAlignment(table, 16);
    return table;
}

static int emit_bodies(const struct synth_emitter *e, struct jd_error *err)
{
    uint64_t start = synth_module_start(e->plan, e->module_index);
    uint64_t end = synth_module_start(e->plan, e->module_index + 1);
    uint64_t table_count = (end - start + SYNTH_GROUP_FUNCTIONS - 1) / SYNTH_GROUP_FUNCTIONS;
    LLVMValueRef *tables = calloc(table_count, sizeof *tables);
    if (!tables)
        return jd_fail(err, JD_E_NO_MEMORY, "synth", "no memory for %llu tables",
                       (unsigned long long)table_count);
    for (uint64_t i = 0; i < table_count; i++)
        tables[i] = emit_table(e, synth_group_start(e->plan, e->module_index) + i, i);
    /* All are declared before any body, so that they lie in the order of their positions. */
    for (uint64_t position = start; position < end; position++)
        LLVMSetLinkage(function_at(e, position), synth_is_internal(e->plan, position)
                                                     ? LLVMInternalLinkage
                                                     : LLVMExternalLinkage);
    for (uint64_t position = start; position < end; position++)
        emit_body(e, position, tables);
    free(tables);
    return JD_OK;
}

/* Calls of the roots from `first` on, at the builder's place. */
static LLVMValueRef call_roots(const struct synth_emitter *e, uint32_t first, LLVMValueRef x)
{
    for (uint32_t i = 0; i < SYNTH_DRIVER_CALLS && first + i < e->plan->root_count; i++)
        x = call_rank(e, first + i, x);
    return x;
}

static LLVMValueRef emit_driver(const struct synth_emitter *e, uint32_t index)
{
    char name[NAME_BYTES];
    LLVMTypeRef type = LLVMFunctionType(e->i64, (LLVMTypeRef[]){e->i64}, 1, false);
    snprintf(name, sizeof name, "synth_driver_%u", index);
    LLVMValueRef driver = LLVMAddFunction(e->module, name, type);
    start_function(e, driver);
    LLVMBuildRet(e->builder, call_roots(e, index * SYNTH_DRIVER_CALLS, LLVMGetParam(driver, 0)));
    return driver;
}

/* main calls a few roots itself and many through drivers: thousands of calls in one function would
 * measure that function. */
static LLVMValueRef emit_round(const struct synth_emitter *e, LLVMValueRef x)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
    LLVMTypeRef type = LLVMFunctionType(e->i64, (LLVMTypeRef[]){e->i64}, 1, false);
    if (e->plan->root_count <= SYNTH_DRIVER_CALLS)
        return call_roots(e, 0, x);
    for (uint32_t i = 0; i * SYNTH_DRIVER_CALLS < e->plan->root_count; i++) {
        LLVMValueRef driver = emit_driver(e, i);
        LLVMPositionBuilderAtEnd(e->builder, here);
        x = LLVMBuildCall2(e->builder, type, driver, &x, 1, "");
    }
    return x;
}

static void emit_print(const struct synth_emitter *e, LLVMValueRef x)
{
    LLVMTypeRef type = LLVMFunctionType(e->i32, (LLVMTypeRef[]){e->pointer}, 1, true);
    LLVMValueRef printf_function = LLVMAddFunction(e->module, "printf", type);
    LLVMValueRef args[2] = {
        LLVMBuildGlobalStringPtr(e->builder, SYNTH_OUTPUT_FORMAT, "synth_format"), x};
    LLVMBuildCall2(e->builder, type, printf_function, args, 2, "");
}

static void emit_main(const struct synth_emitter *e)
{
    LLVMTypeRef type = LLVMFunctionType(e->i32, (LLVMTypeRef[]){e->i32, e->pointer}, 2, false);
    LLVMValueRef function = LLVMAddFunction(e->module, "main", type);
    start_function(e, function);
    LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(e->builder), NULL}, after;
    from[1] = LLVMAppendBasicBlockInContext(e->context, function, "");
    after = LLVMAppendBasicBlockInContext(e->context, function, "");
    LLVMBuildBr(e->builder, from[1]);
    LLVMPositionBuilderAtEnd(e->builder, from[1]);
    LLVMValueRef round = LLVMBuildPhi(e->builder, e->i64, "");
    LLVMValueRef x = LLVMBuildPhi(e->builder, e->i64, "");
    LLVMValueRef next_x = emit_round(e, x);
    LLVMValueRef next_round = LLVMBuildAdd(e->builder, round, number(e, 1), "");
    LLVMValueRef more =
        LLVMBuildICmp(e->builder, LLVMIntULT, next_round, number(e, e->plan->params.repeat), "");
    LLVMBuildCondBr(e->builder, more, from[1], after);
    LLVMValueRef rounds[2] = {number(e, 0), next_round};
    LLVMValueRef values[2] = {number(e, e->plan->params.seed), next_x};
    LLVMAddIncoming(round, rounds, from, 2);
    LLVMAddIncoming(x, values, from, 2);
    LLVMPositionBuilderAtEnd(e->builder, after);
    emit_print(e, next_x);
    LLVMBuildRet(e->builder, LLVMConstInt(e->i32, 0, false));
}

static int set_target(const struct synth_emitter *e, struct jd_error *err)
{
    LLVMTargetRef target;
    char *message = NULL, *triple = LLVMGetDefaultTargetTriple();
    int code = JD_OK;
    if (LLVMInitializeNativeTarget() || LLVMGetTargetFromTriple(triple, &target, &message)) {
        code = jd_fail(err, JD_E_INTERNAL, triple, "LLVM has no such target: %s",
                       message ? message : "");
        goto out;
    }
    LLVMTargetMachineRef machine = LLVMCreateTargetMachine(
        target, triple, "", "", LLVMCodeGenLevelNone, LLVMRelocDefault, LLVMCodeModelDefault);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetTarget(e->module, triple);
    LLVMSetModuleDataLayout(e->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeTargetMachine(machine);
out:
    LLVMDisposeMessage(message);
    LLVMDisposeMessage(triple);
    return code;
}

/* Said by clang too, for code that may lie anywhere. */
static void set_flags(const struct synth_emitter *e)
{
    static const char *const flags[] = {"PIC Level", "PIE Level"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        LLVMAddModuleFlag(e->module, LLVMModuleFlagBehaviorOverride, flags[i], strlen(flags[i]),
                          LLVMValueAsMetadata(LLVMConstInt(e->i32, 2, false)));
}

static void add_gates(struct synth_emitter *e)
{
    static const char *const names[2] = {"synth_closed", "synth_open"};
    for (uint64_t i = 0; i < 2; i++) {
        e->gates[i] = LLVMAddGlobal(e->module, e->i64, names[i]);
        if (e->module_index == 0)
            LLVMSetInitializer(e->gates[i], number(e, i));
    }
}

static int verify(const struct synth_emitter *e, struct jd_error *err)
{
    char *message = NULL;
    int code = JD_OK;
    if (LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message))
        code = jd_fail(err, JD_E_INTERNAL, "synth", "the module is not valid: %s", message);
    LLVMDisposeMessage(message);
    return code;
}

int synth_emitter_init(struct synth_emitter *e, const struct synth_plan *plan,
                       uint64_t module_index, struct jd_error *err)
{
    *e = (struct synth_emitter){.plan = plan, .module_index = module_index};
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "synth.%llu", (unsigned long long)module_index);
    e->context = LLVMContextCreate();
    e->module = LLVMModuleCreateWithNameInContext(name, e->context);
    e->builder = LLVMCreateBuilderInContext(e->context);
    e->i32 = LLVMInt32TypeInContext(e->context);
    e->i64 = LLVMInt64TypeInContext(e->context);
    e->pointer = LLVMPointerTypeInContext(e->context, 0);
    e->body_type = LLVMFunctionType(e->i64, (LLVMTypeRef[]){e->i64, e->i64}, 2, false);
    e->table_type = LLVMArrayType2(e->i64, SYNTH_GROUP_SLOTS);
    int code = set_target(e, err);
    if (code)
        return code;
    set_flags(e);
    add_gates(e);
    code = emit_bodies(e, err);
    if (code)
        return code;
    if (module_index == 0)
        emit_main(e);
    return verify(e, err);
}

void synth_emitter_fini(struct synth_emitter *e)
{
    if (e->builder)
        LLVMDisposeBuilder(e->builder);
    if (e->module)
        LLVMDisposeModule(e->module);
    if (e->context)
        LLVMContextDispose(e->context);
    *e = (struct synth_emitter){.plan = NULL};
}
