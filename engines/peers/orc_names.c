/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of ours in modules that are parted: "jitduel:WHAT.MODULE:NAME". Parts are modules, which
 * can share only what has a name outside, so local names become global ones that nothing else has.
 * Knows nothing of layers. Source: LLVM language reference, "Linkage Types".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module_shim.h"
#include "orc.h"

const char *orc_plain_name(const char *name)
{
    static const char own[] = "jitduel:";
    const char *rest =
        strncmp(name, own, sizeof own - 1) ? NULL : strchr(name + sizeof own - 1, ':');
    return rest ? rest + 1 : name;
}

char *orc_own_name(const struct peer_module *module, const char *what, LLVMValueRef global)
{
    size_t length;
    const char *name = LLVMGetValueName2(global, &length);
    char *made;
    name += length && name[0] == '\01';
    return asprintf(&made, "jitduel:%s.%u:%s", what, module->number, orc_plain_name(name)) < 0
               ? NULL
               : made;
}

/* The operand that is the use's, but not what a call calls; -1: none. */
static int address_operand(LLVMValueRef user, LLVMValueRef function)
{
    int count = LLVMGetNumOperands(user);
    bool is_call = LLVMIsACallInst(user) || LLVMIsAInvokeInst(user);
    for (int i = 0; i < count - (is_call ? 1 : 0); i++)
        if (LLVMGetOperand(user, (unsigned)i) == function)
            return i;
    return -1;
}

/* An instruction of the function that takes the function's address; NULL: none. */
static LLVMValueRef own_user(LLVMValueRef function)
{
    for (LLVMUseRef use = LLVMGetFirstUse(function); use; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (LLVMIsAInstruction(user) && address_operand(user, function) >= 0 &&
            LLVMGetBasicBlockParent(LLVMGetInstructionParent(user)) == function)
            return user;
    }
    return NULL;
}

static bool read_own_address(const struct peer_module *module, LLVMModuleRef llvm,
                             LLVMValueRef function)
{
    LLVMContextRef context = LLVMGetModuleContext(llvm);
    LLVMTypeRef type = LLVMPointerTypeInContext(context, 0);
    LLVMValueRef user = own_user(function);
    char *name = user ? orc_own_name(module, "self", function) : NULL;
    if (!user || !name)
        return !user;
    LLVMValueRef cell = LLVMAddGlobal(llvm, type, name);
    LLVMSetInitializer(cell, function);
    LLVMSetGlobalConstant(cell, true);
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
    LLVMPositionBuilderBefore(builder, LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(function)));
    LLVMValueRef address = LLVMBuildLoad2(builder, type, cell, "");
    for (; user; user = own_user(function))
        LLVMSetOperand(user, (unsigned)address_operand(user, function), address);
    LLVMDisposeBuilder(builder);
    free(name);
    return true;
}

int orc_read_own_addresses(const struct peer_module *module, LLVMModuleRef llvm,
                           struct jd_error *err)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(llvm); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f) && !read_own_address(module, llvm, f))
            return jd_fail(err, JD_E_NO_MEMORY, module->name, "no room for a name");
    return JD_OK;
}

static bool has_alias(LLVMValueRef global)
{
    for (LLVMUseRef use = LLVMGetFirstUse(global); use; use = LLVMGetNextUse(use))
        if (LLVMIsAGlobalAlias(LLVMGetUser(use)))
            return true;
    return false;
}

/* Another part may be anywhere in the address space. */
static bool promote(const struct peer_module *module, LLVMValueRef global, bool keeps_aliasees)
{
    LLVMLinkage linkage = LLVMGetLinkage(global);
    if ((linkage != LLVMInternalLinkage && linkage != LLVMPrivateLinkage) ||
        (keeps_aliasees && has_alias(global)))
        return true;
    char *name = orc_own_name(module, "local", global);
    if (!name)
        return false;
    LLVMSetValueName2(global, name, strlen(name));
    LLVMSetLinkage(global, LLVMExternalLinkage);
    jd_shim_set_dso_local(global, false);
    free(name);
    return true;
}

int orc_promote_locals(const struct peer_module *module, LLVMModuleRef llvm, bool keeps_aliasees,
                       struct jd_error *err)
{
    bool is_done = true;
    for (LLVMValueRef f = LLVMGetFirstFunction(llvm); f; f = LLVMGetNextFunction(f))
        is_done = is_done && promote(module, f, keeps_aliasees);
    for (LLVMValueRef g = LLVMGetFirstGlobal(llvm); g; g = LLVMGetNextGlobal(g))
        is_done = is_done && promote(module, g, keeps_aliasees);
    for (LLVMValueRef a = LLVMGetFirstGlobalAlias(llvm); a; a = LLVMGetNextGlobalAlias(a))
        is_done = is_done && promote(module, a, keeps_aliasees);
    for (LLVMValueRef i = LLVMGetFirstGlobalIFunc(llvm); i; i = LLVMGetNextGlobalIFunc(i))
        is_done = is_done && promote(module, i, keeps_aliasees);
    return is_done ? JD_OK : jd_fail(err, JD_E_NO_MEMORY, module->name, "no room for a name");
}
