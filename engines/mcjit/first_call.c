/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules that are compiled at the first call into them: the stubs between modules, and what
 * happens behind them. Knows no IR.
 *
 * A function's one address is settled when somebody first needs it: its stub's if its module is not
 * compiled by then, its body's otherwise. Only functions can wait. A module whose variables are
 * referred to is compiled with the one that refers to them.
 */
#include <errno.h>
#include <stdlib.h>

#include "mcjit.h"

struct mcjit_symbol *mcjit_entry_symbol(struct mcjit_symbol *symbol)
{
    while (symbol->alias_of && symbol->alias_of->definer == symbol->definer &&
           !symbol->alias_of->is_user_defined)
        symbol = symbol->alias_of;
    return symbol;
}

bool mcjit_has_stub(struct mcjit_symbol *symbol)
{
    return symbol->definer && !symbol->is_user_defined && mcjit_entry_symbol(symbol)->stub_number;
}

bool mcjit_can_wait(const struct mcjit_engine *engine, const struct mcjit_symbol *symbol)
{
    const struct mcjit_module *definer = mcjit_definer(engine, symbol);
    return engine->is_lazy && definer && definer->state == MCJIT_PENDING && symbol->is_function &&
           !symbol->is_user_defined && !symbol->is_defined_in_asm && !symbol->is_tls;
}

/* Pages of stubs can be written once; see jd_stub_create. */
static int create_stub(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                       struct jd_error *err)
{
    struct mcjit_symbol **list =
        mcjit_grow(engine->stub_symbols, engine->stubs.count, sizeof *engine->stub_symbols);
    uint32_t index, chunk_count = engine->stubs.chunk_count;
    int result;
    if (!list)
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no room for its stub");
    engine->stub_symbols = list;
    result = jd_stub_create(&engine->stubs, &index, err);
    if (result)
        return result;
    list[index] = symbol;
    symbol->stub_number = index + 1;
    symbol->addr = jd_stub_addr(&engine->stubs, index);
    return chunk_count == engine->stubs.chunk_count ? JD_OK : jd_arena_seal(engine->arena, err);
}

int mcjit_stub_require(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                       struct jd_error *err)
{
    struct mcjit_symbol *entry = mcjit_entry_symbol(symbol);
    int result = entry->stub_number ? JD_OK : create_stub(engine, entry, err);
    if (result)
        return result;
    symbol->addr = entry->addr;
    symbol->is_bound = entry->is_bound = true;
    return JD_OK;
}

static int require(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                   struct mcjit_symbol *symbol, struct jd_error *err)
{
    if (!mcjit_can_wait(engine, symbol) ||
        mcjit_definer(engine, symbol)->selected_by == selection->id)
        return JD_OK;
    return mcjit_stub_require(engine, symbol, err);
}

int mcjit_stubs_for_references(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                               const struct mcjit_module *module, size_t from, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = from; i < module->reference_count && !result; i++)
        result = require(engine, selection, module->references[i].symbol, err);
    return result;
}

static int prepare_module(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                          const struct mcjit_module *module, struct jd_error *err)
{
    int result = mcjit_stubs_for_references(engine, selection, module, 0, err);
    for (size_t i = 0; i < module->definition_count && !result; i++) {
        struct mcjit_symbol *symbol = module->definitions[i].symbol;
        result = require(engine, selection, symbol, err);
        if (!result && symbol->definer == module->number && mcjit_has_stub(symbol))
            result = mcjit_stub_require(engine, symbol, err); /* an alias of what has one */
    }
    return result;
}

int mcjit_stubs_prepare(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                        struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < selection->count && !result && engine->is_lazy; i++)
        result = prepare_module(engine, selection, selection->modules[i], err);
    return result;
}

void mcjit_stub_publish(struct mcjit_engine *engine, const struct mcjit_symbol *symbol)
{
    if (symbol->stub_number)
        jd_stub_publish(&engine->stubs, symbol->stub_number - 1, symbol->body_addr);
}

/* --- The call --------------------------------------------------------------------------------- */

struct first_call {
    struct mcjit_engine *engine;
    uint32_t stub_index;
    const char *name;
    uintptr_t addr;
};

static int compile_callee(void *argument, struct jd_error *err)
{
    struct first_call *call = argument;
    struct mcjit_engine *engine = call->engine;
    struct mcjit_symbol *symbol = engine->stub_symbols[call->stub_index];
    struct mcjit_module *definer = mcjit_definer(engine, symbol);
    int result = JD_OK;
    call->name = symbol->name;
    if (!definer)
        return jd_fail(err, JD_E_UNRESOLVED, symbol->name, "its module could not be compiled");
    jd_probe_begin(engine->phases.probe, JD_PHASE_RESOLVE);
    if (definer->state == MCJIT_PENDING)
        result = mcjit_prepare_root(engine, definer, err);
    if (!result && engine->archive_count)
        result = mcjit_run_members_constructors(engine, err);
    jd_probe_end(engine->phases.probe, JD_PHASE_RESOLVE);
    call->addr = result ? 0 : symbol->body_addr;
    if (!result && !call->addr)
        return jd_fail(err, JD_E_INTERNAL, symbol->name, "it is compiled, but has no address");
    return result;
}

static uintptr_t report(const struct mcjit_engine *engine, const char *name,
                        const struct jd_error *err)
{
    uintptr_t addr = 0;
    if (engine->on_error)
        addr = engine->on_error(engine->on_error_context, name, err);
    if (!addr)
        abort();
    return addr;
}

static int check_creators(struct mcjit_engine *engine, struct jd_error *err)
{
    mcjit_lock(engine);
    int result = mcjit_check_creators(engine, (uintptr_t)__builtin_frame_address(0), err);
    mcjit_unlock(engine);
    return result;
}

uintptr_t mcjit_first_call(void *context, uint32_t stub_index)
{
    struct mcjit_engine *engine = context;
    struct first_call call = {.engine = engine, .stub_index = stub_index, .name = "a function"};
    struct jd_error err = JD_ERROR_INIT;
    int saved_errno = errno;
    int result = mcjit_is_inside() ? JD_OK : check_creators(engine, &err);
    if (result || mcjit_enter(engine, compile_callee, &call, &err))
        call.addr = report(engine, call.name, &err);
    errno = saved_errno;
    return call.addr;
}
