/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules: IR in, lists of names out, and what every back end wants done to the IR. Merging
 * definitions is the back end's. Sources: LLVM language reference, "Linkage Types", "Module-Level
 * Inline Assembly", "The 'llvm.global_ctors' Global Variable".
 */
#include <llvm-c/Analysis.h>
#include <llvm-c/Comdat.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf_read.h"
#include "ir_shim.h"
#include "module_shim.h"
#include "peer.h"

struct scan {
    struct peer *peer;
    struct peer_module *module;
    struct jd_error *err;
    int result;
};

void *peer_grow(void *array, size_t count, size_t item_bytes)
{
    if (count & (count - 1))
        return array;
    return realloc(array, (count ? count * 2 : 1) * item_bytes);
}

static int out_of_memory(struct scan *scan)
{
    return scan->result =
               jd_fail(scan->err, JD_E_NO_MEMORY, scan->module->name, "no room for the module");
}

/* --- Names of a module --------------------------------------------------------------------------
 */

static bool is_local(LLVMValueRef global)
{
    LLVMLinkage linkage = LLVMGetLinkage(global);
    return linkage == LLVMInternalLinkage || linkage == LLVMPrivateLinkage;
}

static bool is_definition(LLVMValueRef global)
{
    return !LLVMIsDeclaration(global) && LLVMGetLinkage(global) != LLVMAvailableExternallyLinkage;
}

/* The function or variable of a name, which may be one that is taken as it is ('\1'). */
static LLVMValueRef find_global(LLVMModuleRef module, const char *name)
{
    LLVMValueRef global = LLVMGetNamedFunction(module, name);
    char *raw;
    if (!global)
        global = LLVMGetNamedGlobal(module, name);
    if (global || asprintf(&raw, "\01%s", name) < 0)
        return global;
    global = LLVMGetNamedFunction(module, raw);
    if (!global)
        global = LLVMGetNamedGlobal(module, raw);
    free(raw);
    return global;
}

static bool is_function(LLVMValueRef global)
{
    return LLVMGetTypeKind(LLVMGlobalGetValueType(global)) == LLVMFunctionTypeKind ||
           LLVMIsAGlobalIFunc(global);
}

/* The name's symbol; NULL for what has none, and without memory. */
static struct peer_symbol *symbol_of(struct scan *scan, LLVMValueRef global)
{
    size_t length;
    const char *name = LLVMGetValueName2(global, &length);
    if (length && name[0] == '\01') { /* the rest is to be taken as it is */
        name++;
        length--;
    }
    if (is_local(global) || !length || (length > 5 && !strncmp(name, "llvm.", 5)))
        return NULL;
    pthread_mutex_lock(&scan->peer->lock);
    struct peer_symbol *symbol = peer_intern(scan->peer, name, length);
    pthread_mutex_unlock(&scan->peer->lock);
    if (!symbol)
        out_of_memory(scan);
    return symbol;
}

static void add_reference(struct scan *scan, struct peer_symbol *symbol, bool is_weak, bool is_tls)
{
    struct peer_module *module = scan->module;
    struct peer_reference *list =
        peer_grow(module->references, module->reference_count, sizeof *list);
    if (!list) {
        out_of_memory(scan);
        return;
    }
    module->references = list;
    list[module->reference_count++] = (struct peer_reference){symbol, is_weak, is_tls};
    symbol->is_declared = true;
}

static enum peer_rank rank_of(LLVMLinkage linkage)
{
    switch (linkage) {
    case LLVMCommonLinkage:
        return PEER_COMMON;
    case LLVMWeakAnyLinkage:
    case LLVMWeakODRLinkage:
    case LLVMLinkOnceAnyLinkage:
    case LLVMLinkOnceODRLinkage:
        return PEER_WEAK;
    default:
        return PEER_STRONG;
    }
}

