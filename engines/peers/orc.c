/* SPDX-License-Identifier: Apache-2.0
 *
 * The engines on ORC: `orc` and `orc-rtdyld` compile and link whole modules ahead with an LLJIT,
 * `orc-lazy` puts LLVM's compile-on-demand layer in front. Linkage is ORC's own.
 * Sources: llvm-c/Orc.h, llvm-c/LLJIT.h; "ORC Design and Implementation" of LLVM 19.
 */
#include "orc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orc_shim.h"

static const char tls_prefix[] = "__emutls_v.";
enum { TLS_PREFIX_BYTES = sizeof tls_prefix - 1 };

/* --- What this thread noted
 * ----------------------------------------------------------------------- */

static _Thread_local struct {
    struct orc_peer *orc;
    struct jd_error error;
    char function[JD_ERROR_WHERE_BYTES]; /* first body of what is being compiled */
    struct jd_diagnostics diagnostics;   /* of contexts that ORC makes */
} noted;

void orc_note_error(struct orc_peer *orc, const char *function, const struct jd_error *error)
{
    noted.orc = orc;
    noted.error = *error;
    snprintf(noted.function, sizeof noted.function, "%s", function);
}

/* The session reports root causes here; later ones are consequences. */
static void on_session_error(void *context, LLVMErrorRef error)
{
    noted.orc = context;
    jd_llvm_take_error(&noted.error, JD_E_COMPILE, NULL, error);
}

static int code_of(const char *text)
{
    if (strstr(text, "Cannot allocate memory"))
        return JD_E_NO_MEMORY;
    if (strstr(text, "Permission denied") || strstr(text, "Operation not permitted"))
        return JD_E_EXEC_DENIED;
    return strstr(text, "Symbols not found") ? JD_E_UNRESOLVED : JD_E_COMPILE;
}

int orc_take_error(struct orc_peer *orc, LLVMErrorRef error, const char *where,
                   struct jd_error *err)
{
    struct jd_error own = JD_ERROR_INIT;
    if (error == LLVMErrorSuccess)
        return JD_OK;
    jd_llvm_take_error(&own, JD_E_COMPILE, where, error);
    const struct jd_error *best = noted.orc == orc && noted.error.code ? &noted.error : &own;
    int code = best->code == JD_E_COMPILE ? code_of(best->text) : (int)best->code;
    jd_fail(err, code, best->where[0] ? best->where : where, "%s", best->text);
    jd_error_clear(&noted.error);
    return code;
}

/* In the place of a function whose first call failed. It takes what any argument in registers may
 * travel in, so that what the error handler names instead gets it; arguments on the stack are
 * lost. */
static uintptr_t call_instead(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e,
                              uintptr_t f, double p, double q, double r, double s, double t,
                              double u, double v, double w)
{
    typedef uintptr_t (*function)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                                  double, double, double, double, double, double, double, double);
    struct jd_error error = noted.error;
    struct orc_peer *orc = noted.orc;
    char name[JD_ERROR_WHERE_BYTES];
    snprintf(name, sizeof name, "%s", noted.function);
    jd_error_clear(&noted.error);
    if (!orc || !orc->peer.options.on_error)
        abort();
    peer_phase_unwind(&orc->peer, 0);
    if (!error.code)
        jd_fail(&error, JD_E_COMPILE, name, "ORC could not make it callable");
    error.code = error.code == JD_E_COMPILE ? (enum jd_code)code_of(error.text) : error.code;
    error.kind = jd_code_kind((int)error.code);
    function substitute =
        (function)orc->peer.options.on_error(orc->peer.options.on_error_context, name, &error);
    if (!substitute)
        abort();
    return substitute(a, b, c, d, e, f, p, q, r, s, t, u, v, w);
}

uintptr_t orc_failure_addr(void)
{
    return (uintptr_t)call_instead;
}

/* --- Code generation, seen from outside
 * ------------------------------------------------------------ */

