// SPDX-License-Identifier: Apache-2.0
//
// Holes in the C API: Function::materialize, CloneFunctionInto with a materializer that declares
// what it meets (so that the cost is that of the function, not of its module), CloneModule with a
// choice. No policy here. Source: llvm/Transforms/Utils/Cloning.h, ValueMapper.h.

#include "split_shim.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/Cloning.h>
#include <llvm/Transforms/Utils/ValueMapper.h>
#include <memory>

using namespace llvm;

namespace
{

GlobalValue *declareFunction(const GlobalValue &G, FunctionType *Type, Module &To)
{
    auto *New =
        Function::Create(Type, GlobalValue::ExternalLinkage, G.getAddressSpace(), G.getName(), &To);
    if (auto *Old = dyn_cast<Function>(&G)) {
        New->copyAttributesFrom(Old);
        New->setPersonalityFn(nullptr);
        New->setPrefixData(nullptr);
        New->setPrologueData(nullptr);
    }
    return New;
}

GlobalValue *declareVariable(const GlobalValue &G, Module &To)
{
    auto *Old = dyn_cast<GlobalVariable>(&G);
    auto *New = new GlobalVariable(To, G.getValueType(), Old && Old->isConstant(),
                                   GlobalValue::ExternalLinkage, nullptr, G.getName(), nullptr,
                                   G.getThreadLocalMode(), G.getAddressSpace());
    if (Old)
        New->copyAttributesFrom(Old);
    return New;
}

// What is in another module may be anywhere in the address space.
GlobalValue *declare(const GlobalValue &G, Module &To)
{
    auto *Type = dyn_cast<FunctionType>(G.getValueType());
    GlobalValue *New = Type ? declareFunction(G, Type, To) : declareVariable(G, To);
    if (G.hasExternalWeakLinkage())
        New->setLinkage(GlobalValue::ExternalWeakLinkage);
    New->setVisibility(GlobalValue::DefaultVisibility);
    New->setDSOLocal(false);
    return New;
}

class Declarer : public ValueMaterializer
{
  public:
    explicit Declarer(Module &M) : To(M)
    {
    }
    Value *materialize(Value *V) override
    {
        auto *G = dyn_cast<GlobalValue>(V);
        return G && G->getParent() != &To ? declare(*G, To) : nullptr;
    }

  private:
    Module &To;
};

bool hasLabel(const Constant *C)
{
    return isa<BlockAddress>(C) ||
           ((isa<ConstantExpr>(C) || isa<ConstantAggregate>(C)) &&
            any_of(C->operands(), [](const Use &U) { return hasLabel(cast<Constant>(U.get())); }));
}

bool isLabelTable(const GlobalValue &G)
{
    auto *V = dyn_cast<GlobalVariable>(&G);
    return V && V->hasInitializer() && hasLabel(V->getInitializer());
}

bool hasLabelOfAnother(const Constant *C, const Function &F)
{
    if (auto *Label = dyn_cast<BlockAddress>(C))
        return Label->getFunction() != &F;
    if (!isa<ConstantExpr>(C) && !isa<ConstantAggregate>(C))
        return false;
    for (const Use &U : C->operands())
        if (hasLabelOfAnother(cast<Constant>(U.get()), F))
            return true;
    return false;
}

bool usesLabelOfAnother(const Function &F)
{
    for (const Instruction &I : instructions(F))
        for (const Use &U : I.operands())
            if (auto *C = dyn_cast<Constant>(U.get()))
                if (hasLabelOfAnother(C, F))
                    return true;
    return false;
}

bool isAddress(const Use &U)
{
    auto *Call = dyn_cast<CallBase>(U.getUser());
    return !(Call && Call->isCallee(&U)) && !isa<BlockAddress>(U.getUser());
}

} // namespace

char *peer_shim_read_body(LLVMValueRef function, bool *out_was_read)
{
    auto *F = unwrap<Function>(function);
    *out_was_read = F->isMaterializable();
    if (Error E = F->materialize())
        return LLVMCreateMessage(toString(std::move(E)).c_str());
    return nullptr;
}

char *peer_shim_part(LLVMValueRef function, const char *name, LLVMModuleRef *out)
{
    auto &F = *unwrap<Function>(function);
    Module &From = *F.getParent();
    *out = nullptr;
    if (usesLabelOfAnother(F))
        return LLVMCreateMessage("refers to labels of another function");
    auto To = std::make_unique<Module>(From.getModuleIdentifier(), F.getContext());
    To->setTargetTriple(From.getTargetTriple());
    To->setDataLayout(From.getDataLayout());
    if (NamedMDNode *Flags = From.getModuleFlagsMetadata())
        for (MDNode *Flag : Flags->operands())
            To->getOrInsertModuleFlagsMetadata()->addOperand(Flag);
    auto *Body = Function::Create(F.getFunctionType(), GlobalValue::ExternalLinkage,
                                  F.getAddressSpace(), name, To.get());
    Declarer Declare(*To);
    ValueToValueMapTy Map;
    Map[&F] = Body;
    for (Argument &A : F.args())
        Map[&A] = Body->getArg(A.getArgNo());
    SmallVector<ReturnInst *, 8> Returns;
    CloneFunctionInto(Body, &F, Map, CloneFunctionChangeType::ClonedModule, Returns, "", nullptr,
                      nullptr, &Declare);
    if (any_of(Body->uses(), isAddress))
        Body->replaceUsesWithIf(declare(F, *To), isAddress);
    *out = wrap(To.release());
    return nullptr;
}

LLVMModuleRef peer_shim_rest(LLVMModuleRef module, bool (*keeps)(void *, LLVMValueRef),
                             void *context)
{
    ValueToValueMapTy Map;
    // CloneModule (LLVM 19) copies data before code, so that labels would stay those of the
    // original.
    auto Rest = CloneModule(*unwrap(module), Map, [&](const GlobalValue *G) {
        return isa<Function>(G) ? keeps(context, wrap(G)) : !isLabelTable(*G);
    });
    for (GlobalVariable &Table : unwrap(module)->globals())
        if (isLabelTable(Table)) {
            auto *Copy = cast<GlobalVariable>(&*Map[&Table]);
            Copy->setLinkage(Table.getLinkage());
            Copy->setInitializer(MapValue(Table.getInitializer(), Map));
        }
    for (Function &F : *Rest)
        if (F.isDeclaration()) {
            F.setVisibility(GlobalValue::DefaultVisibility);
            F.setDSOLocal(false);
        }
    return wrap(Rest.release());
}
