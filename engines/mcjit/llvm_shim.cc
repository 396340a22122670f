// SPDX-License-Identifier: Apache-2.0
//
// Holes in the C API: TargetMachine's relocation model, Function::deleteBody,
// GlobalValue::eraseFromParent, GlobalValue::setDSOLocal, ModuleSymbolTable::CollectAsmSymbols. No
// policy here.

#include "llvm_shim.h"

#include <llvm/IR/Function.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ModuleSymbolTable.h>
#include <llvm/Target/TargetMachine.h>

namespace
{
// The relocation model is protected and has no setter. A derived class may name it.
struct RelocModel : llvm::TargetMachine {
    static constexpr llvm::Reloc::Model llvm::TargetMachine::*member = &RelocModel::RM;
};
} // namespace

void mcjit_shim_use_pic(LLVMTargetMachineRef machine)
{
    reinterpret_cast<llvm::TargetMachine *>(machine)->*RelocModel::member = llvm::Reloc::PIC_;
}

void mcjit_shim_delete_body(LLVMValueRef function)
{
    llvm::unwrap<llvm::Function>(function)->deleteBody();
}

void mcjit_shim_erase(LLVMValueRef global)
{
    llvm::unwrap<llvm::GlobalValue>(global)->eraseFromParent();
}

void mcjit_shim_set_dso_local(LLVMValueRef global, bool is_local)
{
    llvm::unwrap<llvm::GlobalValue>(global)->setDSOLocal(is_local);
}

void mcjit_shim_each_asm_symbol(LLVMModuleRef module, mcjit_asm_symbol_fn callback, void *context)
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