static void add_definition(struct scan *scan, struct peer_symbol *symbol, enum peer_rank rank)
{
    struct peer_module *module = scan->module;
    struct peer_symbol **list =
        peer_grow(module->definitions, module->definition_count, sizeof *list);
    enum peer_rank *ranks = peer_grow(module->ranks, module->definition_count, sizeof *ranks);
    module->definitions = list ? list : module->definitions;
    module->ranks = ranks ? ranks : module->ranks;
    if (!list || !ranks) {
        out_of_memory(scan);
        return;
    }
    ranks[module->definition_count] = rank;
    pthread_mutex_lock(&scan->peer->lock);
    struct peer_module *first = symbol->definer;
    if (rank == PEER_STRONG && symbol->rank == PEER_STRONG)
        scan->result = jd_fail(scan->err, JD_E_DUPLICATE, module->name,
                               "'%s' is already defined in %s", symbol->name, first->name);
    else
        list[module->definition_count++] = symbol;
    pthread_mutex_unlock(&scan->peer->lock);
}

/* --- One global value ---------------------------------------------------------------------------
 */

static void scan_declaration(struct scan *scan, LLVMValueRef global)
{
    bool is_tls = LLVMIsAGlobalVariable(global) && LLVMIsThreadLocal(global);
    /* What bodies use is not known where they are read later. */
    bool may_be_used = LLVMGetFirstUse(global) || scan->peer->backend->reads_lazily;
    struct peer_symbol *symbol = may_be_used ? symbol_of(scan, global) : NULL;
    if (!symbol)
        return;
    if (!is_function(global))
        symbol->kind = JD_SYMBOL_VARIABLE;
    add_reference(scan, symbol, LLVMGetLinkage(global) == LLVMExternalWeakLinkage, is_tls);
    /* It may be anywhere in the address space: never refer to it with 32 bits. */
    LLVMSetVisibility(global, LLVMDefaultVisibility);
    jd_shim_set_dso_local(global, false);
}

static void scan_definition(struct scan *scan, LLVMValueRef global)
{
    struct peer_symbol *symbol = symbol_of(scan, global);
    if (LLVMIsAFunction(global) || LLVMIsAGlobalVariable(global))
        LLVMSetComdat(global, NULL); /* names decide, not groups */
    if (!symbol || LLVMGetLinkage(global) == LLVMAppendingLinkage)
        return;
    if (!is_function(global))
        symbol->kind = JD_SYMBOL_VARIABLE;
    if (LLVMIsAGlobalVariable(global) && LLVMIsThreadLocal(global))
        symbol->is_tls = true;
    /* Look-ups from outside must find it. */
    LLVMSetVisibility(global, LLVMDefaultVisibility);
    add_definition(scan, symbol, rank_of(LLVMGetLinkage(global)));
}

static void scan_global(struct scan *scan, LLVMValueRef global)
{
    if (scan->result)
        return;
    if (is_definition(global))
        scan_definition(scan, global);
    else
        scan_declaration(scan, global);
}

static void scan_globals(struct scan *scan)
{
    LLVMModuleRef m = scan->module->llvm;
    for (LLVMValueRef g = LLVMGetFirstFunction(m); g; g = LLVMGetNextFunction(g)) {
        scan->module->function_count += !LLVMIsDeclaration(g);
        scan_global(scan, g);
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(m); g; g = LLVMGetNextGlobal(g))
        scan_global(scan, g);
    for (LLVMValueRef g = LLVMGetFirstGlobalAlias(m); g; g = LLVMGetNextGlobalAlias(g))
        scan_global(scan, g);
    for (LLVMValueRef g = LLVMGetFirstGlobalIFunc(m); g; g = LLVMGetNextGlobalIFunc(g))
        scan_global(scan, g);
}

static void on_asm_symbol(void *context, const char *name, size_t name_bytes, bool is_undefined,
                          bool is_visible, bool is_weak)
{
    struct scan *scan = context;
    if (scan->result || (!is_undefined && !is_visible && !is_weak))
        return;
    pthread_mutex_lock(&scan->peer->lock);
    struct peer_symbol *symbol = peer_intern(scan->peer, name, name_bytes);
    pthread_mutex_unlock(&scan->peer->lock);
    LLVMModuleRef module = scan->module->llvm;
    if (!symbol)
        out_of_memory(scan);
    else if (!is_undefined)
        add_definition(scan, symbol, is_weak ? PEER_WEAK : PEER_STRONG);
    else if (!find_global(module, symbol->name))
        add_reference(scan, symbol, is_weak, false);
}

