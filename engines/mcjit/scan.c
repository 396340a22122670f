/* SPDX-License-Identifier: Apache-2.0
 *
 * What a module defines, declares and runs at start: one walk over its IR, once per module.
 * Changes neither the IR nor the symbol table's decisions. Sources: LLVM language reference,
 * "Linkage Types", "Module-Level Inline Assembly", "The 'llvm.global_ctors' Global Variable".
 */
#include <llvm-c/Core.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcjit.h"
#include "module_shim.h"
#include "section_name.h"
#include "text.h"

static bool is_local(LLVMValueRef global)
{
    LLVMLinkage linkage = LLVMGetLinkage(global);
    return linkage == LLVMInternalLinkage || linkage == LLVMPrivateLinkage;
}

/* The name as the object file has it: \01 says that the rest is to be taken as it is. */
static const char *object_name(LLVMValueRef global, size_t *out_bytes)
{
    const char *name = LLVMGetValueName2(global, out_bytes);
    if (*out_bytes && name[0] == '\01') {
        (*out_bytes)--;
        return name + 1;
    }
    return name;
}

int mcjit_scan_symbol(struct mcjit_engine *engine, LLVMValueRef global, struct mcjit_symbol **out,
                      struct jd_error *err)
{
    size_t length;
    const char *name = object_name(global, &length);
    *out = NULL;
    if (is_local(global) || !length || (length > 5 && !strncmp(name, "llvm.", 5)))
        return JD_OK;
    return mcjit_symbol_intern(&engine->symbols, name, length, out, err);
}

bool mcjit_is_asm_name(const struct mcjit_module *module, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < module->asm_name_count; i++)
        if (!strncmp(module->asm_names[i], name, name_bytes) && !module->asm_names[i][name_bytes])
            return true;
    return false;
}

char *mcjit_local_name(const struct mcjit_module *module, LLVMValueRef global)
{
    char suffix[32];
    size_t length;
    const char *name = object_name(global, &length);
    if (mcjit_is_asm_name(module, name, length))
        return mcjit_text_copy(name, length);
    snprintf(suffix, sizeof suffix, ".jd%u", module->number);
    return mcjit_text_join(name, length, suffix, strlen(suffix));
}

char *mcjit_body_name(const struct mcjit_symbol *symbol)
{
    static const char prefix[] = "jitduel.body.";
    return mcjit_text_join(prefix, sizeof prefix - 1, symbol->name, strlen(symbol->name));
}

static int out_of_memory(const struct mcjit_module *module, struct jd_error *err)
{
    return jd_fail(err, JD_E_NO_MEMORY, module->ir.name, "no room for the module's symbols");
}

static int add_reference(struct mcjit_module *module, const struct mcjit_reference *reference,
                         struct jd_error *err)
{
    struct mcjit_reference *list =
        mcjit_grow(module->references, module->reference_count, sizeof *module->references);
    if (!list)
        return out_of_memory(module, err);
    module->references = list;
    list[module->reference_count++] = *reference;
    return JD_OK;
}

static int add_definition(struct mcjit_module *module, const struct mcjit_definition *definition,
                          struct jd_error *err)
{
    struct mcjit_definition *list =
        mcjit_grow(module->definitions, module->definition_count, sizeof *module->definitions);
    if (!list)
        return out_of_memory(module, err);
    module->definitions = list;
    list[module->definition_count++] = *definition;
    return JD_OK;
}

static int add_asm_name(struct mcjit_module *module, const char *name, size_t name_bytes,
                        struct jd_error *err)
{
    char **list = mcjit_grow(module->asm_names, module->asm_name_count, sizeof *module->asm_names);
    if (!list)
        return out_of_memory(module, err);
    module->asm_names = list;
    list[module->asm_name_count] = mcjit_text_copy(name, name_bytes);
    if (!list[module->asm_name_count])
        return out_of_memory(module, err);
    module->asm_name_count++;
    return JD_OK;
}

static enum mcjit_rank rank_of(LLVMLinkage linkage)
{
    switch (linkage) {
    case LLVMExternalLinkage:
        return MCJIT_RANK_STRONG;
    case LLVMCommonLinkage:
        return MCJIT_RANK_COMMON;
    case LLVMWeakAnyLinkage:
    case LLVMWeakODRLinkage:
    case LLVMLinkOnceAnyLinkage:
    case LLVMLinkOnceODRLinkage:
        return MCJIT_RANK_WEAK;
    default:
        return MCJIT_RANK_NONE;
    }
}

