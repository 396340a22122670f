// SPDX-License-Identifier: Apache-2.0
//
// The hole in the C API: TargetOptions::EmulatedTLS. No policy here.

#include "target_shim.h"

#include <llvm/Target/TargetMachine.h>

void jd_target_shim_use_emulated_tls(LLVMTargetMachineRef machine)
{
    reinterpret_cast<llvm::TargetMachine *>(machine)->Options.EmulatedTLS = true;
}
