/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of an MCJIT instance. Knows nothing of linkage and symbols beyond their names.
 * Sources: llvm-c/ExecutionEngine.h; llvm/lib/ExecutionEngine/MCJIT/MCJIT.cpp of LLVM 19
 * (getSymbolAddress, findSymbol, generateCodeForModule, finalizeLoadedModules).
 *
 * The C API has no call that compiles one module, and none that links without running static
 * constructors, but two look-ups amount to them:
 *   compile   Looking up a function compiles the module that has a body for it. An
 *             available_externally body is never emitted, so afterwards the look-up finds nothing
 *             and returns 0 without linking. Each module gets one such function of a new name.
 *   finalize  Looking up a name that has an address mapping links all that is loaded.
 * So modules are compiled in the order in which they were added (MCJIT's own order is that of a
 * hash of pointers), a failure is known to belong to one module, and permissions change once.
 */
#include "generation.h"

#include <llvm-c/Analysis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_tls.h"
#include "llvm_shim.h"
#include "pipeline_shim.h"
#include "target_shim.h"
#include "text.h"

#define LINK_NAME "jitduel.link"
/* The header's enumerator is a negative int, the functions take an unsigned. */
#define FUNCTION_INDEX ((LLVMAttributeIndex)LLVMAttributeFunctionIndex)

static LLVMModuleRef new_first_module(struct mcjit_generation *generation,
                                      LLVMTargetMachineRef machine)
{
    /* MCJIT wants a module to start with, and changes the attributes of the functions in it: give
     * it one without functions. */
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("jitduel", generation->context);
    LLVMTypeRef byte = LLVMInt8TypeInContext(generation->context);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetTarget(module, jd_target_triple());
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    generation->scratch = LLVMAddGlobal(module, byte, LINK_NAME);
    return module;
}

static int create_engine(struct mcjit_generation *generation, const struct mcjit_settings *settings,
                         struct jd_error *err)
{
    struct LLVMMCJITCompilerOptions options;
    struct jd_engine_options target_options = {.struct_size = sizeof target_options,
                                               .opt_level = settings->opt_level};
    LLVMTargetMachineRef machine;
    char *message = NULL;
    int result = jd_target_machine_create(&target_options, &machine, err);
    if (result)
        return result;
    LLVMInitializeMCJITCompilerOptions(&options, sizeof options);
    options.OptLevel = (unsigned)jd_target_opt_level(settings->opt_level);
    options.CodeModel = JD_CODE_MODEL;
    options.MCJMM = mcjit_memory_llvm(generation->memory);
    if (LLVMCreateMCJITCompilerForModule(&generation->engine, new_first_module(generation, machine),
                                         &options, sizeof options, &message))
        result = jd_llvm_take_message(err, JD_E_INTERNAL, "mcjit", message);
    LLVMDisposeTargetMachine(machine);
    return result;
}

static int set_up_engine(struct mcjit_generation *generation, struct jd_error *err)
{
    int result;
    generation->machine = LLVMGetExecutionEngineTargetMachine(generation->engine);
    jd_target_shim_configure(generation->machine);
    mcjit_shim_use_pic(generation->machine);
    generation->pipeline = mcjit_pipeline_create(generation->engine);
    result = mcjit_generation_map(generation, LINK_NAME, (uintptr_t)generation, err);
    if (result)
        return result;
    return mcjit_generation_map(generation, "__emutls_get_address",
                                (uintptr_t)jd_host_tls_get_address, err);
}

int mcjit_generation_create(uint32_t number, const struct mcjit_settings *settings,
                            struct jd_arena *arena, struct mcjit_phases *phases,
                            struct mcjit_generation **out, struct jd_error *err)
{
    struct mcjit_generation *generation = calloc(1, sizeof *generation);
    int result;
    *out = NULL;
    if (!generation)
        return jd_fail(err, JD_E_NO_MEMORY, "mcjit", "no room for an MCJIT instance");
    generation->number = number;
    generation->context = LLVMContextCreate();
    jd_diagnostics_attach(&generation->diagnostics, generation->context);
    result = mcjit_memory_create(arena, phases, &generation->memory, err);
    if (!result)
        result = create_engine(generation, settings, err);
    if (!result)
        result = set_up_engine(generation, err);
    if (result) {
        mcjit_generation_destroy(generation);
        return result;
    }
    *out = generation;
    return JD_OK;
}

