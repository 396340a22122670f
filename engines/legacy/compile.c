/* SPDX-License-Identifier: Apache-2.0
 *
 * From a symbol to an object: which globals go into a partition, and running the pipeline on it.
 * Knows no ELF and no stubs.
 */
#include "internal.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

/* One partition on its way through the pipeline. */
struct unit {
    struct legacy_engine *engine;
    struct legacy_module *module;
    struct legacy_partition *partition;
    struct legacy_symbol **claimed; /* what this unit defines: functions, then data */
    size_t claimed_count, claimed_capacity, function_count;
    bool is_asm, has_placed;
    bool is_in_phase; /* a probe phase is open: a fatal error inside LLVM does not close it */
    bool is_torn;     /* LLVM was left in the middle: its state is unknown */
    enum jd_phase phase;
    const char *name; /* for messages */
    const void *object;
    size_t object_bytes;
    int result; /* of callbacks that cannot return one */
    struct jd_error *err;
};

static void begin_phase(struct unit *unit, enum jd_phase phase)
{
    unit->phase = phase;
    unit->is_in_phase = true;
    jd_probe_begin(unit->engine->options.probe, phase);
}

static void end_phase(struct unit *unit)
{
    if (unit->is_in_phase)
        jd_probe_end(unit->engine->options.probe, unit->phase);
    unit->is_in_phase = false;
}

static bool claim(struct unit *unit, struct legacy_symbol *symbol)
{
    if (unit->claimed_count == unit->claimed_capacity) {
        size_t capacity = unit->claimed_capacity ? unit->claimed_capacity * 2 : 16;
        struct legacy_symbol **claimed = realloc(unit->claimed, capacity * sizeof(*claimed));
        if (!claimed) {
            unit->result = jd_fail(unit->err, JD_E_NO_MEMORY, unit->name, "no memory to compile");
            return false;
        }
        unit->claimed = claimed;
        unit->claimed_capacity = capacity;
    }
    unit->claimed[unit->claimed_count++] = symbol;
    symbol->state = LEGACY_STATE_BUSY;
    symbol->busy_thread = pthread_self();
    return true;
}

static bool place_and_claim(struct unit *unit, struct legacy_symbol *symbol)
{
    int result = legacy_section_place(unit->engine, symbol, unit->err);
    if (result)
        unit->result = result;
    else if (symbol->placed_addr)
        unit->has_placed = true;
    return !result && claim(unit, symbol);
}

/* The partition asks how to refer to a global of the module. */
static enum legacy_want decide(void *context, LLVMValueRef value)
{
    struct unit *unit = context;
    struct legacy_symbol *symbol = legacy_symbol_of(unit->engine, unit->module, value);
    if (!symbol) {
        unit->result = jd_fail(unit->err, JD_E_NO_MEMORY, unit->name, "no memory for symbols");
        return LEGACY_WANT_FAR;
    }
    if (symbol->origin != LEGACY_ORIGIN_MODULE)
        return LEGACY_WANT_FAR;
    if (symbol->kind == LEGACY_KIND_DATA && symbol->value == value &&
        symbol->state == LEGACY_STATE_IDLE && place_and_claim(unit, symbol))
        return LEGACY_WANT_DEFINITION;
    return LEGACY_WANT_NEAR;
}

/* Read the bodies of the claimed functions and move them in. */
static int move_functions(struct unit *unit, struct jd_error *err)
{
    for (size_t i = 0; i < unit->function_count; i++) {
        LLVMValueRef function = unit->claimed[i]->value;
        bool was_read;
        char *message = legacy_source_materialise(function, &was_read);
        if (message)
            return jd_llvm_take_message(err, JD_E_BAD_IR, unit->module->name, message);
        unit->engine->bodies_materialised += was_read;
        /* LLVM's reader takes a body without blocks, and a definition without a body. */
        if (!LLVMGetFirstBasicBlock(function) &&
            !legacy_outline_is_piece(unit->module->source, function))
            return jd_fail(err, JD_E_BAD_IR, unit->module->name, "'%s' has no body",
                           legacy_value_name(function));
        message = legacy_outline_body(unit->engine, unit->module, function);
        if (message)
            return jd_llvm_take_message(err, JD_E_INTERNAL, unit->name, message);
    }
    for (size_t i = 0; i < unit->function_count; i++) {
        legacy_partition_add_function(unit->partition, unit->claimed[i]->value);
        if (!legacy_outline_is_piece(unit->module->source, unit->claimed[i]->value))
            legacy_source_rewind(unit->claimed[i]->value);
    }
    return JD_OK;
}

