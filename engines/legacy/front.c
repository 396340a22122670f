/* SPDX-License-Identifier: Apache-2.0
 *
 * One helper's LLVM: a context, a pipeline, its own copies of modules. Knows no engine, no symbols
 * and no threads.
 *
 * An object made here must fit whatever the engine's state is when it is linked, perhaps much
 * later, so it is made of fewer assumptions than one that is made on demand: what another module
 * may define is reached through the GOT, and each datum that it defines lies in a section of its
 * own, which the linker leaves out when the datum exists by then.
 */
#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

#include "codegen_shim.h"
#include "section_name.h"
#include "speculate.h"
#include "target.h"

/* A larger variable is left to the first function that needs it: many mention it, few run. */
enum { DATUM_BYTES_MAX = 1024 };

struct copy {
    jd_module_id id;
    struct legacy_source *source;
    bool has_asm;
    struct copy *next;
};

struct legacy_front {
    const struct jd_engine_options *options;
    LLVMContextRef context;
    struct jd_diagnostics diagnostics;
    LLVMTargetMachineRef machine;
    struct legacy_codegen *codegen;
    struct copy *copies;
};

struct legacy_front *legacy_front_create(const struct jd_engine_options *options,
                                         struct jd_error *err)
{
    struct legacy_front *front = calloc(1, sizeof *front);
    if (!front) {
        jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for a helper");
        return NULL;
    }
    front->options = options;
    if (!jd_target_machine_create(options, &front->machine, err)) {
        front->context = LLVMContextCreate();
        LLVMContextSetDiscardValueNames(front->context, true);
        jd_diagnostics_attach(&front->diagnostics, front->context);
        legacy_codegen_split_data(front->machine);
        front->codegen = legacy_codegen_create(front->machine);
    }
    if (front->codegen)
        return front;
    jd_fail(err, JD_E_INTERNAL, jd_target_triple(), "no code generator");
    legacy_front_destroy(front);
    return NULL;
}

static void destroy_copy(struct copy *copy)
{
    if (copy->source)
        legacy_source_destroy(copy->source);
    free(copy);
}

void legacy_front_destroy(struct legacy_front *front)
{
    struct copy *next;
    if (!front)
        return;
    for (struct copy *copy = front->copies; copy; copy = next) {
        next = copy->next;
        destroy_copy(copy);
    }
    legacy_codegen_destroy(front->codegen);
    if (front->machine)
        LLVMDisposeTargetMachine(front->machine);
    if (front->context)
        LLVMContextDispose(front->context);
    free(front);
}

static struct copy *find_copy(const struct legacy_front *front, jd_module_id id)
{
    struct copy *copy = front->copies;
    while (copy && copy->id != id)
        copy = copy->next;
    return copy;
}

struct reading {
    struct legacy_front *front;
    const struct jd_ir *bitcode;
    LLVMModuleRef module;
};

static int read_guarded(void *argument, struct jd_error *err)
{
    struct reading *reading = argument;
    struct legacy_front *front = reading->front;
    return jd_target_read_ir(front->context, &front->diagnostics, front->machine, reading->bitcode,
                             true, &reading->module, err);
}

int legacy_front_read(struct legacy_front *front, jd_module_id id, const struct jd_ir *bitcode,
                      struct jd_error *err)
{
    struct reading reading = {.front = front, .bitcode = bitcode};
    struct copy *copy;
    if (find_copy(front, id))
        return JD_OK;
    copy = calloc(1, sizeof *copy);
    if (!copy)
        return jd_fail(err, JD_E_NO_MEMORY, bitcode->name, "no memory to compile ahead");
    copy->id = id;
    int result = jd_llvm_guard(read_guarded, &reading, bitcode->name, err);
    if (!result)
        copy->source = legacy_source_create(reading.module, &copy->has_asm);
    copy->next = front->copies; /* also when it cannot be read: it is not tried again */
    front->copies = copy;
    return result;
}

void legacy_front_forget(struct legacy_front *front, jd_module_id id)
{
    struct copy **place = &front->copies;
    while (*place && (*place)->id != id)
        place = &(*place)->next;
    if (!*place)
        return;
    struct copy *copy = *place;
    *place = copy->next;
    destroy_copy(copy);
}

/* ---- callees ---- */

static bool is_compilable(LLVMValueRef function)
{
    return LLVMGetValueKind(function) == LLVMFunctionValueKind && !LLVMIsDeclaration(function) &&
           LLVMGetLinkage(function) != LLVMAvailableExternallyLinkage;
}

struct walk {
    struct legacy_ahead *out;
    size_t capacity;
};

static const char *object_name(LLVMValueRef value)
{
    size_t length;
    const char *name = LLVMGetValueName2(value, &length);
    return name[0] == '\1' ? name + 1 : name;
}

static bool has_room(struct walk *walk)
{
    struct legacy_ahead *out = walk->out;
    if (out->callee_count < walk->capacity)
        return true;
    size_t capacity = walk->capacity ? walk->capacity * 2 : 16;
    struct legacy_callee *callees = realloc(out->callees, capacity * sizeof *callees);
    if (!callees)
        return false;
    out->callees = callees;
    walk->capacity = capacity;
    return true;
}