static void scan_asm(struct scan *scan)
{
    size_t length;
    LLVMGetModuleInlineAsm(scan->module->llvm, &length);
    if (!length)
        return;
    jd_shim_each_asm_symbol(scan->module->llvm, on_asm_symbol, scan);
    if (!scan->result)
        scan->result = jd_diagnostics_take(&scan->peer->diagnostics, JD_E_COMPILE,
                                           scan->module->name, scan->err);
}

/* --- Static constructors ------------------------------------------------------------------------
 */

struct structor_scan {
    struct scan *scan;
    LLVMValueRef entries;
    unsigned next_entry; /* of the list: null functions are in it and are not visited */
    bool is_destructor;
};

/* The third field: the constructor belongs to a definition, and goes with it if that loses. */
static LLVMValueRef next_associated(struct structor_scan *structors, LLVMValueRef function)
{
    LLVMValueRef entry;
    do
        entry = LLVMGetOperand(structors->entries, structors->next_entry++);
    while (LLVMGetOperand(entry, 1) != function);
    LLVMValueRef value = LLVMGetNumOperands(entry) > 2 ? LLVMGetOperand(entry, 2) : NULL;
    return value && LLVMIsAGlobalValue(value) && !LLVMIsDeclaration(value) ? value : NULL;
}

/* The engine runs it by name, so it needs one that nothing else has. */
static void expose(struct scan *scan, LLVMValueRef function, size_t number)
{
    char name[64];
    if (!is_local(function))
        return;
    snprintf(name, sizeof name, "jitduel.structor.%u.%zu", scan->module->number, number);
    LLVMSetLinkage(function, LLVMExternalLinkage);
    LLVMSetValueName2(function, name, strlen(name));
    struct peer_symbol *symbol = symbol_of(scan, function);
    if (symbol)
        add_definition(scan, symbol, PEER_STRONG);
}

static int scan_structor(void *context, unsigned priority, LLVMValueRef function)
{
    struct structor_scan *structors = context;
    struct scan *scan = structors->scan;
    struct peer *peer = scan->peer;
    LLVMValueRef associated = next_associated(structors, function);
    struct peer_structor structor = {
        .priority = priority, .is_destructor = structors->is_destructor, .module = scan->module};
    if (!LLVMIsAGlobalValue(function))
        return jd_fail(scan->err, JD_E_UNSUPPORTED, scan->module->name,
                       "a static constructor is not a function but an expression");
    expose(scan, function, peer->structor_count);
    structor.symbol = symbol_of(scan, function);
    structor.associated = associated ? symbol_of(scan, associated) : NULL;
    struct peer_structor *list =
        peer_grow(peer->structors, peer->structor_count, sizeof *peer->structors);
    if (!list || !structor.symbol)
        return out_of_memory(scan);
    peer->structors = list;
    list[peer->structor_count++] = structor;
    return scan->result;
}

static void scan_structors(struct scan *scan)
{
    static const char *const lists[] = {"llvm.global_ctors", "llvm.global_dtors"};
    for (size_t i = 0; i < 2 && !scan->result; i++) {
        LLVMValueRef list = LLVMGetNamedGlobal(scan->module->llvm, lists[i]);
        if (!list)
            continue;
        struct structor_scan structors = {scan, LLVMGetInitializer(list), 0, i == 1};
        scan->result =
            jd_target_each_structor(scan->module->llvm, i == 0, scan_structor, &structors);
        LLVMDeleteGlobal(list);
    }
}

/* --- Adding and dropping ------------------------------------------------------------------------
 */

