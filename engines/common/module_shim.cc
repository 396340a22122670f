// SPDX-License-Identifier: Apache-2.0
//
// Holes in the C API: GlobalValue::setDSOLocal, ModuleSymbolTable::CollectAsmSymbols. No policy
// here.

#include "module_shim.h"

#include <llvm/IR/GlobalValue.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ModuleSymbolTable.h>

void jd_shim_set_dso_local(LLVMValueRef global, bool is_local)
{
    llvm::unwrap<llvm::GlobalValue>(global)->setDSOLocal(is_local);
}

void jd_shim_each_asm_symbol(LLVMModuleRef module, jd_asm_symbol_fn callback, void *context)
{
    llvm::ModuleSymbolTable::CollectAsmSymbols(
        *llvm::unwrap(module),
        [&](llvm::StringRef name, llvm::object::BasicSymbolRef::Flags flags) {
            callback(context, name.data(), name.size(),
                     flags & llvm::object::BasicSymbolRef::SF_Undefined,
                     flags & llvm::object::BasicSymbolRef::SF_Global,
                     flags & llvm::object::BasicSymbolRef::SF_Weak);
        });
}
