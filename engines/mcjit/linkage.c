/* SPDX-License-Identifier: Apache-2.0
 *
 * Decisions of the symbol table -> IR: what loses becomes a declaration, what is internal gets a
 * name of its own, what MCJIT would run or resolve by itself is taken out. Decides nothing.
 * Sources: LLVM language reference, "Linkage Types", "Aliases", "Comdats".
 */
#include <llvm-c/Comdat.h>
#include <llvm-c/Core.h>
#include <stdlib.h>
#include <string.h>

#include "llvm_shim.h"
#include "mcjit.h"
#include "module_shim.h"
#include "text.h"

struct edit {
    struct mcjit_engine *engine;
    struct mcjit_module *module;
    struct jd_error *err;
};

static bool is_definition(LLVMValueRef global)
{
    return !LLVMIsDeclaration(global) && LLVMGetLinkage(global) != LLVMAvailableExternallyLinkage;
}

static bool is_object(LLVMValueRef global)
{
    return LLVMIsAFunction(global) || LLVMIsAGlobalVariable(global);
}

/* Does this module's definition of the symbol count? A name that was defined from outside has no
 * definition in any module. */
static bool is_winner(const struct edit *edit, const struct mcjit_symbol *symbol)
{
    return symbol->definer == edit->module->number && !symbol->is_user_defined;
}

static LLVMValueRef new_declaration(LLVMValueRef like)
{
    LLVMModuleRef module = LLVMGetGlobalParent(like);
    LLVMTypeRef type = LLVMGlobalGetValueType(like);
    LLVMValueRef made;
    if (LLVMGetTypeKind(type) == LLVMFunctionTypeKind)
        return LLVMAddFunction(module, "", type);
    made = LLVMAddGlobal(module, type, "");
    if (LLVMIsAGlobalVariable(like) && LLVMIsThreadLocal(like))
        LLVMSetThreadLocalMode(made, LLVMGetThreadLocalMode(like));
    return made;
}

/* A declaration that takes the name of `old`, which is left without one; NULL: no memory. */
static LLVMValueRef declare_instead(LLVMValueRef old)
{
    size_t length;
    const char *name = LLVMGetValueName2(old, &length);
    char *copy = mcjit_text_copy(name, length);
    LLVMValueRef made = copy ? new_declaration(old) : NULL;
    if (made) {
        LLVMSetValueName2(old, "", 0);
        LLVMSetValueName2(made, copy, length);
    }
    free(copy);
    return made;
}

static int edit_failed(const struct edit *edit)
{
    return jd_fail(edit->err, JD_E_NO_MEMORY, edit->module->ir.name, "no room to edit the module");
}

static int make_unique(const struct edit *edit, LLVMValueRef global)
{
    char *name = mcjit_local_name(edit->module, global);
    if (!name)
        return edit_failed(edit);
    LLVMSetValueName2(global, name, strlen(name));
    free(name);
    return JD_OK;
}

/* --- What loses ------------------------------------------------------------------------------- */

/* An alias or ifunc is defined in terms of the object, maybe of a place within it. Those that lose
 * are gone by now. */
static bool has_dependent_alias(LLVMValueRef value)
{
    for (LLVMUseRef use = LLVMGetFirstUse(value); use; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (LLVMIsAGlobalAlias(user) || LLVMIsAGlobalIFunc(user) ||
            (LLVMIsAConstantExpr(user) && has_dependent_alias(user)))
            return true;
    }
    return false;
}

/* An alias stays with this module's body although the name goes elsewhere: the body becomes
 * internal, and everything but the aliases turns to a declaration. */
static int split_body(const struct edit *edit, LLVMValueRef object)
{
    LLVMValueRef declaration = declare_instead(object);
    LLVMModuleRef module = edit->module->llvm;
    size_t length;
    if (!declaration)
        return edit_failed(edit);
    LLVMReplaceAllUsesWith(object, declaration);
    for (LLVMValueRef a = LLVMGetFirstGlobalAlias(module); a; a = LLVMGetNextGlobalAlias(a))
        if (LLVMAliasGetAliasee(a) == declaration)
            LLVMAliasSetAliasee(a, object);
    for (LLVMValueRef i = LLVMGetFirstGlobalIFunc(module); i; i = LLVMGetNextGlobalIFunc(i))
        if (LLVMGetGlobalIFuncResolver(i) == declaration)
            LLVMSetGlobalIFuncResolver(i, object);
    if (has_dependent_alias(declaration))
        return jd_fail(edit->err, JD_E_UNSUPPORTED, edit->module->ir.name,
                       "has an alias into the middle of '%s', which another module defines",
                       LLVMGetValueName2(declaration, &length));
    LLVMSetLinkage(object, LLVMInternalLinkage);
    return JD_OK; /* the body gets its name with the other internals */
}

