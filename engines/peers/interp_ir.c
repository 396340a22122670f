/* SPDX-License-Identifier: Apache-2.0
 *
 * IR that LLVM's interpreter can run. It handles calls of native functions through libffi with the
 * declared types only, takes function pointers for its own objects, and in a release build does
 * anything at all on an instruction that it does not know: such places get a call in front that
 * refuses. Sources: LLVM language reference; what LLVM 19's interpreter was seen to do.
 */
#include <stdio.h>
#include <string.h>

#include "interp.h"

struct edit {
    struct peer *peer;
    LLVMModuleRef module;
    const struct interp_host *host;
    LLVMContextRef context;
    LLVMBuilderRef builder;
    struct jd_error *err;
    int result;
    unsigned number; /* of the names that are made here */
};

static bool is_intrinsic(LLVMValueRef function)
{
    size_t length;
    return !strncmp(LLVMGetValueName2(function, &length), "llvm.", 5);
}

static bool is_external(LLVMValueRef callee)
{
    return LLVMIsAFunction(callee) && LLVMIsDeclaration(callee) && !is_intrinsic(callee);
}

static LLVMValueRef address_constant(const struct edit *edit, uintptr_t addr)
{
    LLVMValueRef number = LLVMConstInt(LLVMInt64TypeInContext(edit->context), addr, false);
    return LLVMConstIntToPtr(number, LLVMPointerTypeInContext(edit->context, 0));
}

/* --- Refusals
 * ------------------------------------------------------------------------------------- */

static void refuse_before(struct edit *edit, LLVMValueRef instruction, const char *what)
{
    LLVMTypeRef pointer = LLVMPointerTypeInContext(edit->context, 0);
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(edit->context),
                                        (LLVMTypeRef[]){pointer, pointer}, 2, false);
    LLVMValueRef refuse = LLVMGetNamedFunction(edit->module, "jitduel.refuse");
    char text[JD_ERROR_WHERE_BYTES];
    size_t length;
    LLVMValueRef function = LLVMGetBasicBlockParent(LLVMGetInstructionParent(instruction));
    snprintf(text, sizeof text, "%s: %s", LLVMGetValueName2(function, &length), what);
    const char *kept = edit->host->keep(edit->host->context, text);
    if (!kept) {
        edit->result = jd_fail(edit->err, JD_E_NO_MEMORY, "interp", "no room to edit the module");
        return;
    }
    if (!refuse) {
        refuse = LLVMAddFunction(edit->module, "jitduel.refuse", type);
        edit->host->map(edit->host->context, refuse, edit->host->refuse_addr);
    }
    LLVMPositionBuilderBefore(edit->builder, instruction);
    LLVMBuildCall2(edit->builder, type, refuse,
                   (LLVMValueRef[]){address_constant(edit, (uintptr_t)edit->peer),
                                    address_constant(edit, (uintptr_t)kept)},
                   2, "");
}

static bool is_plain_type(LLVMTypeRef type)
{
    switch (LLVMGetTypeKind(type)) {
    case LLVMHalfTypeKind:
    case LLVMBFloatTypeKind:
    case LLVMX86_FP80TypeKind:
    case LLVMFP128TypeKind:
    case LLVMPPC_FP128TypeKind:
    case LLVMScalableVectorTypeKind:
    case LLVMX86_AMXTypeKind:
    case LLVMTokenTypeKind:
        return false;
    default:
        return true;
    }
}

static bool has_attribute(LLVMValueRef call, LLVMAttributeIndex index, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    return LLVMGetCallSiteEnumAttribute(call, index, kind) != NULL;
}

static bool returns_twice(LLVMValueRef call)
{
    LLVMValueRef callee = LLVMGetCalledValue(call);
    LLVMAttributeIndex index = (LLVMAttributeIndex)LLVMAttributeFunctionIndex;
    unsigned kind = LLVMGetEnumAttributeKindForName("returns_twice", 13);
    return has_attribute(call, index, "returns_twice") ||
           (LLVMIsAFunction(callee) && LLVMGetEnumAttributeAtIndex(callee, index, kind));
}

/* Unwinding ends where the interpreter's own frames begin. */
static bool is_throwing(const char *name)
{
    static const char *const names[] = {"__cxa_throw", "__cxa_rethrow", "_Unwind_RaiseException",
                                        "_Unwind_Resume", "_Unwind_ForcedUnwind"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]) || (!strncmp(name, INTERP_NATIVE, sizeof INTERP_NATIVE - 1) &&
                                        !strcmp(name + sizeof INTERP_NATIVE - 1, names[i])))
            return true;
    return false;
}

