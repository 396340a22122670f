/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy engine's table of operations. Each takes the lock and calls the room's other files;
 * what may need LLVM's stack depth runs on a stack of the engine's own.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "core_sync.h"
#include "operators.h"
#include "target.h"

extern const struct jd_engine_ops jd_legacy_ops;

static struct legacy_engine *of(struct jd_engine *engine)
{
    return (struct legacy_engine *)engine;
}

/* ---- create and destroy ---- */

static int check_options(const struct jd_engine_options *options, struct jd_error *err)
{
    switch (options->granularity) {
    case JD_GRAN_DEFAULT:
    case JD_GRAN_FUNCTION:
    case JD_GRAN_MODULE:
    case JD_GRAN_BLOCK:
        break;
    default:
        return jd_fail(err, JD_E_UNSUPPORTED, "granularity",
                       "this engine compiles by function, by module or by block");
    }
    if (options->wants_linked_modules)
        return jd_fail(err, JD_E_UNSUPPORTED, "link_modules", "keeps modules apart");
    if (options->object_cache)
        return jd_fail(err, JD_E_UNSUPPORTED, "object_cache", "compiles single functions");
    if (options->speculate_threads && options->granularity > JD_GRAN_FUNCTION)
        return jd_fail(err, JD_E_UNSUPPORTED, "speculate_threads",
                       "compiles single functions only");
    return JD_OK;
}

static int define(struct legacy_engine *engine, const char *name, enum legacy_kind kind,
                  uintptr_t addr, struct jd_error *err);

static void init_locks(struct legacy_engine *engine)
{
    pthread_mutex_init(&engine->lock, NULL);
    jd_stack_pool_init(&engine->stacks);
    pthread_cond_init(&engine->changed, NULL);
}

static void free_llvm(struct legacy_engine *engine)
{
    legacy_spent_drop_all(engine);
    legacy_codegen_destroy(engine->codegen);
    if (engine->machine)
        LLVMDisposeTargetMachine(engine->machine);
    legacy_context_fini(engine);
}

static void destroy(struct jd_engine *base)
{
    struct legacy_engine *engine = of(base);
    if (!engine)
        return;
    const struct jd_probe *probe = engine->options.probe;
    jd_probe_begin(probe, JD_PHASE_TEARDOWN);
    jd_fork_delist(&engine->fork);
    jd_operators_restore(engine);
    jd_exit_list_fini(&engine->exits);
    legacy_speculation_destroy(engine->speculation);
    legacy_foreigns_fini(engine);
    legacy_modules_fini(engine);
    legacy_symbols_fini(engine);
    legacy_waits_fini(engine);
    free_llvm(engine);
    jd_stubs_fini(&engine->stubs);
    legacy_unwind_fini(&engine->unwind);
    legacy_perf_map_close(engine->perf_map);
    jd_arena_destroy(engine->arena);
    for (size_t i = 0; i < LEGACY_STUB_BLOCKS && engine->stub_symbols[i]; i++)
        free(engine->stub_symbols[i]);
    free(engine->ir_passes);
    for (size_t i = 0; i < 2; i++)
        free(engine->left_over[i].items);
    pthread_cond_destroy(&engine->changed);
    jd_stack_pool_fini(&engine->stacks);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
    jd_probe_end(probe, JD_PHASE_TEARDOWN);
}