static int drop_object(const struct edit *edit, LLVMValueRef object)
{
    if (has_dependent_alias(object))
        return split_body(edit, object);
    if (LLVMIsAFunction(object))
        mcjit_shim_delete_body(object);
    else
        LLVMSetInitializer(object, NULL);
    LLVMSetLinkage(object, LLVMExternalLinkage);
    return JD_OK;
}

static int drop_indirect(const struct edit *edit, LLVMValueRef alias)
{
    LLVMValueRef declaration = declare_instead(alias);
    if (!declaration)
        return edit_failed(edit);
    LLVMReplaceAllUsesWith(alias, declaration);
    mcjit_shim_erase(alias);
    return JD_OK;
}

/* --- What stays ------------------------------------------------------------------------------- */

/* Passes may drop a linkonce definition that this module does not use; others count on it. */
static void keep(LLVMValueRef global, const struct mcjit_symbol *symbol)
{
    switch (LLVMGetLinkage(global)) {
    case LLVMLinkOnceAnyLinkage:
        LLVMSetLinkage(global, LLVMWeakAnyLinkage);
        break;
    case LLVMLinkOnceODRLinkage:
        LLVMSetLinkage(global, LLVMWeakODRLinkage);
        break;
    case LLVMCommonLinkage:
        if (symbol->align_bytes > LLVMGetAlignment(global))
            LLVMSetAlignment(global, symbol->align_bytes);
        break;
    default:
        break;
    }
}

/* Everyone knows the function by its stub: its body gets a name of its own, and only direct calls
 * in this module go to it. */
static int enter_through_stub(const struct edit *edit, LLVMValueRef global,
                              const struct mcjit_symbol *symbol)
{
    char *name = mcjit_body_name(symbol);
    LLVMValueRef declaration = name ? declare_instead(global) : NULL;
    if (declaration) {
        LLVMSetValueName2(global, name, strlen(name));
        LLVMSetLinkage(global, LLVMExternalLinkage);
        LLVMSetVisibility(global, LLVMHiddenVisibility);
        mcjit_shim_replace_addresses(global, declaration);
    }
    free(name);
    return declaration ? JD_OK : edit_failed(edit);
}

static int apply_definition(const struct edit *edit, LLVMValueRef global)
{
    struct mcjit_symbol *symbol;
    int result;
    if (is_object(global))
        LLVMSetComdat(global, NULL); /* groups are decided by name here */
    result = mcjit_scan_symbol(edit->engine, global, &symbol, edit->err);
    if (result || !symbol || LLVMGetLinkage(global) == LLVMAppendingLinkage)
        return result;
    if (is_winner(edit, symbol) && mcjit_has_stub(symbol))
        return enter_through_stub(edit, global, symbol);
    if (is_winner(edit, symbol)) {
        keep(global, symbol);
        return JD_OK;
    }
    if (is_object(global))
        return drop_object(edit, global);
    return drop_indirect(edit, global);
}

static int apply_local(const struct edit *edit, LLVMValueRef global)
{
    size_t length;
    const char *name = LLVMGetValueName2(global, &length);
    LLVMLinkage linkage = LLVMGetLinkage(global);
    /* A private name is no symbol of the object; a value without a name gets one that another
     * module has too. */
    if (linkage == LLVMInternalLinkage ||
        (!length && linkage != LLVMPrivateLinkage && !LLVMIsDeclaration(global)))
        return strncmp(name, "llvm.", 5) ? make_unique(edit, global) : JD_OK;
    return JD_OK;
}

/* --- What is declared ------------------------------------------------------------------------- */

