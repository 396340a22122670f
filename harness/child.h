/* SPDX-License-Identifier: Apache-2.0
 *
 * The child's side of a sample: one process, one engine, one record. What the regimes share.
 *
 * The parent gives everything on the command line, so that no time goes into reading catalogues,
 * and takes JSON lines from the record descriptor: first the sample as this process knows it, then,
 * where teardown could be measured, {"teardown_ns": N}. Standard output is the workload's alone.
 */
#ifndef JITDUEL_HARNESS_CHILD_H
#define JITDUEL_HARNESS_CHILD_H

#include <pthread.h>

#include "jitduel/engine.h"
#include "measure/perf_events.h"
#include "measure/phases.h"
#include "program.h"
#include "record.h"

/** The command line between runner and child: `--NAME=VALUE`, then IR files, then `--` and the
 * program's arguments. */
#define JD_CHILD_RECORD_FD "record-fd"
#define JD_CHILD_SPAWNED "spawned-ns" /* jd_clock_ns() just before posix_spawn */
#define JD_CHILD_REGIME "regime"
#define JD_CHILD_ENGINE "engine"
#define JD_CHILD_LEVEL "opt-level"
#define JD_CHILD_MEMORY_LIMIT "memory-limit"
#define JD_CHILD_WARM_ENTRY "warm-entry"
#define JD_CHILD_WARM_ARGUMENT "warm-argument"
#define JD_CHILD_WARM_EXPECTED "warm-expected"
#define JD_CHILD_BENCHMARK_ARG "benchmark-arg"

enum {
    JD_CHILD_BENCHMARK_ARGS = 32,
    /** The record could not be written, or the command line makes no sense. */
    JD_CHILD_EXIT_HARNESS = 64
};

struct jd_child {
    enum jd_regime regime;
    const struct jd_engine_ops *ops;
    unsigned opt_level;
    uint64_t spawned_ns;
    int record_fd;
    uint64_t memory_limit_bytes; /**< 0: none */
    const char *warm_entry;
    int64_t warm_argument, warm_expected;
    const char *benchmark_args[JD_CHILD_BENCHMARK_ARGS];
    size_t benchmark_arg_count;
    const char **files;
    size_t file_count;
    int program_argc;
    char **program_argv; /**< [0] is the first file */
    struct jd_ir *modules;

    struct jd_phases *phases;
    struct jd_probe probe; /**< forwards to phases and keeps the curve */
    pthread_mutex_t curve_lock;
    uint64_t compiled_count, curve_stride, last_compiled_ns;
    struct jd_perf perf;
    struct jd_sample sample; /**< filled as the process goes on */
};

/** Open the IR files, start the instruments. The error is in the sample too. */
int jd_child_start(struct jd_child *child, struct jd_error *err);
/** The engine options of this sample. */
struct jd_engine_options jd_child_engine_options(const struct jd_child *child);
/** The sample failed: kind and detail from the error. */
void jd_child_fail(struct jd_child *child, const struct jd_error *err);
/** Read phases, counters (engine may be NULL), memory and the curve into the sample. `first_pause`:
 * number of the first pause that a call of the program waited for. */
void jd_child_collect(struct jd_child *child, struct jd_engine *engine, uint64_t first_pause);
/** Write the sample to the parent. False: nobody can be told. */
bool jd_child_send(struct jd_child *child);
/** Tell the parent what teardown took, after the sample. */
void jd_child_send_teardown(struct jd_child *child, uint64_t teardown_ns);
/** Threads of this process; 0 when unknown. */
size_t jd_child_thread_count(void);

/** Take the sample. Return the exit status of the process, or never return. */
int jd_child_run_cold(struct jd_child *child);
int jd_child_run_warm(struct jd_child *child);
int jd_child_run_cold_engine(struct jd_child *child);

#endif
