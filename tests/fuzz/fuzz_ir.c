/* SPDX-License-Identifier: Apache-2.0
 *
 * IR, as bitcode and as text, through both engines up to linked code; nothing of it runs. LLVM
 * itself crashes on some of it, which the harness turns into one line and exit code 70: each input
 * is handled in a child, and a child that dies of a signal, hangs, or is stopped by a sanitizer is
 * a finding. LLVM is not instrumented, so that there is little coverage to go by.
 */
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "crash.h"
#include "fuzz_support.h"
#include "jitduel/engine.h"
#include "measure/phases.h"

enum { EXIT_FINE = 0, EXIT_ERROR = 65, LIMIT_S = 300 };

const char *__asan_default_options(void);

/* LLVM's crashes are the harness's to report. */
const char *__asan_default_options(void)
{
    return "handle_segv=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0:handle_sigbus=0:"
           "detect_leaks=0:exitcode=99";
}

static int compile(const char *engine_name, const struct jd_ir *ir)
{
    const struct jd_engine_options options = {.struct_size = sizeof options,
                                              .is_lazy_disabled = true,
                                              .wants_verify = true,
                                              .probe = &jd_probe_track};
    struct jd_error err = JD_ERROR_INIT;
    struct jd_engine *engine;
    uintptr_t addr;
    int code = jd_engine_create(engine_name, &options, &engine, &err);
    if (!code)
        code = engine->ops->add_module(engine, ir, NULL, &err);
    if (!code)
        code = engine->ops->prepare(engine, &err);
    if (!code)
        code = engine->ops->lookup(engine, "main", &addr, &err);
    if (engine)
        engine->ops->destroy(engine);
    return code ? EXIT_ERROR : EXIT_FINE;
}

static _Noreturn void be_child(const uint8_t *bytes, size_t size_bytes)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGALRM};
    const struct jd_ir ir = {bytes, size_bytes, "input"};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    if (!freopen("/dev/null", "w", stderr))
        _exit(EXIT_ERROR);
    jd_crash_watch("input");
    alarm(LIMIT_S);
    _exit(compile(size_bytes & 1 ? "legacy" : "mcjit", &ir));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        be_child(bytes, size_bytes);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 0;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool is_defined = code == EXIT_FINE || code == EXIT_ERROR || code == JD_CRASH_EXIT_ENGINE;
    if (!is_defined) {
        fprintf(stderr, "the child ended with status %#x\n", (unsigned)status);
        abort();
    }
    return 0;
}
