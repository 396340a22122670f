/* SPDX-License-Identifier: Apache-2.0
 *
 * The eager engine: LLVM's MCJIT behind jd_engine_ops. This file is the table of contents: options
 * in, operations under the lock, counters out. See README.md of this folder for how it works.
 */
#include <llvm-c/ExecutionEngine.h>
#include <stdlib.h>
#include <string.h>

#include "mcjit.h"
#include "operators.h"
#include "text.h"

static struct mcjit_engine *of(struct jd_engine *engine)
{
    return (struct mcjit_engine *)engine;
}

/* --- Create and destroy ----------------------------------------------------------------------- */

static int check_options(const struct jd_engine_options *options, struct jd_error *err)
{
    if (options->granularity == JD_GRAN_FUNCTION || options->granularity == JD_GRAN_BLOCK)
        return jd_fail(err, JD_E_UNSUPPORTED, "granularity",
                       "MCJIT compiles whole modules: 'engine' or 'module'");
    if (options->wants_linked_modules &&
        (options->granularity == JD_GRAN_MODULE || options->object_cache))
        return jd_fail(err, JD_E_UNSUPPORTED, "link_modules", "%s keeps modules apart",
                       options->object_cache ? "the object cache" : "granularity module");
    if (options->object_cache && options->granularity == JD_GRAN_MODULE &&
        !options->is_lazy_disabled)
        return jd_fail(err, JD_E_UNSUPPORTED, "object_cache",
                       "modules are compiled when they are added, not at the first call");
    if (options->speculate_threads)
        return jd_fail(err, JD_E_UNSUPPORTED, "speculate_threads",
                       "everything is compiled ahead already");
    if (options->wants_perf_map)
        return jd_fail(err, JD_E_UNSUPPORTED, "perf_map",
                       "MCJIT's C API gives no sizes of functions");
    if (options->wants_gdb)
        return jd_fail(err, JD_E_UNSUPPORTED, "gdb",
                       "MCJIT's C API cannot show its objects to debuggers");
    return JD_OK;
}

static bool copy_text(char **out, const char *text)
{
    *out = text ? mcjit_text_copy(text, strlen(text)) : NULL;
    return !text || *out;
}

static bool take_cpu(struct mcjit_engine *engine, const struct jd_engine_options *options)
{
    if (!options->cpu && !options->features)
        return true;
    engine->cpu = jd_target_cpu(options);
    engine->features = jd_target_features(options);
    return engine->cpu && engine->features;
}

static int take_options(struct mcjit_engine *engine, const struct jd_engine_options *options,
                        struct jd_error *err)
{
    int result = check_options(options, err);
    if (result)
        return result;
    engine->granularity = options->granularity;
    engine->is_process_search_disabled = options->is_process_search_disabled;
    engine->wants_verify = options->wants_verify;
    engine->wants_linked_modules = options->wants_linked_modules;
    engine->wants_operators = options->wants_operators;
    engine->is_lazy = options->granularity == JD_GRAN_MODULE && !options->is_lazy_disabled;
    engine->on_error = options->on_error;
    engine->on_error_context = options->on_error_context;
    engine->arena_limit_bytes = options->arena_limit_bytes;
    engine->phases.probe = options->probe;
    if (!take_cpu(engine, options) || !copy_text(&engine->ir_passes, options->ir_passes))
        return jd_fail(err, JD_E_NO_MEMORY, "options", "no room for a copy");
    engine->start = (struct jd_engine_options){.start_argc = options->start_argc,
                                               .start_argv = options->start_argv};
    engine->settings = (struct mcjit_settings){options->opt_level, engine->cpu, engine->features};
    if (options->object_cache) {
        result = mcjit_cache_open(options->object_cache, options, &engine->cache, err);
        if (result)
            return result;
    }
    if (engine->ir_passes || engine->cache || engine->cpu) /* which checks the CPU */
        return jd_target_machine_create(options, &engine->machine, err);
    return JD_OK;
}

static int predefine(struct mcjit_engine *engine, const char *name, uintptr_t addr,
                     struct jd_error *err)
{
    struct mcjit_symbol *symbol;
    int result = mcjit_symbol_intern(&engine->symbols, name, strlen(name), &symbol, err);
    if (!result)
        symbol->addr = addr;
    return result;
}

