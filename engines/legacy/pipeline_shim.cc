// SPDX-License-Identifier: Apache-2.0
//
// Holes in LLVM's C API that the legacy engine needs filled, last part: the persistent pipeline of
// code generation. A tiny function spends a seventh of its time in the pass manager's books, so at
// -O0 two pipelines stand ready: one without the passes that find no work in an ordinary function,
// and the whole one for the rest. Both generate the same code: what is left out would change
// nothing. No policy, no globals, no exceptions; see codegen_shim.h. Sources:
// llvm/Target/TargetMachine.h (addPassesToEmitFile), llvm/CodeGen/TargetPassConfig.h, and of each
// pass left out the condition on which it begins.

#include "codegen_shim.h"

#include <llvm/ADT/StringSet.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Pass.h>
#include <llvm/PassInfo.h>
#include <llvm/PassRegistry.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include "asm_labels.hpp"

using namespace llvm;

struct legacy_codegen {
    SmallVector<char, 0> Buffer;
    raw_svector_ostream Stream{Buffer};
    TargetMachine *TM;
    std::unique_ptr<legacy::PassManager> Ordinary, Whole; // null: to be built when needed
};

namespace
{

// By the names that LLVM registers them with. What each works on is told by needsWholePipeline.
const char *const WithoutWork[] = {
    "gc-lowering",
    "shadow-stack-gc-lowering",
    "gc-analysis", // gc
    "fixup-statepoint-caller-saved",
    "stackmap-liveness", // intrinsics
    "expandvp",
    "scalarize-masked-mem-intrin",
    "expand-reductions", // intrinsics
    "lower-constant-intrinsics",
    "lower-amx-intrinsics",
    "lower-amx-type", // intrinsics
    "fastpretileconfig",
    "fasttileconfig",
    "lowertilecopy", // intrinsics
    "safe-stack",
    "x86-slh",
    "fentry-insert",
    "xray-instrumentation", // attributes
    "patchable-function",
    "post-inline-ee-instrument",
    "x86-return-thunks", // attributes
    "machine-sanmd",
    "removeredundantdebugvalues",
    "livedebugvalues",
    "kcfi",                  // metadata
    "pseudo-probe-inserter", // metadata of the module, which no partition has
    "stack-frame-layout",    // remarks, for which nobody asks
};

const char *const IntrinsicsWithPass[] = {
    "llvm.experimental.", "llvm.vp.",         "llvm.masked.",
    "llvm.vector.reduce", "llvm.is.constant", "llvm.objectsize",
    "llvm.x86.t", // tiles
};

const char *const AttributesWithPass[] = {
    "fentry-call",
    "function-instrument",
    "xray-instruction-threshold",
    "patchable-function",
    "patchable-function-entry",
    "instrument-function-entry-inlined",
    "instrument-function-exit-inlined",
};

bool hasPassOfItsOwn(const Function &F)
{
    if (F.isIntrinsic())
        return any_of(IntrinsicsWithPass, [&](StringRef P) { return F.getName().starts_with(P); });
    if (F.isDeclaration())
        return false;
    return F.hasGC() || F.getSubprogram() || F.hasMetadata(LLVMContext::MD_pcsections) ||
           F.hasFnAttribute(Attribute::SafeStack) ||
           F.hasFnAttribute(Attribute::SpeculativeLoadHardening) ||
           F.hasFnAttribute(Attribute::FnRetThunkExtern) ||
           any_of(AttributesWithPass, [&](StringRef A) { return F.hasFnAttribute(A); });
}

bool needsWholePipeline(const Module &M)
{
    return M.getModuleFlag("kcfi") || any_of(M, hasPassOfItsOwn);
}

// Takes what addPassesToEmitFile adds, and passes on what can have work.
class Sieve final : public legacy::PassManagerBase
{
    legacy::PassManager &To;
    StringSet<> Dropped;

  public:
    explicit Sieve(legacy::PassManager &PM) : To(PM)
    {
        for (const char *Name : WithoutWork)
            Dropped.insert(Name);
    }

    void add(Pass *P) override
    {
        const PassInfo *Info = PassRegistry::getPassRegistry()->getPassInfo(P->getPassID());
        if (Info && Dropped.contains(Info->getPassArgument()))
            delete P;
        else
            To.add(P);
    }
};

} // namespace

// With an emitter for objects, or null where the target has none.
static std::unique_ptr<legacy::PassManager> build(legacy_codegen &C, bool IsOrdinary)
{
    auto Passes = std::make_unique<legacy::PassManager>();
    Sieve Ordinary(*Passes);
    legacy::PassManagerBase &To =
        IsOrdinary ? static_cast<legacy::PassManagerBase &>(Ordinary) : *Passes;
    if (C.TM->addPassesToEmitFile(To, C.Stream, nullptr, CodeGenFileType::ObjectFile, true))
        return nullptr;
    return Passes;
}

legacy_codegen *legacy_codegen_create(LLVMTargetMachineRef Machine)
{
    auto C = std::make_unique<legacy_codegen>();
    C->TM = reinterpret_cast<TargetMachine *>(Machine);
    const bool HasOrdinary = C->TM->getOptLevel() == CodeGenOptLevel::None;
    auto &First = HasOrdinary ? C->Ordinary : C->Whole;
    First = build(*C, HasOrdinary);
    return First ? C.release() : nullptr;
}

void legacy_codegen_split_data(LLVMTargetMachineRef Machine)
{
    reinterpret_cast<TargetMachine *>(Machine)->Options.DataSections = true;
}

void legacy_codegen_destroy(legacy_codegen *C)
{
    delete C;
}

void legacy_codegen_run(legacy_codegen *C, LLVMModuleRef Module, const void **OutBytes,
                        size_t *OutSizeBytes)
{
    llvm::Module &M = *unwrap(Module);
    const bool IsOrdinary = C->TM->getOptLevel() == CodeGenOptLevel::None && !needsWholePipeline(M);
    const bool IsLast = jd_has_numbered_label(M);
    auto &Passes = IsOrdinary ? C->Ordinary : C->Whole;
    C->Buffer.clear();
    if (!Passes)
        Passes = build(*C, IsOrdinary); // one like it could be built before
    Passes->run(M);
    if (IsLast)
        Passes.reset();
    *OutBytes = C->Buffer.data();
    *OutSizeBytes = C->Buffer.size();
}
