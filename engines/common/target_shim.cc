// SPDX-License-Identifier: Apache-2.0
//
// The holes in the C API: TargetOptions, of which EmulatedTLS, UseInitArray and MCRelaxAll are set
// here, and the upgrade of an older LLVM's data layout, which the bitcode reader makes and the text
// parser does not.

#include "target_shim.h"

#include <llvm/IR/AutoUpgrade.h>
#include <llvm/Target/TargetMachine.h>

void jd_target_shim_configure(LLVMTargetMachineRef machine)
{
    auto *TM = reinterpret_cast<llvm::TargetMachine *>(machine);
    TM->Options.EmulatedTLS = true;
    TM->Options.UseInitArray = true;
    TM->Options.MCOptions.MCRelaxAll = TM->getOptLevel() == llvm::CodeGenOptLevel::None;
}

bool jd_target_shim_layout_is(const char *layout, const char *triple, const char *expected)
{
    return llvm::UpgradeDataLayoutString(layout, triple) == expected;
}
