// SPDX-License-Identifier: Apache-2.0
//
// The hole in the C API: TargetOptions, of which EmulatedTLS, UseInitArray and MCRelaxAll are set
// here.

#include "target_shim.h"

#include <llvm/Target/TargetMachine.h>

void jd_target_shim_configure(LLVMTargetMachineRef machine)
{
    auto *TM = reinterpret_cast<llvm::TargetMachine *>(machine);
    TM->Options.EmulatedTLS = true;
    TM->Options.UseInitArray = true;
    TM->Options.MCOptions.MCRelaxAll = TM->getOptLevel() == llvm::CodeGenOptLevel::None;
}
