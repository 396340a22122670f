/* SPDX-License-Identifier: Apache-2.0
 *
 * One child, one sample: spawn it, watch it, judge it, reap it. Whatever the child does, crash,
 * hang, flood its output, print the wrong thing, the caller gets a sample that says so.
 *
 * The output is compared byte by byte as it arrives and the exit code at the end, both before a
 * time counts. Knows neither plan nor journal; no LLVM and no engine here: the child is this
 * program, started anew by exec, never a fork of a warm process.
 */
#ifndef JITDUEL_HARNESS_RUNNER_H
#define JITDUEL_HARNESS_RUNNER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"
#include "record.h"

/** All borrowed for the call. */
struct jd_runner {
    const char *program;         /**< what is started as `PROGRAM child ...`; an absolute path */
    double timeout_s;            /**< 0: the workload's own, or JD_RUNNER_TIMEOUT_S */
    uint64_t memory_limit_bytes; /**< address space of a child; 0: none */
    const char *const *benchmark_args;
    size_t benchmark_arg_count;
    uint64_t start_ns; /**< of the run; samples say when they were started after it */
    /** Set (by a signal handler) to have the child killed and the sample dropped. */
    const volatile sig_atomic_t *is_interrupted;
};

enum { JD_RUNNER_TIMEOUT_S = 120 };

/** Take one sample of `cell`. 0 with `out` filled, whatever became of the child; `out`'s place in
 * the plan is left 0 for the caller. Errors: STATE when interrupted: the sample was not taken;
 * IO or NO_MEMORY when not even a child can be started (that is no fault of the cell). */
int jd_runner_sample(const struct jd_runner *runner, const struct jd_cell *cell,
                     struct jd_sample *out, struct jd_error *err);

/** The time limit that a sample of this cell has. */
double jd_runner_timeout_s(const struct jd_runner *runner, const struct jd_cell *cell);

#endif