static int apply_declaration(const struct edit *edit, LLVMValueRef global)
{
    struct mcjit_symbol *symbol;
    int result = mcjit_scan_symbol(edit->engine, global, &symbol, edit->err);
    if (result || !symbol || !LLVMGetFirstUse(global))
        return result;
    if (LLVMGetLinkage(global) == LLVMExternalWeakLinkage && !symbol->addr && !symbol->definer &&
        !symbol->is_section_bound) {
        LLVMReplaceAllUsesWith(global, LLVMConstNull(LLVMTypeOf(global)));
        return JD_OK;
    }
    if (LLVMGetLinkage(global) == LLVMExternalWeakLinkage)
        LLVMSetLinkage(global, LLVMExternalLinkage);
    const struct mcjit_module *definer = mcjit_definer(edit->engine, symbol);
    if (!definer || definer->object || symbol->is_user_defined) {
        /* It may be anywhere in the address space: never refer to it with 32 bits. */
        LLVMSetVisibility(global, LLVMDefaultVisibility);
        jd_shim_set_dso_local(global, false);
    }
    return JD_OK;
}

/* --- Static constructors ---------------------------------------------------------------------- */

/* The engine runs it by name. Passes must not drop it. */
static int expose_structor(void *context, unsigned priority, LLVMValueRef function)
{
    const struct edit *edit = context;
    int result = JD_OK;
    (void)priority;
    if (LLVMGetLinkage(function) == LLVMPrivateLinkage)
        result = make_unique(edit, function);
    else if (LLVMGetLinkage(function) != LLVMInternalLinkage)
        return JD_OK;
    LLVMSetLinkage(function, LLVMExternalLinkage);
    LLVMSetVisibility(function, LLVMHiddenVisibility);
    return result;
}

static int apply_structors(struct edit *edit)
{
    static const char *const lists[] = {"llvm.global_ctors", "llvm.global_dtors"};
    int result = JD_OK;
    for (size_t i = 0; i < 2 && !result; i++) {
        result = jd_target_each_array_structor(edit->module->llvm, i == 0, expose_structor, edit);
        if (result)
            return result;
        LLVMValueRef list = LLVMGetNamedGlobal(edit->module->llvm, lists[i]);
        if (!list)
            continue;
        result = jd_target_each_structor(edit->module->llvm, i == 0, expose_structor, edit);
        LLVMDeleteGlobal(list);
    }
    return result;
}

/* --- All of it -------------------------------------------------------------------------------- */

typedef int (*edit_fn)(const struct edit *, LLVMValueRef);

/* The step is taken before the callback: it may delete the value or add others. */
static int each_indirect(const struct edit *edit, edit_fn callback)
{
    LLVMModuleRef m = edit->module->llvm;
    int result = JD_OK;
    for (LLVMValueRef g = LLVMGetFirstGlobalAlias(m), next; g && !result; g = next) {
        next = LLVMGetNextGlobalAlias(g);
        result = callback(edit, g);
    }
    for (LLVMValueRef g = LLVMGetFirstGlobalIFunc(m), next; g && !result; g = next) {
        next = LLVMGetNextGlobalIFunc(g);
        result = callback(edit, g);
    }
    return result;
}

static int each_object(const struct edit *edit, edit_fn callback)
{
    LLVMModuleRef m = edit->module->llvm;
    int result = JD_OK;
    for (LLVMValueRef g = LLVMGetFirstFunction(m), next; g && !result; g = next) {
        next = LLVMGetNextFunction(g);
        result = callback(edit, g);
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(m), next; g && !result; g = next) {
        next = LLVMGetNextGlobal(g);
        result = callback(edit, g);
    }
    return result;
}

static int apply_to_object(const struct edit *edit, LLVMValueRef global)
{
    return is_definition(global) ? apply_definition(edit, global) : JD_OK;
}

static int apply_names(const struct edit *edit, LLVMValueRef global)
{
    if (is_definition(global))
        return apply_local(edit, global);
    return apply_declaration(edit, global);
}

int mcjit_linkage_apply(struct mcjit_engine *engine, struct mcjit_module *module,
                        struct jd_error *err)
{
    struct edit edit = {engine, module, err};
    int result = each_indirect(&edit, apply_definition);
    if (!result)
        result = each_object(&edit, apply_to_object);
    if (!result)
        result = each_object(&edit, apply_names);
    if (!result)
        result = each_indirect(&edit, apply_local);
    return result ? result : apply_structors(&edit);
}
