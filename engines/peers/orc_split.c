/* SPDX-License-Identifier: Apache-2.0
 *
 * `orc-lazy-split`: ORC's lazy re-exports over one module per function. A module is read lazily and
 * kept; each of its functions is a materialization unit of its own, which copies that function into
 * a module when it is first called, and a lazy re-export under the function's name in front of it.
 * All else of the module (data, aliases, ifuncs, file-level assembly) is one unit, compiled when
 * any of it is first needed, with those functions that cannot be parted from it.
 *
 * Names: a local one is made global and unique ("jitduel:local.3:name"); the body of a function has
 * one of its own ("jitduel:body.3:name"), since its old one is that of the re-export.
 * Sources: llvm-c/Orc.h (LLVMOrcLazyReexports, LLVMOrcCreateCustomMaterializationUnit).
 */
#include <llvm-c/DebugInfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir_shim.h"
#include "orc.h"
#include "split_shim.h"

struct orc_split {
    LLVMOrcIndirectStubsManagerRef stubs;
    LLVMOrcLazyCallThroughManagerRef through;
    LLVMModuleRef *sources; /**< what bodies are copied from */
    size_t source_count;
};

/** A function that has not been compiled; owned by its materialization unit. */
struct part {
    struct orc_peer *orc;
    LLVMValueRef function; /**< in its source */
    char *body_name;
};

/** A module on its way in. */
struct division {
    struct orc_peer *orc;
    struct peer_module *module;
    struct jd_error *err;
    LLVMModuleRef source;
    LLVMValueRef *kept; /**< functions that stay with the data; sorted once it is complete */
    size_t kept_count;
    int result;
};

/* --- The functions that stay
 * -------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
    uintptr_t first = (uintptr_t) * (const LLVMValueRef *)a;
    uintptr_t second = (uintptr_t) * (const LLVMValueRef *)b;
    return first < second ? -1 : first > second;
}

static bool is_kept(void *context, LLVMValueRef function)
{
    const struct division *division = context;
    return division->kept_count && bsearch(&function, division->kept, division->kept_count,
                                           sizeof(LLVMValueRef), by_address);
}

static void keep(struct division *division, LLVMValueRef function)
{
    LLVMValueRef *list = peer_grow(division->kept, division->kept_count, sizeof *division->kept);
    if (!list) {
        division->result =
            jd_fail(division->err, JD_E_NO_MEMORY, division->module->name, "no room to divide it");
        return;
    }
    division->kept = list;
    list[division->kept_count++] = function;
}

static bool is_aggregate(LLVMValueRef constant)
{
    return LLVMIsAConstantArray(constant) || LLVMIsAConstantStruct(constant) ||
           LLVMIsAConstantExpr(constant);
}

/* A table of labels and its function are one object. */
static void keep_owners_of_labels(struct division *division, LLVMValueRef constant)
{
    if (LLVMIsABlockAddress(constant))
        keep(division, LLVMGetBlockAddressFunction(constant));
    else if (is_aggregate(constant))
        for (int i = 0; i < LLVMGetNumOperands(constant) && !division->result; i++)
            keep_owners_of_labels(division, LLVMGetOperand(constant, (unsigned)i));
}

/* So are an alias and what it stands for, an ifunc and its resolver. */
static void keep_function_in(struct division *division, LLVMValueRef constant)
{
    while (LLVMIsAConstantExpr(constant) || LLVMIsAGlobalAlias(constant))
        constant = LLVMIsAGlobalAlias(constant) ? LLVMAliasGetAliasee(constant)
                                                : LLVMGetOperand(constant, 0);
    if (LLVMIsAFunction(constant))
        keep(division, constant);
}

static void count_read(struct peer *peer, size_t count)
{
    pthread_mutex_lock(&peer->lock);
    peer->counters.bodies_materialised += count;
    pthread_mutex_unlock(&peer->lock);
}

static void read_kept(struct division *division)
{
    struct peer *peer = &division->orc->peer;
    count_read(peer, division->module->is_read_lazily ? division->kept_count : 0);
    for (size_t i = 0; i < division->kept_count && !division->result; i++) {
        bool was_read;
        char *message = peer_shim_read_body(division->kept[i], &was_read);
        if (message)
            division->result =
                jd_llvm_take_message(division->err, JD_E_BAD_IR, division->module->name, message);
    }
}

/* Each once: a function has many labels. */
static void sort_kept(struct division *division)
{
    size_t count = 0;
    if (division->kept_count)
        qsort(division->kept, division->kept_count, sizeof *division->kept, by_address);
    for (size_t i = 0; i < division->kept_count; i++)
        if (!i || division->kept[i] != division->kept[i - 1])
            division->kept[count++] = division->kept[i];
    division->kept_count = count;
}