static void count_module(struct orc_peer *orc, LLVMModuleRef module)
{
    size_t length;
    unsigned number = 0;
    const char *identifier = LLVMGetModuleIdentifier(module, &length);
    pthread_mutex_lock(&orc->peer.lock);
    orc->peer.counters.functions_compiled += peer_count_bodies(module);
    if (sscanf(identifier, "jitduel.%u.", &number) == 1 && number <= orc->is_compiled_room &&
        !orc->is_compiled[number - 1]) {
        orc->is_compiled[number - 1] = true;
        orc->peer.counters.modules_compiled++;
    }
    pthread_mutex_unlock(&orc->peer.lock);
}

static void note_function(LLVMModuleRef module)
{
    size_t length;
    noted.function[0] = '\0';
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f)) {
            snprintf(noted.function, sizeof noted.function, "%s",
                     orc_plain_name(LLVMGetValueName2(f, &length)));
            return;
        }
}

static LLVMErrorRef before_codegen(void *context, LLVMModuleRef module)
{
    struct orc_peer *orc = context;
    struct jd_error error = JD_ERROR_INIT;
    noted.orc = orc;
    note_function(module);
    if (LLVMGetModuleContext(module) != orc->peer.context)
        jd_diagnostics_attach(&noted.diagnostics, LLVMGetModuleContext(module));
    if (peer_run_passes(&orc->peer, module, &error)) {
        noted.error = error;
        return LLVMCreateStringError(error.text);
    }
    count_module(orc, module);
    peer_phase_push(&orc->peer, JD_PHASE_CODEGEN);
    return LLVMErrorSuccess;
}

static LLVMErrorRef on_module(void *context, LLVMOrcThreadSafeModuleRef *module,
                              LLVMOrcMaterializationResponsibilityRef responsibility)
{
    (void)responsibility;
    return LLVMOrcThreadSafeModuleWithModuleDo(*module, before_codegen, context);
}

static LLVMErrorRef on_object(void *context, LLVMMemoryBufferRef *object)
{
    struct orc_peer *orc = context;
    struct jd_error error = JD_ERROR_INIT;
    peer_phase_pop(&orc->peer);
    if (!jd_diagnostics_take(&orc->peer.diagnostics, JD_E_COMPILE, noted.function, &error))
        jd_diagnostics_take(&noted.diagnostics, JD_E_COMPILE, noted.function, &error);
    if (error.code) {
        noted.error = error;
        LLVMDisposeMemoryBuffer(*object);
        *object = NULL;
        return LLVMCreateStringError(error.text);
    }
    peer_count_object(&orc->peer, LLVMGetBufferStart(*object), LLVMGetBufferSize(*object));
    peer_phase_push(&orc->peer, JD_PHASE_LINK);
    return LLVMErrorSuccess;
}

static void on_emitted(void *context)
{
    peer_phase_pop(context);
}

static void on_function(void *context, const char *name, uintptr_t addr, size_t size_bytes)
{
    struct orc_peer *orc = context;
    jd_probe_compiled(orc->peer.options.probe, orc_plain_name(name), addr, size_bytes);
}

/* --- Names that no module defines
 * -------------------------------------------------------------------- */

static int define_absolute(struct orc_peer *orc, const char *name, const struct peer_symbol *symbol,
                           struct jd_error *err)
{
    uint8_t flags = LLVMJITSymbolGenericFlagsExported |
                    (symbol->kind == JD_SYMBOL_FUNCTION ? LLVMJITSymbolGenericFlagsCallable : 0);
    LLVMOrcCSymbolMapPair pair = {LLVMOrcExecutionSessionIntern(orc->session, name),
                                  {symbol->addr, {flags, 0}}};
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(&pair, 1);
    LLVMErrorRef error = LLVMOrcJITDylibDefine(orc->dylib, unit);
    if (error)
        LLVMOrcDisposeMaterializationUnit(unit);
    return jd_llvm_take_error(err, JD_E_INTERNAL, name, error);
}

int orc_define(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err)
{
    struct orc_peer *orc = (struct orc_peer *)peer;
    char name[JD_ERROR_TEXT_BYTES];
    if (!symbol->is_tls)
        return define_absolute(orc, symbol->name, symbol, err);
    snprintf(name, sizeof name, "%s%s", tls_prefix, symbol->name);
    return define_absolute(orc, name, symbol, err);
}