static int build(struct unit *unit, struct jd_error *err)
{
    char *message;
    int result;
    unit->partition = legacy_partition_create(unit->module->source, decide, unit);
    result = move_functions(unit, err);
    if (result)
        return result;
    if (unit->is_asm)
        legacy_partition_add_asm(unit->partition);
    for (size_t i = unit->function_count; i < unit->claimed_count; i++)
        legacy_partition_add_variable(unit->partition, unit->claimed[i]->value);
    message = legacy_partition_close(unit->partition);
    if (message)
        return jd_llvm_take_message(err, JD_E_BAD_IR, unit->module->name, message);
    for (size_t i = unit->function_count; unit->has_placed && i < unit->claimed_count; i++)
        legacy_section_mark(unit->claimed[i], legacy_partition_module(unit->partition));
    return unit->result;
}

static int verify(struct unit *unit, LLVMModuleRef module, struct jd_error *err)
{
    char *message = NULL;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message))
        return jd_llvm_take_message(err, JD_E_BAD_IR, unit->name, message);
    LLVMDisposeMessage(message);
    return JD_OK;
}

static int run_passes(struct unit *unit, LLVMModuleRef module, struct jd_error *err)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error =
        LLVMRunPasses(module, unit->engine->ir_passes, unit->engine->machine, options);
    LLVMDisposePassBuilderOptions(options);
    return jd_llvm_take_error(err, JD_E_USAGE, unit->engine->ir_passes, error);
}

static int generate(struct unit *unit, struct jd_error *err)
{
    LLVMModuleRef module = legacy_partition_module(unit->partition);
    int result = unit->engine->options.wants_verify ? verify(unit, module, err) : JD_OK;
    if (!result && unit->engine->ir_passes) {
        begin_phase(unit, JD_PHASE_IR_PASSES);
        result = run_passes(unit, module, err);
        end_phase(unit);
    }
    if (result)
        return result;
    begin_phase(unit, JD_PHASE_CODEGEN);
    legacy_codegen_run(unit->engine->codegen, module, &unit->object, &unit->object_bytes);
    end_phase(unit);
    return jd_diagnostics_take(&unit->engine->diagnostics, JD_E_COMPILE, unit->name, err);
}

static int build_and_generate(void *argument, struct jd_error *err)
{
    struct unit *unit = argument;
    unit->is_torn = true;
    begin_phase(unit, JD_PHASE_PARTITION);
    int result = build(unit, err);
    end_phase(unit);
    if (!result)
        result = generate(unit, err);
    unit->is_torn = false;
    return result;
}

int legacy_create_pipeline(struct legacy_engine *engine, struct jd_error *err)
{
    int result = jd_target_machine_create(&engine->options, &engine->machine, err);
    if (result)
        return result;
    engine->codegen = legacy_codegen_create(engine->machine);
    return engine->codegen ? JD_OK
                           : jd_fail(err, JD_E_INTERNAL, jd_target_triple(), "no code generator");
}

/* Give back what was claimed and not finished. */
static void settle(struct unit *unit)
{
    for (size_t i = 0; i < unit->claimed_count; i++)
        if (unit->claimed[i]->state == LEGACY_STATE_BUSY) {
            unit->claimed[i]->state = LEGACY_STATE_IDLE;
            unit->claimed[i]->addr = 0;
        }
    pthread_cond_broadcast(&unit->engine->changed);
}

static void count_module(struct unit *unit)
{
    if (!unit->function_count || unit->module->is_compiled)
        return;
    unit->module->is_compiled = true;
    unit->engine->modules_compiled++;
}

