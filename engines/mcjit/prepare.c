/* SPDX-License-Identifier: Apache-2.0
 *
 * From pending modules to code: resolve, apply linkage, run passes, tell MCJIT the addresses, hand
 * over, compile, link. Either all of the selected modules become code or none does.
 */
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

#include "mcjit.h"
#include "text.h"

/* --- Passes ----------------------------------------------------------------------------------- */

int mcjit_run_passes(struct mcjit_engine *engine, struct mcjit_module *module, struct jd_error *err)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    int result;
    mcjit_phase_switch(&engine->phases, JD_PHASE_IR_PASSES);
    result = jd_llvm_take_error(
        err, JD_E_USAGE, "ir_passes",
        LLVMRunPasses(module->llvm, engine->ir_passes, engine->machine, options));
    mcjit_phase_end(&engine->phases);
    LLVMDisposePassBuilderOptions(options);
    return result;
}

/* --- Handing over ----------------------------------------------------------------------------- */

/* What code generation calls the control object of a thread-local variable. The caller frees it. */
static char *tls_control_name(const struct mcjit_symbol *symbol)
{
    static const char prefix[] = "__emutls_v.";
    return mcjit_text_join(prefix, sizeof prefix - 1, symbol->name, strlen(symbol->name));
}

static int map_name(struct mcjit_generation *generation, struct mcjit_symbol *symbol,
                    struct jd_error *err)
{
    char *control = NULL;
    int result;
    if (!symbol->addr || symbol->mapped_in == generation->number ||
        symbol->home == generation->number)
        return JD_OK;
    if (!symbol->is_tls) {
        result = mcjit_generation_map(generation, symbol->name, symbol->addr, err);
    } else {
        control = tls_control_name(symbol);
        result = control ? mcjit_generation_map(generation, control, symbol->addr, err)
                         : jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no room to map it");
        free(control);
    }
    if (!result)
        symbol->mapped_in = generation->number;
    return result;
}

/* Tell MCJIT where everything is that these modules declare. */
static int map_names(struct mcjit_engine *engine, struct mcjit_generation *generation,
                     const struct mcjit_selection *selection, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < engine->told_symbol_count && !result; i++)
        result = map_name(generation, engine->told_symbols[i], err);
    for (size_t i = 0; i < selection->count; i++) {
        const struct mcjit_module *module = selection->modules[i];
        for (size_t j = 0; j < module->reference_count && !result; j++)
            result = map_name(generation, module->references[j].symbol, err);
        for (size_t j = 0; j < module->definition_count && !result; j++)
            result = map_name(generation, module->definitions[j].symbol, err);
    }
    return result;
}

static uint64_t count_bodies(LLVMModuleRef module)
{
    uint64_t count = 0;
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        count += !LLVMIsDeclaration(f) && LLVMGetLinkage(f) != LLVMAvailableExternallyLinkage;
    return count;
}

static int compile(struct mcjit_engine *engine, struct mcjit_generation *generation,
                   struct mcjit_module *module, struct jd_error *err)
{
    LLVMModuleRef llvm = module->llvm;
    uint64_t bodies = count_bodies(llvm);
    int result;
    module->llvm = NULL; /* MCJIT's from here */
    mcjit_phase_switch(&engine->phases, JD_PHASE_CODEGEN);
    result = mcjit_generation_compile(generation, llvm, module->number, module->ir.name,
                                      &engine->settings, err);
    mcjit_phase_end(&engine->phases);
    if (!result)
        engine->functions_compiled += bodies;
    return result;
}

/* --- Afterwards ------------------------------------------------------------------------------- */

static int find_body(struct mcjit_generation *generation, struct mcjit_symbol *symbol,
                     struct jd_error *err)
{
    char *name = mcjit_body_name(symbol);
    if (!name)
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no room to look it up");
    symbol->body_addr = mcjit_generation_address(generation, name);
    free(name);
    return JD_OK;
}

static int find_address(struct mcjit_generation *generation, struct mcjit_symbol *symbol,
                        struct jd_error *err)
{
    char *control;
    if (mcjit_has_stub(symbol))
        return find_body(generation, symbol, err);
    if (!symbol->is_tls) {
        symbol->addr = mcjit_generation_address(generation, symbol->name);
        return JD_OK;
    }
    control = tls_control_name(symbol);
    if (!control)
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no room to look it up");
    symbol->addr = mcjit_generation_address(generation, control);
    free(control);
    return JD_OK;
}

static bool is_own(const struct mcjit_module *module, const struct mcjit_symbol *symbol)
{
    return symbol->definer == module->number && !symbol->is_user_defined;
}

