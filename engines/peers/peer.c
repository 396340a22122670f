/* SPDX-License-Identifier: Apache-2.0
 *
 * The operations of every peer: options in, the front's steps in order, counters out. Knows no
 * back end but through its vtable.
 */
#include "peer.h"

#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

#include "elf_read.h"
#include "ir_shim.h"

static struct peer *of(struct jd_engine *engine)
{
    return (struct peer *)engine;
}

/* --- Phases -------------------------------------------------------------------------------------
 */

enum { PHASES_MOST = 64 };

static _Thread_local struct {
    unsigned depth;
    enum jd_phase open[PHASES_MOST];
} phases;

void peer_phase_push(struct peer *peer, enum jd_phase phase)
{
    if (phases.depth < PHASES_MOST) {
        phases.open[phases.depth] = phase;
        jd_probe_begin(peer->options.probe, phase);
    }
    phases.depth++;
}

void peer_phase_pop(struct peer *peer)
{
    if (!phases.depth)
        return;
    if (--phases.depth < PHASES_MOST)
        jd_probe_end(peer->options.probe, phases.open[phases.depth]);
}

unsigned peer_phase_depth(void)
{
    return phases.depth;
}

void peer_phase_unwind(struct peer *peer, unsigned depth)
{
    while (phases.depth > depth)
        peer_phase_pop(peer);
}

/* --- Create and destroy --------------------------------------------------------------------------
 */

static int check_options(const struct peer *peer, struct jd_error *err)
{
    const struct jd_engine_options *options = &peer->options;
    const char *name = peer->base.ops->name;
    enum jd_granularity own = peer->backend->is_lazy ? JD_GRAN_FUNCTION : JD_GRAN_ENGINE;
    if (options->granularity != JD_GRAN_DEFAULT && options->granularity != own)
        return jd_fail(err, JD_E_UNSUPPORTED, "granularity", "%s compiles by %s only", name,
                       own == JD_GRAN_FUNCTION ? "function" : "engine");
    if (options->is_lazy_disabled && peer->backend->is_lazy)
        return jd_fail(err, JD_E_UNSUPPORTED, "is_lazy_disabled", "%s has no eager mode", name);
    if (options->arena_limit_bytes)
        return jd_fail(err, JD_E_UNSUPPORTED, "arena_limit_bytes",
                       "%s does not place its code in an arena", name);
    if (options->wants_linked_modules)
        return jd_fail(err, JD_E_UNSUPPORTED, "link_modules", "keeps modules apart");
    if (options->object_cache)
        return jd_fail(err, JD_E_UNSUPPORTED, "object_cache", "keeps no objects");
    if (options->speculate_threads)
        return jd_fail(err, JD_E_UNSUPPORTED, "speculate_threads",
                       "%s does not compile ahead in threads", name);
    if (options->wants_perf_map || options->wants_gdb)
        return jd_fail(err, JD_E_UNSUPPORTED, options->wants_gdb ? "gdb" : "perf_map",
                       "%s does not tell tools where its code is", name);
    return JD_OK;
}

static int copy_text(const char **text, struct jd_error *err)
{
    char *copy = *text ? strdup(*text) : NULL;
    if (*text && !copy) {
        *text = NULL;
        return jd_fail(err, JD_E_NO_MEMORY, "options", "no room for a copy");
    }
    *text = copy;
    return JD_OK;
}

static int take_options(struct peer *peer, const struct jd_engine_options *options,
                        struct jd_error *err)
{
    int result;
    if (options)
        memcpy(&peer->options, options,
               options->struct_size < sizeof peer->options ? options->struct_size
                                                           : sizeof peer->options);
    if ((result = copy_text(&peer->options.cpu, err)) ||
        (result = copy_text(&peer->options.features, err)) ||
        (result = copy_text(&peer->options.ir_passes, err)))
        return result;
    return check_options(peer, err);
}

static int predefine(struct peer *peer, const char *name, uintptr_t addr, struct jd_error *err)
{
    struct peer_symbol *symbol = peer_intern(peer, name, strlen(name));
    if (!symbol)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room for the symbol");
    symbol->addr = addr;
    return JD_OK;
}

static int set_up(struct peer *peer, const struct jd_engine_options *options, struct jd_error *err)
{
    int result = take_options(peer, options, err);
    if (!result)
        result = jd_target_machine_create(&peer->options, &peer->machine, err);
    if (result)
        return result;
    peer->shared_context = LLVMOrcCreateNewThreadSafeContext();
    peer->context = LLVMOrcThreadSafeContextGetContext(peer->shared_context);
    jd_diagnostics_attach(&peer->diagnostics, peer->context);
    result = predefine(peer, "__dso_handle", (uintptr_t)&peer->exits, err);
    if (!result)
        result = predefine(peer, "__cxa_atexit", (uintptr_t)jd_exit_register, err);
    return result ? result : peer->backend->open(peer, err);
}

