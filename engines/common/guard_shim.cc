// SPDX-License-Identifier: Apache-2.0
//
// The hole in the C API: LLVM allocates with operator new, whose exception passes through LLVM,
// built without exceptions, into whoever called it. Compiled with exceptions; the only place that
// catches.

#include "guard_shim.h"

#include <new>

bool jd_guard_shim_call(int (*Work)(void *, jd_error *), void *Argument, jd_error *Err,
                        int *OutResult)
{
    try {
        *OutResult = Work(Argument, Err);
        return true;
    } catch (const std::bad_alloc &) {
        return false;
    }
}
