// SPDX-License-Identifier: Apache-2.0
//
// One pass over the blocks in reverse post-order that carries probability along the edges. LLVM's
// BranchProbabilityInfo and BlockFrequencyInfo tell more (pointers are seldom null, how often a
// loop goes round), for a tenth of what it costs to compile the function at -O0; whoever decides
// what not to compile cannot pay that. No policy, no globals, no exceptions.
// Sources: llvm/IR/ProfDataUtils.h, LLVM's "Branch Weight Metadata".

#include "reach.hpp"

#include <llvm/ADT/PostOrderIterator.h>
#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/IR/CFG.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/ProfDataUtils.h>

using namespace llvm;

namespace
{

constexpr double ColdWeight = 1.0 / 64; // against 1 for an edge of which nothing is known

class Reach
{
    const LoopInfo &LI;
    SmallPtrSet<const BasicBlock *, 16> Cold;

  public:
    legacy_reach Of;

    Reach(const Function &F, const LoopInfo &L) : LI(L)
    {
        SmallVector<const BasicBlock *, 64> Order;
        for (const BasicBlock *BB : post_order(&F)) {
            Order.push_back(BB);
            if (isCold(*BB))
                Cold.insert(BB);
        }
        Of.reserve(unsigned(Order.size()));
        Of[&F.getEntryBlock()] = 1;
        for (const BasicBlock *BB : reverse(Order))
            leave(*BB, Of[BB]);
    }

  private:
    // Blocks on the way to an end, or behind an exception.
    bool isCold(const BasicBlock &BB) const
    {
        if (isa<UnreachableInst>(BB.getTerminator()) || BB.isLandingPad())
            return true;
        if (!succ_empty(&BB) &&
            all_of(successors(&BB), [&](const BasicBlock *S) { return Cold.count(S); }))
            return true;
        return any_of(BB, [](const Instruction &I) {
            auto *Call = dyn_cast<CallBase>(&I);
            return Call && Call->hasFnAttr(Attribute::Cold);
        });
    }

    // Who enters a loop leaves it, through any of its exits alike.
    void leaveLoop(const Loop &L, double Entered)
    {
        SmallVector<Loop::Edge, 8> Exits;
        L.getExitEdges(Exits);
        const Loop *Around = L.getParentLoop();
        erase_if(Exits, [&](const Loop::Edge &E) {
            return Around && (!Around->contains(E.second) || Around->getHeader() == E.second);
        });
        for (const auto &[From, To] : Exits)
            Of[To] += Entered / double(Exits.size());
    }

    void leave(const BasicBlock &BB, double Reached)
    {
        const Loop *L = LI.getLoopFor(&BB);
        if (L && L->getHeader() == &BB)
            leaveLoop(*L, Reached);
        const Instruction &Branch = *BB.getTerminator();
        const unsigned Ways = Branch.getNumSuccessors();
        SmallVector<uint32_t, 8> Known;
        const bool IsWeighed = extractBranchWeights(Branch, Known) && Known.size() == Ways;
        SmallVector<double, 8> Weights(Ways);
        double Sum = 0;
        for (unsigned I = 0; I < Ways; I++) {
            const BasicBlock *To = Branch.getSuccessor(I);
            if (L && (To == L->getHeader() || !L->contains(To)))
                continue; // the iteration ends, of which leaveLoop took care
            Weights[I] = IsWeighed ? double(Known[I]) : Cold.count(To) ? ColdWeight : 1;
            Sum += Weights[I];
        }
        for (unsigned I = 0; Sum > 0 && I < Ways; I++)
            if (Weights[I] > 0)
                Of[Branch.getSuccessor(I)] += Reached * Weights[I] / Sum;
    }
};

} // namespace

legacy_reach legacy_reach_of(const Function &F, const LoopInfo &LI)
{
    return std::move(Reach(F, LI).Of);
}
