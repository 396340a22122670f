/* SPDX-License-Identifier: Apache-2.0
 *
 * See runner_spawn.h.
 */
#include "runner_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "measure/clock.h"

extern char **environ;

enum { RECORD_FD = 3, FIXED_WORDS = 16, SPAWNED_BYTES = 48 };

/* ---- the command line ---- */

struct words {
    char **list;
    size_t count;
    char spawned[SPAWNED_BYTES]; /* written at the last moment */
    bool has_failed;
};

static void add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct words *words, const char *format, ...)
{
    va_list args;
    char *word = NULL;
    va_start(args, format);
    if (vasprintf(&word, format, args) < 0)
        words->has_failed = true;
    else
        words->list[words->count++] = word;
    va_end(args);
}

static void words_fini(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        if (words->list[i] != words->spawned)
            free(words->list[i]);
    free(words->list);
}

static void add_warm(struct words *words, const struct jd_runner *runner,
                     const struct jd_workload *workload)
{
    add(words, "--" JD_CHILD_WARM_ENTRY "=%s", workload->warm_entry);
    add(words, "--" JD_CHILD_WARM_ARGUMENT "=%" PRId64, workload->warm_argument);
    add(words, "--" JD_CHILD_WARM_EXPECTED "=%" PRId64, workload->warm_expected);
    for (size_t i = 0; i < runner->benchmark_arg_count; i++)
        add(words, "--" JD_CHILD_BENCHMARK_ARG "=%s", runner->benchmark_args[i]);
}

static int words_init(struct words *words, const struct jd_runner *runner,
                      const struct jd_cell *cell, struct jd_error *err)
{
    const struct jd_workload *workload = cell->workload;
    size_t most =
        FIXED_WORDS + runner->benchmark_arg_count + workload->file_count + workload->arg_count;
    *words = (struct words){.list = calloc(most, sizeof *words->list)};
    if (!words->list)
        return jd_fail(err, JD_E_NO_MEMORY, "runner", "out of memory");
    add(words, "%s", runner->program);
    add(words, "child");
    words->list[words->count++] = words->spawned;
    add(words, "--" JD_CHILD_RECORD_FD "=%d", RECORD_FD);
    add(words, "--" JD_CHILD_REGIME "=%s", jd_regime_name(cell->regime));
    add(words, "--" JD_CHILD_ENGINE "=%s", cell->ops->name);
    add(words, "--" JD_CHILD_LEVEL "=%u", cell->opt_level);
    if (runner->memory_limit_bytes)
        add(words, "--" JD_CHILD_MEMORY_LIMIT "=%" PRIu64, runner->memory_limit_bytes);
    if (cell->regime != JD_REGIME_COLD_PROCESS)
        add_warm(words, runner, workload);
    for (size_t i = 0; i < workload->file_count; i++)
        add(words, "%s", workload->files[i]);
    add(words, "--");
    for (size_t i = 0; i < workload->arg_count; i++)
        add(words, "%s", workload->args[i]);
    if (!words->has_failed)
        return JD_OK;
    words_fini(words);
    return jd_fail(err, JD_E_NO_MEMORY, "runner", "out of memory");
}

/* ---- pipes ---- */

struct pipes {
    int ours[RUNNER_STREAM_COUNT], theirs[RUNNER_STREAM_COUNT];
};

static void close_all(int *fds)
{
    for (size_t i = 0; i < RUNNER_STREAM_COUNT; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static int pipes_init(struct pipes *pipes, struct jd_error *err)
{
    for (size_t i = 0; i < RUNNER_STREAM_COUNT; i++)
        pipes->ours[i] = pipes->theirs[i] = -1;
    for (size_t i = 0; i < RUNNER_STREAM_COUNT; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) || fcntl(ends[0], F_SETFL, O_NONBLOCK)) {
            int code = jd_fail(err, JD_E_IO, "runner", "no pipe: %s", strerror(errno));
            close_all(pipes->ours);
            close_all(pipes->theirs);
            return code;
        }
        pipes->ours[i] = ends[0];
        pipes->theirs[i] = ends[1];
    }
    return JD_OK;
}

/* ---- spawn ---- */

static int set_actions(posix_spawn_file_actions_t *actions, const struct jd_workload *workload,
                       const struct pipes *pipes)
{
    const char *input = workload->input_file ? workload->input_file : "/dev/null";
    int rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, input, O_RDONLY, 0);
    if (!rc && workload->directory)
        rc = posix_spawn_file_actions_addchdir_np(actions, workload->directory);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(actions, pipes->theirs[RUNNER_OUTPUT], STDOUT_FILENO);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(actions, pipes->theirs[RUNNER_MESSAGES],
                                              STDERR_FILENO);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(actions, pipes->theirs[RUNNER_RECORD], RECORD_FD);
    return rc;
}

/* A process group, so that all of it can be killed; signals as if we had never touched them. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawnattr_setpgroup(attributes, 0);
    if (!rc)
        rc = posix_spawnattr_setsigmask(attributes, &none);
    if (!rc)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    if (!rc)
        rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF);
    return rc;
}

static int spawn(struct words *words, const struct jd_workload *workload, const struct pipes *pipes,
                 struct runner_child *out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return rc;
    if ((rc = posix_spawnattr_init(&attributes)))
        goto no_attributes;
    if ((rc = set_actions(&actions, workload, pipes)) || (rc = set_attributes(&attributes)))
        goto out;
    out->spawned_ns = jd_clock_ns();
    snprintf(words->spawned, sizeof words->spawned, "--" JD_CHILD_SPAWNED "=%" PRIu64,
             out->spawned_ns);
    rc = posix_spawn(&out->pid, words->list[0], &actions, &attributes, words->list, environ);
out:
    posix_spawnattr_destroy(&attributes);
no_attributes:
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int runner_spawn(const struct jd_runner *runner, const struct jd_cell *cell,
                 struct runner_child *out, struct jd_error *err)
{
    struct words words;
    struct pipes pipes;
    int rc = words_init(&words, runner, cell, err);
    if (rc)
        return rc;
    if ((rc = pipes_init(&pipes, err)))
        goto out;
    int problem = spawn(&words, cell->workload, &pipes, out);
    close_all(pipes.theirs);
    if (problem) {
        close_all(pipes.ours);
        rc = jd_fail(err, JD_E_IO, cell->workload->name, "no child can be started: %s",
                     strerror(problem));
        goto out;
    }
    memcpy(out->fds, pipes.ours, sizeof out->fds);
    /* Not offered before Linux 5.3 and by some emulators; the pipes' ends tell then. */
    out->pid_fd = (int)syscall(SYS_pidfd_open, out->pid, 0);
out:
    words_fini(&words);
    return rc;
}

void runner_close(struct runner_child *child)
{
    close_all(child->fds);
    if (child->pid_fd >= 0)
        close(child->pid_fd);
}
