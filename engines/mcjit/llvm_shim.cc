// SPDX-License-Identifier: Apache-2.0
//
// Holes in the C API: TargetMachine's relocation model, Function::deleteBody,
// GlobalValue::eraseFromParent, Value::replaceUsesWithIf, RTDyldMemoryManager::deregisterEHFrames
// and reserveAllocationSpace. No policy here.

#include "llvm_shim.h"

#include <llvm/ExecutionEngine/RTDyldMemoryManager.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

namespace
{
// The relocation model is protected and has no setter. A derived class may name it.
struct RelocModel : llvm::TargetMachine {
    static constexpr llvm::Reloc::Model llvm::TargetMachine::*member = &RelocModel::RM;
};

struct MemoryManager final : llvm::RTDyldMemoryManager {
    void *Context;
    LLVMMemoryManagerAllocateCodeSectionCallback AllocateCode;
    LLVMMemoryManagerAllocateDataSectionCallback AllocateData;
    LLVMMemoryManagerFinalizeMemoryCallback Finalize;
    LLVMMemoryManagerDestroyCallback Destroy;
    mcjit_reserve_code_fn ReserveCode;

    ~MemoryManager() override
    {
        Destroy(Context);
    }

    bool needsToReserveAllocationSpace() override
    {
        return true;
    }

    void reserveAllocationSpace(uintptr_t CodeSize, llvm::Align CodeAlign, uintptr_t, llvm::Align,
                                uintptr_t, llvm::Align) override
    {
        ReserveCode(Context, CodeSize, CodeAlign.value());
    }

    uint8_t *allocateCodeSection(uintptr_t Size, unsigned Alignment, unsigned SectionID,
                                 llvm::StringRef Name) override
    {
        return AllocateCode(Context, Size, Alignment, SectionID, Name.str().c_str());
    }

    uint8_t *allocateDataSection(uintptr_t Size, unsigned Alignment, unsigned SectionID,
                                 llvm::StringRef Name, bool IsReadOnly) override
    {
        return AllocateData(Context, Size, Alignment, SectionID, Name.str().c_str(), IsReadOnly);
    }

    bool finalizeMemory(std::string *Error) override
    {
        char *Message = nullptr;
        bool HasFailed = Finalize(Context, &Message);
        if (Message && Error)
            *Error = Message;
        free(Message);
        return HasFailed;
    }

    void deregisterEHFrames() override
    {
        std::reverse(EHFrames.begin(), EHFrames.end());
        RTDyldMemoryManager::deregisterEHFrames();
    }
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

void mcjit_shim_replace_addresses(LLVMValueRef function, LLVMValueRef replacement)
{
    llvm::unwrap(function)->replaceUsesWithIf(llvm::unwrap(replacement), [](llvm::Use &Use) {
        auto *Call = llvm::dyn_cast<llvm::CallBase>(Use.getUser());
        return !(Call && Call->isCallee(&Use)) &&
               !llvm::isa<llvm::GlobalAlias, llvm::GlobalIFunc, llvm::BlockAddress>(Use.getUser());
    });
}

LLVMMCJITMemoryManagerRef
mcjit_shim_memory_manager(void *context, mcjit_reserve_code_fn reserve_code,
                          LLVMMemoryManagerAllocateCodeSectionCallback allocate_code,
                          LLVMMemoryManagerAllocateDataSectionCallback allocate_data,
                          LLVMMemoryManagerFinalizeMemoryCallback finalize,
                          LLVMMemoryManagerDestroyCallback destroy)
{
    auto *manager = new MemoryManager;
    manager->Context = context;
    manager->ReserveCode = reserve_code;
    manager->AllocateCode = allocate_code;
    manager->AllocateData = allocate_data;
    manager->Finalize = finalize;
    manager->Destroy = destroy;
    return reinterpret_cast<LLVMMCJITMemoryManagerRef>(
        static_cast<llvm::RTDyldMemoryManager *>(manager));
}
