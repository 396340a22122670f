/* SPDX-License-Identifier: Apache-2.0
 *
 * First calls: from a stub's number to code, and the one address that each symbol has.
 * Knows no ELF and no IR beyond what kind of value a symbol is.
 */
#include "internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "host_tls.h"

/* An alias of a function is that function: same stub, same body. */
static struct legacy_symbol *follow(struct legacy_engine *engine, struct legacy_symbol *symbol)
{
    int64_t offset;
    while (symbol && symbol->origin == LEGACY_ORIGIN_MODULE &&
           symbol->kind == LEGACY_KIND_FUNCTION &&
           LLVMGetValueKind(symbol->value) == LLVMGlobalAliasValueKind)
        symbol = legacy_symbol_of_alias(engine, symbol, &offset);
    return symbol;
}

struct legacy_symbol *legacy_stub_symbol(const struct legacy_engine *engine, uint32_t stub_index)
{
    struct legacy_symbol *const *block = __atomic_load_n(
        &engine->stub_symbols[stub_index / LEGACY_STUB_BLOCK_SYMBOLS], __ATOMIC_ACQUIRE);
    return __atomic_load_n(&block[stub_index % LEGACY_STUB_BLOCK_SYMBOLS], __ATOMIC_ACQUIRE);
}

static int make_stub_room(struct legacy_engine *engine, struct jd_error *err)
{
    uint32_t block = engine->stubs.count / LEGACY_STUB_BLOCK_SYMBOLS;
    if (block >= LEGACY_STUB_BLOCKS)
        return jd_fail(err, JD_E_LIMIT, NULL, "an engine has at most %d stubs",
                       LEGACY_STUB_BLOCK_SYMBOLS * LEGACY_STUB_BLOCKS);
    if (!engine->stub_symbols[block])
        __atomic_store_n(&engine->stub_symbols[block],
                         calloc(LEGACY_STUB_BLOCK_SYMBOLS, sizeof(struct legacy_symbol *)),
                         __ATOMIC_RELEASE);
    return engine->stub_symbols[block] ? JD_OK
                                       : jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for stubs");
}

int legacy_symbol_stub(struct legacy_engine *engine, struct legacy_symbol *symbol,
                       uintptr_t *out_addr, struct jd_error *err)
{
    int result;
    *out_addr = 0;
    if (symbol->stub_index == LEGACY_NO_STUB) {
        uint32_t index;
        result = make_stub_room(engine, err);
        if (!result)
            result = jd_stub_create(&engine->stubs, &index, err);
        if (result)
            return result;
        symbol->stub_index = index;
        __atomic_store_n(&engine->stub_symbols[index / LEGACY_STUB_BLOCK_SYMBOLS]
                                              [index % LEGACY_STUB_BLOCK_SYMBOLS],
                         symbol, __ATOMIC_RELEASE);
        if (symbol->state == LEGACY_STATE_READY)
            jd_stub_publish(&engine->stubs, index, symbol->addr);
    }
    *out_addr = jd_stub_addr(&engine->stubs, symbol->stub_index);
    return JD_OK;
}

void legacy_symbol_free_stub(struct legacy_engine *engine, struct legacy_symbol *symbol)
{
    struct jd_arena_block cell = {.addr = symbol->got_addr,
                                  .write = (void *)symbol->got_addr,
                                  .size_bytes = sizeof(uintptr_t),
                                  .kind = JD_ARENA_GOT};
    if (symbol->stub_index != LEGACY_NO_STUB)
        jd_stub_free(&engine->stubs, symbol->stub_index);
    if (symbol->thunk_addr)
        jd_thunk_free(&engine->stubs, symbol->thunk_addr);
    if (symbol->got_addr)
        jd_arena_free(engine->arena, &cell);
    symbol->stub_index = LEGACY_NO_STUB;
    symbol->thunk_addr = symbol->got_addr = 0;
}

/* Data, alias into data, label, asm symbol: emit what holds it if that did not happen yet. */
static int module_data_address(struct legacy_engine *engine, struct legacy_symbol *symbol,
                               uintptr_t *out_addr, struct jd_error *err)
{
    int result = JD_OK;
    int64_t offset;
    struct legacy_symbol *target;
    switch (symbol->kind) {
    case LEGACY_KIND_ALIAS:
        target = legacy_symbol_of_alias(engine, symbol, &offset);
        if (!target)
            return legacy_symbol_unresolved(symbol, err);
        result = legacy_symbol_address(engine, target, out_addr, err);
        *out_addr += (uintptr_t)offset;
        return result;
    case LEGACY_KIND_LABEL:
        if (!symbol->addr)
            result = legacy_symbol_callable(engine, symbol->label_owner, out_addr, err);
        break;
    case LEGACY_KIND_ASM:
        if (!symbol->addr)
            result = legacy_emit_asm(engine, symbol->module, err);
        break;
    case LEGACY_KIND_BOUND:
        result = legacy_section_emit(engine, symbol, err);
        break;
    default:
        result = legacy_data_wait(engine, symbol, err);
        if (!result && symbol->origin != LEGACY_ORIGIN_MODULE) /* its module went meanwhile */
            return legacy_symbol_address(engine, symbol, out_addr, err);
        if (!result && symbol->state == LEGACY_STATE_IDLE)
            result = legacy_emit_data(engine, symbol, err);
    }
    *out_addr = symbol->addr;
    if (!result && !symbol->addr)
        return legacy_symbol_unresolved(symbol, err);
    return result;
}

