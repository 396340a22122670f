// SPDX-License-Identifier: Apache-2.0
//
// How likely each block of a function is to be reached: a guess from weights where there are some,
// and from shape. Seen by the C++ halves only.

#ifndef JITDUEL_LEGACY_REACH_HPP
#define JITDUEL_LEGACY_REACH_HPP

#include <llvm/ADT/DenseMap.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/Function.h>

// For each block the probability that a call of the function reaches it, or, in a loop, that one
// iteration does, times that of the loop's being entered. Unreachable blocks have 0.
using legacy_reach = llvm::DenseMap<const llvm::BasicBlock *, double>;

legacy_reach legacy_reach_of(const llvm::Function &F, const llvm::LoopInfo &LI);

#endif
