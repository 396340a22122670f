/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine `interp`: LLVM's interpreter, for small cases. Modules are not linked with each other:
 * each module is an interpreter's own, so all are merged into one by LLVM's IR linker first.
 *
 * A function's address is that of a libffi closure, which runs the interpreter. One interpreter
 * runs one call at a time, so native code that calls back gets another one on the same module.
 * Sources: llvm-c/ExecutionEngine.h, llvm-c/Linker.h; libffi's manual, "The Closure API".
 */
#include <ffi.h>
#include <llvm-c/ExecutionEngine.h>
#include <llvm-c/Linker.h>
#include <llvm-c/Support.h>
#include <stdlib.h>
#include <string.h>

#include "interp.h"
#include "ir_shim.h"

extern const struct jd_engine_ops jd_interp_ops;

enum { ARGUMENTS_MOST = 32, DEPTH_MOST = 8 };

/* An interpreted function as native code sees it. */
struct native {
    struct native *next;
    struct interp *interp;
    LLVMValueRef function;
    void *code;
    ffi_closure *closure;
    ffi_cif cif;
    ffi_type *types[ARGUMENTS_MOST];
};

struct text {
    struct text *next;
    char chars[];
};

struct mapping {
    LLVMValueRef function;
    uintptr_t addr;
};

struct interp {
    struct peer peer;
    LLVMModuleRef module;                       /* of the first engine */
    LLVMExecutionEngineRef engines[DEPTH_MOST]; /* by depth of native calls back */
    size_t mapped[DEPTH_MOST];                  /* mappings that each has been told */
    unsigned depth;
    pthread_t runner; /* valid while depth is not 0 */
    struct native *natives;
    struct text *texts;
    struct mapping *mappings; /* declarations of native functions */
    size_t mapping_count;
};

static struct interp *of(struct peer *peer)
{
    return (struct interp *)peer;
}

/* --- Errors without a caller
 * ------------------------------------------------------------------------ */

static _Noreturn void fail_in_program(struct interp *interp, const char *name, const char *text)
{
    struct jd_error error = JD_ERROR_INIT;
    const struct jd_engine_options *options = &interp->peer.options;
    jd_fail(&error, JD_E_UNSUPPORTED, name, "%s", text);
    interp->peer.is_undefined = true; /* in the middle of the interpreter */
    if (options->on_error)
        options->on_error(options->on_error_context, name, &error);
    abort();
}

/* Called by interpreted code, in front of what it must not reach. */
static void refuse(struct interp *interp, const char *text)
{
    fail_in_program(interp, "interp", text);
}

/* --- Calls from native code
 * ------------------------------------------------------------------------- */

/* Another interpreter for the same module: it is told where everything is. */
static LLVMExecutionEngineRef engine_at(struct interp *interp, unsigned depth)
{
    char *message = NULL;
    if (!interp->engines[depth]) {
        LLVMModuleRef empty = LLVMModuleCreateWithNameInContext("calls back", interp->peer.context);
        LLVMSetDataLayout(empty, LLVMGetDataLayoutStr(interp->module));
        if (LLVMCreateInterpreterForModule(&interp->engines[depth], empty, &message)) {
            LLVMDisposeMessage(message);
            fail_in_program(interp, "interp", "native code called back and no interpreter came");
        }
        for (LLVMValueRef g = LLVMGetFirstGlobal(interp->module); g; g = LLVMGetNextGlobal(g))
            LLVMAddGlobalMapping(interp->engines[depth], g,
                                 LLVMGetPointerToGlobal(interp->engines[0], g));
    }
    for (size_t *i = &interp->mapped[depth]; *i < interp->mapping_count; ++*i)
        LLVMAddGlobalMapping(interp->engines[depth], interp->mappings[*i].function,
                             (void *)interp->mappings[*i].addr);
    return interp->engines[depth];
}

static LLVMGenericValueRef take_argument(LLVMTypeRef type, const void *place)
{
    uint64_t bits = 0;
    switch (LLVMGetTypeKind(type)) {
    case LLVMFloatTypeKind:
        return LLVMCreateGenericValueOfFloat(type, *(const float *)place);
    case LLVMDoubleTypeKind:
        return LLVMCreateGenericValueOfFloat(type, *(const double *)place);
    case LLVMPointerTypeKind:
        return LLVMCreateGenericValueOfPointer(*(void *const *)place);
    default:
        memcpy(&bits, place, (LLVMGetIntTypeWidth(type) + 7) / 8);
        return LLVMCreateGenericValueOfInt(type, bits, false);
    }
}