static void init_locks(struct peer *peer)
{
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&peer->work, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->creator_answered, NULL);
}

int peer_create(const struct peer_backend *backend, const struct jd_engine_options *options,
                struct jd_engine **out, struct jd_error *err)
{
    struct peer *peer = calloc(1, backend->size_bytes);
    *out = NULL;
    if (!peer)
        return jd_fail(err, JD_E_NO_MEMORY, backend->ops->name, "no room for an engine");
    peer->base.ops = backend->ops;
    peer->backend = backend;
    peer->creator_epoch = 1;
    init_locks(peer);
    jd_exit_list_init(&peer->exits);
    int result = set_up(peer, options, err);
    if (result) {
        peer_destroy(&peer->base);
        return result;
    }
    *out = &peer->base;
    return JD_OK;
}

/* What an LLVM fatal error left undefined stays reachable, so that it is a known leak. */
static void keep_forever(struct peer *peer)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct peer **kept;
    static size_t count;
    pthread_mutex_lock(&lock);
    struct peer **list = peer_grow(kept, count, sizeof *list);
    if (list) {
        kept = list;
        kept[count++] = peer;
    }
    pthread_mutex_unlock(&lock);
}

void peer_destroy(struct jd_engine *base)
{
    struct peer *peer = of(base);
    if (!peer)
        return;
    unsigned depth = peer_phase_depth();
    jd_exit_list_fini(&peer->exits);
    if (peer->is_undefined) {
        keep_forever(peer);
        return;
    }
    peer_phase_push(peer, JD_PHASE_TEARDOWN);
    for (size_t i = 0; i < peer->module_count; i++)
        if (peer->modules[i]->llvm) {
            LLVMDisposeModule(peer->modules[i]->llvm);
            peer->modules[i]->llvm = NULL;
        }
    peer->backend->close(peer);
    for (size_t i = 0; i < peer->module_count; i++)
        peer_module_free(peer, peer->modules[i]);
    free(peer->modules);
    free(peer->structors);
    if (peer->shared_context)
        LLVMOrcDisposeThreadSafeContext(peer->shared_context);
    if (peer->machine)
        LLVMDisposeTargetMachine(peer->machine);
    peer_names_fini(peer);
    peer_phase_unwind(peer, depth);
    free((char *)(uintptr_t)peer->options.cpu);
    free((char *)(uintptr_t)peer->options.features);
    free((char *)(uintptr_t)peer->options.ir_passes);
    pthread_cond_destroy(&peer->creator_answered);
    pthread_mutex_destroy(&peer->lock);
    pthread_mutex_destroy(&peer->work);
    free(peer);
}

/* --- Modules and symbols -------------------------------------------------------------------------
 */

int peer_add_module(struct jd_engine *base, const struct jd_ir *ir, jd_module_id *out_id,
                    struct jd_error *err)
{
    struct peer_module *module;
    int result = peer_module_add(of(base), ir, false, &module, err);
    if (out_id)
        *out_id = module ? module->number : 0;
    return result;
}

int peer_define_symbol(struct jd_engine *base, const char *name, enum jd_symbol_kind kind,
                       uintptr_t addr, struct jd_error *err)
{
    struct peer *peer = of(base);
    int result = JD_OK;
    if (!addr)
        return jd_fail(err, JD_E_USAGE, name, "a symbol cannot be defined as address 0");
    pthread_mutex_lock(&peer->lock);
    struct peer_symbol *symbol = peer_intern(peer, name, strlen(name));
    if (!symbol)
        result = jd_fail(err, JD_E_NO_MEMORY, name, "no room for the symbol");
    else if (symbol->is_told || (symbol->definer && symbol->definer->state == PEER_TAKEN))
        result = jd_fail(err, JD_E_UNSUPPORTED, name,
                         "compiled code uses it already; %s cannot rebind it", base->ops->name);
    if (!result) {
        symbol->addr = addr;
        symbol->kind = kind;
        symbol->is_user_defined = true;
    }
    pthread_mutex_unlock(&peer->lock);
    return result;
}

int peer_set_creator(struct jd_engine *base, jd_creator_fn creator, void *context,
                     struct jd_error *err)
{
    struct peer *peer = of(base);
    (void)err;
    pthread_mutex_lock(&peer->lock);
    peer->creator = creator;
    peer->creator_context = context;
    peer->creator_epoch++; /* what the last one refused may be asked for again */
    pthread_mutex_unlock(&peer->lock);
    return JD_OK;
}

