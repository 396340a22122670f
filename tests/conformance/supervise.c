/* SPDX-License-Identifier: Apache-2.0
 *
 * One child per case: whatever the engine or LLVM does to its process, the verdict is ours. The
 * child's output goes to an anonymous file, so that neither side can block on a full pipe. It knows
 * nothing of engines and of what is expected of them.
 */
#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MAX_ARGUMENTS = 16, OUTPUT_BYTES = 64 * 1024 };

static const char *const outcome_names[] = {"pass", "refused", "skipped",
                                            "fail", "crash",   "timeout"};

const char *outcome_name(enum outcome outcome)
{
    return outcome_names[outcome];
}

int outcome_find(const char *name)
{
    for (int i = 0; i < (int)(sizeof outcome_names / sizeof outcome_names[0]); i++)
        if (!strcmp(outcome_names[i], name))
            return i;
    return -1;
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int spawn_child(char **arguments, int output_fd, pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output_fd, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int status = posix_spawn(out_pid, arguments[0], &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

/* Waits for the child until the limit, then kills its process group. SIGCHLD is blocked in this
 * process, so that its arrival ends the wait. */
static bool wait_child(pid_t pid, double limit_seconds, int *out_status)
{
    sigset_t child_ended;
    double deadline = now_seconds() + limit_seconds;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    for (;;) {
        if (waitpid(pid, out_status, WNOHANG) == pid)
            return true;
        double left = deadline - now_seconds();
        if (left <= 0)
            break;
        struct timespec wait = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        sigtimedwait(&child_ended, NULL, &wait);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, out_status, 0);
    return false;
}

static enum outcome classify(int status, char *detail, size_t detail_bytes)
{
    if (WIFSIGNALED(status)) {
        snprintf(detail, detail_bytes, "ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
        return OUTCOME_CRASH;
    }
    switch (WEXITSTATUS(status)) {
    case TRIAL_EXIT_PASS:
        return OUTCOME_PASS;
    case TRIAL_EXIT_REFUSED:
        return OUTCOME_REFUSED;
    case TRIAL_EXIT_SKIP:
        return OUTCOME_SKIPPED;
    default:
        snprintf(detail, detail_bytes, "exit status %d", WEXITSTATUS(status));
        return OUTCOME_FAIL;
    }
}

/* The child's verdict line ("FAIL where: text", "SKIP where: text") is the better detail. */
static void take_verdict_line(const char *output, char *detail, size_t detail_bytes)
{
    const char *line = strstr(output, "FAIL ");
    if (!line)
        line = strstr(output, "SKIP ");
    if (!line)
        return;
    const char *text = strstr(line, ": ");
    text = text ? text + 2 : line;
    snprintf(detail, detail_bytes, "%.*s", (int)strcspn(text, "\n"), text);
}

static void read_output(int fd, struct cell *cell)
{
    static char output[OUTPUT_BYTES];
    ssize_t bytes = pread(fd, output, sizeof output - 1, 0);
    output[bytes > 0 ? bytes : 0] = '\0';
    if (cell->outcome == OUTCOME_PASS || cell->outcome == OUTCOME_REFUSED)
        return;
    fputs(output, stderr);
    take_verdict_line(output, cell->detail, sizeof cell->detail);
}

/* posix_spawn takes char *const[], though it changes nothing. */
static char *argument(const char *text)
{
    union {
        const char *constant;
        char *plain;
    } both = {text};
    return both.plain;
}

int supervise_cell(const char *program, const char *const *extra, double limit_seconds,
                   struct cell *cell, struct jd_error *err)
{
    char *arguments[MAX_ARGUMENTS] = {argument(program),    argument("--child"),
                                      argument("--engine"), argument(cell->ops->name),
                                      argument("--case"),   argument(cell->item->name)};
    for (size_t i = 0; extra[i] && i + 7 < MAX_ARGUMENTS; i++)
        arguments[6 + i] = argument(extra[i]);

    pid_t pid;
    int status = 0;
    int output_fd = memfd_create("conformance-output", MFD_CLOEXEC);
    if (output_fd < 0)
        return jd_fail(err, JD_E_IO, program, "memfd_create: %s", strerror(errno));
    cell->detail[0] = '\0';
    double begin = now_seconds();
    int failure = spawn_child(arguments, output_fd, &pid);
    if (failure) {
        close(output_fd);
        return jd_fail(err, JD_E_IO, program, "cannot be run: %s", strerror(failure));
    }
    bool is_in_time = wait_child(pid, limit_seconds, &status);
    cell->seconds = now_seconds() - begin;
    cell->outcome = classify(status, cell->detail, sizeof cell->detail);
    if (!is_in_time) {
        cell->outcome = OUTCOME_TIMEOUT;
        snprintf(cell->detail, sizeof cell->detail, "not done after %g s", limit_seconds);
    }
    read_output(output_fd, cell);
    close(output_fd);
    return 0;
}
