// SPDX-License-Identifier: Apache-2.0
//
// Holes in the C API: GlobalValue::setDSOLocal, ModuleSymbolTable::CollectAsmSymbols,
// ThreadSafeContext::getLock, GlobalValue::removeFromParent, Function::deleteBody. No policy here.

#include "ir_shim.h"

#include <llvm/ExecutionEngine/Orc/ThreadSafeModule.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ModuleSymbolTable.h>

using llvm::orc::ThreadSafeContext;

void peer_shim_set_dso_local(LLVMValueRef global, bool is_local)
{
    llvm::unwrap<llvm::GlobalValue>(global)->setDSOLocal(is_local);
}

void peer_shim_each_asm_symbol(LLVMModuleRef module, peer_asm_symbol_fn callback, void *context)
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

void *peer_shim_lock_context(LLVMOrcThreadSafeContextRef context)
{
    return new ThreadSafeContext::Lock(reinterpret_cast<ThreadSafeContext *>(context)->getLock());
}

void peer_shim_unlock_context(void *lock)
{
    delete static_cast<ThreadSafeContext::Lock *>(lock);
}

void peer_shim_detach(LLVMValueRef function)
{
    llvm::unwrap<llvm::Function>(function)->removeFromParent();
}

void peer_shim_delete_body(LLVMValueRef function)
{
    llvm::unwrap<llvm::Function>(function)->deleteBody();
}