static void find_kept(struct division *division)
{
    LLVMModuleRef m = division->source;
    for (LLVMValueRef g = LLVMGetFirstGlobal(m); g; g = LLVMGetNextGlobal(g))
        if (LLVMGetInitializer(g))
            keep_owners_of_labels(division, LLVMGetInitializer(g));
    for (LLVMValueRef a = LLVMGetFirstGlobalAlias(m); a; a = LLVMGetNextGlobalAlias(a))
        keep_function_in(division, LLVMAliasGetAliasee(a));
    for (LLVMValueRef i = LLVMGetFirstGlobalIFunc(m); i; i = LLVMGetNextGlobalIFunc(i))
        keep_function_in(division, LLVMGetGlobalIFuncResolver(i));
    sort_kept(division);
    if (!division->result)
        read_kept(division);
}

/* --- One function
 * ------------------------------------------------------------------------------------- */

static void free_part(void *context)
{
    struct part *part = context;
    free(part->body_name);
    free(part);
}

static int make_part(const struct part *part, LLVMModuleRef *out, struct jd_error *err)
{
    struct peer *peer = &part->orc->peer;
    const char *name = orc_plain_name(part->body_name);
    bool was_read;
    char *message = peer_shim_read_body(part->function, &was_read);
    if (message)
        return jd_llvm_take_message(err, JD_E_BAD_IR, name, message);
    count_read(peer, was_read);
    message = peer_shim_part(part->function, part->body_name, out);
    if (message)
        return jd_llvm_take_message(err, JD_E_UNSUPPORTED, name, message);
    peer_shim_delete_body(part->function);
    return JD_OK;
}

/* On the thread that makes the first call, without ORC's lock. */
static void materialise(void *context, LLVMOrcMaterializationResponsibilityRef responsibility)
{
    struct part *part = context;
    struct orc_peer *orc = part->orc;
    struct jd_error error = JD_ERROR_INIT;
    LLVMModuleRef module = NULL;
    void *lock = peer_shim_lock_context(orc->peer.shared_context);
    peer_phase_push(&orc->peer, JD_PHASE_PARTITION);
    int result = make_part(part, &module, &error);
    peer_phase_pop(&orc->peer);
    peer_shim_unlock_context(lock);
    if (result) {
        orc_note_error(orc, orc_plain_name(part->body_name), &error);
        LLVMOrcMaterializationResponsibilityFailMaterialization(responsibility);
        LLVMOrcDisposeMaterializationResponsibility(responsibility);
    } else
        LLVMOrcIRTransformLayerEmit(
            LLVMOrcLLJITGetIRTransformLayer(orc->jit), responsibility,
            LLVMOrcCreateNewThreadSafeModule(module, orc->peer.shared_context));
    free_part(part);
}

/* No other definition has the name of a body. */
static void discard(void *context, LLVMOrcJITDylibRef dylib, LLVMOrcSymbolStringPoolEntryRef symbol)
{
    (void)context;
    (void)dylib;
    (void)symbol;
}

static LLVMJITSymbolFlags flags_of(LLVMValueRef function)
{
    LLVMLinkage linkage = LLVMGetLinkage(function);
    bool is_weak = linkage == LLVMWeakAnyLinkage || linkage == LLVMWeakODRLinkage ||
                   linkage == LLVMLinkOnceAnyLinkage || linkage == LLVMLinkOnceODRLinkage;
    return (LLVMJITSymbolFlags){
        LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable |
            (is_weak ? LLVMJITSymbolGenericFlagsWeak : LLVMJITSymbolGenericFlagsNone),
        0};
}

static int define(const struct division *division, const char *name,
                  LLVMOrcMaterializationUnitRef unit)
{
    LLVMErrorRef error = LLVMOrcJITDylibDefine(division->orc->dylib, unit);
    if (error)
        LLVMOrcDisposeMaterializationUnit(unit);
    return jd_llvm_take_error(division->err, JD_E_INTERNAL, name, error);
}

static void define_body(struct division *division, struct part *part)
{
    LLVMJITSymbolFlags flags = {
        LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
    LLVMOrcCSymbolFlagsMapPair pair = {
        LLVMOrcExecutionSessionIntern(division->orc->session, part->body_name), flags};
    division->result =
        define(division, part->body_name,
               LLVMOrcCreateCustomMaterializationUnit(part->body_name, part, &pair, 1, NULL,
                                                      materialise, discard, free_part));
}

/* A unit for each: what one unit re-exports together, ORC parts again at each look-up. */
static void define_stub(struct division *division, LLVMValueRef function, const char *body_name)
{
    struct orc_peer *orc = division->orc;
    size_t length;
    const char *name = LLVMGetValueName2(function, &length);
    name += length && name[0] == '\01';
    LLVMOrcCSymbolAliasMapPair pair = {
        LLVMOrcExecutionSessionIntern(orc->session, name),
        {LLVMOrcExecutionSessionIntern(orc->session, body_name), flags_of(function)}};
    division->result =
        define(division, name,
               LLVMOrcLazyReexports(orc->split->through, orc->split->stubs, orc->dylib, &pair, 1));
}

static void define_function(struct division *division, LLVMValueRef function)
{
    struct part *part = calloc(1, sizeof *part);
    char *body_name = orc_own_name(division->module, "body", function);
    if (!part || !body_name) {
        free(body_name);
        free(part);
        division->result = jd_fail(division->err, JD_E_NO_MEMORY, division->module->name,
                                   "no room for a function");
        return;
    }
    *part = (struct part){division->orc, function, body_name};
    define_stub(division, function, body_name);
    if (division->result)
        free_part(part);
    else
        define_body(division, part);
}

static void define_functions(struct division *division)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(division->source); f && !division->result;
         f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f) && LLVMGetLinkage(f) != LLVMAvailableExternallyLinkage &&
            !is_kept(division, f))
            define_function(division, f);
}