/* Why a call cannot be interpreted; NULL: it can. */
static const char *problem_of_call(LLVMValueRef call)
{
    LLVMValueRef callee = LLVMGetCalledValue(call);
    size_t length;
    if (LLVMIsAInlineAsm(callee))
        return "inline assembly cannot be interpreted";
    if (returns_twice(call))
        return "a function that returns twice cannot be interpreted";
    if (LLVMIsAFunction(callee) && !strncmp(LLVMGetValueName2(callee, &length), "llvm.va_", 8))
        return "variable arguments cannot be interpreted";
    if (LLVMIsAFunction(callee) && is_throwing(LLVMGetValueName2(callee, &length)))
        return "exceptions cannot be interpreted";
    for (unsigned i = 0; i < LLVMGetNumArgOperands(call); i++) {
        LLVMTypeKind kind = LLVMGetTypeKind(LLVMTypeOf(LLVMGetArgOperand(call, i)));
        if (has_attribute(call, i + 1, "byval"))
            return "an argument that is passed as a copy in memory cannot be interpreted";
        if (has_attribute(call, i + 1, "nest"))
            return "a static chain cannot be interpreted";
        if (is_external(callee) &&
            (kind == LLVMStructTypeKind || kind == LLVMArrayTypeKind || kind == LLVMVectorTypeKind))
            return "an aggregate cannot be passed to a native function";
        if (is_external(callee) && kind == LLVMIntegerTypeKind &&
            LLVMGetIntTypeWidth(LLVMTypeOf(LLVMGetArgOperand(call, i))) % 8)
            return "an odd integer cannot be passed to a native function";
    }
    return NULL;
}

static const char *problem_of(LLVMValueRef instruction)
{
    if (!is_plain_type(LLVMTypeOf(instruction)))
        return "a type of floating point or vector that cannot be interpreted";
    for (int i = 0; i < LLVMGetNumOperands(instruction); i++)
        if (!is_plain_type(LLVMTypeOf(LLVMGetOperand(instruction, (unsigned)i))))
            return "a type of floating point or vector that cannot be interpreted";
    switch (LLVMGetInstructionOpcode(instruction)) {
    case LLVMFence:
    case LLVMAtomicCmpXchg:
    case LLVMAtomicRMW:
        return "atomic operations cannot be interpreted";
    case LLVMResume:
    case LLVMLandingPad:
        return "exceptions cannot be interpreted";
    case LLVMIndirectBr:
        return "computed jumps cannot be interpreted";
    case LLVMVAArg:
        return "variable arguments cannot be interpreted";
    case LLVMCallBr:
    case LLVMFreeze:
    case LLVMAddrSpaceCast:
    case LLVMCatchPad:
    case LLVMCleanupPad:
    case LLVMCatchSwitch:
        return "an instruction that cannot be interpreted";
    case LLVMCall:
    case LLVMInvoke:
        return problem_of_call(instruction);
    default:
        return NULL;
    }
}

/* --- Calls of native functions
 * --------------------------------------------------------------------- */

/* The interpreter calls native functions by their declared types: one declaration for each call of
 * a variadic function. Both ABIs pass such arguments as they pass others, and libffi counts vector
 * registers always. */
static void type_variadic_call(struct edit *edit, LLVMValueRef call, LLVMValueRef callee)
{
    enum { ARGUMENTS_MOST = 64 };
    LLVMTypeRef types[ARGUMENTS_MOST];
    LLVMValueRef arguments[ARGUMENTS_MOST];
    unsigned count = LLVMGetNumArgOperands(call);
    size_t length;
    char name[64];
    LLVMTypeRef old_type = LLVMGlobalGetValueType(callee);
    pthread_mutex_lock(&edit->peer->lock);
    const char *callee_name = LLVMGetValueName2(callee, &length);
    const struct peer_symbol *symbol = peer_intern(edit->peer, callee_name, length);
    uintptr_t addr = symbol ? symbol->addr : 0;
    pthread_mutex_unlock(&edit->peer->lock);
    if (count > ARGUMENTS_MOST || !addr || LLVMGetInstructionOpcode(call) != LLVMCall) {
        refuse_before(edit, call, "this call of a variadic function cannot be interpreted");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        arguments[i] = LLVMGetArgOperand(call, i);
        types[i] = LLVMTypeOf(arguments[i]);
    }
    LLVMTypeRef type = LLVMFunctionType(LLVMGetReturnType(old_type), types, count, false);
    snprintf(name, sizeof name, "jitduel.variadic.%u.", edit->number++);
    LLVMValueRef typed = LLVMAddFunction(edit->module, name, type);
    edit->host->map(edit->host->context, typed, addr);
    LLVMPositionBuilderBefore(edit->builder, call);
    LLVMValueRef made = LLVMBuildCall2(edit->builder, type, typed, arguments, count, "");
    LLVMReplaceAllUsesWith(call, made);
    LLVMInstructionEraseFromParent(call);
}

