/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules as the engine keeps them, from adding to dropping, and whose definition of a name wins.
 * Knows no MCJIT beyond a generation to read into.
 */
#include <llvm-c/Analysis.h>
#include <stdlib.h>
#include <string.h>

#include "mcjit.h"

void *mcjit_grow(void *array, size_t count, size_t item_bytes)
{
    if (count & (count - 1))
        return array;
    return realloc(array, (count ? count * 2 : 1) * item_bytes);
}

struct mcjit_module *mcjit_definer(const struct mcjit_engine *engine,
                                   const struct mcjit_symbol *symbol)
{
    return symbol->definer ? engine->modules[symbol->definer - 1] : NULL;
}

int mcjit_generation_get(struct mcjit_engine *engine, struct mcjit_generation **out,
                         struct jd_error *err)
{
    struct mcjit_generation *generation;
    int result;
    *out = engine->generation;
    if (engine->generation && !engine->is_retired)
        return JD_OK;
    result = mcjit_generation_create(engine->generation ? engine->generation->number + 1 : 1,
                                     &engine->settings, engine->arena, &engine->phases, &generation,
                                     err);
    if (result) {
        *out = NULL;
        return result;
    }
    generation->older = engine->generation;
    engine->generation = *out = generation;
    engine->is_retired = false;
    return JD_OK;
}

void mcjit_generation_retire(struct mcjit_engine *engine)
{
    mcjit_memory_abandon_batch(engine->generation->memory);
    for (size_t i = engine->pending_from; i < engine->module_count; i++)
        mcjit_module_unload(engine, engine->modules[i]);
    engine->is_retired = true;
}

void mcjit_module_unload(struct mcjit_engine *engine, struct mcjit_module *module)
{
    if (module->llvm && !engine->generation->is_undefined)
        LLVMDisposeModule(module->llvm);
    module->llvm = NULL;
    module->reference_count = module->scanned_reference_count;
}

static int read_and_verify(struct mcjit_engine *engine, struct mcjit_module *module,
                           struct jd_error *err)
{
    struct mcjit_generation *generation;
    char *message = NULL;
    int result = mcjit_generation_get(engine, &generation, err);
    if (result)
        return result;
    result = mcjit_generation_read(generation, &module->ir, &module->llvm, err);
    if (result && generation->is_undefined)
        mcjit_generation_retire(engine);
    if (result || !engine->wants_verify)
        return result;
    if (LLVMVerifyModule(module->llvm, LLVMReturnStatusAction, &message))
        return jd_llvm_take_message(err, JD_E_BAD_IR, module->ir.name, message);
    LLVMDisposeMessage(message);
    return JD_OK;
}

int mcjit_module_load(struct mcjit_engine *engine, struct mcjit_module *module,
                      struct jd_error *err)
{
    enum jd_phase outer = engine->phases.open;
    int result;
    if (module->llvm || module->object)
        return JD_OK;
    mcjit_phase_switch(&engine->phases, JD_PHASE_PARSE);
    result = read_and_verify(engine, module, err);
    mcjit_phase_switch(&engine->phases, outer);
    return result;
}

void mcjit_module_free(struct mcjit_module *module)
{
    if (!module)
        return;
    for (size_t i = 0; i < module->asm_name_count; i++)
        free(module->asm_names[i]);
    for (size_t i = 0; i < module->section_count; i++)
        free(module->sections[i]);
    free(module->sections);
    for (size_t i = 0; i < module->structor_count; i++)
        free(module->structors[i].local_name);
    jd_object_close(module->object);
    free(module->asm_names);
    free(module->structors);
    free(module->references);
    free(module->definitions);
    free(module);
}

static int refuse_late(const struct mcjit_engine *engine, const struct mcjit_module *module,
                       const struct mcjit_symbol *symbol, struct jd_error *err)
{
    const struct mcjit_module *first = mcjit_definer(engine, symbol);
    return jd_fail(err, JD_E_UNSUPPORTED, module->ir.name,
                   "defines '%s' anew, which compiled code already takes from %s; MCJIT cannot "
                   "rebind it",
                   symbol->name, first ? first->ir.name : "outside the modules");
}

static int check_definition(const struct mcjit_engine *engine, const struct mcjit_module *module,
                            const struct mcjit_definition *definition, struct jd_error *err)
{
    const struct mcjit_symbol *symbol = definition->symbol;
    const struct mcjit_module *first = mcjit_definer(engine, symbol);
    switch (mcjit_symbol_judge(symbol, definition->rank, definition->common_bytes)) {
    case MCJIT_DUPLICATE:
        return jd_fail(err, JD_E_DUPLICATE, module->ir.name, "'%s' is already defined in %s",
                       symbol->name, first->ir.name);
    case MCJIT_TOO_LATE:
        return refuse_late(engine, module, symbol, err);
    case MCJIT_KEEP:
        if (definition->is_in_asm)
            return jd_fail(err, JD_E_UNSUPPORTED, module->ir.name,
                           "'%s' is defined in file-level assembly and would have to give way",
                           symbol->name);
        break;
    case MCJIT_TAKE:
        if (symbol->is_defined_in_asm || (definition->is_in_asm && symbol->is_user_defined))
            return jd_fail(err, JD_E_UNSUPPORTED, module->ir.name,
                           "'%s' is defined in file-level assembly, which cannot give way",
                           symbol->name);
        break;
    }
    return JD_OK;
}

