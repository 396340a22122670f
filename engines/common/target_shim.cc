// SPDX-License-Identifier: Apache-2.0
//
// The holes in the C API: TargetOptions, of which EmulatedTLS, UseInitArray and MCRelaxAll are set
// here; the upgrade of an older LLVM's data layout, which the bitcode reader makes and the text
// parser does not; and which CPUs and features there are: LLVM takes any text, warns on standard
// error and goes on without.

#include "target_shim.h"

#include <cstdio>
#include <llvm/IR/AutoUpgrade.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Target/TargetMachine.h>
#include <memory>

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

static bool is_feature(const llvm::MCSubtargetInfo &Info, llvm::StringRef Text)
{
    if (!Text.starts_with("+") && !Text.starts_with("-"))
        return false;
    for (const llvm::SubtargetFeatureKV &Feature : Info.getAllProcessorFeatures())
        if (Text.drop_front() == Feature.Key)
            return true;
    return false;
}

bool jd_target_shim_knows_cpu(LLVMTargetRef target, const char *triple, const char *cpu)
{
    std::unique_ptr<llvm::MCSubtargetInfo> Info(
        reinterpret_cast<llvm::Target *>(target)->createMCSubtargetInfo(triple, "", ""));
    return !Info || Info->isCPUStringValid(cpu);
}

bool jd_target_shim_knows_features(LLVMTargetRef target, const char *triple, const char *features,
                                   char *unknown, size_t unknown_bytes)
{
    std::unique_ptr<llvm::MCSubtargetInfo> Info(
        reinterpret_cast<llvm::Target *>(target)->createMCSubtargetInfo(triple, "", ""));
    llvm::StringRef Rest(features);
    while (Info && !Rest.empty()) {
        auto [Text, After] = Rest.split(',');
        if (!Text.empty() && !is_feature(*Info, Text)) {
            snprintf(unknown, unknown_bytes, "%s", Text.str().c_str());
            return false;
        }
        Rest = After;
    }
    return true;
}
