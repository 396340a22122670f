/* SPDX-License-Identifier: Apache-2.0
 *
 * Google Benchmark in C: register cases, run them, be told every single result. For the warm regime
 * only: the library calibrates and throws trials away, so what happens once cannot be measured in
 * it. Knows no engine and no file.
 *
 * No exception and no value that is not finite crosses this header. Nothing is printed. Not
 * reentrant: the library keeps its cases and flags in globals.
 *
 * Around faults of 1.7.1: own reporter (a second run with its default one crashes), no memory
 * manager (use after free with repetitions), a case that fails once fails in all later repetitions
 * without leaving its loop early (that aborts the run), and errors and unmatched filters are
 * counted here, because the library ends well with either.
 */
#ifndef JITDUEL_HARNESS_BENCH_SHIM_H
#define JITDUEL_HARNESS_BENCH_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The library's state during one repetition of one case. */
struct jd_bench_state;

/** A case: sets up, then works in `while (jd_bench_keep_running(state, n))` until that is false. */
typedef void (*jd_bench_case_fn)(struct jd_bench_state *state, void *context);

/** One repetition of one case. Strings are borrowed during the call. */
struct jd_bench_result {
    const char *name;
    const char *label; /**< "" without one */
    const char *error; /**< NULL, or why there are no numbers */
    int64_t repetition;
    uint64_t iterations;
    double real_ns; /**< per iteration; manual time where asked for */
    double cpu_ns;
};
typedef void (*jd_bench_result_fn)(void *context, const struct jd_bench_result *result);
/** A counter that a case set, after the result that it belongs to. */
typedef void (*jd_bench_counter_fn)(void *context, const char *name, double value);

struct jd_bench_counts {
    size_t matched; /**< cases */
    size_t results; /**< repetitions with numbers */
    size_t errors;  /**< repetitions without */
};

/** Give the library its flags, once per process: `--benchmark_*` only, later ones win. USAGE for
 * any other. A value that it does not understand ends the process with its message. */
int jd_bench_init(const char *const *flags, size_t count, struct jd_error *err);
/** A line for the context that the library writes with its own outputs. */
int jd_bench_add_context(const char *key, const char *value, struct jd_error *err);
/** Register a case. `context` is borrowed until the run is over. */
int jd_bench_register(const char *name, jd_bench_case_fn call, void *context, bool has_manual_time,
                      struct jd_error *err);
/** Run what the filter matches (NULL: the flag's, or everything), then forget all cases. Results
 * arrive as they are made. NOT_FOUND when nothing matched; WRONG_RESULT when a case reported an
 * error: the counts are filled in both. */
int jd_bench_run(const char *filter, jd_bench_result_fn on_result, jd_bench_counter_fn on_counter,
                 void *context, struct jd_bench_counts *out, struct jd_error *err);

/* ---- inside a case ---- */

/** True while `batch` more iterations are to be done. After jd_bench_skip it is false. */
bool jd_bench_keep_running(struct jd_bench_state *state, uint64_t batch);
/** Manual time: what the last iteration took. */
void jd_bench_set_time(struct jd_bench_state *state, double seconds);
/** A value that is not finite skips the case instead. */
void jd_bench_set_counter(struct jd_bench_state *state, const char *name, double value);
void jd_bench_set_label(struct jd_bench_state *state, const char *label);
/** This case gives no numbers. Go on to the loop; it ends at once. */
void jd_bench_skip(struct jd_bench_state *state, const char *why);

#ifdef __cplusplus
}
#endif
#endif
