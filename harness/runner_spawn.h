/* SPDX-License-Identifier: Apache-2.0
 *
 * The runner's way to a child process: command line, pipes, attributes, spawn. Nobody but runner.c
 * includes it.
 */
#ifndef JITDUEL_HARNESS_RUNNER_SPAWN_H
#define JITDUEL_HARNESS_RUNNER_SPAWN_H

#include <sys/types.h>

#include "runner.h"

enum runner_stream { RUNNER_OUTPUT, RUNNER_MESSAGES, RUNNER_RECORD, RUNNER_STREAM_COUNT };

struct runner_child {
    pid_t pid;
    int pid_fd;                   /* readable when the child has ended; below 0: not offered */
    int fds[RUNNER_STREAM_COUNT]; /* our ends, non-blocking; -1 when closed */
    uint64_t spawned_ns;
};

/* Start `jitduel child` for the cell in a process group of its own. */
int runner_spawn(const struct jd_runner *runner, const struct jd_cell *cell,
                 struct runner_child *out, struct jd_error *err);
/* Close what is open. The child must have been reaped. */
void runner_close(struct runner_child *child);

#endif
