/* SPDX-License-Identifier: Apache-2.0
 *
 * Where names are: defined symbol, module, process, creator, in this order. Runs to a fixpoint
 * before anything is handed to MCJIT, for which an unresolved name is the end. Knows no LLVM.
 */
#include <stdlib.h>
#include <string.h>

#include "mcjit.h"
#include "process_symbols.h"

/* --- Creator ---------------------------------------------------------------------------------- */

static int take_creation(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                         const struct jd_creation *creation, struct jd_error *err)
{
    struct mcjit_module *module;
    int result;
    if (creation->addr) {
        symbol->addr = creation->addr;
        return JD_OK;
    }
    if (!creation->ir.bytes) {
        symbol->creator_epoch = engine->creator_epoch;
        return JD_OK;
    }
    result = mcjit_module_add(engine, &creation->ir, false, &module, err);
    if (!result && !symbol->definer)
        result = jd_fail(err, JD_E_UNRESOLVED, creation->ir.name,
                         "the creator's module does not define '%s'", symbol->name);
    return result;
}

static void begin_asking(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                         uintptr_t frame_addr)
{
    symbol->is_asking = true;
    symbol->asker = pthread_self();
    symbol->asker_entry = mcjit_entry_settle(frame_addr);
    symbol->asker_frame = frame_addr;
    symbol->next_asked = engine->asked;
    engine->asked = symbol;
    engine->creator_calls++;
}

static void end_asking(struct mcjit_engine *engine, struct mcjit_symbol *symbol)
{
    struct mcjit_symbol **link = &engine->asked;
    while (*link != symbol)
        link = &(*link)->next_asked;
    *link = symbol->next_asked;
    symbol->is_asking = false;
    pthread_cond_broadcast(&engine->creator_answered);
}

/* Stacks grow down: what was asked from below this frame is not on this stack any more. Another
 * stack is there as long as its first call is. */
static bool is_still_asked(const struct mcjit_symbol *symbol, uint64_t entry_id,
                           uintptr_t frame_addr)
{
    if (symbol->asker_entry == entry_id)
        return symbol->asker_frame >= frame_addr;
    return mcjit_entry_is_under_way(symbol->asker_entry);
}

int mcjit_check_creators(struct mcjit_engine *engine, uintptr_t frame_addr, struct jd_error *err)
{
    uint64_t entry_id = mcjit_entry_settle(frame_addr);
    struct mcjit_symbol *left = NULL, *next;
    for (struct mcjit_symbol *symbol = engine->asked; symbol; symbol = next) {
        next = symbol->next_asked;
        if (!pthread_equal(symbol->asker, pthread_self()) ||
            is_still_asked(symbol, entry_id, frame_addr))
            continue;
        end_asking(engine, symbol);
        left = symbol;
    }
    return left ? jd_fail(err, JD_E_UNSUPPORTED, left->name,
                          "the creator that was asked for it did not return (longjmp)")
                : JD_OK;
}

/* Asks on this thread, or waits for the thread that is asking already. */
static int ask_creator(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                       enum jd_symbol_kind kind, struct jd_error *err)
{
    struct jd_creation creation = {0};
    jd_creator_fn creator = engine->creator;
    void *context = engine->creator_context;
    int result;
    mcjit_phase_end(&engine->phases);
    engine->unlock_count++;
    if (symbol->is_asking) {
        if (pthread_equal(symbol->asker, pthread_self()))
            return jd_fail(err, JD_E_STATE, symbol->name,
                           "the creator that is being asked for it needs it");
        while (symbol->is_asking)
            pthread_cond_wait(&engine->creator_answered, &engine->lock);
        return JD_OK;
    }
    begin_asking(engine, symbol, (uintptr_t)__builtin_frame_address(0));
    mcjit_unlock(engine);
    result = creator(context, &engine->base, symbol->name, kind, &creation, err);
    mcjit_lock(engine);
    end_asking(engine, symbol);
    if (result)
        return jd_fail(err, result, symbol->name, "the creator failed");
    return take_creation(engine, symbol, &creation, err);
}

