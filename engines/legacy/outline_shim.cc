// SPDX-License-Identifier: Apache-2.0
//
// Holes in LLVM's C API that granularity block needs filled, second half: the pieces of a function
// and their bodies. No policy, no globals, no exceptions; see outline_shim.h.
// Source: llvm/IR/Function.h (splice, stealArgumentListFrom).

#include "outline_shim.hpp"

#include <llvm/IR/Constants.h>

using namespace llvm;

namespace
{

void moveBody(Function &From, Function &To)
{
    To.stealArgumentListFrom(From);
    To.splice(To.begin(), &From);
}

void discardBody(Function &F)
{
    Function *Bin = Function::Create(F.getFunctionType(), GlobalValue::InternalLinkage,
                                     F.getAddressSpace(), "", F.getParent());
    moveBody(F, *Bin);
    Bin->eraseFromParent();
}

// Let the functions that were made now stand for, or fill, the pieces that F is known to have.
// `Only`: fill no other. False when they are not the same.
bool adopt(legacy_source &S, Function &F, const legacy_functions &Made, const Function *Only)
{
    if (Made.empty() && !S.Pieces.count(&F))
        return true;
    legacy_functions &Known = S.Pieces[&F];
    if (Known.empty() && !Only) {
        Known = Made;
        for (Function *Piece : Made)
            S.PieceOwners[Piece] = &F;
        return true;
    }
    bool IsSame = Known.size() == Made.size();
    for (size_t I = 0; IsSame && I < Made.size(); I++)
        IsSame = Known[I]->getFunctionType() == Made[I]->getFunctionType();
    for (size_t I = 0; I < Made.size(); I++) {
        if (IsSame && Known[I]->empty() && (!Only || Known[I] == Only)) {
            Known[I]->copyAttributesFrom(Made[I]);
            moveBody(*Made[I], *Known[I]);
        }
        if (IsSame)
            Made[I]->replaceAllUsesWith(Known[I]);
        else
            Made[I]->replaceAllUsesWith(PoisonValue::get(Made[I]->getType()));
        Made[I]->eraseFromParent();
    }
    return IsSame;
}

char *outline(legacy_source &S, Function &F, const legacy_outline_policy &Policy,
              const Function *Only)
{
    return adopt(S, F, legacy_outline_split(S, F, Policy), Only)
               ? nullptr
               : LLVMCreateMessage(
                     ("outlining " + F.getName() + " again gave other pieces").str().c_str());
}

// Make the body of a piece again, from its owner's.
char *refill(legacy_source &S, Function &Piece, const legacy_outline_policy &Policy,
             uint64_t &Reads)
{
    Function &Owner = *S.PieceOwners.lookup(&Piece);
    bool IsRoot = !S.PieceOwners.count(&Owner), WasRead = false;
    char *Message = IsRoot ? legacy_source_materialise(wrap(&Owner), &WasRead)
                           : refill(S, Owner, Policy, Reads);
    Reads += WasRead;
    if (Message)
        return Message;
    Message = outline(S, Owner, Policy, &Piece);
    discardBody(Owner);
    if (IsRoot)
        legacy_source_rewind(wrap(&Owner));
    return Message;
}

} // namespace

char *legacy_outline(legacy_source *S, LLVMValueRef Of, const legacy_outline_policy *Policy,
                     uint64_t *ReadCount)
{
    auto &F = *unwrap<Function>(Of);
    if (F.empty() && S->PieceOwners.count(&F))
        if (char *Message = refill(*S, F, *Policy, *ReadCount))
            return Message;
    return outline(*S, F, *Policy, nullptr);
}

bool legacy_outline_is_piece(const legacy_source *S, LLVMValueRef F)
{
    return S->PieceOwners.count(unwrap<Function>(F));
}

LLVMValueRef legacy_outline_piece(const legacy_source *S, LLVMValueRef F, unsigned Index)
{
    auto Found = S->Pieces.find(unwrap<Function>(F));
    return Found != S->Pieces.end() && Index < Found->second.size() ? wrap(Found->second[Index])
                                                                    : nullptr;
}

void legacy_outline_discard(LLVMValueRef Piece)
{
    auto &F = *unwrap<Function>(Piece);
    if (!F.empty())
        discardBody(F);
}