static int read_and_verify(struct scan *scan, const struct jd_ir *ir)
{
    struct peer *peer = scan->peer;
    char *message = NULL;
    bool is_lazy = peer->backend->reads_lazily && !peer->options.wants_verify;
    scan->module->is_read_lazily = is_lazy && jd_ir_is_bitcode(ir);
    int result = jd_target_read_ir(peer->context, &peer->diagnostics, peer->machine, ir, is_lazy,
                                   &scan->module->llvm, scan->err);
    if (result || !peer->options.wants_verify)
        return result;
    if (LLVMVerifyModule(scan->module->llvm, LLVMReturnStatusAction, &message))
        return jd_llvm_take_message(scan->err, JD_E_BAD_IR, ir->name, message);
    LLVMDisposeMessage(message);
    return JD_OK;
}

struct guarded_read {
    struct scan *scan;
    const struct jd_ir *ir;
};

static int do_read(void *argument, struct jd_error *err)
{
    struct guarded_read *read = argument;
    (void)err;
    read->scan->result = read_and_verify(read->scan, read->ir);
    return read->scan->result;
}

/* An LLVM fatal error leaves the context undefined: corrupt bitcode can cause one. */
static int read_guarded(struct scan *scan, const struct jd_ir *ir)
{
    struct guarded_read read = {scan, ir};
    struct jd_error error = JD_ERROR_INIT;
    scan->result = -1;
    int result = jd_llvm_guard(do_read, &read, ir->name, &error);
    if (scan->result != -1)
        return result;
    scan->peer->is_undefined = true;
    return scan->result = jd_fail(scan->err, JD_E_BAD_IR, ir->name, "%s", error.text);
}

static void forget_structors(struct peer *peer, const struct peer_module *module)
{
    size_t kept = 0;
    for (size_t i = 0; i < peer->structor_count; i++)
        if (peer->structors[i].module != module)
            peer->structors[kept++] = peer->structors[i];
    /* Room is by count: an array that shrinks below a power of two is asked for again. */
    peer->structor_count = kept;
}

/* Lets the definitions compete; the first of the highest rank is the definer. */
static void enter_definitions(struct peer_module *module)
{
    for (size_t i = 0; i < module->definition_count; i++) {
        struct peer_symbol *symbol = module->definitions[i];
        if (module->ranks[i] <= symbol->rank)
            continue;
        symbol->rank = module->ranks[i];
        symbol->definer = module;
        if (!symbol->is_user_defined && !symbol->is_told)
            symbol->addr = 0; /* of the process or a creator, and told to nobody */
    }
}

/* The definitions take effect: from here on the module is part of the engine. */
static int enter(struct scan *scan)
{
    struct peer *peer = scan->peer;
    struct peer_module *module = scan->module;
    struct peer_module **list = peer_grow(peer->modules, peer->module_count, sizeof *peer->modules);
    if (!list)
        return out_of_memory(scan);
    peer->modules = list;
    list[peer->module_count++] = module;
    enter_definitions(module);
    peer->counters.bodies_materialised += module->is_read_lazily ? 0 : module->function_count;
    if (!module->is_helper) {
        peer->counters.modules_added++;
        peer->counters.functions_defined += module->function_count;
    }
    return JD_OK;
}

static int add_locked(struct scan *scan, const struct jd_ir *ir)
{
    unsigned depth = peer_phase_depth();
    peer_phase_push(scan->peer, JD_PHASE_PARSE);
    int result = read_guarded(scan, ir);
    peer_phase_unwind(scan->peer, depth);
    if (result)
        return result;
    peer_phase_push(scan->peer, JD_PHASE_ADD);
    scan_asm(scan);
    scan_globals(scan);
    scan_structors(scan);
    pthread_mutex_lock(&scan->peer->lock);
    if (!scan->result)
        scan->result = enter(scan);
    else
        forget_structors(scan->peer, scan->module);
    pthread_mutex_unlock(&scan->peer->lock);
    peer_phase_pop(scan->peer);
    return scan->result;
}

