/* SPDX-License-Identifier: Apache-2.0
 *
 * Crash reports. The handler uses write(2), sigdescr_np(3) (a table) and thread-local reads only.
 *
 * For a fault of the CPU the handler returns with the default disposition in place: the instruction
 * faults again and the process dies with the original siginfo. A signal that was sent (abort, kill)
 * is sent again.
 */
#include "crash.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure/phases.h"
#include "program.h"

static const int watched_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
static const char *fallback_name;

struct line {
    size_t used;
    char text[512];
};

static void put(struct line *line, const char *text)
{
    for (; *text && line->used < sizeof line->text - 1; text++)
        line->text[line->used++] = *text;
}

static void put_signal(struct line *line, int number)
{
    char digits[4] = {(char)('0' + number / 10), (char)('0' + number % 10), 0, 0};
    put(line, number < 10 ? digits + 1 : digits);
}

static void describe_engine_crash(struct line *line, int number, int phase)
{
    put(line, "input error: LLVM crashed ");
    put(line, phase >= 0 ? "in phase " : "before the program started");
    put(line, phase >= 0 ? jd_phase_name(phase) : "");
    put(line, " (signal ");
    put_signal(line, number);
    put(line, ")");
}

static void describe_program_crash(struct line *line, int number)
{
    const char *text = sigdescr_np(number);
    put(line, "program died of signal ");
    put_signal(line, number);
    put(line, " (");
    put(line, text ? text : "unknown");
    put(line, ")");
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    struct line line = {.used = 0};
    const char *name = jd_program_current_module();
    int phase = jd_phase_current();
    bool is_engine = phase >= 0 || !jd_program_has_started();
    (void)context;
    put(&line, "jitduel: ");
    put(&line, name ? name : fallback_name);
    put(&line, ": ");
    if (is_engine)
        describe_engine_crash(&line, number, phase);
    else
        describe_program_crash(&line, number);
    put(&line, "\n");
    ssize_t written = write(STDERR_FILENO, line.text, line.used);
    (void)written;
    if (is_engine)
        _exit(JD_CRASH_EXIT_ENGINE);
    if (info->si_code <= 0)
        raise(number);
}

static void use_alternate_stack(void)
{
    size_t size_bytes = (size_t)sysconf(_SC_SIGSTKSZ);
    if (size_bytes < 32768)
        size_bytes = 32768;
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return;
    stack_t stack = {.ss_sp = memory, .ss_size = size_bytes};
    sigaltstack(&stack, NULL);
}

void jd_crash_watch(const char *fallback)
{
    struct sigaction action = {.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND)}, old;
    fallback_name = fallback;
    use_alternate_stack();
    action.sa_sigaction = on_crash;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof watched_signals / sizeof *watched_signals; i++)
        if (sigaction(watched_signals[i], NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) &&
            old.sa_handler == SIG_DFL)
            sigaction(watched_signals[i], &action, NULL);
}

static bool is_ours(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_crash;
}

int jd_crash_sigaction(int number, const struct sigaction *action, struct sigaction *out_old)
{
    int result = sigaction(number, action, out_old);
    if (result == 0 && out_old && is_ours(out_old))
        *out_old = (struct sigaction){.sa_handler = SIG_DFL};
    return result;
}

/* What signal(2) answers says nothing of flags: our handler is known by its address. */
static sighandler_t seen_by_program(sighandler_t old)
{
    return (uintptr_t)old == (uintptr_t)on_crash ? SIG_DFL : old;
}

sighandler_t jd_crash_signal(int number, sighandler_t handler)
{
    return seen_by_program(signal(number, handler));
}

sighandler_t jd_crash_sysv_signal(int number, sighandler_t handler)
{
    return seen_by_program(sysv_signal(number, handler));
}