static int init(struct legacy_engine *engine, const struct jd_engine_options *options,
                struct jd_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int result;
    pthread_once(&once, jd_trampoline_init);
    if (options)
        memcpy(&engine->options, options,
               options->struct_size && options->struct_size < sizeof *options ? options->struct_size
                                                                              : sizeof *options);
    if (engine->options.ir_passes) {
        engine->ir_passes = strdup(engine->options.ir_passes);
        if (!engine->ir_passes)
            return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for an engine");
    }
    engine->is_lazy = !engine->options.is_lazy_disabled;
    result = check_options(&engine->options, err);
    if (!result)
        result = legacy_create_pipeline(engine, err);
    if (!result)
        result =
            jd_arena_create(JD_ARENA_DUAL, engine->options.arena_limit_bytes, &engine->arena, err);
    if (!result)
        result = legacy_unwind_init(&engine->unwind, engine->arena, err);
    if (!result && engine->options.wants_perf_map)
        result = legacy_perf_map_open(&engine->perf_map, err);
    if (!result && engine->options.speculate_threads)
        result = legacy_speculation_create(&engine->options, &engine->speculation, err);
    if (result)
        return result;
    engine->can_sync_cores = jd_core_sync_init();
    jd_stubs_init(&engine->stubs, engine->arena, &jd_stub_arch_native, legacy_resolve, engine);
    return define(engine, "__dso_handle", LEGACY_KIND_DATA, (uintptr_t)&engine->exits, err);
}

static int create(const struct jd_engine_options *options, struct jd_engine **out,
                  struct jd_error *err)
{
    struct legacy_engine *engine = calloc(1, sizeof *engine);
    *out = NULL;
    if (!engine)
        return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for an engine");
    engine->base.ops = &jd_legacy_ops;
    engine->perf_map = LEGACY_PERF_MAP_CLOSED;
    init_locks(engine);
    jd_exit_list_init(&engine->exits);
    int result = init(engine, options, err);
    if (result) {
        destroy(&engine->base);
        return result;
    }
    legacy_fork_enlist(engine); /* after the arena's own handlers */
    *out = &engine->base;
    return JD_OK;
}

/* ---- symbols ---- */

static int define(struct legacy_engine *engine, const char *name, enum legacy_kind kind,
                  uintptr_t addr, struct jd_error *err)
{
    struct legacy_symbol *symbol = legacy_symbol_named(engine, name);
    if (!symbol)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no memory for symbols");
    int result = legacy_symbol_detach(engine, symbol, err);
    if (result)
        return result;
    symbol->origin = LEGACY_ORIGIN_DEFINED;
    symbol->kind = (uint8_t)kind;
    symbol->addr = addr;
    symbol->is_extern_weak = false;
    if (symbol->got_addr)
        __atomic_store_n((uintptr_t *)symbol->got_addr, addr, __ATOMIC_RELEASE);
    if (symbol->stub_index != LEGACY_NO_STUB)
        jd_stub_publish(&engine->stubs, symbol->stub_index, addr);
    return JD_OK;
}

struct request {
    struct legacy_engine *engine;
    const char *name;
    enum jd_symbol_kind kind;
    uintptr_t addr;
    const struct jd_ir *ir;
    const void *bytes;
    size_t size_bytes;
    jd_module_id id;
    bool is_lazy;
    jd_creator_fn creator;
    void *creator_context;
    struct jd_counters *counters;
};

static int define_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    return define(request->engine, request->name,
                  request->kind == JD_SYMBOL_VARIABLE ? LEGACY_KIND_DATA : LEGACY_KIND_FUNCTION,
                  request->addr, err);
}

static int define_symbol(struct jd_engine *base, const char *name, enum jd_symbol_kind kind,
                         uintptr_t addr, struct jd_error *err)
{
    struct request request = {.engine = of(base), .name = name, .kind = kind, .addr = addr};
    return legacy_enter(request.engine, define_work, &request, err);
}

static int set_creator_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    (void)err;
    request->engine->creator = request->creator;
    request->engine->creator_context = request->creator_context;
    request->engine->creator_number++;
    return JD_OK;
}

static int set_creator(struct jd_engine *base, jd_creator_fn creator, void *context,
                       struct jd_error *err)
{
    struct request request = {.engine = of(base), .creator = creator, .creator_context = context};
    return legacy_enter(request.engine, set_creator_work, &request, err);
}

static int lookup_closure(struct legacy_engine *engine, struct legacy_symbol *symbol,
                          struct jd_error *err)
{
    uintptr_t body_addr;
    int result = legacy_symbol_callable(engine, symbol, &body_addr, err);
    return result ? result : legacy_compile_closure(engine, err);
}