int peer_module_add(struct peer *peer, const struct jd_ir *ir, bool is_helper,
                    struct peer_module **out, struct jd_error *err)
{
    struct peer_module *module = calloc(1, sizeof *module);
    struct scan scan = {peer, module, err, JD_OK};
    *out = NULL;
    if (peer->is_undefined) {
        free(module);
        return jd_fail(err, JD_E_STATE, ir->name, "an LLVM fatal error has ended this engine");
    }
    if (!module || !(module->name = strdup(ir->name ? ir->name : "module"))) {
        free(module);
        return jd_fail(err, JD_E_NO_MEMORY, ir->name, "no room for the module");
    }
    module->is_helper = is_helper;
    void *context_lock = peer_shim_lock_context(peer->shared_context);
    module->number = (unsigned)peer->module_count + 1;
    int result = add_locked(&scan, ir);
    if (result && module->llvm && !peer->is_undefined)
        LLVMDisposeModule(module->llvm);
    peer_shim_unlock_context(context_lock);
    if (result) {
        module->llvm = NULL;
        peer_module_free(peer, module);
        return result;
    }
    *out = module;
    return JD_OK;
}

void peer_module_free(struct peer *peer, struct peer_module *module)
{
    if (!module)
        return;
    if (module->llvm && !peer->is_undefined)
        LLVMDisposeModule(module->llvm);
    free(module->references);
    free(module->definitions);
    free(module->ranks);
    free(module->name);
    free(module);
}

void peer_module_drop(struct peer *peer, struct peer_module *module)
{
    pthread_mutex_lock(&peer->lock);
    module->state = PEER_DROPPED;
    for (size_t i = 0; i < module->definition_count; i++) {
        struct peer_symbol *symbol = module->definitions[i];
        if (symbol->definer != module)
            continue;
        symbol->definer = NULL;
        symbol->rank = PEER_UNDEFINED;
        symbol->addr = symbol->is_user_defined ? symbol->addr : 0;
    }
    for (size_t i = 0; i < peer->module_count; i++)
        if (peer->modules[i]->state != PEER_DROPPED)
            enter_definitions(peer->modules[i]); /* what lost to it */
    forget_structors(peer, module);
    if (!module->is_helper) {
        peer->counters.modules_added--;
        peer->counters.functions_defined -= module->function_count;
    }
    pthread_mutex_unlock(&peer->lock);
}

/* --- Handing over -------------------------------------------------------------------------------
 */

/* A name that was defined from outside has no definition in any module. */
static int give_way(const struct peer_module *module, struct jd_error *err)
{
    for (size_t i = 0; i < module->definition_count; i++) {
        const struct peer_symbol *symbol = module->definitions[i];
        if (!symbol->is_user_defined)
            continue;
        LLVMValueRef global = find_global(module->llvm, symbol->name);
        if (global && LLVMIsAFunction(global))
            peer_shim_delete_body(global);
        else if (global)
            LLVMSetInitializer(global, NULL);
        else
            return jd_fail(err, JD_E_UNSUPPORTED, symbol->name,
                           "%s defines it as an alias or in assembly, which cannot give way",
                           module->name);
        LLVMSetLinkage(global, LLVMExternalLinkage);
        jd_shim_set_dso_local(global, false);
    }
    return JD_OK;
}

/* Linkers differ in what an unresolved weak name is to them: where it is known by now, the IR says
 * it. */
static void settle_weak(struct peer *peer, const struct peer_module *module)
{
    for (size_t i = 0; i < module->reference_count; i++) {
        const struct peer_symbol *symbol = module->references[i].symbol;
        LLVMValueRef global = find_global(module->llvm, symbol->name);
        if (peer->backend->is_lazy || !module->references[i].is_weak || !global)
            continue;
        LLVMSetLinkage(global, LLVMExternalLinkage);
        if (!symbol->addr && !symbol->definer)
            LLVMReplaceAllUsesWith(global, LLVMConstNull(LLVMTypeOf(global)));
    }
}