/* Native code that gets a function must be able to call it. */
static void hand_over_functions(struct edit *edit, LLVMValueRef call)
{
    for (unsigned i = 0; i < LLVMGetNumArgOperands(call); i++) {
        LLVMValueRef argument = LLVMGetArgOperand(call, i);
        if (!LLVMIsAFunction(argument) || is_intrinsic(argument))
            continue;
        uintptr_t addr = edit->host->native(edit->host->context, argument);
        if (addr)
            LLVMSetOperand(call, i, address_constant(edit, addr));
        else
            refuse_before(edit, call, "a function of these types cannot be passed to native code");
    }
}

static void edit_call(struct edit *edit, LLVMValueRef call)
{
    LLVMValueRef callee = LLVMGetCalledValue(call);
    if (!is_external(callee))
        return;
    hand_over_functions(edit, call);
    if (LLVMIsFunctionVarArg(LLVMGlobalGetValueType(callee)))
        type_variadic_call(edit, call, callee);
}

/* --- All of it
 * --------------------------------------------------------------------------------------- */

/* Computed jumps need tables of labels, which must not even be read. */
static bool is_refused_whole(LLVMValueRef instruction)
{
    return LLVMGetInstructionOpcode(instruction) == LLVMIndirectBr;
}

static void edit_instruction(struct edit *edit, LLVMValueRef function, LLVMValueRef instruction)
{
    const char *problem = problem_of(instruction);
    LLVMOpcode opcode = LLVMGetInstructionOpcode(instruction);
    if (problem && is_refused_whole(instruction))
        refuse_before(edit, LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(function)), problem);
    else if (problem && opcode != LLVMLandingPad && opcode != LLVMPHI)
        refuse_before(edit, instruction, problem);
    else if (!problem && (opcode == LLVMCall || opcode == LLVMInvoke))
        edit_call(edit, instruction);
}

static void edit_function(struct edit *edit, LLVMValueRef function)
{
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b), next; i && !edit->result; i = next) {
            next = LLVMGetNextInstruction(i);
            edit_instruction(edit, function, i);
        }
}

static void refuse_users(struct edit *edit, LLVMValueRef value)
{
    for (LLVMUseRef use = LLVMGetFirstUse(value); use; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (LLVMIsAConstantExpr(user))
            refuse_users(edit, user);
        else if (LLVMIsAInstruction(user))
            refuse_before(edit,
                          LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(
                              LLVMGetBasicBlockParent(LLVMGetInstructionParent(user)))),
                          "a table of labels cannot be interpreted");
    }
}

static void refuse_tables_of_labels(struct edit *edit)
{
    for (LLVMValueRef g = LLVMGetFirstGlobal(edit->module); g; g = LLVMGetNextGlobal(g))
        if (LLVMGetInitializer(g) && peer_has_label(LLVMGetInitializer(g)))
            refuse_users(edit, g);
}

/* The interpreter knows no aliases; what they stand for is a constant. */
static void resolve_aliases(struct edit *edit)
{
    size_t length;
    for (LLVMValueRef a = LLVMGetFirstGlobalAlias(edit->module); a; a = LLVMGetNextGlobalAlias(a))
        LLVMReplaceAllUsesWith(a, LLVMAliasGetAliasee(a));
    LLVMValueRef ifunc = LLVMGetFirstGlobalIFunc(edit->module);
    if (ifunc)
        edit->result = jd_fail(edit->err, JD_E_UNSUPPORTED, LLVMGetValueName2(ifunc, &length),
                               "an ifunc cannot be interpreted");
}

int interp_prepare_module(struct peer *peer, LLVMModuleRef module, const struct interp_host *host,
                          struct jd_error *err)
{
    LLVMContextRef context = LLVMGetModuleContext(module);
    struct edit edit = {.peer = peer,
                        .module = module,
                        .host = host,
                        .context = context,
                        .builder = LLVMCreateBuilderInContext(context),
                        .err = err};
    resolve_aliases(&edit);
    refuse_tables_of_labels(&edit);
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f && !edit.result;
         f = LLVMGetNextFunction(f))
        edit_function(&edit, f);
    LLVMDisposeBuilder(edit.builder);
    return edit.result;
}