static int check_definitions(const struct mcjit_engine *engine, const struct mcjit_module *module,
                             struct jd_error *err)
{
    for (size_t i = 0; i < module->definition_count; i++) {
        int result = check_definition(engine, module, &module->definitions[i], err);
        if (result)
            return result;
    }
    return JD_OK;
}

/* Let the module's definitions compete; the symbol table takes those that win. */
static void enter_definitions(struct mcjit_module *module)
{
    for (size_t i = 0; i < module->definition_count; i++) {
        const struct mcjit_definition *definition = &module->definitions[i];
        struct mcjit_symbol *symbol = definition->symbol;
        if (definition->align_bytes > symbol->align_bytes)
            symbol->align_bytes = definition->align_bytes;
        if (mcjit_symbol_judge(symbol, definition->rank, definition->common_bytes) != MCJIT_TAKE)
            continue;
        symbol->rank = definition->rank;
        symbol->common_bytes = definition->common_bytes;
        symbol->definer = module->number;
        symbol->is_defined_in_asm = definition->is_in_asm;
        symbol->is_tls = definition->is_tls;
        symbol->is_function = definition->is_function;
        symbol->alias_of = definition->alias_of;
        if (!symbol->is_user_defined)
            symbol->addr = 0; /* of the process or a creator, and bound by nobody */
    }
}

static void forget_definitions(const struct mcjit_module *module)
{
    for (size_t i = 0; i < module->definition_count; i++) {
        struct mcjit_symbol *symbol = module->definitions[i].symbol;
        if (symbol->definer != module->number)
            continue;
        symbol->rank = MCJIT_RANK_NONE;
        symbol->definer = 0;
        symbol->common_bytes = 0;
        symbol->align_bytes = 0;
        symbol->alias_of = NULL;
        symbol->is_defined_in_asm = symbol->is_tls = symbol->is_function = false;
    }
}

static int reserve_place(struct mcjit_engine *engine, struct jd_error *err)
{
    struct mcjit_module **list =
        mcjit_grow(engine->modules, engine->module_count, sizeof *engine->modules);
    if (!list || engine->module_count >= UINT32_MAX)
        return jd_fail(err, JD_E_NO_MEMORY, "modules", "no room for another one");
    engine->modules = list;
    return JD_OK;
}

int mcjit_module_admit(struct mcjit_engine *engine, struct mcjit_module *module,
                       struct jd_error *err)
{
    int result = check_definitions(engine, module, err);
    if (!result)
        result = reserve_place(engine, err);
    if (result)
        return result;
    enter_definitions(module);
    engine->modules[engine->module_count++] = module;
    return JD_OK;
}

static int prepare_module(struct mcjit_engine *engine, struct mcjit_module *module,
                          struct jd_error *err)
{
    enum jd_phase outer = engine->phases.open;
    int result =
        engine->cache && !module->is_helper ? mcjit_cached_open(engine, module, err) : JD_OK;
    if (!result)
        result = mcjit_module_load(engine, module, err);
    if (result)
        return result;
    mcjit_phase_switch(&engine->phases, JD_PHASE_ADD);
    if (!module->object)
        result = mcjit_scan(engine, module, err);
    if (!result)
        result = mcjit_module_admit(engine, module, err);
    mcjit_phase_switch(&engine->phases, outer);
    return result;
}

int mcjit_module_add(struct mcjit_engine *engine, const struct jd_ir *ir, bool is_helper,
                     struct mcjit_module **out, struct jd_error *err)
{
    struct mcjit_module *module = calloc(1, sizeof *module);
    int result;
    *out = NULL;
    if (!module)
        return jd_fail(err, JD_E_NO_MEMORY, ir->name, "no room for the module");
    module->ir = *ir;
    module->is_helper = is_helper;
    module->number = (uint32_t)engine->module_count + 1;
    result = prepare_module(engine, module, err);
    if (result) {
        mcjit_module_unload(engine, module);
        mcjit_module_free(module);
        return result;
    }
    engine->bodies_materialised += module->object ? 0 : module->function_count;
    if (!is_helper) {
        engine->modules_added++;
        engine->functions_defined += module->function_count;
    }
    *out = module;
    return JD_OK;
}

void mcjit_module_drop(struct mcjit_engine *engine, struct mcjit_module *module)
{
    mcjit_module_unload(engine, module);
    module->state = MCJIT_DROPPED;
    for (size_t i = 0; i < module->structor_count; i++)
        module->structors[i].has_run = true;
    if (!module->is_helper) {
        engine->modules_added--;
        engine->functions_defined -= module->function_count;
    }
    forget_definitions(module);
    for (size_t i = engine->pending_from; i < engine->module_count; i++)
        if (engine->modules[i]->state == MCJIT_PENDING)
            enter_definitions(engine->modules[i]);
}