static bool is_function(LLVMValueRef global)
{
    return LLVMGetTypeKind(LLVMGlobalGetValueType(global)) == LLVMFunctionTypeKind ||
           LLVMIsAGlobalIFunc(global);
}

static bool is_tls(LLVMValueRef global)
{
    return LLVMIsAGlobalVariable(global) && LLVMIsThreadLocal(global);
}

static bool is_prefix(const char *prefix, const char *name, size_t name_bytes)
{
    size_t bytes = strlen(prefix);
    return name_bytes >= bytes && !memcmp(name, prefix, bytes);
}

/* The object of a module with stack maps has them behind a local symbol of this name, which the
 * module may refer to. Source: LLVM's "Stack maps and patch points", "Stack Map Section". */
static bool is_own_stack_maps(const struct mcjit_module *module, LLVMValueRef global)
{
    static const char *const makers[] = {"llvm.experimental.stackmap",
                                         "llvm.experimental.patchpoint.",
                                         "llvm.experimental.gc.statepoint."};
    size_t length;
    const char *name = object_name(global, &length);
    if (length != strlen("__LLVM_StackMaps") || memcmp(name, "__LLVM_StackMaps", length) != 0)
        return false;
    for (LLVMValueRef f = LLVMGetFirstFunction(module->llvm); f; f = LLVMGetNextFunction(f)) {
        name = LLVMGetValueName2(f, &length);
        for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
            if (is_prefix(makers[i], name, length) && LLVMGetFirstUse(f))
                return true;
    }
    return false;
}

static int scan_reference(struct mcjit_engine *engine, struct mcjit_module *module,
                          LLVMValueRef global, struct jd_error *err)
{
    struct mcjit_reference reference = {
        .kind = is_function(global) ? JD_SYMBOL_FUNCTION : JD_SYMBOL_VARIABLE,
        .is_weak = LLVMGetLinkage(global) == LLVMExternalWeakLinkage,
        .is_tls = is_tls(global),
    };
    int result = JD_OK;
    if (LLVMGetFirstUse(global) && !is_own_stack_maps(module, global))
        result = mcjit_scan_symbol(engine, global, &reference.symbol, err);
    if (result || !reference.symbol ||
        mcjit_is_asm_name(module, reference.symbol->name, strlen(reference.symbol->name)))
        return result;
    return add_reference(module, &reference, err);
}

static int scan_definition(struct mcjit_engine *engine, struct mcjit_module *module,
                           LLVMValueRef global, struct jd_error *err)
{
    struct mcjit_definition definition = {.rank = rank_of(LLVMGetLinkage(global)),
                                          .is_function = is_function(global),
                                          .is_tls = is_tls(global)};
    int result = mcjit_scan_symbol(engine, global, &definition.symbol, err);
    if (result || !definition.symbol || definition.rank == MCJIT_RANK_NONE)
        return result;
    /* Damaged bitcode has functions of common linkage too; they have no size to compare. */
    if (definition.rank == MCJIT_RANK_COMMON && definition.is_function)
        definition.rank = MCJIT_RANK_STRONG;
    if (definition.rank == MCJIT_RANK_COMMON) {
        definition.common_bytes = LLVMABISizeOfType(LLVMGetModuleDataLayout(module->llvm),
                                                    LLVMGlobalGetValueType(global));
        definition.align_bytes = LLVMGetAlignment(global);
    }
    if (LLVMIsAGlobalAlias(global) && LLVMIsAFunction(LLVMAliasGetAliasee(global)))
        result = mcjit_scan_symbol(engine, LLVMAliasGetAliasee(global), &definition.alias_of, err);
    if (result)
        return result;
    return add_definition(module, &definition, err);
}