static int lookup_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    struct legacy_engine *engine = request->engine;
    struct legacy_symbol *symbol = legacy_symbol_named(engine, request->name);
    int result = JD_OK;
    if (!symbol)
        return jd_fail(err, JD_E_NO_MEMORY, request->name, "no memory for symbols");
    if (symbol->origin == LEGACY_ORIGIN_NONE)
        result = legacy_symbol_create(engine, symbol, JD_SYMBOL_FUNCTION, err);
    if (!result && symbol->origin == LEGACY_ORIGIN_NONE)
        return jd_fail(err, JD_E_NOT_FOUND, request->name, "no such symbol");
    if (!result)
        result = legacy_symbol_address(engine, symbol, &request->addr, err);
    if (!result && !engine->is_lazy && legacy_symbol_is_code(symbol))
        result = lookup_closure(engine, symbol, err);
    return result;
}

static int lookup(struct jd_engine *base, const char *name, uintptr_t *out_addr,
                  struct jd_error *err)
{
    struct request request = {.engine = of(base), .name = name};
    int result = legacy_enter(request.engine, lookup_work, &request, err);
    *out_addr = result ? 0 : request.addr;
    return result;
}

/* ---- modules and functions ---- */

static int add_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    return legacy_module_add(request->engine, request->ir, &request->id, err);
}

static int add_module(struct jd_engine *base, const struct jd_ir *ir, jd_module_id *out_id,
                      struct jd_error *err)
{
    struct request request = {.engine = of(base), .ir = ir};
    int result = legacy_enter(request.engine, add_work, &request, err);
    if (out_id)
        *out_id = result ? 0 : request.id;
    return result;
}

static int add_object_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    return legacy_foreign_add(request->engine, request->bytes, request->size_bytes, request->name,
                              err);
}

static int add_object(struct jd_engine *base, const void *bytes, size_t size_bytes,
                      const char *name, struct jd_error *err)
{
    struct request request = {
        .engine = of(base), .bytes = bytes, .size_bytes = size_bytes, .name = name};
    return legacy_enter(request.engine, add_object_work, &request, err);
}

static int remove_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    return legacy_module_remove(request->engine, request->id, err);
}

static int remove_module(struct jd_engine *base, jd_module_id id, struct jd_error *err)
{
    struct request request = {.engine = of(base), .id = id};
    return legacy_enter(request.engine, remove_work, &request, err);
}

static int recompile_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    return legacy_module_replace(request->engine, request->name, request->ir, err);
}

static int recompile(struct jd_engine *base, const char *name, const struct jd_ir *ir,
                     struct jd_error *err)
{
    struct request request = {.engine = of(base), .name = name, .ir = ir};
    return legacy_enter(request.engine, recompile_work, &request, err);
}

static int prepare(struct jd_engine *engine, struct jd_error *err)
{
    (void)engine, (void)err; /* lazy: nothing is done ahead of the first call */
    return JD_OK;
}

static int free_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    struct legacy_symbol *symbol = legacy_symbol_existing(request->engine, request->name);
    return symbol ? legacy_symbol_free(request->engine, symbol, err)
                  : jd_fail(err, JD_E_NOT_FOUND, request->name, "no such function is in use");
}

static int free_function(struct jd_engine *base, const char *name, struct jd_error *err)
{
    struct request request = {.engine = of(base), .name = name};
    return legacy_enter(request.engine, free_work, &request, err);
}

static int set_lazy_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    (void)err;
    request->engine->is_lazy = request->is_lazy;
    return JD_OK;
}

static int set_lazy(struct jd_engine *base, bool is_lazy, struct jd_error *err)
{
    struct request request = {.engine = of(base), .is_lazy = is_lazy};
    return legacy_enter(request.engine, set_lazy_work, &request, err);
}

static int run_constructors(struct jd_engine *base, struct jd_error *err)
{
    return legacy_run_structors(of(base), true, err);
}