static void give_result(LLVMTypeRef type, LLVMGenericValueRef value, void *place)
{
    switch (LLVMGetTypeKind(type)) {
    case LLVMVoidTypeKind:
        break;
    case LLVMFloatTypeKind:
        *(float *)place = (float)LLVMGenericValueToFloat(type, value);
        break;
    case LLVMDoubleTypeKind:
        *(double *)place = LLVMGenericValueToFloat(type, value);
        break;
    case LLVMPointerTypeKind:
        *(void **)place = LLVMGenericValueToPointer(value);
        break;
    default:
        *(ffi_arg *)place = (ffi_arg)LLVMGenericValueToInt(value, false);
        break;
    }
}

struct call {
    struct native *native;
    LLVMExecutionEngineRef engine;
    void **places;
    void *result;
};

static int run(void *argument, struct jd_error *err)
{
    const struct call *call = argument;
    LLVMTypeRef types[ARGUMENTS_MOST];
    LLVMGenericValueRef values[ARGUMENTS_MOST];
    LLVMTypeRef type = LLVMGlobalGetValueType(call->native->function);
    unsigned count = LLVMCountParamTypes(type);
    (void)err;
    LLVMGetParamTypes(type, types);
    for (unsigned i = 0; i < count; i++)
        values[i] = take_argument(types[i], call->places[i]);
    LLVMGenericValueRef result =
        LLVMRunFunction(call->engine, call->native->function, count, values);
    give_result(LLVMGetReturnType(type), result, call->result);
    LLVMDisposeGenericValue(result);
    for (unsigned i = 0; i < count; i++)
        LLVMDisposeGenericValue(values[i]);
    return JD_OK;
}

static void on_call(ffi_cif *cif, void *result, void **places, void *context)
{
    struct native *native = context;
    struct interp *interp = native->interp;
    struct call call = {native, NULL, places, result};
    struct jd_error error = JD_ERROR_INIT;
    size_t length;
    const char *name = LLVMGetValueName2(native->function, &length);
    (void)cif;
    if (interp->depth && !pthread_equal(interp->runner, pthread_self()))
        fail_in_program(interp, name, "the interpreter runs on one thread at a time");
    if (interp->depth == DEPTH_MOST)
        fail_in_program(interp, name, "native code calls back too deeply for the interpreter");
    interp->runner = pthread_self();
    call.engine = engine_at(interp, interp->depth);
    interp->depth++;
    if (jd_llvm_guard(run, &call, name, &error))
        fail_in_program(interp, name, error.text);
    interp->depth--;
}

static ffi_type *ffi_type_of(LLVMTypeRef type)
{
    switch (LLVMGetTypeKind(type)) {
    case LLVMVoidTypeKind:
        return &ffi_type_void;
    case LLVMFloatTypeKind:
        return &ffi_type_float;
    case LLVMDoubleTypeKind:
        return &ffi_type_double;
    case LLVMPointerTypeKind:
        return &ffi_type_pointer;
    case LLVMIntegerTypeKind:
        break;
    default:
        return NULL;
    }
    switch (LLVMGetIntTypeWidth(type)) {
    case 1:
    case 8:
        return &ffi_type_uint8;
    case 16:
        return &ffi_type_uint16;
    case 32:
        return &ffi_type_uint32;
    case 64:
        return &ffi_type_uint64;
    default:
        return NULL;
    }
}

static bool describe(struct native *native)
{
    LLVMTypeRef type = LLVMGlobalGetValueType(native->function), types[ARGUMENTS_MOST];
    unsigned count = LLVMCountParamTypes(type);
    ffi_type *result = ffi_type_of(LLVMGetReturnType(type));
    if (!result || count > ARGUMENTS_MOST || LLVMIsFunctionVarArg(type))
        return false;
    LLVMGetParamTypes(type, types);
    for (unsigned i = 0; i < count; i++)
        if (!(native->types[i] = ffi_type_of(types[i])))
            return false;
    return ffi_prep_cif(&native->cif, FFI_DEFAULT_ABI, count, result, native->types) == FFI_OK;
}