/* What code registers for the end of the program belongs to the engine. */
static int define_exit_symbols(struct mcjit_engine *engine, struct jd_error *err)
{
    int result = predefine(engine, "__dso_handle", (uintptr_t)&engine->exits, err);
    return result ? result : predefine(engine, "__cxa_atexit", (uintptr_t)jd_exit_register, err);
}

static int set_up(struct mcjit_engine *engine, const struct jd_engine_options *options,
                  struct jd_error *err)
{
    struct mcjit_generation *generation;
    int result = jd_target_init(err);
    if (!result)
        result = take_options(engine, options, err);
    if (!result)
        result = jd_arena_create(JD_ARENA_SEAL, options->arena_limit_bytes, &engine->arena, err);
    if (!result)
        result = define_exit_symbols(engine, err);
    jd_stubs_init(&engine->stubs, engine->arena, &jd_stub_arch_native, mcjit_first_call, engine);
    if (!result)
        result = mcjit_generation_get(engine, &generation, err);
    return result;
}

static void destroy(struct jd_engine *base);

static int create_as(const struct jd_engine_ops *ops, const struct jd_engine_options *options,
                     struct jd_engine **out, struct jd_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct jd_engine_options known = {.struct_size = sizeof known};
    struct mcjit_engine *engine = calloc(1, sizeof *engine);
    int result;
    *out = NULL;
    if (!engine)
        return jd_fail(err, JD_E_NO_MEMORY, "mcjit", "no room for an engine");
    if (options)
        memcpy(&known, options,
               options->struct_size < sizeof known ? options->struct_size : sizeof known);
    LLVMLinkInMCJIT();
    pthread_once(&once, jd_trampoline_init);
    engine->base.ops = ops;
    engine->phases.open = JD_PHASE_COUNT;
    engine->creator_epoch = 1;
    jd_exit_list_init(&engine->exits);
    pthread_mutex_init(&engine->lock, NULL);
    jd_stack_pool_init(&engine->stacks);
    pthread_cond_init(&engine->creator_answered, NULL);
    result = set_up(engine, &known, err);
    if (result) {
        destroy(&engine->base);
        return result;
    }
    mcjit_fork_enlist(engine); /* after the arena's own handlers */
    *out = &engine->base;
    return JD_OK;
}

/* What an LLVM fatal error left undefined stays reachable, so that it is a known leak. It may refer
 * to the arena and has its unwind tables registered there, so the arena stays with it. */
struct leak {
    struct leak *next;
    struct mcjit_generation *generation;
    struct jd_arena *arena;
};

static void keep_forever(struct mcjit_generation *generation, struct jd_arena *arena)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct leak *leaks;
    struct leak *leak = malloc(sizeof *leak);
    if (!leak)
        return;
    *leak = (struct leak){NULL, generation, arena};
    pthread_mutex_lock(&lock);
    leak->next = leaks;
    leaks = leak;
    pthread_mutex_unlock(&lock);
}

static bool destroy_generations(struct mcjit_engine *engine)
{
    bool is_any_leaked = false;
    struct mcjit_generation *older;
    for (struct mcjit_generation *g = engine->generation; g; g = older) {
        older = g->older;
        if (mcjit_generation_destroy(g)) {
            keep_forever(g, engine->arena);
            is_any_leaked = true;
        }
    }
    return is_any_leaked;
}

static void destroy_modules(struct mcjit_engine *engine)
{
    for (size_t i = 0; i < engine->module_count; i++) {
        mcjit_module_unload(engine, engine->modules[i]);
        mcjit_module_free(engine->modules[i]);
    }
    free(engine->modules);
}