bool mcjit_generation_destroy(struct mcjit_generation *generation)
{
    if (!generation)
        return false;
    if (generation->is_undefined)
        return true;
    mcjit_pipeline_destroy(generation->pipeline);
    if (generation->engine)
        LLVMDisposeExecutionEngine(generation->engine);
    mcjit_memory_destroy(generation->memory);
    LLVMContextDispose(generation->context);
    free(generation);
    return false;
}

/* Arguments and result of a guarded call. */
struct guarded {
    struct mcjit_generation *generation;
    const struct jd_ir *ir;
    LLVMModuleRef module;
    const char *name;
    uint64_t addr;
    LLVMTargetMachineRef machine;
    LLVMMemoryBufferRef buffer;
};

/* An LLVM fatal error is a COMPILE error here, whatever the call was about: only it leaves LLVM's
 * objects undefined. `has_returned` tells it from an error that the call itself returned. */
struct guarded_call {
    int (*work)(struct guarded *, struct jd_error *);
    struct guarded *arguments;
    bool has_returned;
};

static int run_guarded(void *argument, struct jd_error *err)
{
    struct guarded_call *call = argument;
    int result = call->work(call->arguments, err);
    call->has_returned = true;
    return result;
}

static int guard(struct mcjit_generation *generation,
                 int (*work)(struct guarded *, struct jd_error *), struct guarded *arguments,
                 struct jd_error *err)
{
    struct guarded_call call = {work, arguments, false};
    int result = jd_llvm_guard(run_guarded, &call, arguments->name, err);
    if (!call.has_returned)
        generation->is_undefined = true;
    return result;
}

static int do_read(struct guarded *a, struct jd_error *err)
{
    return jd_target_read_ir(a->generation->context, &a->generation->diagnostics,
                             a->generation->machine, a->ir, false, &a->module, err);
}

int mcjit_generation_read(struct mcjit_generation *generation, const struct jd_ir *ir,
                          LLVMModuleRef *out, struct jd_error *err)
{
    struct guarded arguments = {.generation = generation, .ir = ir, .name = ir->name};
    struct jd_error error = JD_ERROR_INIT;
    int result = guard(generation, do_read, &arguments, &error);
    if (result == JD_E_COMPILE && generation->is_undefined)
        error.code = JD_E_BAD_IR; /* LLVM's reader gave up on the bytes */
    *out = result ? NULL : arguments.module;
    return result ? jd_fail(err, error.code, error.where, "%s", error.text) : JD_OK;
}

int mcjit_generation_map(struct mcjit_generation *generation, const char *name, uintptr_t addr,
                         struct jd_error *err)
{
    /* \01: the name is what the object file has. A mapping is by name, the value does not count. */
    size_t length = strlen(name);
    char *raw = mcjit_text_join("\01", 1, name, length);
    if (!raw)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room to map it");
    LLVMSetValueName2(generation->scratch, raw, length + 1);
    LLVMAddGlobalMapping(generation->engine, generation->scratch, (void *)addr);
    free(raw);
    return JD_OK;
}

static void add_attribute(LLVMContextRef context, LLVMValueRef function, const char *kind,
                          const char *value)
{
    unsigned kind_length = (unsigned)strlen(kind);
    if (value && !LLVMGetStringAttributeAtIndex(function, FUNCTION_INDEX, kind, kind_length))
        LLVMAddAttributeAtIndex(
            function, FUNCTION_INDEX,
            LLVMCreateStringAttribute(context, kind, kind_length, value, (unsigned)strlen(value)));
}

/* MCJIT's machine has no CPU, and the C API cannot give it one; functions can have their own. */
static void set_cpu(struct mcjit_generation *generation, LLVMModuleRef module,
                    const struct mcjit_settings *settings)
{
    if (!settings->cpu && !settings->features)
        return;
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f)) {
        add_attribute(generation->context, f, "target-cpu", settings->cpu);
        add_attribute(generation->context, f, "target-features", settings->features);
    }
}

static void add_trigger(struct mcjit_generation *generation, LLVMModuleRef module, const char *name)
{
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(generation->context), NULL, 0, false);
    LLVMValueRef function = LLVMAddFunction(module, name, type);
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(generation->context);
    LLVMPositionBuilderAtEnd(builder,
                             LLVMAppendBasicBlockInContext(generation->context, function, ""));
    LLVMBuildRetVoid(builder);
    LLVMDisposeBuilder(builder);
    LLVMSetLinkage(function, LLVMAvailableExternallyLinkage);
}