/* Damaged bitcode can rename a module's globals while a body is read. */
static int left_out(const struct unit *unit, const struct legacy_symbol *symbol,
                    struct jd_error *err)
{
    if (legacy_source_find(unit->module->source, symbol->name) != symbol->value)
        return jd_fail(err, JD_E_BAD_IR, unit->module->name,
                       "'%s' had another name once a body had been read", symbol->name);
    return jd_fail(err, JD_E_INTERNAL, symbol->name, "code generation left it out of the object");
}

static int finish(struct unit *unit, struct jd_error *err)
{
    struct legacy_engine *engine = unit->engine;
    int result = legacy_link(engine, unit->module, unit->object, unit->object_bytes, err);
    for (size_t i = 0; !result && i < unit->claimed_count; i++)
        if (unit->claimed[i]->state == LEGACY_STATE_BUSY)
            result = left_out(unit, unit->claimed[i], err);
    if (result)
        return result;
    engine->functions_compiled += unit->function_count;
    count_module(unit);
    return JD_OK;
}

/* Taking a compiled body apart costs 2 % of compiling it, and a short program has ended before the
 * memory is wanted: the latest partitions wait, the oldest of them go. */
enum { SPENT_OBJECT_BYTES_MAX = 1 << 20 };

static void drop_oldest_spent(struct legacy_engine *engine)
{
    struct legacy_spent *oldest = engine->first_spent;
    engine->first_spent = oldest->next;
    if (!engine->first_spent)
        engine->last_spent = NULL;
    engine->spent_bytes -= oldest->object_bytes;
    legacy_partition_destroy(oldest->partition);
    free(oldest);
}

void legacy_spent_drop_all(struct legacy_engine *engine)
{
    while (engine->first_spent)
        drop_oldest_spent(engine);
}

static void retire_partition(struct unit *unit)
{
    struct legacy_engine *engine = unit->engine;
    struct legacy_spent *spent = unit->partition ? malloc(sizeof *spent) : NULL;
    if (!spent) {
        legacy_partition_destroy(unit->partition);
        return;
    }
    *spent = (struct legacy_spent){unit->partition, unit->object_bytes, NULL};
    if (engine->last_spent)
        engine->last_spent->next = spent;
    else
        engine->first_spent = spent;
    engine->last_spent = spent;
    engine->spent_bytes += spent->object_bytes;
    while (engine->spent_bytes > SPENT_OBJECT_BYTES_MAX)
        drop_oldest_spent(engine);
}

/* Bitcode is not verified ahead: what it breaks in here is its own fault when LLVM's verifier says
 * so afterwards. */
static int blame(const struct unit *unit, int code, struct jd_error *err)
{
    char *message = NULL;
    bool may_be_ours = jd_code_kind(code) == JD_KIND_ENGINE_BUG || code == JD_E_STATE;
    if (!may_be_ours || !LLVMVerifyModule(legacy_source_module(unit->module->source),
                                          LLVMReturnStatusAction, &message)) {
        LLVMDisposeMessage(message);
        return code;
    }
    jd_error_clear(err);
    return jd_llvm_take_message(err, JD_E_BAD_IR, unit->module->name, message);
}

static int run_unit(struct unit *unit, struct jd_error *err)
{
    struct jd_error local = JD_ERROR_INIT;
    int result = unit->result;
    unit->err = &local;
    if (!result)
        result = jd_llvm_guard(build_and_generate, unit, unit->name, &local);
    if ((result == JD_E_COMPILE || result == JD_E_NO_MEMORY) && !unit->object && unit->is_torn) {
        end_phase(unit);
        unit->partition = NULL; /* may be half-built: leak it */
        legacy_create_pipeline(unit->engine, &local);
    }
    retire_partition(unit);
    if (!result)
        result = finish(unit, &local);
    if (result)
        result = blame(unit, result, &local);
    settle(unit);
    free(unit->claimed);
    if (result)
        jd_fail(err, result, local.where, "%s", local.text);
    return result;
}

/* Granularity module: everything of the module that is not compiled yet. */
static void claim_module(struct unit *unit)
{
    LLVMModuleRef module = legacy_source_module(unit->module->source);
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f && !unit->result;
         f = LLVMGetNextFunction(f)) {
        if (LLVMIsDeclaration(f) || LLVMGetLinkage(f) == LLVMAvailableExternallyLinkage)
            continue;
        struct legacy_symbol *symbol = legacy_symbol_of(unit->engine, unit->module, f);
        if (!symbol)
            unit->result = jd_fail(unit->err, JD_E_NO_MEMORY, unit->name, "no memory for symbols");
        else if (symbol->origin == LEGACY_ORIGIN_MODULE && symbol->value == f &&
                 symbol->state == LEGACY_STATE_IDLE)
            claim(unit, symbol);
    }
}

