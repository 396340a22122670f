/* SPDX-License-Identifier: Apache-2.0
 *
 * The doors through which LLVM's failures become a struct jd_error: returned messages, returned
 * LLVMErrors, diagnostics of a context, and fatal errors that would end the process.
 */
#ifndef JITDUEL_COMMON_LLVM_ERROR_H
#define JITDUEL_COMMON_LLVM_ERROR_H

#include <llvm-c/Core.h>
#include <llvm-c/Error.h>

#include <stdbool.h>

#include "jitduel/error.h"

/** Record a message that LLVM allocated, and dispose of it (NULL is accepted). Only its first line
 * is kept; a leading "WHERE:" or "error:" is dropped. Returns `code`. */
int jd_llvm_take_message(struct jd_error *err, int code, const char *where, char *message);
/** Record an LLVMError and consume it. Returns `code`, or JD_OK for LLVMErrorSuccess. */
int jd_llvm_take_error(struct jd_error *err, int code, const char *where, LLVMErrorRef error);

/** Collects the first diagnostic of error severity of a context. */
struct jd_diagnostics {
    bool has_error;
    char text[JD_ERROR_TEXT_BYTES];
};

/** Install as the context's handler; `diagnostics` is borrowed until the context is disposed.
 * Without it LLVM prints an error diagnostic and ends the process. */
void jd_diagnostics_attach(struct jd_diagnostics *diagnostics, LLVMContextRef context);
/** Turn a collected diagnostic into an error and forget it; JD_OK when there was none. */
int jd_diagnostics_take(struct jd_diagnostics *diagnostics, int code, const char *where,
                        struct jd_error *err);

/** Run `work(argument)` such that an LLVM fatal error (report_fatal_error) on this thread comes
 * back as JD_E_COMPILE instead of ending the process, and std::bad_alloc as JD_E_NO_MEMORY. The
 * LLVM objects that `work` was using are left in an undefined state and must be leaked, not used or
 * disposed. Calls may nest. */
int jd_llvm_guard(int (*work)(void *argument, struct jd_error *err), void *argument,
                  const char *where, struct jd_error *err);

#endif