static int do_lookup(struct guarded *a, struct jd_error *err)
{
    (void)err;
    a->addr = LLVMGetGlobalValueAddress(a->generation->engine, a->name);
    return JD_OK;
}

/* Of a loaded module MCJIT needs the object only. Left to MCJIT, the IR of all modules goes at the
 * end, in the order of a hash of their addresses. */
static void drop_ir(struct mcjit_generation *generation, LLVMModuleRef module)
{
    char *message = NULL;
    if (!LLVMRemoveModule(generation->engine, module, &module, &message))
        LLVMDisposeModule(module);
    LLVMDisposeMessage(message);
}

int mcjit_generation_compile(struct mcjit_generation *generation, LLVMModuleRef module,
                             uint32_t number, const char *name,
                             const struct mcjit_settings *settings, struct jd_error *err)
{
    char trigger[64];
    struct guarded arguments = {.generation = generation, .name = trigger};
    struct jd_error error = JD_ERROR_INIT;
    int result;
    snprintf(trigger, sizeof trigger, "jitduel.compile.%u", number);
    set_cpu(generation, module, settings);
    add_trigger(generation, module, trigger);
    LLVMAddModule(generation->engine, module);
    result = guard(generation, do_lookup, &arguments, &error);
    if (result)
        return jd_fail(err, result, name, "%s", error.text);
    drop_ir(generation, module);
    result = jd_diagnostics_take(&generation->diagnostics, JD_E_COMPILE, name, err);
    return result ? result : mcjit_memory_check(generation->memory, err);
}

/* Every declared name has its address: what is missing is code generation's own. */
static int take_link_message(char *message, struct jd_error *err)
{
    static const char missing[] = "Symbol not found: ";
    if (strncmp(message, missing, sizeof missing - 1))
        return jd_llvm_take_message(err, JD_E_UNRESOLVED, "link", message);
    jd_fail(err, JD_E_UNRESOLVED, message + sizeof missing - 1,
            "unresolved: called by generated code and defined nowhere");
    LLVMDisposeMessage(message);
    return JD_E_UNRESOLVED;
}

int mcjit_generation_finalize(struct mcjit_generation *generation, struct jd_error *err)
{
    struct guarded arguments = {.generation = generation, .name = LINK_NAME};
    char *message = NULL;
    int result;
    mcjit_memory_expect_finalize(generation->memory);
    result = guard(generation, do_lookup, &arguments, err);
    if (result)
        return result;
    if (LLVMExecutionEngineGetErrMsg(generation->engine, &message))
        return take_link_message(message, err);
    if (!arguments.addr)
        return jd_fail(err, JD_E_INTERNAL, "link", "MCJIT did not link");
    result = mcjit_memory_check(generation->memory, err);
    if (!result)
        mcjit_memory_accept_batch(generation->memory);
    return result;
}

static int do_emit(struct guarded *a, struct jd_error *err)
{
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(a->machine, a->module, LLVMObjectFile, &message,
                                            &a->buffer))
        return jd_llvm_take_message(err, JD_E_COMPILE, a->name, message);
    return JD_OK;
}

int mcjit_generation_emit(struct mcjit_generation *generation, LLVMModuleRef module,
                          LLVMTargetMachineRef machine, const char *name, LLVMMemoryBufferRef *out,
                          struct jd_error *err)
{
    struct guarded arguments = {
        .generation = generation, .module = module, .machine = machine, .name = name};
    struct jd_error error = JD_ERROR_INIT;
    int result = guard(generation, do_emit, &arguments, &error);
    *out = NULL;
    if (result)
        return jd_fail(err, result, name, "%s", error.text);
    result = jd_diagnostics_take(&generation->diagnostics, JD_E_COMPILE, name, err);
    if (result)
        LLVMDisposeMemoryBuffer(arguments.buffer);
    else
        *out = arguments.buffer;
    return result;
}

uintptr_t mcjit_generation_address(struct mcjit_generation *generation, const char *name)
{
    return (uintptr_t)LLVMGetGlobalValueAddress(generation->engine, name);
}