/* Visits every global value that is a reference, or every one that is a definition. */
static int scan_globals(struct mcjit_engine *engine, struct mcjit_module *module,
                        bool wants_definitions, struct jd_error *err)
{
    LLVMModuleRef m = module->llvm;
    int (*visit)(struct mcjit_engine *, struct mcjit_module *, LLVMValueRef, struct jd_error *) =
        wants_definitions ? scan_definition : scan_reference;
    int result = JD_OK;
    for (LLVMValueRef g = LLVMGetFirstFunction(m); g && !result; g = LLVMGetNextFunction(g))
        if ((LLVMIsDeclaration(g) || LLVMGetLinkage(g) == LLVMAvailableExternallyLinkage) !=
            wants_definitions)
            result = visit(engine, module, g, err);
    for (LLVMValueRef g = LLVMGetFirstGlobal(m); g && !result; g = LLVMGetNextGlobal(g))
        if ((LLVMIsDeclaration(g) || LLVMGetLinkage(g) == LLVMAvailableExternallyLinkage) !=
            wants_definitions)
            result = visit(engine, module, g, err);
    if (!wants_definitions)
        return result;
    for (LLVMValueRef g = LLVMGetFirstGlobalAlias(m); g && !result; g = LLVMGetNextGlobalAlias(g))
        result = visit(engine, module, g, err);
    for (LLVMValueRef g = LLVMGetFirstGlobalIFunc(m); g && !result; g = LLVMGetNextGlobalIFunc(g))
        result = visit(engine, module, g, err);
    return result;
}

struct asm_scan {
    struct mcjit_engine *engine;
    struct mcjit_module *module;
    struct jd_error *err;
    int result;
};

/* The internal IR value of that name; it is `is_local` and file-level assembly refers to it. */
static bool has_local_value(LLVMModuleRef module, const char *name)
{
    LLVMValueRef global = LLVMGetNamedFunction(module, name);
    if (!global)
        global = LLVMGetNamedGlobal(module, name);
    if (!global)
        global = LLVMGetNamedGlobalAlias(module, name, strlen(name));
    return global && is_local(global);
}

static int scan_asm_symbol(struct asm_scan *scan, const char *name, size_t name_bytes,
                           bool is_undefined, bool is_visible, bool is_weak)
{
    struct mcjit_reference reference = {.kind = JD_SYMBOL_FUNCTION, .is_weak = is_weak};
    struct mcjit_definition definition = {.rank = is_weak ? MCJIT_RANK_WEAK : MCJIT_RANK_STRONG,
                                          .is_function = true,
                                          .is_in_asm = true};
    struct mcjit_symbol *symbol;
    int result;
    if (!is_undefined && !is_visible && !is_weak)
        return add_asm_name(scan->module, name, name_bytes, scan->err);
    result = mcjit_symbol_intern(&scan->engine->symbols, name, name_bytes, &symbol, scan->err);
    if (result)
        return result;
    reference.symbol = definition.symbol = symbol;
    if (!is_undefined)
        return add_definition(scan->module, &definition, scan->err);
    if (has_local_value(scan->module->llvm, symbol->name))
        return add_asm_name(scan->module, name, name_bytes, scan->err);
    return add_reference(scan->module, &reference, scan->err);
}

static void on_asm_symbol(void *context, const char *name, size_t name_bytes, bool is_undefined,
                          bool is_global, bool is_weak)
{
    struct asm_scan *scan = context;
    if (!scan->result)
        scan->result = scan_asm_symbol(scan, name, name_bytes, is_undefined, is_global, is_weak);
}

static int scan_asm(struct mcjit_engine *engine, struct mcjit_module *module, struct jd_error *err)
{
    struct asm_scan scan = {engine, module, err, JD_OK};
    size_t length;
    LLVMGetModuleInlineAsm(module->llvm, &length);
    if (!length)
        return JD_OK;
    jd_shim_each_asm_symbol(module->llvm, on_asm_symbol, &scan);
    return scan.result ? scan.result
                       : jd_diagnostics_take(&engine->generation->diagnostics, JD_E_COMPILE,
                                             module->ir.name, err);
}

bool mcjit_scan_has_bounds(LLVMValueRef variable)
{
    return !LLVMIsDeclaration(variable) && !is_tls(variable) &&
           LLVMGetLinkage(variable) != LLVMAvailableExternallyLinkage &&
           jd_section_has_bounds(LLVMGetSection(variable));
}

static bool has_section(const struct mcjit_module *module, const char *section)
{
    for (size_t i = 0; i < module->section_count; i++)
        if (!strcmp(module->sections[i], section))
            return true;
    return false;
}

