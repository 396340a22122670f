// SPDX-License-Identifier: Apache-2.0
//
// Two holes in C. LLVM allocates with operator new, whose exception passes through LLVM, built
// without exceptions, into whoever called it; and foreign code that is called out to may throw.
// Compiled with exceptions; the only place that catches. The end of a thread (pthread_exit,
// cancellation) unwinds as an exception of its own kind, which nobody may keep.

#include "guard_shim.h"

#include <cxxabi.h>
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

// A forced unwind has no object to refer to: UBSan would say so.
__attribute__((no_sanitize("undefined"))) bool jd_guard_shim_call_foreign(void (*Function)(void *),
                                                                          void *Argument)
{
    try {
        Function(Argument);
        return true;
    } catch (abi::__forced_unwind &) {
        throw;
    } catch (...) {
        return false;
    }
}
