// SPDX-License-Identifier: Apache-2.0
//
// Holes in LLVM's C API that granularity block needs filled, first half: finding the regions of a
// function that can leave it, describing them, extracting them. No policy, no globals, no
// exceptions; see outline_shim.h.
// Sources: llvm/Transforms/Utils/CodeExtractor.h; LLVM language reference, "musttail",
// "returns_twice", "Exception Handling Intrinsics".

#include "outline_shim.hpp"

#include "reach.hpp"

#include <llvm/ADT/PostOrderIterator.h>
#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/CFG.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/EHPersonalities.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/PassManager.h>
#include <llvm/IR/ProfDataUtils.h>
#include <llvm/Transforms/Scalar/LowerExpectIntrinsic.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>
#include <llvm/Transforms/Utils/CodeExtractor.h>

using namespace llvm;

namespace
{

// What looks at the frame or the arguments of the function that it stands in, and what must stay
// next to the return.
bool isBoundToFrame(const Instruction &I)
{
    auto *Call = dyn_cast<CallBase>(&I);
    if (!Call)
        return false;
    if (Call->isMustTailCall() || Call->hasOperandBundles())
        return true;
    switch (Call->getIntrinsicID()) {
    case Intrinsic::addressofreturnaddress:
    case Intrinsic::eh_dwarf_cfa:
    case Intrinsic::eh_return_i32:
    case Intrinsic::eh_return_i64:
    case Intrinsic::eh_sjlj_functioncontext:
    case Intrinsic::eh_sjlj_longjmp:
    case Intrinsic::eh_sjlj_setjmp:
    case Intrinsic::eh_sjlj_setup_dispatch:
    case Intrinsic::eh_typeid_for:
    case Intrinsic::eh_unwind_init:
    case Intrinsic::experimental_deoptimize:
    case Intrinsic::frameaddress:
    case Intrinsic::gcroot:
    case Intrinsic::get_dynamic_area_offset:
    case Intrinsic::localaddress:
    case Intrinsic::localescape:
    case Intrinsic::localrecover:
    case Intrinsic::read_register:
    case Intrinsic::returnaddress:
    case Intrinsic::sponentry:
    case Intrinsic::stackprotector:
    case Intrinsic::stackrestore:
    case Intrinsic::stacksave:
    case Intrinsic::vastart:
    case Intrinsic::write_register:
        return true;
    default:
        return false;
    }
}

// The selector that a landing pad yields is a number in its own function's table of types: it must
// not be compared in another function.
bool yieldsSelector(const BasicBlock &BB)
{
    const LandingPadInst *Pad = BB.getLandingPadInst();
    return Pad && Pad->getNumClauses();
}

struct Extent {
    unsigned Instructions = 0;
    bool IsFixed = false;

    explicit Extent(const BasicBlock &BB) : IsFixed(yieldsSelector(BB))
    {
        for (const Instruction &I : BB) {
            Instructions++;
            IsFixed |= isa<AllocaInst>(I) || isBoundToFrame(I);
        }
    }
};

// Values that cannot be handed to another function.
bool isUnpassable(const Type *T)
{
    return T->isTokenTy() || T->isX86_AMXTy() || T->isTargetExtTy();
}

bool canOutline(const legacy_source &S, const Function &F)
{
    if (F.hasFnAttribute(Attribute::Naked) || F.isPresplitCoroutine() || F.hasGC() ||
        F.callsFunctionThatReturnsTwice() || S.Labels.count(const_cast<Function *>(&F)))
        return false;
    if (F.hasPersonalityFn() && isScopedEHPersonality(classifyEHPersonality(F.getPersonalityFn())))
        return false;
    for (const Argument &A : F.args())
        if (A.hasSwiftErrorAttr() || A.hasInAllocaAttr() || A.hasPreallocatedAttr() ||
            A.hasAttribute(Attribute::SwiftAsync) || isUnpassable(A.getType()))
            return false;
    for (const BasicBlock &BB : F) {
        if (BB.hasAddressTaken() || isa<IndirectBrInst, CallBrInst>(BB.getTerminator()))
            return false;
        for (const Instruction &I : BB)
            if (isUnpassable(I.getType()) || I.isSwiftError())
                return false;
    }
    return true;
}

bool isSmall(const Function &F, unsigned LeastInstructions)
{
    size_t Count = 0;
    for (const BasicBlock &BB : F)
        if ((Count += BB.size()) >= LeastInstructions)
            return false;
    return true;
}

bool hasProfile(const Function &F)
{
    return any_of(F,
                  [](const BasicBlock &BB) { return hasValidBranchWeightMD(*BB.getTerminator()); });
}

// A function, its regions, and which of them leave it.
struct Outliner {
    Function &F;
    const legacy_outline_policy &Policy;
    DominatorTree DT;
    LoopInfo LI;
    legacy_reach Reach;                            // made when a region is worth asking about
    DenseMap<const DomTreeNode *, Extent> Extents; // of the region that a block heads
    unsigned Rest = 0;
    bool HasResume;
    SmallPtrSet<const BasicBlock *, 32> Gone;
    SmallVector<std::unique_ptr<CodeExtractor>, 8> Leaving;

    Outliner(Function &Of, const legacy_outline_policy &By) : F(Of), Policy(By), DT(F), LI(DT)
    {
        for (const DomTreeNode *Node : post_order(DT.getRootNode())) {
            Extent Sum(*Node->getBlock());
            for (const DomTreeNode *Child : Node->children()) {
                const Extent &Its = Extents.find(Child)->second;
                Sum.Instructions += Its.Instructions;
                Sum.IsFixed |= Its.IsFixed;
            }
            Extents.try_emplace(Node, Sum);
        }
        Rest = Extents.find(DT.getRootNode())->second.Instructions;
        HasResume = any_of(F, [](BasicBlock &BB) { return isa<ResumeInst>(BB.getTerminator()); });
    }