/* A name that the dylib does not have; of the names that ORC makes itself another one has them.
 * What a module defines it has, or will when that was handed
 * over; what file-level assembly defines it has when the module is linked. */
static int generate_one(struct orc_peer *orc, const char *name, bool is_weak, struct jd_error *err)
{
    struct peer *peer = &orc->peer;
    bool is_tls = !strncmp(name, tls_prefix, TLS_PREFIX_BYTES), is_found;
    if (is_tls)
        name += TLS_PREFIX_BYTES;
    pthread_mutex_lock(&peer->lock);
    struct peer_symbol *symbol = peer_intern(peer, name, strlen(name));
    bool is_defined = symbol && symbol->definer && !symbol->is_user_defined;
    pthread_mutex_unlock(&peer->lock);
    if (!symbol)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room for the symbol");
    if (is_defined)
        return JD_OK;
    int result = peer_locate(peer, symbol, is_tls, &is_found, err);
    if (result)
        return result;
    if (!is_found && symbol->is_declared && !is_weak) {
        noted.orc = orc; /* ORC will say so too, but not on whose account */
        jd_fail(&noted.error, JD_E_UNRESOLVED, name, "unresolved: defined nowhere");
    }
    if (symbol->definer && !symbol->is_user_defined)
        return peer_flush(peer, err);
    if (!is_found || symbol->is_told)
        return JD_OK;
    symbol->is_told = true;
    return orc_define(peer, symbol, err);
}

static LLVMErrorRef generate(LLVMOrcDefinitionGeneratorRef generator, void *context,
                             LLVMOrcLookupStateRef *state, LLVMOrcLookupKind kind,
                             LLVMOrcJITDylibRef dylib, LLVMOrcJITDylibLookupFlags dylib_flags,
                             LLVMOrcCLookupSet set, size_t count)
{
    struct orc_peer *orc = context;
    (void)generator;
    (void)state;
    (void)kind;
    (void)dylib;
    (void)dylib_flags;
    for (size_t i = 0; i < count; i++) {
        struct jd_error error = JD_ERROR_INIT;
        const char *name = LLVMOrcSymbolStringPoolEntryStr(set[i].Name);
        bool is_weak = set[i].LookupFlags == LLVMOrcSymbolLookupFlagsWeaklyReferencedSymbol;
        if (!generate_one(orc, name, is_weak, &error))
            continue;
        noted.orc = orc;
        noted.error = error;
        return LLVMCreateStringError(error.text);
    }
    return LLVMErrorSuccess;
}

/* --- Life
 * --------------------------------------------------------------------------------------------- */

int orc_open(struct orc_peer *orc, enum orc_kind kind, struct jd_error *err)
{
    struct peer *peer = &orc->peer;
    LLVMTargetMachineRef machine; /* consumed by the builder */
    int result = jd_target_machine_create(&peer->options, &machine, err);
    if (result)
        return result;
    const struct peer_shim_orc options = {
        .machine_builder = LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(machine),
        .is_rtdyld = kind == ORC_RTDYLD,
        .is_on_demand = kind == ORC_ON_DEMAND,
        .failed_addr = orc_failure_addr(),
        .context = orc,
        .emitted = on_emitted,
        .function = on_function,
    };
    result = jd_llvm_take_error(err, JD_E_INTERNAL, peer->base.ops->name,
                                peer_shim_orc_create(&options, &orc->jit));
    if (result)
        return result;
    orc->session = LLVMOrcLLJITGetExecutionSession(orc->jit);
    orc->dylib = LLVMOrcLLJITGetMainJITDylib(orc->jit);
    LLVMOrcExecutionSessionSetErrorReporter(orc->session, on_session_error, orc);
    LLVMOrcIRTransformLayerSetTransform(LLVMOrcLLJITGetIRTransformLayer(orc->jit), on_module, orc);
    LLVMOrcObjectTransformLayerSetTransform(LLVMOrcLLJITGetObjTransformLayer(orc->jit), on_object,
                                            orc);
    LLVMOrcJITDylibAddGenerator(orc->dylib,
                                LLVMOrcCreateCustomCAPIDefinitionGenerator(generate, orc, NULL));
    return JD_OK;
}