/* --- Compile and look up
 * -------------------------------------------------------------------------- */

int peer_prepare(struct jd_engine *base, struct jd_error *err)
{
    return peer_flush(of(base), err);
}

static uintptr_t known_addr(struct peer *peer, const struct peer_symbol *symbol)
{
    pthread_mutex_lock(&peer->lock);
    uintptr_t addr = symbol->addr;
    pthread_mutex_unlock(&peer->lock);
    return addr;
}

static int find_definition(struct peer *peer, struct peer_symbol *symbol, uintptr_t *out_addr,
                           struct jd_error *err)
{
    unsigned depth = peer_phase_depth();
    int result = peer->backend->find(peer, symbol, out_addr, err);
    peer_phase_unwind(peer, depth);
    if (!result && !*out_addr)
        result = jd_fail(err, JD_E_INTERNAL, symbol->name, "it is defined but has no address");
    if (!result) {
        pthread_mutex_lock(&peer->lock);
        symbol->addr = *out_addr;
        pthread_mutex_unlock(&peer->lock);
    }
    return result;
}

static int find_addr(struct peer *peer, struct peer_symbol *symbol, uintptr_t *out_addr,
                     struct jd_error *err)
{
    bool is_found = false;
    int result = JD_OK;
    if (!symbol->definer)
        result = peer_locate(peer, symbol, false, &is_found, err);
    if (!result && symbol->definer)
        result = peer_flush(peer, err);
    if (result)
        return result;
    *out_addr = known_addr(peer, symbol);
    if (*out_addr)
        return JD_OK;
    if (symbol->definer)
        return find_definition(peer, symbol, out_addr, err);
    return jd_fail(err, JD_E_NOT_FOUND, symbol->name,
                   "no module, process symbol or creator has it");
}

int peer_lookup(struct jd_engine *base, const char *name, uintptr_t *out_addr, struct jd_error *err)
{
    struct peer *peer = of(base);
    *out_addr = 0;
    pthread_mutex_lock(&peer->lock);
    struct peer_symbol *symbol = peer_intern(peer, name, strlen(name));
    if (symbol && (!symbol->definer || symbol->definer->state == PEER_TAKEN))
        *out_addr = symbol->addr;
    if (symbol)
        symbol->is_declared = true; /* asked for by name, as IR would */
    pthread_mutex_unlock(&peer->lock);
    if (!symbol)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room for the symbol");
    int result = *out_addr ? JD_OK : find_addr(peer, symbol, out_addr, err);
    if (!result && symbol->is_tls)
        *out_addr = (uintptr_t)jd_host_tls_get_address((void *)*out_addr);
    if (result)
        *out_addr = 0;
    return result;
}

/* --- Static constructors and destructors
 * ----------------------------------------------------------- */

struct run {
    unsigned priority;
    size_t order;
    struct peer_symbol *symbol;
};

static int by_priority(const void *a, const void *b)
{
    const struct run *first = a, *second = b;
    if (first->priority != second->priority)
        return first->priority < second->priority ? -1 : 1;
    return first->order < second->order ? -1 : first->order > second->order;
}

/* Those that have not run and may; they count as run from here on. `lock` is held. */
static size_t claim(struct peer *peer, bool is_destructor, struct run *runs)
{
    size_t count = 0;
    for (size_t i = 0; i < peer->structor_count; i++) {
        struct peer_structor *structor = &peer->structors[i];
        if (structor->is_destructor != is_destructor || structor->has_run ||
            structor->module->state != PEER_TAKEN)
            continue;
        structor->has_run = true;
        if (structor->associated && structor->associated->definer != structor->module)
            continue;
        runs[count] = (struct run){structor->priority, count, structor->symbol};
        count++;
    }
    qsort(runs, count, sizeof *runs, by_priority);
    return count;
}

static int run_structors(struct peer *peer, bool is_destructor, struct jd_error *err)
{
    pthread_mutex_lock(&peer->lock);
    struct run *runs = calloc(peer->structor_count + 1, sizeof *runs);
    size_t count = runs ? claim(peer, is_destructor, runs) : 0;
    pthread_mutex_unlock(&peer->lock);
    int result = runs ? JD_OK : jd_fail(err, JD_E_NO_MEMORY, "constructors", "no room for them");
    for (size_t i = 0; i < count && !result; i++) {
        uintptr_t addr;
        result = peer_lookup(&peer->base, runs[is_destructor ? count - 1 - i : i].symbol->name,
                             &addr, err);
        if (!result && is_destructor)
            ((void (*)(void))addr)();
        else if (!result)
            jd_target_call_constructor(addr, &peer->options);
    }
    free(runs);
    return result;
}