/* Every address is asked for at once: look-ups are then a matter of our table alone, and stay so
 * when the generation is retired. */
static int find_addresses(struct mcjit_generation *generation, const struct mcjit_module *module,
                          struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < module->definition_count && !result; i++)
        if (is_own(module, module->definitions[i].symbol))
            result = find_address(generation, module->definitions[i].symbol, err);
    return result;
}

static void forget_addresses(const struct mcjit_module *module)
{
    for (size_t i = 0; i < module->definition_count; i++) {
        struct mcjit_symbol *symbol = module->definitions[i].symbol;
        if (is_own(module, symbol) && mcjit_has_stub(symbol))
            symbol->body_addr = 0;
        else if (is_own(module, symbol))
            symbol->addr = 0;
    }
}

static void bind_symbols(struct mcjit_engine *engine, const struct mcjit_generation *generation,
                         const struct mcjit_module *module)
{
    for (size_t i = 0; i < module->definition_count; i++) {
        struct mcjit_symbol *symbol = module->definitions[i].symbol;
        symbol->is_bound = true;
        if (!is_own(module, symbol))
            continue;
        if (mcjit_has_stub(symbol))
            mcjit_stub_publish(engine, symbol);
        else if (!module->object)
            symbol->home = generation->number;
    }
    for (size_t i = 0; i < module->reference_count; i++)
        module->references[i].symbol->is_bound = true;
}

static void bind_structors(struct mcjit_generation *generation, struct mcjit_module *module)
{
    for (size_t i = 0; i < module->structor_count; i++) {
        struct mcjit_structor *structor = &module->structors[i];
        if (structor->local_name)
            structor->addr = mcjit_generation_address(generation, structor->local_name);
        else
            structor->addr = structor->symbol->addr;
        if (structor->associated && structor->associated->definer != module->number)
            structor->has_run = true; /* the winner's module has its own */
    }
}

static void advance_pending(struct mcjit_engine *engine)
{
    while (engine->pending_from < engine->module_count &&
           engine->modules[engine->pending_from]->state != MCJIT_PENDING)
        engine->pending_from++;
}

/* All are relocated before one may run: until then the batch can be given up. */
static int link_objects(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                        struct mcjit_module **out_culprit, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < selection->count; i++) {
        struct mcjit_module *module = selection->modules[i];
        if (module->object)
            result = mcjit_object_link(engine, module, err);
        if (result) {
            *out_culprit = module;
            return result;
        }
    }
    for (size_t i = 0; i < selection->count && !result; i++)
        if (selection->modules[i]->object)
            result = mcjit_object_publish(engine, selection->modules[i], err);
    return result;
}

static int find_all_addresses(struct mcjit_generation *generation,
                              const struct mcjit_selection *selection, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < selection->count && !result; i++)
        if (!selection->modules[i]->object)
            result = find_addresses(generation, selection->modules[i], err);
    return result;
}

static void bind(struct mcjit_engine *engine, struct mcjit_generation *generation,
                 const struct mcjit_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        struct mcjit_module *module = selection->modules[i];
        bind_symbols(engine, generation, module);
        if (!module->object)
            bind_structors(generation, module);
        module->state = MCJIT_COMPILED;
        if (!module->is_helper && !module->is_cached)
            engine->modules_compiled++;
    }
    advance_pending(engine);
}

static bool has_ir(const struct mcjit_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        if (!selection->modules[i]->object)
            return true;
    return false;
}

static int link_batch(struct mcjit_engine *engine, struct mcjit_generation *generation,
                      const struct mcjit_selection *selection, struct mcjit_module **out_culprit,
                      struct jd_error *err)
{
    int result;
    mcjit_phase_switch(&engine->phases, JD_PHASE_LINK);
    /* An MCJIT instance that has never loaded anything cannot link. */
    result = has_ir(selection) ? mcjit_generation_finalize(generation, err) : JD_OK;
    if (!result)
        result = find_all_addresses(generation, selection, err);
    if (!result)
        result = link_objects(engine, selection, out_culprit, err);
    if (!result)
        bind(engine, generation, selection);
    for (size_t i = 0; i < selection->count && result; i++)
        forget_addresses(selection->modules[i]);
    mcjit_phase_end(&engine->phases);
    return result;
}

/* --- All of it -------------------------------------------------------------------------------- */

/* The module's own fault: no arena limit, no missing library function. */
static bool is_fault_of_module(int result)
{
    return result == JD_E_COMPILE;
}

