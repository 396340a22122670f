// SPDX-License-Identifier: Apache-2.0
//
// Holes in LLVM's C API that the legacy engine needs filled, first half: lazily read modules, their
// bodies and labels. No policy, no globals, no exceptions; see codegen_shim.h.
// Sources: llvm/IR/Function.h (materialize, setIsMaterializable), llvm/IR/GVMaterializer.h,
// llvm/Object/ModuleSymbolTable.h.

#include "source_shim.hpp"

#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/Analysis/BlockFrequencyInfo.h>
#include <llvm/Analysis/BranchProbabilityInfo.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/DebugInfo.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/GVMaterializer.h>
#include <llvm/Object/ModuleSymbolTable.h>

using namespace llvm;

namespace
{

char *messageOf(Error E)
{
    return LLVMCreateMessage(toString(std::move(E)).c_str());
}

char *materialise(Function &F, bool &WasRead)
{
    WasRead = F.isMaterializable();
    if (WasRead)
        if (Error E = F.materialize())
            return messageOf(std::move(E));
    if (F.getSubprogram())
        stripDebugInfo(F);
    return nullptr;
}

// The functions of which a constant holds block addresses.
void findLabelled(Constant *Root, SmallPtrSetImpl<Function *> &Found)
{
    SmallVector<Constant *, 16> Work{Root};
    SmallPtrSet<Constant *, 16> Seen;
    while (!Work.empty()) {
        Constant *C = Work.pop_back_val();
        if (auto *Address = dyn_cast<BlockAddress>(C))
            Found.insert(Address->getFunction());
        else if (!isa<ConstantData>(C) && !isa<GlobalValue>(C) && Seen.insert(C).second)
            for (Use &U : C->operands())
                Work.push_back(cast<Constant>(U.get()));
    }
}

} // namespace

GlobalVariable *legacy_source::markerOf(Function &F, size_t Block)
{
    auto &Known = Labels[&F];
    if (!Known.empty() && Known.back().Block >= Block) // made in order, the first time
        for (const Label &L : Known)
            if (L.Block == Block)
                return L.Marker;
    auto *Marker = new GlobalVariable(
        *M, Type::getInt8Ty(F.getContext()), false, GlobalValue::ExternalLinkage, nullptr,
        Twine(LEGACY_LABEL_MARKER) + F.getName() + "." + Twine(Known.size()));
    Known.push_back({Block, Marker});
    Owners[Marker] = &F;
    return Marker;
}

void legacy_source::markLabels(Function &F)
{
    for (auto [Number, BB] : enumerate(F)) {
        BlockAddress *Address = BB.hasAddressTaken() ? BlockAddress::lookup(&BB) : nullptr;
        if (!Address)
            continue;
        Address->replaceAllUsesWith(markerOf(F, Number));
        Address->destroyConstant();
    }
}

char *legacy_source::markLabelsOf(Constant *Root)
{
    SmallPtrSet<Function *, 2> Labelled;
    findLabelled(Root, Labelled);
    for (Function *F : Labelled) {
        bool WasRead;
        if (char *Message = materialise(*F, WasRead))
            return Message;
        markLabels(*F);
    }
    return nullptr;
}

legacy_source *legacy_source_create(LLVMModuleRef Module, bool *OutHasAsm)
{
    auto *S = new legacy_source;
    S->M.reset(unwrap(Module));
    GVMaterializer *Reader = S->M->getMaterializer();
    if (Reader && !S->M->debug_compile_units().empty())
        Reader->setStripDebugInfo();
    S->Flags = S->M->getModuleFlagsMetadata();
    *OutHasAsm = !S->M->getModuleInlineAsm().empty();
    return S;
}

void legacy_source_destroy(legacy_source *S)
{
    delete S;
}

LLVMModuleRef legacy_source_module(const legacy_source *S)
{
    return wrap(S->M.get());
}

// LLVM's Mangler adds "@@" and the bytes of the arguments to vectorcall functions, on ELF too.
static GlobalValue *findVectorCall(const Module &M, StringRef Name)
{
    GlobalValue *GV = M.getNamedValue(Name.substr(0, Name.rfind("@@")));
    auto *F = GV ? dyn_cast_or_null<Function>(GV->getAliaseeObject()) : nullptr;
    return F && F->getCallingConv() == CallingConv::X86_VectorCall ? GV : nullptr;
}

LLVMValueRef legacy_source_find(const legacy_source *S, const char *Name)
{
    if (GlobalValue *GV = S->M->getNamedValue(Name))
        return wrap(GV);
    if (GlobalValue *GV = S->M->getNamedValue((Twine("\1") + Name).str()))
        return wrap(GV);
    return StringRef(Name).contains("@@") ? wrap(findVectorCall(*S->M, Name)) : nullptr;
}

void legacy_source_each_asm_symbol(legacy_source *S, void (*Callback)(void *, const char *, bool),
                                   void *Context)
{
    using object::BasicSymbolRef;
    ModuleSymbolTable::CollectAsmSymbols(*S->M, [&](StringRef Name, BasicSymbolRef::Flags Flags) {
        if (Flags & BasicSymbolRef::SF_Undefined)
            return;
        if (Flags & BasicSymbolRef::SF_Global)
            Callback(Context, Name.str().c_str(), Flags & BasicSymbolRef::SF_Weak);
        else if (GlobalValue *GV = S->M->getNamedValue(Name); GV && GV->isDeclaration())
            S->AsmLocals.insert(GV);
    });
}