/* Names are compared by address: LLVM keeps one per value. */
static void add_callee(void *context, LLVMValueRef value, double probability)
{
    struct walk *walk = context;
    struct legacy_ahead *out = walk->out;
    const char *name = object_name(value);
    if (!is_compilable(value) || !*name)
        return;
    for (size_t i = 0; i < out->callee_count; i++)
        if (out->callees[i].name == name) {
            if (out->callees[i].probability < probability)
                out->callees[i].probability = probability;
            return;
        }
    if (has_room(walk))
        out->callees[out->callee_count++] = (struct legacy_callee){name, probability};
}

/* ---- code ---- */

struct unit {
    struct legacy_front *front;
    struct copy *copy;
    const char *name;
    bool wants_object, is_refused;
    struct legacy_ahead *out;
};

static bool starts_with(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

/* Can an object bring it along? The linker must be able to tell it from its name. */
static bool is_definable(const struct unit *unit, LLVMValueRef value)
{
    if (LLVMGetValueKind(value) != LLVMGlobalVariableValueKind || LLVMIsDeclaration(value) ||
        LLVMIsThreadLocal(value) || LLVMGetLinkage(value) == LLVMAvailableExternallyLinkage ||
        jd_section_has_bounds(LLVMGetSection(value)))
        return false;
    LLVMTargetDataRef layout =
        LLVMGetModuleDataLayout(legacy_source_module(unit->copy->source)); /* borrowed */
    return LLVMABISizeOfType(layout, LLVMGlobalGetValueType(value)) <= DATUM_BYTES_MAX;
}

static enum legacy_want decide(void *context, LLVMValueRef value)
{
    struct unit *unit = context;
    const char *name = object_name(value);
    /* Names that are given when something is met differ between fronts. */
    if (starts_with(name, LEGACY_UNNAMED) || starts_with(name, LEGACY_LABEL_MARKER))
        unit->is_refused = true;
    if (is_definable(unit, value))
        return LEGACY_WANT_DEFINITION;
    return LLVMIsDeclaration(value) || LLVMGetLinkage(value) == LLVMAvailableExternallyLinkage
               ? LEGACY_WANT_FAR
               : LEGACY_WANT_NEAR;
}

static int prepare(struct unit *unit, LLVMModuleRef module, struct jd_error *err)
{
    const struct jd_engine_options *options = unit->front->options;
    char *message = NULL;
    if (options->wants_verify) {
        if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message))
            return jd_llvm_take_message(err, JD_E_STATE, unit->name, message);
        LLVMDisposeMessage(message);
    }
    if (!options->ir_passes)
        return JD_OK;
    LLVMPassBuilderOptionsRef passes = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module, options->ir_passes, unit->front->machine, passes);
    LLVMDisposePassBuilderOptions(passes);
    return jd_llvm_take_error(err, JD_E_STATE, options->ir_passes, error);
}

static int generate(struct unit *unit, LLVMModuleRef module, struct jd_error *err)
{
    const void *bytes;
    size_t size_bytes;
    int result = prepare(unit, module, err);
    if (result)
        return result;
    legacy_codegen_run(unit->front->codegen, module, &bytes, &size_bytes);
    result = jd_diagnostics_take(&unit->front->diagnostics, JD_E_STATE, unit->name, err);
    if (result)
        return result;
    unit->out->object = malloc(size_bytes);
    if (!unit->out->object)
        return jd_fail(err, JD_E_NO_MEMORY, unit->name, "no memory for an object");
    memcpy(unit->out->object, bytes, size_bytes);
    unit->out->object_bytes = size_bytes;
    return JD_OK;
}

static int make_object(struct unit *unit, LLVMValueRef function, struct jd_error *err)
{
    struct legacy_source *source = unit->copy->source;
    struct legacy_partition *partition = legacy_partition_create(source, decide, unit);
    int result = JD_OK;
    legacy_partition_add_function(partition, function);
    legacy_source_rewind(function);
    char *message = legacy_partition_close(partition);
    if (message)
        result = jd_llvm_take_message(err, JD_E_STATE, unit->name, message);
    else if (unit->is_refused || legacy_source_label(source, function, 0))
        result = jd_fail(err, JD_E_STATE, unit->name, "cannot be compiled ahead");
    else
        result = generate(unit, legacy_partition_module(partition), err);
    legacy_partition_destroy(partition);
    return result;
}

static int compile(void *argument, struct jd_error *err)
{
    struct unit *unit = argument;
    LLVMValueRef function = legacy_source_find(unit->copy->source, unit->name);
    bool was_read;
    if (!function || !is_compilable(function))
        return jd_fail(err, JD_E_STATE, unit->name, "no such function");
    char *message = legacy_source_materialise(function, &was_read);
    if (message)
        return jd_llvm_take_message(err, JD_E_STATE, unit->name, message);
    legacy_source_each_call(function, add_callee, &(struct walk){.out = unit->out});
    return unit->wants_object ? make_object(unit, function, err) : JD_OK;
}

int legacy_front_compile(struct legacy_front *front, jd_module_id id, const char *name,
                         bool wants_object, struct legacy_ahead *out, struct jd_error *err)
{
    struct unit unit = {.front = front,
                        .copy = find_copy(front, id),
                        .name = name,
                        .wants_object = wants_object,
                        .out = out};
    *out = (struct legacy_ahead){0};
    if (!unit.copy || !unit.copy->source || unit.copy->has_asm)
        return jd_fail(err, JD_E_STATE, name, "its module is not compiled ahead");
    return jd_llvm_guard(compile, &unit, name, err);
}