static int compile_selection(struct mcjit_engine *engine, struct mcjit_generation *generation,
                             const struct mcjit_selection *selection,
                             struct mcjit_module **out_culprit, struct jd_error *err)
{
    uint64_t compiled_before = engine->functions_compiled;
    int result;
    for (size_t i = 0; i < selection->count; i++)
        if (selection->modules[i]->object)
            mcjit_object_place(selection->modules[i]);
    result = mcjit_sections_lay_out(engine, generation->memory, selection, err);
    if (!result)
        result = map_names(engine, generation, selection, err);
    for (size_t i = 0; i < selection->count && !result; i++) {
        if (!selection->modules[i]->llvm)
            continue; /* an object, or part of another module */
        result = compile(engine, generation, selection->modules[i], err);
        if (is_fault_of_module(result))
            *out_culprit = selection->modules[i];
    }
    if (!result)
        result = link_batch(engine, generation, selection, out_culprit, err);
    mcjit_sections_end(engine, !result);
    if (!result)
        return JD_OK;
    engine->functions_compiled = compiled_before;
    mcjit_generation_retire(engine);
    return result;
}

/* Modules compiled meanwhile by another thread fall out, and so does what is there twice. */
static void compact(struct mcjit_engine *engine, struct mcjit_selection *selection)
{
    size_t kept = 0;
    selection->id = ++engine->prepare_count;
    for (size_t i = 0; i < selection->count; i++) {
        struct mcjit_module *module = selection->modules[i];
        if (module->state != MCJIT_PENDING || module->selected_by == selection->id)
            continue;
        module->selected_by = selection->id;
        selection->modules[kept++] = module;
    }
    selection->count = kept;
}

static int by_number(const void *a, const void *b)
{
    const struct mcjit_module *const *first = a, *const *second = b;
    return ((*first)->number > (*second)->number) - ((*first)->number < (*second)->number);
}

/* What passes brought in: library functions that they call. A module may define one of them. */
static int select_new_references(struct mcjit_engine *engine, struct mcjit_selection *selection,
                                 const struct mcjit_module *module, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = module->scanned_reference_count; i < module->reference_count && !result; i++) {
        const struct mcjit_symbol *symbol = module->references[i].symbol;
        struct mcjit_module *definer =
            symbol->is_user_defined ? NULL : mcjit_definer(engine, symbol);
        if (definer && !mcjit_can_wait(engine, symbol))
            result = mcjit_select(selection, definer, err);
    }
    return result ? result
                  : mcjit_stubs_for_references(engine, selection, module,
                                               module->scanned_reference_count, err);
}

static int run_passes(struct mcjit_engine *engine, struct mcjit_selection *selection,
                      struct mcjit_module *module, struct jd_error *err)
{
    int result;
    if (!engine->ir_passes)
        return JD_OK;
    result = mcjit_run_passes(engine, module, err);
    if (!result)
        result = mcjit_scan_references(engine, module, err);
    return result ? result : select_new_references(engine, selection, module, err);
}

static int make_ready(struct mcjit_engine *engine, struct mcjit_selection *selection,
                      struct mcjit_module *module, struct jd_error *err)
{
    int result = mcjit_module_load(engine, module, err);
    if (result || module->object)
        return result;
    mcjit_phase_switch(&engine->phases, JD_PHASE_ADD);
    result = mcjit_linkage_apply(engine, module, err);
    mcjit_phase_end(&engine->phases);
    if (result || (selection->wants_whole && mcjit_can_join(module)))
        return result;
    return run_passes(engine, selection, module, err);
}

static int make_whole(struct mcjit_engine *engine, struct mcjit_selection *selection,
                      struct jd_error *err)
{
    struct mcjit_module *whole;
    int result = mcjit_link_modules(engine, selection, &whole, err);
    return result || !whole ? result : run_passes(engine, selection, whole, err);
}

static void unload_all(struct mcjit_engine *engine, const struct mcjit_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        mcjit_module_unload(engine, selection->modules[i]);
}

/* Everything up to the point where MCJIT takes over. Passes that make a module need one more module
 * (rare) start it all over with that one. */
static int make_all_ready(struct mcjit_engine *engine, struct mcjit_selection *selection,
                          struct jd_error *err)
{
    size_t count;
    int result;
    do {
        result = mcjit_select_closure(engine, selection, err);
        if (result)
            return result;
        compact(engine, selection);
        if (selection->count)
            qsort(selection->modules, selection->count, sizeof *selection->modules, by_number);
        count = selection->count;
        result = mcjit_stubs_prepare(engine, selection, err);
        for (size_t i = 0; i < count && !result; i++)
            result = make_ready(engine, selection, selection->modules[i], err);
        if (!result && selection->wants_whole && count == selection->count)
            result = make_whole(engine, selection, err);
        if (result || count != selection->count)
            unload_all(engine, selection);
    } while (!result && count != selection->count);
    return result;
}

