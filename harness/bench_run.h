/* SPDX-License-Identifier: Apache-2.0
 *
 * One run of a plan: every sample through the runner, into the journal, and at the end the report.
 * Knows no command line.
 */
#ifndef JITDUEL_HARNESS_BENCH_RUN_H
#define JITDUEL_HARNESS_BENCH_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "json_writer.h"
#include "plan.h"

/** What to run and how. Borrowed for the call. */
struct jd_bench_job {
    const struct jd_plan *plan;
    const char *program;     /**< this program's file, absolute: children are started from it */
    const char *report_path; /**< absolute; the journal is beside it, with ".journal" */
    bool can_resume, is_quiet;
    unsigned shard_index, shard_count; /**< part 1..count of the rounds; count 0: all */
    double timeout_s;                  /**< 0: each workload's own */
    uint64_t memory_limit_bytes;       /**< 0: none */
    const char *const *benchmark_args;
    size_t benchmark_arg_count;
    const char *const *command_line;
    size_t command_line_count;
};

/** Run, write the report, print the summary on standard output. SIGINT, SIGTERM and SIGHUP end the
 * run early, with a report of what is there. Returns the exit code of `jitduel bench`: 0; 1 when a
 * sample failed or was wrong (what an engine refuses is no failure); 130 when interrupted. Errors
 * are printed, as one line, and give 64 or 71; finished samples then stay in the journal. */
int jd_bench_run_job(const struct jd_bench_job *job);

#endif