static int run_destructors(struct jd_engine *base, struct jd_error *err)
{
    jd_exit_list_run(&of(base)->exits);
    return legacy_run_structors(of(base), false, err);
}

/* ---- counters ---- */

static uint64_t count_defined(struct legacy_engine *engine)
{
    uint64_t count = 0;
    for (struct legacy_module *m = engine->first_module; m; m = m->next) {
        LLVMModuleRef module = legacy_source_module(m->source);
        for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
            count += !LLVMIsDeclaration(f) && LLVMGetLinkage(f) != LLVMAvailableExternallyLinkage &&
                     !legacy_outline_is_piece(m->source, f);
    }
    return count;
}

static int count_work(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    struct legacy_engine *engine = request->engine;
    struct jd_counters *all = request->counters;
    struct legacy_speculation_counts ahead;
    (void)err;
    legacy_speculation_count(engine->speculation, &ahead);
    all->modules_added = engine->module_count;
    all->modules_compiled = engine->modules_compiled;
    all->functions_defined = count_defined(engine);
    all->functions_compiled = engine->functions_compiled + ahead.compiled;
    all->bodies_materialised = engine->bodies_materialised;
    all->stubs_live = engine->stubs.count - engine->stubs.idle_count;
    all->creator_calls = engine->creator_calls;
    all->relocations = engine->relocations;
    return JD_OK;
}

static void count_bytes(struct legacy_engine *engine, struct jd_counters *all)
{
    struct jd_arena_stats stats;
    jd_arena_get_stats(engine->arena, &stats);
    all->code_bytes = stats.used_bytes[JD_ARENA_CODE];
    all->rodata_bytes = stats.used_bytes[JD_ARENA_RODATA];
    all->data_bytes = stats.used_bytes[JD_ARENA_DATA];
    all->stub_bytes = stats.used_bytes[JD_ARENA_STUB];
    all->got_bytes = stats.used_bytes[JD_ARENA_GOT];
    all->unwind_bytes = stats.used_bytes[JD_ARENA_UNWIND];
    all->reserved_bytes = stats.reserved_bytes;
    all->committed_bytes = stats.committed_bytes;
    all->mappings = stats.mappings;
}

static int counters(struct jd_engine *base, struct jd_counters *out, struct jd_error *err)
{
    struct jd_counters all = {.struct_size = out->struct_size};
    struct request request = {.engine = of(base), .counters = &all};
    if (out->struct_size < sizeof(size_t) || out->struct_size > sizeof all)
        return jd_fail(err, JD_E_USAGE, "counters", "unknown struct size %zu", out->struct_size);
    int result = legacy_enter(request.engine, count_work, &request, err);
    if (result)
        return result;
    count_bytes(request.engine, &all);
    memcpy(out, &all, out->struct_size);
    return JD_OK;
}

const struct jd_engine_ops jd_legacy_ops = {
    .struct_size = sizeof(struct jd_engine_ops),
    .abi = JD_ENGINE_ABI,
    .name = "legacy",
    .summary = "lazy, stub-based: a function is compiled at its first call",
    .caps = JD_CAP_LAZY | JD_CAP_REMOVE_MODULE | JD_CAP_RECOMPILE | JD_CAP_FREE_FUNCTION |
            JD_CAP_SET_LAZY | JD_CAP_REDEFINE_SYMBOL | JD_CAP_LAZY_DATA | JD_CAP_GRAN_MODULE |
            JD_CAP_GRAN_BLOCK | JD_CAP_ADD_OBJECT,
    .create = create,
    .destroy = destroy,
    .add_module = add_module,
    .remove_module = remove_module,
    .define_symbol = define_symbol,
    .set_creator = set_creator,
    .prepare = prepare,
    .lookup = lookup,
    .run_constructors = run_constructors,
    .run_destructors = run_destructors,
    .recompile = recompile,
    .free_function = free_function,
    .set_lazy = set_lazy,
    .counters = counters,
    .add_object = add_object,
};