static int take_one(struct peer *peer, struct peer_module *module, struct jd_error *err)
{
    void *context_lock = peer_shim_lock_context(peer->shared_context);
    int result = give_way(module, err);
    settle_weak(peer, module);
    if (!result) {
        result = peer->backend->take(peer, module, err);
        module->llvm = NULL;
    }
    peer_shim_unlock_context(context_lock);
    if (result)
        peer_module_drop(peer, module);
    else
        module->state = PEER_TAKEN;
    return result;
}

/* Tells the back end where everything is that the modules do not define. */
static int tell(struct peer *peer, const struct peer_module *module, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < module->reference_count + module->definition_count && !result; i++) {
        struct peer_symbol *symbol = i < module->reference_count
                                         ? module->references[i].symbol
                                         : module->definitions[i - module->reference_count];
        if (symbol->is_told || !symbol->addr || (symbol->definer && !symbol->is_user_defined))
            continue;
        result = peer->backend->define(peer, symbol, err);
        symbol->is_told = true;
    }
    return result;
}

static int flush_locked(struct peer *peer, struct jd_error *err)
{
    size_t first = peer->pending_from;
    int result = peer->backend->is_lazy ? JD_OK : peer_resolve_pending(peer, err);
    if (result)
        return result;
    size_t end = peer->module_count;
    for (size_t i = first; i < end && !result; i++)
        if (peer->modules[i]->state == PEER_PENDING) {
            if (!peer->backend->is_lazy)
                result = tell(peer, peer->modules[i], err);
            if (!result)
                result = take_one(peer, peer->modules[i], err);
        }
    if (!result || peer->modules[end - 1]->state != PEER_PENDING)
        peer->pending_from = end;
    if (!result && peer->backend->finish && end > first)
        result = peer->backend->finish(peer, err);
    return result;
}

/* A flush of this thread that a creator has left by longjmp. `work` is held twice then. */
static bool was_left(struct peer *peer, uintptr_t frame_addr)
{
    if (!peer->is_flushing || peer->backend->is_lazy || !peer_has_left_creator(frame_addr))
        return false;
    pthread_mutex_lock(&peer->lock);
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (struct peer_symbol *symbol = peer->buckets[i]; symbol; symbol = symbol->next)
            if (symbol->is_asking && pthread_equal(symbol->asker, pthread_self()))
                symbol->is_asking = false;
    pthread_cond_broadcast(&peer->creator_answered);
    pthread_mutex_unlock(&peer->lock);
    peer->is_flushing = false;
    pthread_mutex_unlock(&peer->work);
    return true;
}

int peer_flush(struct peer *peer, struct jd_error *err)
{
    uintptr_t frame_addr = (uintptr_t)__builtin_frame_address(0);
    unsigned depth = peer_phase_depth();
    int result = JD_OK;
    pthread_mutex_lock(&peer->work);
    if (was_left(peer, frame_addr))
        result = jd_fail(err, JD_E_UNSUPPORTED, peer->base.ops->name,
                         "a creator that was asked did not return (longjmp)");
    else if (peer->is_undefined)
        result = jd_fail(err, JD_E_STATE, peer->base.ops->name,
                         "an LLVM fatal error has ended this engine");
    else if (peer->is_flushing && !peer->backend->is_lazy)
        result = jd_fail(err, JD_E_STATE, peer->base.ops->name,
                         "it is compiling: what it waits for cannot be compiled first");
    else if (peer->pending_from < peer->module_count) {
        bool was_flushing = peer->is_flushing;
        peer->is_flushing = true;
        result = flush_locked(peer, err);
        peer->is_flushing = was_flushing;
        peer_phase_unwind(peer, depth);
    }
    pthread_mutex_unlock(&peer->work);
    return result;
}

bool peer_has_label(LLVMValueRef constant)
{
    if (LLVMIsABlockAddress(constant))
        return true;
    if (!LLVMIsAConstantArray(constant) && !LLVMIsAConstantStruct(constant) &&
        !LLVMIsAConstantExpr(constant))
        return false;
    for (int i = 0; i < LLVMGetNumOperands(constant); i++)
        if (peer_has_label(LLVMGetOperand(constant, (unsigned)i)))
            return true;
    return false;
}