/* One function has one address: that of its closure. */
static uintptr_t native_addr(void *context, LLVMValueRef function)
{
    struct interp *interp = context;
    struct native *native = interp->natives;
    size_t length;
    while (native && native->function != function)
        native = native->next;
    if (native)
        return (uintptr_t)native->code;
    if (LLVMIsDeclaration(function)) {
        const char *name = LLVMGetValueName2(function, &length);
        pthread_mutex_lock(&interp->peer.lock);
        const struct peer_symbol *symbol = peer_intern(&interp->peer, name, length);
        uintptr_t addr = symbol ? symbol->addr : 0;
        pthread_mutex_unlock(&interp->peer.lock);
        return addr;
    }
    native = calloc(1, sizeof *native);
    if (!native)
        return 0;
    *native = (struct native){.interp = interp, .function = function};
    native->closure =
        describe(native) ? ffi_closure_alloc(sizeof(ffi_closure), &native->code) : NULL;
    if (!native->closure || ffi_prep_closure_loc(native->closure, &native->cif, on_call, native,
                                                 native->code) != FFI_OK) {
        if (native->closure)
            ffi_closure_free(native->closure);
        free(native);
        return 0;
    }
    native->next = interp->natives;
    interp->natives = native;
    return (uintptr_t)native->code;
}

/* --- Native functions
 * ----------------------------------------------------------------------------------- */

static void map_function(void *context, LLVMValueRef function, uintptr_t addr)
{
    struct interp *interp = context;
    struct mapping *list = peer_grow(interp->mappings, interp->mapping_count, sizeof *list);
    if (!list)
        return; /* the call is then one of an unknown function, which is refused */
    interp->mappings = list;
    list[interp->mapping_count++] = (struct mapping){function, addr};
}

static const char *keep_text(void *context, const char *chars)
{
    struct interp *interp = context;
    struct text *text = malloc(sizeof *text + strlen(chars) + 1);
    if (!text)
        return NULL;
    strcpy(text->chars, chars);
    text->next = interp->texts;
    interp->texts = text;
    return text->chars;
}

/* The interpreter has functions of its own for some names (printf, exit, ...), which are rough
 * sketches of the real ones: under another name the real ones are called. */
static void map_declared(struct interp *interp)
{
    static const char prefix[] = INTERP_NATIVE;
    for (LLVMValueRef f = LLVMGetFirstFunction(interp->module); f; f = LLVMGetNextFunction(f)) {
        size_t length;
        char other[JD_ERROR_TEXT_BYTES];
        const char *name = LLVMGetValueName2(f, &length);
        if (!LLVMIsDeclaration(f) || !strncmp(name, "llvm.", 5) || !strncmp(name, "jitduel.", 8))
            continue;
        pthread_mutex_lock(&interp->peer.lock);
        const struct peer_symbol *symbol = peer_intern(&interp->peer, name, length);
        uintptr_t addr = symbol ? symbol->addr : 0;
        pthread_mutex_unlock(&interp->peer.lock);
        if (!addr || length + sizeof prefix > sizeof other)
            continue;
        strcat(strcpy(other, prefix), name);
        LLVMSetValueName2(f, other, strlen(other));
        map_function(interp, f, addr);
    }
}

static void map_variables(struct interp *interp)
{
    for (LLVMValueRef g = LLVMGetFirstGlobal(interp->module); g; g = LLVMGetNextGlobal(g)) {
        size_t length;
        const char *name = LLVMGetValueName2(g, &length);
        if (!LLVMIsDeclaration(g))
            continue;
        pthread_mutex_lock(&interp->peer.lock);
        const struct peer_symbol *symbol = peer_intern(&interp->peer, name, length);
        uintptr_t addr = symbol ? symbol->addr : 0;
        pthread_mutex_unlock(&interp->peer.lock);
        if (addr)
            LLVMAddGlobalMapping(interp->engines[0], g, (void *)addr);
    }
}

/* --- Life
 * -------------------------------------------------------------------------------------------------
 */

static int open_engine(struct peer *peer, struct jd_error *err)
{
    struct interp *interp = of(peer);
    char *message = NULL;
    LLVMLinkInInterpreter();
    LLVMLoadLibraryPermanently(NULL); /* what intrinsics become is looked for in the process */
    interp->module = LLVMModuleCreateWithNameInContext("interpreted", peer->context);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(peer->machine);
    LLVMSetModuleDataLayout(interp->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMSetTarget(interp->module, jd_target_triple());
    if (LLVMCreateInterpreterForModule(&interp->engines[0], interp->module, &message))
        return jd_llvm_take_message(err, JD_E_UNSUPPORTED, "interp", message);
    return JD_OK;
}

/* LLVM's interpreter remembers native functions by the address of their declarations, for all
 * interpreters and for ever: no other declaration may come to be there. */
static void keep_declarations(struct interp *interp)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static LLVMValueRef *kept;
    static size_t count;
    pthread_mutex_lock(&lock);
    for (LLVMValueRef f = LLVMGetFirstFunction(interp->module), next; f; f = next) {
        next = LLVMGetNextFunction(f);
        LLVMValueRef *list = LLVMIsDeclaration(f) ? peer_grow(kept, count, sizeof *list) : NULL;
        if (!list)
            continue;
        kept = list;
        LLVMReplaceAllUsesWith(f, LLVMGetUndef(LLVMTypeOf(f)));
        LLVMSetValueName2(f, "", 0); /* the context keeps names, and goes */
        peer_shim_detach(f);
        kept[count++] = f;
    }
    pthread_mutex_unlock(&lock);
}

