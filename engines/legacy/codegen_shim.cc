// SPDX-License-Identifier: Apache-2.0
//
// Holes in LLVM's C API that the legacy engine needs filled, second part: partitions. No policy, no
// globals, no exceptions; see codegen_shim.h.
// Sources: llvm/IR/Function.h (splice, stealArgumentListFrom), llvm/Transforms/Utils/ValueMapper.h.

#include "source_shim.hpp"

#include <llvm/Analysis/MemoryBuiltins.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/Transforms/Utils/ValueMapper.h>

#include <optional>

using namespace llvm;

static const char RootChain[] = "llvm_gc_root_chain"; // of ShadowStackGCLowering

struct legacy_partition final : ValueMaterializer {
    // From the source to here: 8 KiB with room for 64 values, and keys that are values of the
    // source.
    struct Mapping {
        ValueToValueMapTy Map;
        ValueMapper Mapper;

        explicit Mapping(legacy_partition *P)
            : Mapper(Map, RF_NoModuleLevelChanges | RF_IgnoreMissingLocals, nullptr, P)
        {
        }
    };

    legacy_source &Source;
    legacy_decide_fn Decide;
    void *Context;
    std::unique_ptr<Module> M;
    std::optional<Mapping> Values;           // until the partition is closed
    SmallVector<GlobalVariable *, 8> Wanted; // of the source, declared here, to be defined

    legacy_partition(legacy_source &S, legacy_decide_fn D, void *C)
        : Source(S), Decide(D), Context(C),
          M(std::make_unique<Module>("partition", S.M->getContext()))
    {
        Values.emplace(this);
        M->setTargetTriple(S.M->getTargetTriple());
        M->setDataLayout(S.M->getDataLayout());
        M->IsNewDbgInfoFormat = S.M->IsNewDbgInfoFormat;
        if (S.Flags) {
            NamedMDNode *To = M->getOrInsertModuleFlagsMetadata();
            for (MDNode *Node : S.Flags->operands())
                To->addOperand(Node);
        }
    }

    Value *materialize(Value *V) override
    {
        auto *GV = dyn_cast<GlobalValue>(V);
        return GV && GV->getParent() == Source.M.get() ? declare(*GV) : nullptr;
    }

    GlobalValue *declare(GlobalValue &From)
    {
        if (!From.hasName())
            From.setName(LEGACY_UNNAMED);
        auto Linkage = From.hasExternalWeakLinkage() ? GlobalValue::ExternalWeakLinkage
                                                     : GlobalValue::ExternalLinkage;
        auto *FT = dyn_cast<FunctionType>(From.getValueType());
        if (FT) {
            auto *To =
                Function::Create(FT, Linkage, From.getAddressSpace(), From.getName(), M.get());
            if (auto *F = dyn_cast<Function>(&From)) {
                To->setAttributes(F->getAttributes());
                To->setCallingConv(F->getCallingConv());
                if (F->isIntrinsic())
                    return To;
            }
            To->setDSOLocal(Decide(Context, wrap(&From)) == LEGACY_WANT_NEAR);
            return To;
        }
        auto *Variable = dyn_cast<GlobalVariable>(&From);
        auto *To = new GlobalVariable(*M, From.getValueType(), Variable && Variable->isConstant(),
                                      Linkage, nullptr, From.getName(), nullptr,
                                      From.isThreadLocal() ? GlobalValue::GeneralDynamicTLSModel
                                                           : GlobalValue::NotThreadLocal,
                                      From.getAddressSpace());
        if (Variable)
            To->setAlignment(Variable->getAlign());
        legacy_want Want = Decide(Context, wrap(&From));
        To->setDSOLocal(Want != LEGACY_WANT_FAR);
        if (Want == LEGACY_WANT_DEFINITION)
            Wanted.push_back(Variable);
        return To;
    }

    void remap(Use &U)
    {
        auto *C = dyn_cast<Constant>(U.get());
        if (!C || isa<ConstantData>(C))
            return;
        if (auto *Address = dyn_cast<BlockAddress>(C)) { // of another function: its own are marked
            Source.markLabels(*Address->getFunction());
            C = cast<Constant>(U.get());
        }
        U.set(Values->Mapper.mapConstant(*C));
    }

    void defineLabels(Function &From, Function &To)
    {
        SmallVector<Constant *, 32> Table;
        auto Known = Source.Labels.find(&From);
        if (Known == Source.Labels.end())
            return;
        SmallVector<BasicBlock *, 32> Blocks;
        for (BasicBlock &BB : To)
            Blocks.push_back(&BB);
        for (const auto &L : Known->second) {
            Table.push_back(BlockAddress::get(&To, Blocks[L.Block]));
            Values->Map[L.Marker] = Table.back();
        }
        auto *Type = ArrayType::get(Table[0]->getType(), Table.size());
        auto *Variable = new GlobalVariable(*M, Type, true, GlobalValue::ExternalLinkage,
                                            ConstantArray::get(Type, Table),
                                            LEGACY_LABEL_TABLE + From.getName());
        Variable->setDSOLocal(true);
    }

