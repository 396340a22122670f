// SPDX-License-Identifier: Apache-2.0
//
// What the two C++ halves of granularity block share. Seen by outline_shim.cc and
// outline_regions.cc only; C sees outline_shim.h.

#ifndef JITDUEL_LEGACY_OUTLINE_SHIM_HPP
#define JITDUEL_LEGACY_OUTLINE_SHIM_HPP

#include "outline_shim.h"
#include "source_shim.hpp"

// Extract from F what the policy lets go. The new functions, in a fixed order; F calls them.
legacy_functions legacy_outline_split(const legacy_source &S, llvm::Function &F,
                                      const legacy_outline_policy &Policy);

#endif
