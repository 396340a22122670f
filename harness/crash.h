/* SPDX-License-Identifier: Apache-2.0
 *
 * Crash reports: one line on standard error when this process dies of SIGSEGV, SIGBUS, SIGILL,
 * SIGFPE, SIGTRAP or SIGABRT. Knows no engine; learns from measure/phases.h whether LLVM was at
 * work. Everything in the handler is async-signal-safe.
 */
#ifndef JITDUEL_HARNESS_CRASH_H
#define JITDUEL_HARNESS_CRASH_H

#include <signal.h>

/** Exit status of a process in which LLVM or an engine crashed (EX_SOFTWARE). */
enum { JD_CRASH_EXIT_ENGINE = 70 };

/** Watch those signals whose disposition is the default, on an alternate stack of the calling
 * thread, once per process. While no phase is open on the crashing thread the program is at fault:
 *     jitduel: FILE: program died of signal 11 (Segmentation fault)
 * and the process dies of that signal, as without us. In a phase LLVM or the engine is:
 *     jitduel: FILE: input error: LLVM crashed in phase codegen (signal 6)
 * and the process leaves with JD_CRASH_EXIT_ENGINE. FILE is jd_program_current_module(), or
 * `fallback` (borrowed for ever). A handler that the program installs replaces ours. */
void jd_crash_watch(const char *fallback);

/** sigaction(2), signal(2) and sysv_signal(3) for the program: where we watch they answer with the
 * default, which is what the program would have found without us, and what it can put back. Any
 * thread; async-signal-safe. */
int jd_crash_sigaction(int number, const struct sigaction *action, struct sigaction *out_old);
sighandler_t jd_crash_signal(int number, sighandler_t handler);
sighandler_t jd_crash_sysv_signal(int number, sighandler_t handler);

#endif
