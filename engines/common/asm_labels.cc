// SPDX-License-Identifier: Apache-2.0
//
// See asm_labels.hpp. A colon behind a digit is taken for a label: at worst a pipeline is built
// anew.

#include "asm_labels.hpp"

#include <llvm/ADT/StringExtras.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>

using namespace llvm;

static bool hasLabel(StringRef Asm)
{
    for (size_t At = Asm.find(':'); At != StringRef::npos; At = Asm.find(':', At + 1))
        if (At && isDigit(Asm[At - 1]))
            return true;
    return false;
}

bool jd_has_numbered_label(const Module &M)
{
    if (hasLabel(M.getModuleInlineAsm()))
        return true;
    for (const Function &F : M)
        for (const Instruction &I : instructions(F))
            if (const auto *Call = dyn_cast<CallBase>(&I))
                if (const auto *Asm = dyn_cast<InlineAsm>(Call->getCalledOperand()))
                    if (hasLabel(Asm->getAsmString()))
                        return true;
    return false;
}