static int unresolved_address(struct legacy_engine *engine, struct legacy_symbol *symbol,
                              uintptr_t *out_addr, struct jd_error *err)
{
    bool is_code = symbol->kind != LEGACY_KIND_DATA;
    int result;
    if (symbol->is_dropped)
        return legacy_symbol_unresolved(symbol, err);
    if (is_code && !symbol->is_extern_weak)
        return legacy_symbol_stub(engine, symbol, out_addr, err); /* asks at the first call */
    result = legacy_symbol_create(engine, symbol, is_code ? JD_SYMBOL_FUNCTION : JD_SYMBOL_VARIABLE,
                                  err);
    if (result)
        return result;
    if (symbol->origin != LEGACY_ORIGIN_NONE)
        return legacy_symbol_address(engine, symbol, out_addr, err);
    return symbol->is_extern_weak ? JD_OK : legacy_symbol_unresolved(symbol, err);
}

/* A thread-local variable of the process: what stands for it is a control object. */
static int make_host_control(struct legacy_engine *engine, struct legacy_symbol *symbol,
                             struct jd_error *err)
{
    struct jd_host_tls_control control;
    struct jd_arena_block block;
    int result = jd_host_tls_find(symbol->name, &control, err);
    if (!result)
        result = jd_arena_reserve(engine->arena, JD_ARENA_DATA, sizeof control, sizeof(uintptr_t),
                                  &block, err);
    if (result)
        return result;
    memcpy(block.write, &control, sizeof control);
    jd_arena_commit(engine->arena, &block);
    symbol->addr = block.addr;
    symbol->origin = LEGACY_ORIGIN_CREATED;
    return JD_OK;
}

int legacy_symbol_address(struct legacy_engine *engine, struct legacy_symbol *symbol,
                          uintptr_t *out_addr, struct jd_error *err)
{
    int result = JD_OK;
    *out_addr = 0;
    symbol = follow(engine, symbol);
    if (!symbol)
        return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for symbols");
    legacy_symbol_bind(engine, symbol);
    if (symbol->origin == LEGACY_ORIGIN_NONE)
        return unresolved_address(engine, symbol, out_addr, err);
    if (symbol->origin == LEGACY_ORIGIN_OBJECT)
        return legacy_foreign_address(engine, symbol, out_addr, err);
    if (symbol->origin == LEGACY_ORIGIN_MODULE)
        return legacy_symbol_is_code(symbol) ? legacy_symbol_stub(engine, symbol, out_addr, err)
                                             : module_data_address(engine, symbol, out_addr, err);
    if (symbol->is_thread_local && symbol->origin == LEGACY_ORIGIN_PROCESS)
        result = make_host_control(engine, symbol, err);
    *out_addr = symbol->addr;
    return result;
}

struct ifunc_call {
    uintptr_t resolver_addr, answer_addr;
};

static void call_ifunc_resolver(void *argument)
{
    struct ifunc_call *call = argument;
    call->answer_addr = ((uintptr_t(*)(void))call->resolver_addr)();
}

/* The resolver of an ifunc is the program's code: it runs without the lock. */
static int resolve_ifunc(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err)
{
    struct legacy_symbol *resolver =
        legacy_symbol_of(engine, symbol->module, legacy_ifunc_resolver(symbol->value));
    struct ifunc_call call = {0, 0};
    int result;
    if (!resolver)
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no memory for symbols");
    symbol->state = LEGACY_STATE_BUSY;
    symbol->busy_thread = pthread_self();
    result = legacy_symbol_callable(engine, resolver, &call.resolver_addr, err);
    if (!result)
        result = legacy_call_out(engine, call_ifunc_resolver, &call, err);
    if (!result && !call.answer_addr)
        result = jd_fail(err, JD_E_COMPILE, symbol->name, "its resolver answered with no function");
    if (!result)
        symbol->addr = call.answer_addr;
    symbol->state = result ? LEGACY_STATE_IDLE : LEGACY_STATE_READY;
    pthread_cond_broadcast(&engine->changed);
    return result;
}