/* --- One name --------------------------------------------------------------------------------- */

static bool is_known(const struct mcjit_symbol *symbol)
{
    return symbol->addr || symbol->definer;
}

/* The static ones first: a process that has `atexit` as a symbol has it for itself. */
static int find_in_process(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                           struct jd_error *err)
{
    const char *text = jd_process_symbol_ir(symbol->name);
    struct mcjit_module *helper;
    struct jd_ir ir = {.bytes = text, .name = symbol->name};
    if (!text) {
        symbol->addr = jd_process_symbol(symbol->name);
        return JD_OK;
    }
    ir.size_bytes = strlen(text);
    return mcjit_module_add(engine, &ir, true, &helper, err);
}

int mcjit_resolve(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                  enum jd_symbol_kind kind, const char *where, bool *out_is_found,
                  struct jd_error *err)
{
    int result = JD_OK;
    if (!is_known(symbol) && !engine->is_process_search_disabled)
        result = find_in_process(engine, symbol, err);
    while (!result && !is_known(symbol) && engine->creator &&
           symbol->creator_epoch != engine->creator_epoch)
        result = ask_creator(engine, symbol, kind, err);
    *out_is_found = !result && is_known(symbol);
    if (result && where)
        jd_error_prefix(err, where);
    return result;
}

/* A control object through which code reaches the process's variable. */
static int find_host_tls(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                         struct jd_error *err)
{
    struct jd_host_tls_control **list =
        mcjit_grow(engine->tls_controls, engine->tls_control_count, sizeof *engine->tls_controls);
    struct jd_host_tls_control *control = calloc(1, sizeof *control);
    if (list)
        engine->tls_controls = list;
    if (!list || !control) {
        free(control);
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no room for its control object");
    }
    if (jd_host_tls_find(symbol->name, control, NULL)) {
        free(control);
        return JD_OK;
    }
    list[engine->tls_control_count++] = control;
    symbol->addr = (uintptr_t)control;
    symbol->is_tls = true;
    return JD_OK;
}

/* A thread-local variable that no module defines can only be the process's. */
static int resolve_tls(struct mcjit_engine *engine, const struct mcjit_module *module,
                       struct mcjit_symbol *symbol, struct jd_error *err)
{
    if (symbol->is_user_defined)
        return jd_fail(err, JD_E_UNSUPPORTED, symbol->name,
                       "%s declares it thread-local: it cannot be at one address", module->ir.name);
    if (is_known(symbol) || engine->is_process_search_disabled)
        return JD_OK;
    return find_host_tls(engine, symbol, err);
}

static int resolve_reference(struct mcjit_engine *engine, struct mcjit_selection *selection,
                             const struct mcjit_module *module,
                             const struct mcjit_reference *reference, struct jd_error *err)
{
    struct mcjit_symbol *symbol = reference->symbol;
    struct mcjit_module *definer;
    bool is_found = false;
    int result =
        reference->is_weak ? JD_OK : mcjit_archives_search(engine, symbol, reference->is_tls, err);
    if (result)
        return result;
    if (reference->is_tls) {
        result = resolve_tls(engine, module, symbol, err);
        is_found = is_known(symbol);
    } else if (!is_known(symbol)) {
        result = mcjit_section_resolve(engine, selection, symbol, &is_found, err);
    } else {
        is_found = true;
    }
    if (!result && !is_found && !reference->is_tls)
        result = mcjit_resolve(engine, symbol, reference->kind, module->ir.name, &is_found, err);
    if (result)
        return result;
    if (!is_found && !reference->is_weak)
        return jd_fail(err, JD_E_UNRESOLVED, symbol->name,
                       "unresolved: declared in %s and defined nowhere", module->ir.name);
    definer = symbol->is_user_defined ? NULL : mcjit_definer(engine, symbol);
    return definer && !mcjit_can_wait(engine, symbol) ? mcjit_select(selection, definer, err)
                                                      : JD_OK;
}