    // Is each resume among some blocks reached from a landing pad among them? Code generation takes
    // one that is not for unreachable (DwarfEHPrepare).
    bool areResumesReached(function_ref<bool(const BasicBlock *)> IsAmong)
    {
        SmallVector<const BasicBlock *, 16> Work;
        SmallPtrSet<const BasicBlock *, 32> Reached;
        for (const BasicBlock &BB : F)
            if (BB.isLandingPad() && IsAmong(&BB) && Reached.insert(&BB).second)
                Work.push_back(&BB);
        while (!Work.empty())
            for (const BasicBlock *After : successors(Work.pop_back_val()))
                if (IsAmong(After) && Reached.insert(After).second)
                    Work.push_back(After);
        return all_of(F, [&](const BasicBlock &BB) {
            return !isa<ResumeInst>(BB.getTerminator()) || !IsAmong(&BB) || Reached.count(&BB);
        });
    }

    bool keepsResumes(ArrayRef<BasicBlock *> Blocks)
    {
        if (!HasResume)
            return true;
        SmallPtrSet<const BasicBlock *, 32> Region(Blocks.begin(), Blocks.end());
        return areResumesReached([&](const BasicBlock *BB) { return Region.count(BB); }) &&
               areResumesReached(
                   [&](const BasicBlock *BB) { return !Region.count(BB) && !Gone.count(BB); });
    }

    uint32_t chance(const BasicBlock *Head, const Loop *Around) const
    {
        double Base = Reach.lookup(Around ? Around->getHeader() : &F.getEntryBlock());
        double Its = Reach.lookup(Head);
        return Its < Base ? uint32_t(Its / Base * double(LEGACY_PPM)) : uint32_t(LEGACY_PPM);
    }

    // Where no branch lies before it, a block goes with the one before it or not at all.
    bool isCandidate(const DomTreeNode *Node) const
    {
        const Extent &Its = Extents.find(Node)->second;
        const Instruction *Branch = Node->getIDom()->getBlock()->getTerminator();
        return !Its.IsFixed && Branch->getNumSuccessors() > 1 &&
               (Its.Instructions >= Policy.least_region_instructions ||
                hasValidBranchWeightMD(*Branch));
    }

    legacy_region describe(const DomTreeNode *Node)
    {
        if (Reach.empty())
            Reach = legacy_reach_of(F, LI);
        BasicBlock *Head = Node->getBlock();
        const Loop *Around = LI.getLoopFor(Head);
        if (Around && Around->getHeader() == Head)
            Around = Around->getParentLoop();
        const Instruction *Branch = Node->getIDom()->getBlock()->getTerminator();
        legacy_region Region{};
        Region.instruction_count = Extents.find(Node)->second.Instructions;
        Region.rest_count = Rest - Region.instruction_count;
        Region.chance_ppm = chance(Head, Around);
        Region.share_ppm = LEGACY_PPM / std::max(Branch->getNumSuccessors(), 1u);
        Region.is_in_loop = Around != nullptr;
        Region.has_profile = hasValidBranchWeightMD(*Branch);
        return Region;
    }

    bool take(const DomTreeNode *Node)
    {
        if (!isCandidate(Node))
            return false;
        legacy_region Region = describe(Node);
        if (!Policy.wants(&Region))
            return false;
        SmallVector<BasicBlock *, 32> Blocks;
        DT.getDescendants(Node->getBlock(), Blocks);
        auto Extractor = std::make_unique<CodeExtractor>(Blocks, nullptr, false, nullptr, nullptr,
                                                         nullptr, false, false, nullptr,
                                                         ("cold." + Twine(Leaving.size())).str());
        if (!Extractor->isEligible() || !keepsResumes(Blocks))
            return false;
        SetVector<Value *> Inputs, Outputs, Sunk;
        Extractor->findInputsOutputs(Inputs, Outputs, Sunk);
        SmallPtrSet<BasicBlock *, 8> Exits;
        for (BasicBlock *BB : Blocks)
            for (BasicBlock *After : successors(BB))
                if (!DT.dominates(Node->getBlock(), After))
                    Exits.insert(After);
        Region.input_count = unsigned(Inputs.size());
        Region.output_count = unsigned(Outputs.size());
        Region.exit_count = unsigned(Exits.size());
        if (!Policy.accepts(&Region))
            return false;
        Rest -= Region.instruction_count;
        Gone.insert(Blocks.begin(), Blocks.end());
        Leaving.push_back(std::move(Extractor));
        return true;
    }

    legacy_functions run()
    {
        SmallVector<const DomTreeNode *, 32> Work{DT.getRootNode()};
        while (!Work.empty())
            for (const DomTreeNode *Child : Work.pop_back_val()->children())
                if (!take(Child))
                    Work.push_back(Child);
        legacy_functions Pieces;
        if (Leaving.empty())
            return Pieces;
        CodeExtractorAnalysisCache Cache(F);
        for (auto &Extractor : Leaving)
            if (Function *Piece = Extractor->extractCodeRegion(Cache))
                Pieces.push_back(Piece);
        return Pieces;
    }
};

} // namespace

legacy_functions legacy_outline_split(const legacy_source &S, Function &F,
                                      const legacy_outline_policy &Policy)
{
    FunctionAnalysisManager None;
    LowerExpectIntrinsicPass().run(F, None);
    if (isSmall(F, Policy.least_instructions) && !hasProfile(F))
        return {};
    if (!canOutline(S, F))
        return {};
    EliminateUnreachableBlocks(F);
    return Outliner(F, Policy).run();
}