static struct mcjit_selection *begin_selection(struct mcjit_engine *engine, struct jd_error *err)
{
    struct mcjit_selection *selection = calloc(1, sizeof *selection);
    if (!selection) {
        jd_fail(err, JD_E_NO_MEMORY, "prepare", "no room to select modules");
        return NULL;
    }
    selection->id = ++engine->prepare_count;
    selection->next = engine->selections;
    engine->selections = selection;
    return selection;
}

static void end_selection(struct mcjit_engine *engine, struct mcjit_selection *selection)
{
    struct mcjit_selection **place = &engine->selections;
    while (*place != selection)
        place = &(*place)->next;
    *place = selection->next;
    free(selection->modules);
    free(selection);
}

void mcjit_selections_fini(struct mcjit_engine *engine)
{
    while (engine->selections)
        end_selection(engine, engine->selections);
}

static int attempt(struct mcjit_engine *engine, struct mcjit_selection *selection,
                   struct mcjit_module **out_culprit, struct jd_error *err)
{
    struct mcjit_generation *generation;
    int result = make_all_ready(engine, selection, err);
    *out_culprit = NULL;
    if (!result && selection->count)
        result = mcjit_generation_get(engine, &generation, err);
    if (!result && selection->count)
        result = compile_selection(engine, generation, selection, out_culprit, err);
    return result;
}

/* What code generation calls by itself shows when the code is linked: then it all starts over with
 * what defines it, once for each such name. */
static int attempt_with_helpers(struct mcjit_engine *engine, struct mcjit_selection *selection,
                                struct mcjit_module **out_culprit, struct jd_error *err)
{
    struct jd_error missing;
    bool is_progress;
    int result;
    do {
        is_progress = false;
        jd_error_clear(err);
        result = attempt(engine, selection, out_culprit, err);
        if (result != JD_E_UNRESOLVED)
            return result;
        missing = *err;
        jd_error_clear(err);
        result = mcjit_provide(engine, selection, missing.where, &is_progress, err);
    } while (!result && is_progress);
    return result ? result : jd_fail(err, JD_E_UNRESOLVED, missing.where, "%s", missing.text);
}

/* `result` is that of selecting; consumes the selection. */
static int prepare_selection(struct mcjit_engine *engine, struct mcjit_selection *selection,
                             int result, struct jd_error *err)
{
    struct jd_error inner = JD_ERROR_INIT;
    struct mcjit_module *culprit = NULL;
    selection->wants_whole = engine->wants_linked_modules;
    if (!result)
        result = attempt_with_helpers(engine, selection, &culprit, &inner);
    if (is_fault_of_module(result) && selection->wants_whole && selection->count > 1) {
        /* Whose fault it is shows when each is compiled by itself. */
        selection->wants_whole = false;
        result = attempt_with_helpers(engine, selection, &culprit, &inner);
    }
    if (culprit)
        mcjit_module_drop(engine, culprit);
    if (result)
        advance_pending(engine);
    end_selection(engine, selection);
    return result && inner.code ? jd_fail(err, result, inner.where, "%s", inner.text) : result;
}

/* --- Which modules ---------------------------------------------------------------------------- */

int mcjit_prepare_all(struct mcjit_engine *engine, struct jd_error *err)
{
    struct mcjit_selection *selection = begin_selection(engine, err);
    int result = JD_OK;
    if (!selection)
        return JD_E_NO_MEMORY;
    for (size_t i = engine->pending_from; i < engine->module_count && !result; i++)
        result = mcjit_select(selection, engine->modules[i], err);
    return prepare_selection(engine, selection, result, err);
}

int mcjit_prepare_root(struct mcjit_engine *engine, struct mcjit_module *root, struct jd_error *err)
{
    struct mcjit_selection *selection = begin_selection(engine, err);
    if (!selection)
        return JD_E_NO_MEMORY;
    return prepare_selection(engine, selection, mcjit_select(selection, root, err), err);
}

int mcjit_prepare_structors(struct mcjit_engine *engine, struct jd_error *err)
{
    struct mcjit_selection *selection = begin_selection(engine, err);
    int result = JD_OK;
    if (!selection)
        return JD_E_NO_MEMORY;
    for (size_t i = engine->pending_from; i < engine->module_count && !result; i++)
        if (engine->modules[i]->structor_count)
            result = mcjit_select(selection, engine->modules[i], err);
    return prepare_selection(engine, selection, result, err);
}