bool legacy_source_is_asm_local(const legacy_source *S, LLVMValueRef Global)
{
    return S->AsmLocals.contains(unwrap<GlobalValue>(Global));
}

LLVMValueRef legacy_alias_target(LLVMValueRef Alias, int64_t *OutOffsetBytes)
{
    auto *A = unwrap<GlobalAlias>(Alias);
    const DataLayout &DL = A->getParent()->getDataLayout();
    APInt Offset(DL.getIndexTypeSizeInBits(A->getType()), 0);
    Value *Base = A->getAliasee()->stripAndAccumulateConstantOffsets(DL, Offset, true);
    *OutOffsetBytes = Offset.getSExtValue();
    return isa<GlobalValue>(Base) ? wrap(Base) : nullptr;
}

static GlobalObject *declareLike(GlobalObject &GO, Module &M)
{
    if (auto *F = dyn_cast<Function>(&GO)) {
        auto *D = Function::Create(F->getFunctionType(), GlobalValue::ExternalLinkage,
                                   F->getAddressSpace(), "", &M);
        D->setAttributes(F->getAttributes());
        D->setCallingConv(F->getCallingConv());
        return D;
    }
    auto &V = cast<GlobalVariable>(GO);
    auto *D = new GlobalVariable(M, V.getValueType(), V.isConstant(), GlobalValue::ExternalLinkage,
                                 nullptr, "", nullptr, V.getThreadLocalMode(), V.getAddressSpace());
    D->setAlignment(V.getAlign());
    return D;
}

void legacy_source_hide(legacy_source *S, LLVMValueRef Definition)
{
    auto &GO = *unwrap<GlobalObject>(Definition);
    GlobalObject *D = declareLike(GO, *S->M);
    SmallVector<std::pair<GlobalAlias *, int64_t>, 4> Aliases;
    for (GlobalAlias &A : S->M->aliases()) {
        int64_t Offset;
        if (legacy_alias_target(wrap(&A), &Offset) == Definition &&
            !isa<GlobalAlias>(A.getAliasee()))
            Aliases.push_back({&A, Offset});
    }
    D->takeName(&GO);
    GO.replaceAllUsesWith(D); // bodies that were not read yet refer to it as well
    for (auto [A, Offset] : Aliases)
        A->setAliasee(Offset
                          ? ConstantExpr::getGetElementPtr(
                                Type::getInt8Ty(GO.getContext()), cast<Constant>(&GO),
                                ConstantInt::getSigned(Type::getInt64Ty(GO.getContext()), Offset))
                          : &GO);
    GO.setName(D->getName() + ".hidden");
    GO.setComdat(nullptr);
    GO.setLinkage(GlobalValue::InternalLinkage);
}

LLVMValueRef legacy_ifunc_resolver(LLVMValueRef IFunc)
{
    return wrap(unwrap<GlobalIFunc>(IFunc)->getResolverFunction());
}

char *legacy_source_materialise(LLVMValueRef Function, bool *OutWasRead)
{
    return materialise(*unwrap<llvm::Function>(Function), *OutWasRead);
}

void legacy_source_each_call(LLVMValueRef Function, void (*Callback)(void *, LLVMValueRef, double),
                             void *Context)
{
    auto &F = *unwrap<llvm::Function>(Function);
    DominatorTree Dominators(F);
    LoopInfo Loops(Dominators);
    BranchProbabilityInfo Branches(F, Loops);
    BlockFrequencyInfo Frequencies(F, Branches, Loops);
    double Once = double(Frequencies.getEntryFreq().getFrequency());
    for (BasicBlock &BB : F) {
        double Often = double(Frequencies.getBlockFreq(&BB).getFrequency()) / Once;
        for (Instruction &I : BB)
            if (auto *Call = dyn_cast<CallBase>(&I))
                if (auto *Callee = Call->getCalledFunction())
                    Callback(Context, wrap(Callee), std::min(Often, 1.0));
    }
}

void legacy_source_rewind(LLVMValueRef Function)
{
    // The reader still knows where the body lies: only the mark says that it was read.
    unwrap<llvm::Function>(Function)->setIsMaterializable(true);
}

void legacy_source_drop(LLVMValueRef Function)
{
    unwrap<llvm::Function>(Function)->deleteBody();
}

LLVMValueRef legacy_source_label_owner(const legacy_source *S, LLVMValueRef Global)
{
    return wrap(S->Owners.lookup(unwrap<GlobalValue>(Global)));
}

LLVMValueRef legacy_source_label(const legacy_source *S, LLVMValueRef Function, unsigned Index)
{
    auto Found = S->Labels.find(unwrap<llvm::Function>(Function));
    return Found != S->Labels.end() && Index < Found->second.size()
               ? wrap(Found->second[Index].Marker)
               : nullptr;
}