void orc_close(struct peer *peer)
{
    struct orc_peer *orc = (struct orc_peer *)peer;
    struct jd_error ignored = JD_ERROR_INIT;
    if (orc->jit)
        jd_llvm_take_error(&ignored, JD_E_INTERNAL, NULL, LLVMOrcDisposeLLJIT(orc->jit));
    if (noted.orc == orc) {
        noted.orc = NULL;
        jd_error_clear(&noted.error);
    }
    free(orc->is_compiled);
}

/* --- Modules
 * ------------------------------------------------------------------------------------------ */

/* ORC names parts of a module after it, so its number finds the way back. */
int orc_name_module(struct orc_peer *orc, const struct peer_module *module, struct jd_error *err)
{
    char identifier[JD_ERROR_WHERE_BYTES];
    pthread_mutex_lock(&orc->peer.lock);
    size_t room = orc->is_compiled_room;
    bool is_enough = module->number <= room;
    if (!is_enough) {
        room = room ? room * 2 : 64;
        room = room < module->number ? module->number : room;
        bool *grown = realloc(orc->is_compiled, room);
        if (grown) {
            memset(grown + orc->is_compiled_room, 0, room - orc->is_compiled_room);
            orc->is_compiled = grown;
            orc->is_compiled_room = room;
            is_enough = true;
        }
    }
    pthread_mutex_unlock(&orc->peer.lock);
    if (!is_enough)
        return jd_fail(err, JD_E_NO_MEMORY, module->name, "no room to count the module");
    snprintf(identifier, sizeof identifier, "jitduel.%u.%s", module->number, module->name);
    LLVMSetModuleIdentifier(module->llvm, identifier, strlen(identifier));
    return JD_OK;
}

/* The layer puts a module's data into a part of its own; a table of labels in it would refer to a
 * function that is elsewhere, and LLVM crashes, as it does for an ifunc without its resolver. */
static int check_parts(const struct peer_module *module, struct jd_error *err)
{
    size_t length;
    LLVMValueRef ifunc = LLVMGetFirstGlobalIFunc(module->llvm);
    if (ifunc)
        return jd_fail(err, JD_E_UNSUPPORTED, module->name,
                       "'%s' is an ifunc, which ORC's compile-on-demand layer cannot part from its "
                       "resolver",
                       LLVMGetValueName2(ifunc, &length));
    for (LLVMValueRef g = LLVMGetFirstGlobal(module->llvm); g; g = LLVMGetNextGlobal(g))
        if (LLVMGetInitializer(g) && peer_has_label(LLVMGetInitializer(g)))
            return jd_fail(err, JD_E_UNSUPPORTED, module->name,
                           "'%s' is a table of labels, which ORC's compile-on-demand layer cannot "
                           "part from its function",
                           LLVMGetValueName2(g, &length));
    return JD_OK;
}

static int take(struct peer *peer, struct peer_module *module, bool is_on_demand,
                struct jd_error *err)
{
    struct orc_peer *orc = (struct orc_peer *)peer;
    int result = is_on_demand ? check_parts(module, err) : JD_OK;
    if (!result && is_on_demand)
        result = orc_promote_locals(module, module->llvm, true, err);
    if (!result && is_on_demand)
        result = orc_read_own_addresses(module, module->llvm, err);
    if (!result)
        result = orc_name_module(orc, module, err);
    LLVMOrcThreadSafeModuleRef safe =
        LLVMOrcCreateNewThreadSafeModule(module->llvm, peer->shared_context);
    if (result) {
        LLVMOrcDisposeThreadSafeModule(safe);
        return result;
    }
    return jd_llvm_take_error(err, JD_E_COMPILE, module->name,
                              is_on_demand
                                  ? peer_shim_orc_add_lazy(orc->jit, safe)
                                  : LLVMOrcLLJITAddLLVMIRModule(orc->jit, orc->dylib, safe));
}

