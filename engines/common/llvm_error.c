/* SPDX-License-Identifier: Apache-2.0
 *
 * LLVM failures become struct jd_error. Knows no engine.
 * Sources: llvm-c/Error.h, llvm-c/ErrorHandling.h; the longjmp out of a fatal error is what LLVM's
 * own CrashRecoveryContext does, with the same leak.
 */
#include "llvm_error.h"

#include <llvm-c/ErrorHandling.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "guard_shim.h"

/* "file: error: text" or "error: text" -> "text"; the caller adds `where` itself. */
static const char *without_prefix(const char *text, const char *where)
{
    size_t length = where ? strlen(where) : 0;
    if (length && !strncmp(text, where, length) && text[length] == ':') {
        text += length + 1;
        while (*text == ' ')
            text++;
    }
    if (!strncmp(text, "error: ", 7))
        text += 7;
    return text;
}

int jd_llvm_take_message(struct jd_error *err, int code, const char *where, char *message)
{
    const char *text = without_prefix(message ? message : "", where);
    jd_fail(err, code, where, "%.*s", (int)strcspn(text, "\n"), text);
    LLVMDisposeMessage(message);
    return code;
}

int jd_llvm_take_error(struct jd_error *err, int code, const char *where, LLVMErrorRef error)
{
    if (error == LLVMErrorSuccess)
        return JD_OK;
    char *message = LLVMGetErrorMessage(error);
    jd_fail(err, code, where, "%s", without_prefix(message, where));
    LLVMDisposeErrorMessage(message);
    return code;
}

static void collect(LLVMDiagnosticInfoRef info, void *context)
{
    struct jd_diagnostics *diagnostics = context;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || diagnostics->has_error)
        return;
    char *text = LLVMGetDiagInfoDescription(info);
    diagnostics->has_error = true;
    snprintf(diagnostics->text, sizeof diagnostics->text, "%s", text);
    LLVMDisposeMessage(text);
}

void jd_diagnostics_attach(struct jd_diagnostics *diagnostics, LLVMContextRef context)
{
    diagnostics->has_error = false;
    LLVMContextSetDiagnosticHandler(context, collect, diagnostics);
}

int jd_diagnostics_take(struct jd_diagnostics *diagnostics, int code, const char *where,
                        struct jd_error *err)
{
    if (!diagnostics->has_error)
        return JD_OK;
    diagnostics->has_error = false;
    return jd_fail(err, code, where, "%s", without_prefix(diagnostics->text, where));
}

struct guard {
    struct guard *outer;
    sigjmp_buf jump;
    char reason[JD_ERROR_TEXT_BYTES];
};

static _Thread_local struct guard *innermost;

static void on_fatal_error(const char *reason)
{
    struct guard *guard = innermost;
    if (!guard)
        return; /* LLVM goes on to print and exit, as it would without us */
    snprintf(guard->reason, sizeof guard->reason, "%s", reason);
    siglongjmp(guard->jump, 1);
}

static void install_handler(void)
{
    LLVMInstallFatalErrorHandler(on_fatal_error);
}

int jd_llvm_guard(int (*work)(void *argument, struct jd_error *err), void *argument,
                  const char *where, struct jd_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct guard guard;
    int result;
    pthread_once(&once, install_handler);
    guard.outer = innermost;
    if (sigsetjmp(guard.jump, 0)) {
        innermost = guard.outer;
        return jd_fail(err, JD_E_COMPILE, where, "%s", guard.reason);
    }
    innermost = &guard;
    bool has_returned = jd_guard_shim_call(work, argument, err, &result);
    innermost = guard.outer;
    return has_returned ? result : jd_fail(err, JD_E_NO_MEMORY, where, "LLVM ran out of memory");
}