static int make_ready(struct legacy_engine *engine, struct legacy_symbol *symbol,
                      struct jd_error *err)
{
    int result;
    if (symbol->state == LEGACY_STATE_BUSY)
        return legacy_symbol_wait(engine, symbol, err);
    switch (symbol->kind) {
    case LEGACY_KIND_IFUNC:
        return resolve_ifunc(engine, symbol, err);
    case LEGACY_KIND_ASM:
        result = legacy_emit_asm(engine, symbol->module, err);
        return result || symbol->addr ? result : legacy_symbol_unresolved(symbol, err);
    case LEGACY_KIND_FUNCTION:
        return legacy_compile_function(engine, symbol, err);
    default:
        return jd_fail(err, JD_E_USAGE, symbol->name, "is a variable, not a function");
    }
}

static int resolve_late(struct legacy_engine *engine, struct legacy_symbol *symbol,
                        struct jd_error *err)
{
    int result;
    legacy_symbol_bind(engine, symbol);
    if (symbol->origin != LEGACY_ORIGIN_NONE)
        return JD_OK;
    result = legacy_symbol_create(engine, symbol, JD_SYMBOL_FUNCTION, err);
    if (!result && symbol->origin == LEGACY_ORIGIN_NONE)
        return legacy_symbol_unresolved(symbol, err);
    return result;
}

int legacy_symbol_callable(struct legacy_engine *engine, struct legacy_symbol *symbol,
                           uintptr_t *out_addr, struct jd_error *err)
{
    struct legacy_symbol *called = symbol;
    int result = JD_OK;
    *out_addr = 0;
    for (;;) {
        if (symbol->origin == LEGACY_ORIGIN_NONE)
            result = resolve_late(engine, symbol, err);
        symbol = result ? symbol : follow(engine, symbol);
        if (result || !symbol)
            return result ? result : jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for symbols");
        if (symbol->origin != LEGACY_ORIGIN_MODULE ||
            (symbol->state == LEGACY_STATE_READY && symbol->addr))
            break;
        result = make_ready(engine, symbol, err);
        if (result)
            return result;
    }
    if (symbol->origin == LEGACY_ORIGIN_OBJECT) {
        result = legacy_foreign_link(engine, symbol->foreign, err);
        if (result)
            return result;
    }
    if (called->stub_index != LEGACY_NO_STUB)
        jd_stub_publish(&engine->stubs, called->stub_index, symbol->addr);
    *out_addr = symbol->addr;
    return JD_OK;
}

int legacy_symbol_free(struct legacy_engine *engine, struct legacy_symbol *symbol,
                       struct jd_error *err)
{
    uintptr_t stub_addr;
    int result;
    symbol = follow(engine, symbol);
    if (!symbol || symbol->origin != LEGACY_ORIGIN_MODULE || symbol->kind != LEGACY_KIND_FUNCTION)
        return jd_fail(err, JD_E_USAGE, symbol ? symbol->name : NULL,
                       "is not a function of a module");
    if (symbol->state == LEGACY_STATE_BUSY) {
        result = legacy_symbol_wait(engine, symbol, err);
        if (result)
            return result;
    }
    if (symbol->state != LEGACY_STATE_READY || symbol->has_labels)
        return JD_OK;
    result = legacy_symbol_stub(engine, symbol, &stub_addr, err);
    if (!result)
        result = legacy_symbol_unbind(engine, symbol, err);
    if (result)
        return result;
    jd_stub_reset(&engine->stubs, symbol->stub_index);
    symbol->state = LEGACY_STATE_IDLE;
    symbol->addr = 0;
    if (--symbol->object->function_count == 0)
        legacy_object_free_code(engine, symbol->object);
    symbol->object = NULL;
    return legacy_outline_free(engine, symbol->module, symbol->value, err);
}

struct first_call {
    struct legacy_engine *engine;
    struct legacy_symbol *symbol;
    uintptr_t addr;
};

static int first_call(void *argument, struct jd_error *err)
{
    struct first_call *call = argument;
    struct legacy_engine *engine = call->engine;
    jd_probe_begin(engine->options.probe, JD_PHASE_RESOLVE);
    int result = legacy_symbol_callable(engine, call->symbol, &call->addr, err);
    if (!result && !engine->is_lazy)
        result = legacy_compile_closure(engine, err);
    jd_probe_end(engine->options.probe, JD_PHASE_RESOLVE);
    return result;
}

static uintptr_t report(struct legacy_engine *engine, const char *name, const struct jd_error *err)
{
    uintptr_t addr = 0;
    if (engine->options.on_error)
        addr = engine->options.on_error(engine->options.on_error_context, name, err);
    if (!addr)
        abort();
    return addr;
}

uintptr_t legacy_resolve(void *context, uint32_t stub_index)
{
    struct legacy_engine *engine = context;
    int saved_errno = errno;
    struct jd_error err = JD_ERROR_INIT;
    struct first_call call = {.engine = engine, .symbol = legacy_stub_symbol(engine, stub_index)};
    if (legacy_enter(engine, first_call, &call, &err))
        call.addr = report(engine, call.symbol->name, &err);
    errno = saved_errno;
    return call.addr;
}
