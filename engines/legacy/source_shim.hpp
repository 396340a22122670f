// SPDX-License-Identifier: Apache-2.0
//
// What source_shim.cc and codegen_shim.cc share: a source module and its labels.
// Seen by those two only; C sees codegen_shim.h.

#ifndef JITDUEL_LEGACY_SOURCE_SHIM_HPP
#define JITDUEL_LEGACY_SOURCE_SHIM_HPP

#include "codegen_shim.h"

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/DenseSet.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Module.h>

using legacy_functions = llvm::SmallVector<llvm::Function *, 0>;

struct legacy_source {
    struct Label {
        size_t Block; // its number in the function: a body that is read again has other blocks
        llvm::GlobalVariable *Marker;
    };
    std::unique_ptr<llvm::Module> M;
    llvm::DenseSet<const llvm::GlobalValue *> AsmLocals; // declarations of module asm's own labels
    llvm::DenseMap<llvm::Function *, llvm::SmallVector<Label, 0>> Labels;
    llvm::DenseMap<llvm::GlobalValue *, llvm::Function *> Owners; // of markers
    // Granularity block: the pieces of each function that was outlined, and their owners.
    llvm::DenseMap<llvm::Function *, legacy_functions> Pieces;
    llvm::DenseMap<llvm::Function *, llvm::Function *> PieceOwners;
    llvm::NamedMDNode *Flags = nullptr; // module flags, which every partition repeats

    // The marker of a block of F, made if need be.
    llvm::GlobalVariable *markerOf(llvm::Function &F, size_t Block);
    // Replace the addresses of F's blocks, everywhere in the source, by markers: the constants that
    // hold them then survive the body's move, and any partition can refer to them.
    void markLabels(llvm::Function &F);
    // Do so for every function of which the constant holds block addresses, reading their bodies.
    // Returns a message on failure.
    char *markLabelsOf(llvm::Constant *Root);
};

#endif