/* Use the object that a helper made of the function. False: there is none, or it does not fit
 * because something was redefined meanwhile. */
static bool has_linked_ahead(struct unit *unit, struct jd_error *err)
{
    struct legacy_symbol *function = unit->claimed[0];
    struct jd_error local = JD_ERROR_INIT;
    size_t size_bytes;
    void *object = legacy_speculation_take(unit->engine->speculation, unit->module->id,
                                           function->name, &size_bytes);
    if (!object)
        return false;
    unit->result = legacy_link_ahead(unit->engine, unit->module, object, size_bytes, &local);
    free(object);
    if (unit->result == JD_E_STATE || unit->result == JD_E_RELOC_RANGE) {
        function->addr = 0;
        unit->result = JD_OK;
        return false;
    }
    if (unit->result)
        jd_fail(err, unit->result, local.where, "%s", local.text);
    else
        count_module(unit);
    settle(unit);
    free(unit->claimed);
    return true;
}

int legacy_compile_function(struct legacy_engine *engine, struct legacy_symbol *symbol,
                            struct jd_error *err)
{
    struct unit unit = {
        .engine = engine, .module = symbol->module, .name = symbol->name, .err = err};
    if (engine->options.granularity == JD_GRAN_MODULE)
        claim_module(&unit);
    else
        claim(&unit, symbol);
    unit.function_count = unit.claimed_count;
    if (engine->speculation && !unit.result && has_linked_ahead(&unit, err))
        return unit.result;
    return run_unit(&unit, err);
}

struct data_request {
    struct legacy_engine *engine;
    struct legacy_symbol *symbol;
};

static int emit_data(void *argument, struct jd_error *err)
{
    const struct data_request *request = argument;
    struct legacy_symbol *symbol = request->symbol;
    struct unit unit = {
        .engine = request->engine, .module = symbol->module, .name = symbol->name, .err = err};
    /* The partition claims it when it asks about it; build() must meet it as a root first. */
    struct legacy_symbol *root[] = {symbol};
    unit.claimed = malloc(sizeof root);
    if (!unit.claimed)
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no memory to emit it");
    memcpy(unit.claimed, root, sizeof root);
    unit.claimed_count = unit.claimed_capacity = 1;
    return run_unit(&unit, err);
}

int legacy_emit_data(struct legacy_engine *engine, struct legacy_symbol *symbol,
                     struct jd_error *err)
{
    return legacy_go_deeper(engine, emit_data, &(struct data_request){engine, symbol}, err);
}

int legacy_emit_asm(struct legacy_engine *engine, struct legacy_module *module,
                    struct jd_error *err)
{
    struct unit unit = {
        .engine = engine, .module = module, .name = module->name, .is_asm = true, .err = err};
    while (module->is_asm_linking && legacy_may_wait_for(engine, module->asm_thread))
        legacy_wait_for(engine, module->asm_thread);
    if (module->is_asm_linked || module->is_asm_linking)
        return JD_OK;
    module->is_asm_linking = true;
    module->asm_thread = pthread_self();
    int result = run_unit(&unit, err);
    module->is_asm_linking = false;
    module->is_asm_linked = !result;
    return result;
}

int legacy_compile_closure(struct legacy_engine *engine, struct jd_error *err)
{
    for (uint32_t i = 0; i < engine->stubs.count; i++) { /* grows as it goes */
        struct legacy_symbol *symbol = legacy_stub_symbol(engine, i);
        uintptr_t addr;
        if (!symbol || symbol->origin != LEGACY_ORIGIN_MODULE ||
            symbol->kind != LEGACY_KIND_FUNCTION || symbol->state != LEGACY_STATE_IDLE)
            continue;
        int result = legacy_symbol_callable(engine, symbol, &addr, err);
        if (result)
            return result;
    }
    return JD_OK;
}