/* --- One module
 * --------------------------------------------------------------------------------------- */

/* Lists of what optimisers are to leave in place: there is none that removes anything here. */
static void drop_lists(LLVMModuleRef module)
{
    static const char *const lists[] = {"llvm.used", "llvm.compiler.used"};
    for (size_t i = 0; i < 2; i++) {
        LLVMValueRef list = LLVMGetNamedGlobal(module, lists[i]);
        if (list)
            LLVMDeleteGlobal(list);
    }
}

static void remember(struct division *division)
{
    struct orc_split *split = division->orc->split;
    LLVMModuleRef *list = peer_grow(split->sources, split->source_count, sizeof *list);
    if (!list) {
        LLVMDisposeModule(division->source);
        division->result =
            jd_fail(division->err, JD_E_NO_MEMORY, division->module->name, "no room to divide it");
        return;
    }
    split->sources = list;
    list[split->source_count++] = division->source;
}

static void divide(struct division *division)
{
    struct peer_module *module = division->module;
    division->result = orc_name_module(division->orc, module, division->err);
    if (division->result)
        return;
    LLVMStripModuleDebugInfo(division->source);
    drop_lists(division->source);
    division->result = orc_promote_locals(division->module, division->source, false, division->err);
    if (!division->result)
        find_kept(division);
    if (division->result)
        return;
    module->llvm = peer_shim_rest(division->source, is_kept, division);
    division->result = orc_take(&division->orc->peer, module, division->err);
    if (!division->result)
        define_functions(division);
}

static int take(struct peer *peer, struct peer_module *module, struct jd_error *err)
{
    struct division division = {
        .orc = (struct orc_peer *)peer, .module = module, .err = err, .source = module->llvm};
    remember(&division);
    if (!division.result) {
        peer_phase_push(peer, JD_PHASE_PARTITION);
        divide(&division);
        peer_phase_pop(peer);
    }
    free(division.kept);
    return division.result;
}

/* --- Life
 * --------------------------------------------------------------------------------------------- */

static int open_split(struct peer *peer, struct jd_error *err)
{
    struct orc_peer *orc = (struct orc_peer *)peer;
    int result = orc_open(orc, ORC_JITLINK, err);
    if (result)
        return result;
    orc->split = calloc(1, sizeof *orc->split);
    if (!orc->split)
        return jd_fail(err, JD_E_NO_MEMORY, peer->base.ops->name, "no room for an engine");
    const char *triple = LLVMOrcLLJITGetTripleString(orc->jit);
    orc->split->stubs = LLVMOrcCreateLocalIndirectStubsManager(triple);
    return jd_llvm_take_error(err, JD_E_INTERNAL, peer->base.ops->name,
                              LLVMOrcCreateLocalLazyCallThroughManager(
                                  triple, orc->session, orc_failure_addr(), &orc->split->through));
}

/* The trampolines hold names of the session; the units hold functions of the sources. */
static void close_split(struct peer *peer)
{
    struct orc_split *split = ((struct orc_peer *)peer)->split;
    if (split && split->through)
        LLVMOrcDisposeLazyCallThroughManager(split->through);
    orc_close(peer);
    if (!split)
        return;
    if (split->stubs)
        LLVMOrcDisposeIndirectStubsManager(split->stubs);
    for (size_t i = 0; i < split->source_count; i++)
        LLVMDisposeModule(split->sources[i]);
    free(split->sources);
    free(split);
}

extern const struct jd_engine_ops jd_orc_lazy_split_ops;

static const struct peer_backend split = {.ops = &jd_orc_lazy_split_ops,
                                          .is_lazy = true,
                                          .reads_lazily = true,
                                          .open = open_split,
                                          .close = close_split,
                                          .take = take,
                                          ORC_BACKEND};

/* With laziness off modules stay whole. */
static const struct peer_backend split_off = {
    .ops = &jd_orc_lazy_split_ops, .open = orc_open_jitlink, ORC_EAGER_BACKEND};

static int create(const struct jd_engine_options *options, struct jd_engine **out,
                  struct jd_error *err)
{
    bool is_off = options && options->is_lazy_disabled;
    return peer_create(is_off ? &split_off : &split, options, out, err);
}

const struct jd_engine_ops jd_orc_lazy_split_ops = {
    .name = "orc-lazy-split",
    .summary = "lazy: ORC's lazy re-exports over one module per function",
    .caps = JD_CAP_LAZY | JD_CAP_PEER,
    .create = create,
    PEER_OPS,
};