int orc_take(struct peer *peer, struct peer_module *module, struct jd_error *err)
{
    return take(peer, module, false, err);
}

static int take_on_demand(struct peer *peer, struct peer_module *module, struct jd_error *err)
{
    return take(peer, module, true, err);
}

/* --- Everything that a module defines, at once
 * ------------------------------------------------------- */

struct query {
    struct orc_peer *orc;
    struct jd_error *err;
    const char *where;
    int result;
};

static void take_addresses(LLVMErrorRef error, LLVMOrcCSymbolMapPairs pairs, size_t count,
                           void *context)
{
    struct query *query = context;
    struct peer *peer = &query->orc->peer;
    query->result = orc_take_error(query->orc, error, query->where, query->err);
    if (query->result)
        return;
    pthread_mutex_lock(&peer->lock);
    for (size_t i = 0; i < count; i++) {
        const char *name = LLVMOrcSymbolStringPoolEntryStr(pairs[i].Name);
        if (!strncmp(name, tls_prefix, TLS_PREFIX_BYTES))
            name += TLS_PREFIX_BYTES;
        struct peer_symbol *symbol = peer_intern(peer, name, strlen(name));
        if (symbol)
            symbol->addr = (uintptr_t)pairs[i].Sym.Address;
    }
    pthread_mutex_unlock(&peer->lock);
}

static LLVMOrcSymbolStringPoolEntryRef intern(struct orc_peer *orc,
                                              const struct peer_symbol *symbol)
{
    char name[JD_ERROR_TEXT_BYTES];
    if (!symbol->is_tls)
        return LLVMOrcExecutionSessionIntern(orc->session, symbol->name);
    snprintf(name, sizeof name, "%s%s", tls_prefix, symbol->name);
    return LLVMOrcExecutionSessionIntern(orc->session, name);
}

/* Weakly, since ORC learns what file-level assembly defines only when it links the module. */
static int compile_module(void *argument, struct jd_error *err)
{
    struct query *query = argument;
    struct orc_peer *orc = query->orc;
    const struct peer_module *module = orc->peer.modules[orc->finished];
    LLVMOrcCJITDylibSearchOrderElement order = {orc->dylib,
                                                LLVMOrcJITDylibLookupFlagsMatchAllSymbols};
    LLVMOrcCLookupSetElement *set = calloc(module->definition_count + 1, sizeof *set);
    size_t count = 0;
    jd_error_clear(&noted.error);
    query->err = err;
    query->where = module->name;
    query->result = JD_OK;
    if (!set)
        return query->result = jd_fail(err, JD_E_NO_MEMORY, module->name, "no room to look it up");
    for (size_t i = 0; i < module->definition_count; i++)
        if (module->definitions[i]->definer == module && !module->definitions[i]->is_user_defined)
            set[count++] =
                (LLVMOrcCLookupSetElement){intern(orc, module->definitions[i]),
                                           LLVMOrcSymbolLookupFlagsWeaklyReferencedSymbol};
    if (count)
        LLVMOrcExecutionSessionLookup(orc->session, LLVMOrcLookupKindStatic, &order, 1, set, count,
                                      take_addresses, query);
    free(set);
    return query->result;
}

/* A module that cannot be compiled is dropped; the others are none the worse. */
int orc_finish(struct peer *peer, struct jd_error *err)
{
    struct orc_peer *orc = (struct orc_peer *)peer;
    struct jd_error first = JD_ERROR_INIT;
    for (; orc->finished < peer->module_count && !peer->is_undefined; orc->finished++) {
        struct peer_module *module = peer->modules[orc->finished];
        struct query query = {.orc = orc, .result = -1};
        struct jd_error error = JD_ERROR_INIT;
        if (module->state == PEER_PENDING)
            break;
        if (module->state != PEER_TAKEN)
            continue;
        unsigned depth = peer_phase_depth();
        int result = jd_llvm_guard(compile_module, &query, module->name, &error);
        peer_phase_unwind(peer, depth);
        if (!result)
            continue;
        peer->is_undefined = query.result == -1; /* a fatal error, in the middle of ORC */
        if (!first.code)
            first = error;
        peer_module_drop(peer, module);
    }
    return first.code ? jd_fail(err, (int)first.code, first.where, "%s", first.text) : JD_OK;
}