int peer_run_constructors(struct jd_engine *base, struct jd_error *err)
{
    int result = peer_flush(of(base), err);
    return result ? result : run_structors(of(base), false, err);
}

int peer_run_destructors(struct jd_engine *base, struct jd_error *err)
{
    jd_exit_list_run(&of(base)->exits);
    return run_structors(of(base), true, err);
}

/* --- What no peer does
 * ------------------------------------------------------------------------------ */

int peer_remove_module(struct jd_engine *base, jd_module_id id, struct jd_error *err)
{
    (void)id;
    return jd_fail(err, JD_E_UNSUPPORTED, "remove_module", "%s keeps every module",
                   base->ops->name);
}

int peer_recompile(struct jd_engine *base, const char *name, const struct jd_ir *ir,
                   struct jd_error *err)
{
    (void)ir;
    return jd_fail(err, JD_E_UNSUPPORTED, name, "%s compiles a function once", base->ops->name);
}

int peer_free_function(struct jd_engine *base, const char *name, struct jd_error *err)
{
    return jd_fail(err, JD_E_UNSUPPORTED, name, "%s keeps the code of every function",
                   base->ops->name);
}

int peer_add_object(struct jd_engine *base, const void *bytes, size_t size_bytes, const char *name,
                    struct jd_error *err)
{
    (void)bytes;
    (void)size_bytes;
    return jd_fail(err, JD_E_UNSUPPORTED, name, "%s takes IR only", base->ops->name);
}

int peer_set_lazy(struct jd_engine *base, bool is_lazy, struct jd_error *err)
{
    (void)is_lazy;
    return jd_fail(err, JD_E_UNSUPPORTED, "set_lazy", "%s cannot change its strategy",
                   base->ops->name);
}

/* --- Help for back ends, and counters
 * ---------------------------------------------------------------- */

uint64_t peer_count_bodies(LLVMModuleRef module)
{
    uint64_t count = 0;
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        count += !LLVMIsDeclaration(f) && LLVMGetLinkage(f) != LLVMAvailableExternallyLinkage;
    return count;
}

int peer_run_passes(struct peer *peer, LLVMModuleRef module, struct jd_error *err)
{
    if (!peer->options.ir_passes)
        return JD_OK;
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    peer_phase_push(peer, JD_PHASE_IR_PASSES);
    int result =
        jd_llvm_take_error(err, JD_E_USAGE, "ir_passes",
                           LLVMRunPasses(module, peer->options.ir_passes, peer->machine, options));
    peer_phase_pop(peer);
    LLVMDisposePassBuilderOptions(options);
    return result;
}

static uint64_t *bytes_of(struct jd_counters *counters, const Elf64_Shdr *section, const char *name)
{
    if (!(section->sh_flags & SHF_ALLOC))
        return NULL;
    if (section->sh_flags & SHF_EXECINSTR)
        return &counters->code_bytes;
    if (!strncmp(name, ".eh_frame", 9) || !strncmp(name, ".gcc_except_table", 17))
        return &counters->unwind_bytes;
    if (section->sh_flags & SHF_WRITE && strncmp(name, ".data.rel.ro", 12))
        return &counters->data_bytes;
    return &counters->rodata_bytes;
}

void peer_count_object(struct peer *peer, const void *bytes, size_t size_bytes)
{
    struct jd_elf elf;
    if (jd_elf_open(&elf, bytes, size_bytes, NULL))
        return;
    pthread_mutex_lock(&peer->lock);
    for (uint32_t i = 0; i < elf.section_count; i++) {
        size_t count;
        uint64_t *counter =
            bytes_of(&peer->counters, &elf.sections[i], jd_elf_section_name(&elf, i));
        if (counter)
            *counter += elf.sections[i].sh_size;
        jd_elf_relas(&elf, i, &count);
        peer->counters.relocations += count;
    }
    pthread_mutex_unlock(&peer->lock);
}

int peer_counters(struct jd_engine *base, struct jd_counters *out, struct jd_error *err)
{
    struct peer *peer = of(base);
    size_t size_bytes = out->struct_size;
    if (size_bytes < sizeof out->struct_size || size_bytes > sizeof *out)
        return jd_fail(err, JD_E_USAGE, "counters", "struct_size is %zu, at most %zu is known",
                       size_bytes, sizeof *out);
    pthread_mutex_lock(&peer->lock);
    struct jd_counters now = peer->counters;
    pthread_mutex_unlock(&peer->lock);
    now.struct_size = size_bytes;
    memcpy(out, &now, size_bytes);
    return JD_OK;
}