/* A definition that lost is a declaration of the one that won. */
static int select_winners(struct mcjit_engine *engine, struct mcjit_selection *selection,
                          const struct mcjit_module *module, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < module->definition_count && !result; i++) {
        const struct mcjit_symbol *symbol = module->definitions[i].symbol;
        struct mcjit_module *definer =
            symbol->is_user_defined ? NULL : mcjit_definer(engine, symbol);
        if (definer && definer != module && !mcjit_can_wait(engine, symbol))
            result = mcjit_select(selection, definer, err);
    }
    return result;
}

/* --- What code generation calls by itself ----------------------------------------------------- */

int mcjit_tell_always(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                      struct jd_error *err)
{
    struct mcjit_symbol **list;
    if (symbol->is_told_always)
        return JD_OK;
    list = mcjit_grow(engine->told_symbols, engine->told_symbol_count, sizeof *list);
    if (!list)
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no room for the definition");
    engine->told_symbols = list;
    list[engine->told_symbol_count++] = symbol;
    symbol->is_told_always = true;
    return JD_OK;
}

int mcjit_provide(struct mcjit_engine *engine, struct mcjit_selection *selection, const char *name,
                  bool *out_is_progress, struct jd_error *err)
{
    size_t selected_before = selection->count;
    struct mcjit_symbol *symbol;
    struct mcjit_module *definer;
    bool was_told;
    int result = mcjit_symbol_intern(&engine->symbols, name, strlen(name), &symbol, err);
    *out_is_progress = false;
    if (!result)
        result = mcjit_archives_search(engine, symbol, false, err);
    if (result || !is_known(symbol))
        return result;
    was_told = symbol->is_told_always;
    result = mcjit_tell_always(engine, symbol, err);
    definer = symbol->is_user_defined ? NULL : mcjit_definer(engine, symbol);
    if (!result && definer)
        result = mcjit_select(selection, definer, err);
    *out_is_progress = !result && (!was_told || selection->count > selected_before);
    return result;
}

/* --- Many names ------------------------------------------------------------------------------- */

int mcjit_select(struct mcjit_selection *selection, struct mcjit_module *module,
                 struct jd_error *err)
{
    struct mcjit_module **list;
    if (module->state != MCJIT_PENDING || module->selected_by == selection->id)
        return JD_OK;
    list = mcjit_grow(selection->modules, selection->count, sizeof *selection->modules);
    if (!list)
        return jd_fail(err, JD_E_NO_MEMORY, module->ir.name, "no room to select the module");
    selection->modules = list;
    list[selection->count++] = module;
    module->selected_by = selection->id;
    return JD_OK;
}

static int resolve_module(struct mcjit_engine *engine, struct mcjit_selection *selection,
                          struct mcjit_module *module, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < module->reference_count && !result; i++)
        result = resolve_reference(engine, selection, module, &module->references[i], err);
    return result ? result : select_winners(engine, selection, module, err);
}

int mcjit_select_closure(struct mcjit_engine *engine, struct mcjit_selection *selection,
                         struct jd_error *err)
{
    uint64_t unlock_count;
    int result = JD_OK;
    do {
        /* While the lock was given up other threads may have added, defined or compiled. */
        unlock_count = engine->unlock_count;
        for (size_t i = 0; i < selection->count && !result; i++) {
            mcjit_phase_switch(&engine->phases, JD_PHASE_RESOLVE);
            if (selection->modules[i]->state == MCJIT_PENDING)
                result = resolve_module(engine, selection, selection->modules[i], err);
        }
    } while (!result && unlock_count != engine->unlock_count);
    mcjit_phase_end(&engine->phases);
    return result;
}