int orc_find(struct peer *peer, struct peer_symbol *symbol, uintptr_t *out_addr,
             struct jd_error *err)
{
    struct orc_peer *orc = (struct orc_peer *)peer;
    char name[JD_ERROR_TEXT_BYTES];
    LLVMOrcExecutorAddress addr = 0;
    snprintf(name, sizeof name, "%s%s", symbol->is_tls ? tls_prefix : "", symbol->name);
    jd_error_clear(&noted.error);
    int result = orc_take_error(orc, LLVMOrcLLJITLookup(orc->jit, &addr, name), symbol->name, err);
    *out_addr = result ? 0 : (uintptr_t)addr;
    return result;
}

/* --- The tables
 * ---------------------------------------------------------------------------------------- */

int orc_open_jitlink(struct peer *peer, struct jd_error *err)
{
    return orc_open((struct orc_peer *)peer, ORC_JITLINK, err);
}

static int open_rtdyld(struct peer *peer, struct jd_error *err)
{
    return orc_open((struct orc_peer *)peer, ORC_RTDYLD, err);
}

static int open_on_demand(struct peer *peer, struct jd_error *err)
{
    return orc_open((struct orc_peer *)peer, ORC_ON_DEMAND, err);
}

extern const struct jd_engine_ops jd_orc_ops, jd_orc_rtdyld_ops, jd_orc_lazy_ops;

static const struct peer_backend jitlink = {
    .ops = &jd_orc_ops, .open = orc_open_jitlink, ORC_EAGER_BACKEND};

static const struct peer_backend rtdyld = {
    .ops = &jd_orc_rtdyld_ops, .open = open_rtdyld, ORC_EAGER_BACKEND};

static const struct peer_backend on_demand = {.ops = &jd_orc_lazy_ops,
                                              .is_lazy = true,
                                              .open = open_on_demand,
                                              .close = orc_close,
                                              .take = take_on_demand,
                                              ORC_BACKEND};

/* With laziness off modules go past the layer. */
static const struct peer_backend on_demand_off = {
    .ops = &jd_orc_lazy_ops, .open = orc_open_jitlink, ORC_EAGER_BACKEND};

static int create_jitlink(const struct jd_engine_options *options, struct jd_engine **out,
                          struct jd_error *err)
{
    return peer_create(&jitlink, options, out, err);
}

static int create_rtdyld(const struct jd_engine_options *options, struct jd_engine **out,
                         struct jd_error *err)
{
    return peer_create(&rtdyld, options, out, err);
}

static int create_on_demand(const struct jd_engine_options *options, struct jd_engine **out,
                            struct jd_error *err)
{
    bool is_off = options && options->is_lazy_disabled;
    return peer_create(is_off ? &on_demand_off : &on_demand, options, out, err);
}

const struct jd_engine_ops jd_orc_ops = {
    .name = "orc",
    .summary = "eager: LLVM's ORC (LLJIT) compiles whole modules, JITLink links them",
    .caps = JD_CAP_PEER,
    .create = create_jitlink,
    PEER_OPS,
};

const struct jd_engine_ops jd_orc_rtdyld_ops = {
    .name = "orc-rtdyld",
    .summary = "eager: as orc, but RuntimeDyld links, as in MCJIT",
    .caps = JD_CAP_PEER,
    .create = create_rtdyld,
    PEER_OPS,
};

const struct jd_engine_ops jd_orc_lazy_ops = {
    .name = "orc-lazy",
    .summary = "lazy: ORC's compile-on-demand layer, a function at its first call",
    .caps = JD_CAP_LAZY | JD_CAP_PEER,
    .create = create_on_demand,
    PEER_OPS,
};
