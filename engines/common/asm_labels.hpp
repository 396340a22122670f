// SPDX-License-Identifier: Apache-2.0
//
// "1:" in assembly. MCContext::reset keeps such labels (LLVM 19), so that a pipeline of code
// generation that has seen one would mistake the next for it: such a pipeline must not be run
// again. For the engines' shims; C never sees it.

#ifndef JITDUEL_COMMON_ASM_LABELS_HPP
#define JITDUEL_COMMON_ASM_LABELS_HPP

namespace llvm
{
class Module;
}

/// Does assembly in the module, file-level or inline, define a numbered label?
bool jd_has_numbered_label(const llvm::Module &M);

#endif