    // Sizes of objects that the source defines, as far as they are known: to a partition most of
    // those objects are declarations without a size.
    void foldSizes(Function &From)
    {
        for (StringRef Name : {"llvm.objectsize.i64.p0", "llvm.objectsize.i32.p0"}) {
            Function *Intrinsic = Source.M->getFunction(Name);
            if (!Intrinsic)
                continue;
            for (User *U : make_early_inc_range(Intrinsic->users())) {
                auto *Call = dyn_cast<IntrinsicInst>(U);
                if (!Call || Call->getFunction() != &From)
                    continue;
                if (Value *Size =
                        lowerObjectSizeCall(Call, Source.M->getDataLayout(), nullptr, false)) {
                    Call->replaceAllUsesWith(Size);
                    Call->eraseFromParent();
                }
            }
        }
    }

    // The head of the shadow stack is one datum for all functions. LLVM would define it in each
    // module that it finds without, so the source has to know it; see also legacy_partition_close.
    void mapRootChain()
    {
        Module &S = *Source.M;
        GlobalVariable *Chain = S.getNamedGlobal(RootChain);
        if (!Chain)
            Chain = new GlobalVariable(S, PointerType::getUnqual(S.getContext()), false,
                                       GlobalValue::ExternalLinkage, nullptr, RootChain);
        Values->Mapper.mapValue(*Chain);
    }

    void addFunction(Function &From)
    {
        foldSizes(From);
        if (From.hasGC() && From.getGC() == "shadow-stack")
            mapRootChain();
        Function &To = *cast<Function>(Values->Mapper.mapValue(From));
        Source.markLabels(From);
        To.copyAttributesFrom(&From);
        To.setLinkage(GlobalValue::ExternalLinkage);
        To.setVisibility(GlobalValue::DefaultVisibility);
        To.setDLLStorageClass(GlobalValue::DefaultStorageClass);
        // Near, the assembler would settle the function's references to itself, and its address
        // would not be that of its stub. The linker binds its calls to itself.
        To.setDSOLocal(false);
        To.setSection("");
        To.setMetadata(LLVMContext::MD_prof, From.getMetadata(LLVMContext::MD_prof));
        To.stealArgumentListFrom(From);
        To.splice(To.begin(), &From);
        defineLabels(From, To);
        for (Use &U : To.operands())
            remap(U);
        for (BasicBlock &BB : To)
            for (Instruction &I : BB)
                for (Use &U : I.operands())
                    remap(U);
    }

    char *defineVariable(GlobalVariable &From)
    {
        if (char *Message = Source.markLabelsOf(From.getInitializer()))
            return Message;
        auto &To = *cast<GlobalVariable>(Values->Mapper.mapValue(From));
        To.setLinkage(GlobalValue::ExternalLinkage);
        To.setUnnamedAddr(From.getUnnamedAddr());
        To.setDSOLocal(true);
        To.setInitializer(Values->Mapper.mapConstant(*From.getInitializer()));
        return nullptr;
    }
};

legacy_partition *legacy_partition_create(legacy_source *S, legacy_decide_fn Decide, void *Context)
{
    return new legacy_partition(*S, Decide, Context);
}

void legacy_partition_destroy(legacy_partition *P)
{
    delete P;
}

LLVMModuleRef legacy_partition_module(const legacy_partition *P)
{
    return wrap(P->M.get());
}

void legacy_partition_add_function(legacy_partition *P, LLVMValueRef Function)
{
    P->addFunction(*unwrap<llvm::Function>(Function));
}

void legacy_partition_add_variable(legacy_partition *P, LLVMValueRef Variable)
{
    P->Values->Mapper.mapValue(
        *unwrap<GlobalVariable>(Variable)); // asks, and so puts it on the list
}

void legacy_partition_add_asm(legacy_partition *P)
{
    P->M->setModuleInlineAsm(P->Source.M->getModuleInlineAsm());
}

char *legacy_partition_close(legacy_partition *P)
{
    for (size_t I = 0; I < P->Wanted.size(); I++) // grows as it goes
        if (char *Message = P->defineVariable(*P->Wanted[I]))
            return Message;
    // It leaves alone what is weak.
    if (GlobalVariable *Chain = P->M->getNamedGlobal(RootChain); Chain && Chain->isDeclaration())
        Chain->setLinkage(GlobalValue::ExternalWeakLinkage);
    P->Values.reset(); // the partition may outlive its source
    return nullptr;
}
