// SPDX-License-Identifier: Apache-2.0
//
// Holes in the C API: GlobalValue::setDSOLocal, ModuleSymbolTable::CollectAsmSymbols and
// CollectAsmSymvers. No policy here.

#include "module_shim.h"

#include <string>

#include <llvm/ADT/StringMap.h>
#include <llvm/IR/GlobalValue.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ModuleSymbolTable.h>

using Versions = llvm::StringMap<std::string>;

// NAME -> SYMBOL@VERSION. Parsing assembly is slow; the directive is rare.
static Versions versions_of(const llvm::Module &module)
{
    Versions versions;
    if (llvm::StringRef(module.getModuleInlineAsm()).contains(".symver"))
        llvm::ModuleSymbolTable::CollectAsmSymvers(
            module, [&](llvm::StringRef name, llvm::StringRef version) {
                versions.try_emplace(name, version.str());
            });
    return versions;
}

void jd_shim_set_dso_local(LLVMValueRef global, bool is_local)
{
    llvm::unwrap<llvm::GlobalValue>(global)->setDSOLocal(is_local);
}

void jd_shim_apply_versions(LLVMModuleRef module)
{
    llvm::Module &ir = *llvm::unwrap(module);
    for (const auto &version : versions_of(ir)) {
        llvm::GlobalValue *value = ir.getNamedValue(version.first());
        if (value && value->isDeclaration() && !ir.getNamedValue(version.second))
            value->setName(version.second);
    }
}

void jd_shim_each_asm_symbol(LLVMModuleRef module, jd_asm_symbol_fn callback, void *context)
{
    Versions versions = versions_of(*llvm::unwrap(module));
    llvm::ModuleSymbolTable::CollectAsmSymbols(
        *llvm::unwrap(module),
        [&](llvm::StringRef name, llvm::object::BasicSymbolRef::Flags flags) {
            bool is_undefined = flags & llvm::object::BasicSymbolRef::SF_Undefined;
            if (!is_undefined || !versions.count(name))
                callback(context, name.data(), name.size(), is_undefined,
                         flags & llvm::object::BasicSymbolRef::SF_Global,
                         flags & llvm::object::BasicSymbolRef::SF_Weak);
        });
}