static void close_engine(struct peer *peer)
{
    struct interp *interp = of(peer);
    for (unsigned i = DEPTH_MOST; i-- > 1;)
        if (interp->engines[i])
            LLVMDisposeExecutionEngine(interp->engines[i]);
    if (interp->engines[0]) {
        keep_declarations(interp);
        LLVMDisposeExecutionEngine(interp->engines[0]);
    }
    for (struct native *native = interp->natives, *next; native; native = next) {
        next = native->next;
        ffi_closure_free(native->closure);
        free(native);
    }
    for (struct text *text = interp->texts, *next; text; text = next) {
        next = text->next;
        free(text);
    }
    free(interp->mappings);
}

/* --- Modules
 * -----------------------------------------------------------------------------------------------
 */

static int define(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err)
{
    (void)peer;
    (void)symbol;
    (void)err;
    return JD_OK; /* mapped when the module that declares it is there */
}

static int take(struct peer *peer, struct peer_module *module, struct jd_error *err)
{
    struct interp *interp = of(peer);
    const struct interp_host host = {interp, native_addr, map_function, keep_text,
                                     (uintptr_t)refuse};
    size_t asm_bytes;
    LLVMGetModuleInlineAsm(module->llvm, &asm_bytes);
    int result = asm_bytes ? jd_fail(err, JD_E_UNSUPPORTED, module->name,
                                     "file-level assembly cannot be interpreted")
                           : peer_run_passes(peer, module->llvm, err);
    if (result) {
        LLVMDisposeModule(module->llvm);
        return result;
    }
    /* Only what is new is edited: calls that are there already are typed and mapped. */
    if (LLVMLinkModules2(interp->module, module->llvm)) {
        jd_diagnostics_take(&peer->diagnostics, JD_E_BAD_IR, module->name, err);
        return jd_fail(err, JD_E_BAD_IR, module->name, "LLVM cannot merge it with the others");
    }
    result = interp_prepare_module(peer, interp->module, &host, err);
    map_declared(interp);
    map_variables(interp);
    (void)engine_at(interp, 0);
    return result;
}

static int find(struct peer *peer, struct peer_symbol *symbol, uintptr_t *out_addr,
                struct jd_error *err)
{
    struct interp *interp = of(peer);
    LLVMValueRef function = LLVMGetNamedFunction(interp->module, symbol->name);
    LLVMValueRef alias =
        LLVMGetNamedGlobalAlias(interp->module, symbol->name, strlen(symbol->name));
    LLVMValueRef variable = LLVMGetNamedGlobal(interp->module, symbol->name);
    *out_addr = 0;
    if (symbol->is_tls)
        return jd_fail(err, JD_E_UNSUPPORTED, symbol->name,
                       "a thread-local variable cannot be interpreted");
    if (alias)
        function = LLVMIsAFunction(LLVMAliasGetAliasee(alias));
    if (function)
        *out_addr = native_addr(interp, function);
    else if (variable)
        *out_addr = (uintptr_t)LLVMGetPointerToGlobal(interp->engines[0], variable);
    if (*out_addr)
        return JD_OK;
    return jd_fail(err, JD_E_UNSUPPORTED, symbol->name,
                   "its types cannot be passed between native and interpreted code");
}

/* --- The table
 * ------------------------------------------------------------------------------------------------
 */

static const struct peer_backend backend = {.ops = &jd_interp_ops,
                                            .size_bytes = sizeof(struct interp),
                                            .open = open_engine,
                                            .close = close_engine,
                                            .define = define,
                                            .take = take,
                                            .find = find};

static int create(const struct jd_engine_options *options, struct jd_engine **out,
                  struct jd_error *err)
{
    return peer_create(&backend, options, out, err);
}

const struct jd_engine_ops jd_interp_ops = {
    .name = "interp",
    .summary = "LLVM's interpreter, for small programs: compiles nothing",
    .caps = JD_CAP_PEER,
    .create = create,
    PEER_OPS,
};
