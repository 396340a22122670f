// SPDX-License-Identifier: Apache-2.0
//
// Holes in the C API: ThreadSafeContext::getLock, GlobalValue::removeFromParent,
// Function::deleteBody. No policy here.

#include "ir_shim.h"

#include <llvm/ExecutionEngine/Orc/ThreadSafeModule.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/Module.h>

using llvm::orc::ThreadSafeContext;

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
