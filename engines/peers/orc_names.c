/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of ours in modules that are parted: "jitduel:WHAT.MODULE:NAME". Parts are modules, which
 * can share only what has a name outside, so local names become global ones that nothing else has.
 * Knows nothing of layers. Source: LLVM language reference, "Linkage Types".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir_shim.h"
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
    peer_shim_set_dso_local(global, false);
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