static void destroy(struct jd_engine *base)
{
    struct mcjit_engine *engine = of(base);
    if (!engine)
        return;
    mcjit_phase_switch(&engine->phases, JD_PHASE_TEARDOWN);
    jd_fork_delist(&engine->fork);
    jd_operators_restore(engine);
    jd_exit_list_fini(&engine->exits);
    destroy_modules(engine);
    if (!destroy_generations(engine))
        jd_arena_destroy(engine->arena);
    if (engine->machine)
        LLVMDisposeTargetMachine(engine->machine);
    mcjit_objects_fini(engine);
    mcjit_cache_close(engine->cache);
    mcjit_selections_fini(engine);
    mcjit_sections_fini(engine);
    jd_stubs_fini(&engine->stubs);
    jd_stack_pool_fini(&engine->stacks);
    free(engine->stub_symbols);
    mcjit_symbol_table_fini(&engine->symbols);
    mcjit_phase_end(&engine->phases);
    for (size_t i = 0; i < engine->tls_control_count; i++)
        free(engine->tls_controls[i]);
    free(engine->tls_controls);
    free(engine->told_symbols);
    free(engine->cpu);
    free(engine->features);
    free(engine->ir_passes);
    pthread_cond_destroy(&engine->creator_answered);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

/* --- Modules and symbols ---------------------------------------------------------------------- */

static int add_module(struct jd_engine *base, const struct jd_ir *ir, jd_module_id *out_id,
                      struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    struct mcjit_module *module;
    mcjit_lock(engine);
    int result = mcjit_module_add(engine, ir, false, &module, err);
    if (out_id)
        *out_id = module ? module->number : 0;
    mcjit_unlock(engine);
    return result;
}

static int add_object(struct jd_engine *base, const void *bytes, size_t size_bytes,
                      const char *name, struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    mcjit_lock(engine);
    int result = jd_archive_is(bytes, size_bytes)
                     ? mcjit_archive_add(engine, bytes, size_bytes, name, err)
                     : mcjit_object_add(engine, bytes, size_bytes, name, false, err);
    mcjit_unlock(engine);
    return result;
}

static int define_locked(struct mcjit_engine *engine, const char *name, uintptr_t addr,
                         struct jd_error *err)
{
    struct mcjit_symbol *symbol;
    int result = mcjit_symbol_intern(&engine->symbols, name, strlen(name), &symbol, err);
    if (result)
        return result;
    if (symbol->is_bound)
        return jd_fail(err, JD_E_UNSUPPORTED, name,
                       "compiled code uses it already; MCJIT cannot rebind it");
    if (symbol->is_defined_in_asm)
        return jd_fail(err, JD_E_UNSUPPORTED, name,
                       "file-level assembly defines it, which cannot give way");
    result = mcjit_tell_always(engine, symbol, err);
    if (result)
        return result;
    symbol->is_user_defined = true;
    symbol->addr = addr;
    return JD_OK;
}

static int define_symbol(struct jd_engine *base, const char *name, enum jd_symbol_kind kind,
                         uintptr_t addr, struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    (void)kind; /* code reaches both through the same table entries */
    if (!addr)
        return jd_fail(err, JD_E_USAGE, name, "a symbol cannot be defined as address 0");
    mcjit_lock(engine);
    int result = define_locked(engine, name, addr, err);
    mcjit_unlock(engine);
    return result;
}

static int set_creator(struct jd_engine *base, jd_creator_fn creator, void *context,
                       struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    (void)err;
    mcjit_lock(engine);
    engine->creator = creator;
    engine->creator_context = context;
    engine->creator_epoch++; /* what the last one refused may be asked for again */
    mcjit_unlock(engine);
    return JD_OK;
}

/* --- Compile and look up ---------------------------------------------------------------------- */

static bool is_by_module(const struct mcjit_engine *engine)
{
    return engine->granularity == JD_GRAN_MODULE;
}

static int prepare(struct jd_engine *base, struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    mcjit_lock(engine);
    int result = mcjit_check_creators(engine, (uintptr_t)__builtin_frame_address(0), err);
    if (!result && !is_by_module(engine))
        result = mcjit_prepare_all(engine, err);
    mcjit_unlock(engine);
    return result;
}

/* While a creator is being asked, what it is asked for cannot be resolved: a look-up from within it
 * then compiles what it needs and no more. */
static int prepare_definer(struct mcjit_engine *engine, struct mcjit_module *definer,
                           struct jd_error *err)
{
    if (is_by_module(engine) || engine->asked)
        return mcjit_prepare_root(engine, definer, err);
    return mcjit_prepare_all(engine, err);
}

/* Address of a symbol that is known; a thread-local variable's is that of the calling thread. */
static int take_address(struct mcjit_symbol *symbol, uintptr_t *out_addr, struct jd_error *err)
{
    if (!symbol->addr)
        return jd_fail(err, JD_E_INTERNAL, symbol->name,
                       "it is defined, but MCJIT has no address for it");
    symbol->is_bound = true;
    *out_addr =
        symbol->is_tls ? (uintptr_t)jd_host_tls_get_address((void *)symbol->addr) : symbol->addr;
    return JD_OK;
}

static int lookup_locked(struct mcjit_engine *engine, const char *name, uintptr_t *out_addr,
                         struct jd_error *err)
{
    struct mcjit_symbol *symbol = mcjit_symbol_find(&engine->symbols, name, strlen(name));
    struct mcjit_module *definer;
    bool is_found = false;
    int result = JD_OK;
    if (symbol && symbol->home && symbol->addr)
        return take_address(symbol, out_addr, err); /* compiled: nothing can change any more */
    if (!symbol)
        result = mcjit_symbol_intern(&engine->symbols, name, strlen(name), &symbol, err);
    if (!result)
        result = mcjit_archives_search(engine, symbol, false, err);
    if (!result)
        result = mcjit_resolve(engine, symbol, JD_SYMBOL_FUNCTION, NULL, &is_found, err);
    if (result)
        return result;
    if (!is_found)
        return jd_fail(err, JD_E_NOT_FOUND, name, "no module, process symbol or creator has it");
    definer = symbol->is_user_defined ? NULL : mcjit_definer(engine, symbol);
    if (definer && definer->state == MCJIT_PENDING)
        result = prepare_definer(engine, definer, err);
    return result ? result : take_address(symbol, out_addr, err);
}

static int lookup(struct jd_engine *base, const char *name, uintptr_t *out_addr,
                  struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    *out_addr = 0;
    mcjit_lock(engine);
    int result = mcjit_check_creators(engine, (uintptr_t)__builtin_frame_address(0), err);
    if (!result)
        result = lookup_locked(engine, name, out_addr, err);
    mcjit_unlock(engine);
    return result;
}

static uintptr_t find_operator(void *context, const char *name)
{
    struct mcjit_engine *engine = context;
    const struct mcjit_symbol *symbol = mcjit_symbol_find(&engine->symbols, name, strlen(name));
    uintptr_t addr;
    return symbol && symbol->definer && !lookup_locked(engine, name, &addr, NULL) ? addr : 0;
}

static int run_constructors(struct jd_engine *base, struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    mcjit_lock(engine);
    int result = mcjit_check_creators(engine, (uintptr_t)__builtin_frame_address(0), err);
    if (!result)
        result = is_by_module(engine) ? mcjit_prepare_structors(engine, err)
                                      : mcjit_prepare_all(engine, err);
    if (!result && engine->wants_operators)
        result = jd_operators_replace(engine, find_operator, engine, err);
    if (!result)
        result = mcjit_run_constructors(engine, err);
    mcjit_unlock(engine);
    return result;
}

static int run_destructors(struct jd_engine *base, struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    mcjit_lock(engine);
    int result = mcjit_run_destructors(engine, err);
    mcjit_unlock(engine);
    return result;
}

/* --- What MCJIT cannot do --------------------------------------------------------------------- */

static int remove_module(struct jd_engine *base, jd_module_id id, struct jd_error *err)
{
    (void)base;
    (void)id;
    return jd_fail(err, JD_E_UNSUPPORTED, "remove_module", "MCJIT keeps the code of every module");
}

static int recompile(struct jd_engine *base, const char *name, const struct jd_ir *ir,
                     struct jd_error *err)
{
    (void)base;
    (void)ir;
    return jd_fail(err, JD_E_UNSUPPORTED, name, "MCJIT compiles a module once");
}

static int free_function(struct jd_engine *base, const char *name, struct jd_error *err)
{
    (void)base;
    return jd_fail(err, JD_E_UNSUPPORTED, name, "MCJIT keeps the code of every function");
}

static int set_lazy(struct jd_engine *base, bool is_lazy, struct jd_error *err)
{
    (void)base;
    (void)is_lazy;
    return jd_fail(err, JD_E_UNSUPPORTED, "set_lazy", "MCJIT is eager");
}

/* --- Counters --------------------------------------------------------------------------------- */

static void count_memory(const struct jd_arena *arena, struct jd_counters *counters)
{
    struct jd_arena_stats stats;
    jd_arena_get_stats(arena, &stats);
    counters->code_bytes += stats.used_bytes[JD_ARENA_CODE];
    counters->rodata_bytes += stats.used_bytes[JD_ARENA_RODATA];
    counters->data_bytes += stats.used_bytes[JD_ARENA_DATA];
    counters->stub_bytes += stats.used_bytes[JD_ARENA_STUB];
    counters->got_bytes += stats.used_bytes[JD_ARENA_GOT];
    counters->unwind_bytes += stats.used_bytes[JD_ARENA_UNWIND];
    counters->reserved_bytes += stats.reserved_bytes;
    counters->committed_bytes += stats.committed_bytes;
    counters->mappings += stats.mappings;
}

/* RuntimeDyld's relocations and stubs are not counted: no business of the C API. */
static int counters(struct jd_engine *base, struct jd_counters *out, struct jd_error *err)
{
    struct mcjit_engine *engine = of(base);
    struct jd_counters now = {.struct_size = out->struct_size};
    if (out->struct_size < sizeof out->struct_size || out->struct_size > sizeof now)
        return jd_fail(err, JD_E_USAGE, "counters", "struct_size is %zu, at most %zu is known",
                       out->struct_size, sizeof now);
    mcjit_lock(engine);
    now.modules_added = engine->modules_added;
    now.modules_compiled = engine->modules_compiled;
    now.functions_defined = engine->functions_defined;
    now.functions_compiled = engine->functions_compiled;
    now.bodies_materialised = engine->bodies_materialised;
    now.creator_calls = engine->creator_calls;
    now.relocations = engine->relocations;
    now.stubs_live = engine->stubs.count - engine->stubs.idle_count;
    count_memory(engine->arena, &now);
    if (engine->object_arena)
        count_memory(engine->object_arena, &now);
    mcjit_unlock(engine);
    memcpy(out, &now, out->struct_size);
    return JD_OK;
}

/* --- The tables ------------------------------------------------------------------------------- */

static int create(const struct jd_engine_options *options, struct jd_engine **out,
                  struct jd_error *err)
{
    return create_as(&jd_mcjit_ops, options, out, err);
}

static struct jd_engine_options copy_options(const struct jd_engine_options *options)
{
    struct jd_engine_options copy = {0};
    if (options)
        memcpy(&copy, options,
               options->struct_size < sizeof copy ? options->struct_size : sizeof copy);
    copy.struct_size = sizeof copy;
    return copy;
}

static int create_linked(const struct jd_engine_options *options, struct jd_engine **out,
                         struct jd_error *err)
{
    struct jd_engine_options own = copy_options(options);
    own.wants_linked_modules = true;
    return create_as(&jd_mcjit_linked_ops, &own, out, err);
}

static int create_by_module(const struct jd_engine_options *options, struct jd_engine **out,
                            struct jd_error *err)
{
    struct jd_engine_options own = copy_options(options);
    own.granularity = JD_GRAN_MODULE;
    return create_as(&jd_mcjit_module_ops, &own, out, err);
}

#define OPERATIONS                                                                                 \
    .struct_size = sizeof(struct jd_engine_ops), .abi = JD_ENGINE_ABI, .destroy = destroy,         \
    .add_module = add_module, .remove_module = remove_module, .define_symbol = define_symbol,      \
    .set_creator = set_creator, .prepare = prepare, .lookup = lookup,                              \
    .run_constructors = run_constructors, .run_destructors = run_destructors,                      \
    .recompile = recompile, .free_function = free_function, .set_lazy = set_lazy,                  \
    .counters = counters, .add_object = add_object

const struct jd_engine_ops jd_mcjit_ops = {
    .name = "mcjit",
    .summary = "eager: LLVM's MCJIT compiles and links whole modules before anything runs",
    .caps = JD_CAP_GRAN_MODULE | JD_CAP_ADD_OBJECT,
    .create = create,
    OPERATIONS,
};

const struct jd_engine_ops jd_mcjit_linked_ops = {
    .name = "mcjit-linked",
    .summary = "mcjit with --link-modules: all modules linked as IR, then compiled as one",
    .caps = JD_CAP_ADD_OBJECT,
    .create = create_linked,
    OPERATIONS,
};

const struct jd_engine_ops jd_mcjit_module_ops = {
    .name = "mcjit-module",
    .summary = "mcjit with --granularity module: modules are compiled at the first call into them",
    .caps = JD_CAP_LAZY | JD_CAP_GRAN_MODULE | JD_CAP_ADD_OBJECT,
    .create = create_by_module,
    OPERATIONS,
};