static int scan_sections(struct mcjit_module *module, struct jd_error *err)
{
    for (LLVMValueRef v = LLVMGetFirstGlobal(module->llvm); v; v = LLVMGetNextGlobal(v)) {
        if (!mcjit_scan_has_bounds(v) || has_section(module, LLVMGetSection(v)))
            continue;
        char **list = mcjit_grow(module->sections, module->section_count, sizeof *list);
        if (!list)
            return out_of_memory(module, err);
        module->sections = list;
        list[module->section_count] = mcjit_text_copy(LLVMGetSection(v), strlen(LLVMGetSection(v)));
        if (!list[module->section_count])
            return out_of_memory(module, err);
        module->section_count++;
    }
    return JD_OK;
}

struct structor_scan {
    struct mcjit_engine *engine;
    struct mcjit_module *module;
    struct jd_error *err;
    LLVMValueRef entries;
    unsigned next_entry; /* of the list: null functions are in it and are not visited */
    bool is_destructor;
};

/* The third field: the constructor belongs to a definition, and goes with it if that loses. */
static LLVMValueRef next_associated(struct structor_scan *scan, LLVMValueRef function)
{
    LLVMValueRef entry;
    if (!scan->entries)
        return NULL;
    do
        entry = LLVMGetOperand(scan->entries, scan->next_entry++);
    while (LLVMGetOperand(entry, 1) != function);
    LLVMValueRef value = LLVMGetNumOperands(entry) > 2 ? LLVMGetOperand(entry, 2) : NULL;
    return value && LLVMIsAGlobalValue(value) && !LLVMIsDeclaration(value) ? value : NULL;
}

static int scan_structor(void *context, unsigned priority, LLVMValueRef function)
{
    struct structor_scan *scan = context;
    struct mcjit_module *module = scan->module;
    struct mcjit_structor structor = {.priority = priority, .is_destructor = scan->is_destructor};
    LLVMValueRef associated = next_associated(scan, function);
    struct mcjit_structor *list;
    int result;
    if (!LLVMIsAGlobalValue(function))
        return jd_fail(scan->err, JD_E_UNSUPPORTED, module->ir.name,
                       "a static constructor is not a function but an expression");
    list = mcjit_grow(module->structors, module->structor_count, sizeof *module->structors);
    if (!list)
        return out_of_memory(module, scan->err);
    module->structors = list;
    result = mcjit_scan_symbol(scan->engine, function, &structor.symbol, scan->err);
    if (!result && associated)
        result = mcjit_scan_symbol(scan->engine, associated, &structor.associated, scan->err);
    if (result)
        return result;
    if (!structor.symbol) {
        structor.local_name = mcjit_local_name(module, function);
        if (!structor.local_name)
            return out_of_memory(module, scan->err);
    }
    list[module->structor_count++] = structor;
    return JD_OK;
}

static int scan_structors(struct mcjit_engine *engine, struct mcjit_module *module,
                          bool is_destructor, struct jd_error *err)
{
    LLVMValueRef list =
        LLVMGetNamedGlobal(module->llvm, is_destructor ? "llvm.global_dtors" : "llvm.global_ctors");
    struct structor_scan scan = {
        .engine = engine, .module = module, .err = err, .is_destructor = is_destructor};
    int result = jd_target_each_array_structor(module->llvm, !is_destructor, scan_structor, &scan);
    if (result || !list)
        return result;
    scan.entries = LLVMGetInitializer(list);
    return jd_target_each_structor(module->llvm, !is_destructor, scan_structor, &scan);
}

static void count_functions(struct mcjit_module *module)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(module->llvm); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f))
            module->function_count++;
}

int mcjit_scan(struct mcjit_engine *engine, struct mcjit_module *module, struct jd_error *err)
{
    int result = scan_asm(engine, module, err);
    if (!result)
        result = scan_globals(engine, module, false, err);
    if (!result)
        result = scan_globals(engine, module, true, err);
    if (!result)
        result = scan_structors(engine, module, false, err);
    if (!result)
        result = scan_structors(engine, module, true, err);
    if (!result)
        result = scan_sections(module, err);
    if (!result)
        count_functions(module);
    module->scanned_reference_count = module->reference_count;
    return result;
}

int mcjit_scan_references(struct mcjit_engine *engine, struct mcjit_module *module,
                          struct jd_error *err)
{
    return scan_globals(engine, module, false, err);
}
