/* SPDX-License-Identifier: Apache-2.0
 *
 * One sample: what a child and its parent together know about one process. Plain numbers.
 * Knows no JSON, clock, engine, or file; names of phases and counters are the report's.
 */
#ifndef JITDUEL_HARNESS_RECORD_H
#define JITDUEL_HARNESS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The machine does not give this figure, or it does not apply. Never written as 0. */
#define JD_NONE UINT64_MAX

/** How a sample is taken. JD_REGIME(NAME, "text"). */
#define JD_REGIMES(JD_REGIME)                                                                      \
    JD_REGIME(COLD_PROCESS, "cold-process") /* a fresh process, from exec to the last result */    \
    JD_REGIME(COLD_ENGINE, "cold-engine")   /* LLVM warm, engine after engine in one process */    \
    JD_REGIME(WARM, "warm")                 /* steady state, from the fourth call on */

enum jd_regime {
#define JD_REGIME(name, text) JD_REGIME_##name,
    JD_REGIMES(JD_REGIME)
#undef JD_REGIME
        JD_REGIME_COUNT
};

/** How a sample ended. Only OK counts in statistics. */
#define JD_SAMPLE_KINDS(JD_KIND)                                                                   \
    JD_KIND(OK, "ok")                                                                              \
    JD_KIND(WRONG_OUTPUT, "wrong_output")                                                          \
    JD_KIND(WRONG_EXIT_CODE, "wrong_exit_code")                                                    \
    JD_KIND(CRASHED, "crashed")                                                                    \
    JD_KIND(TIMED_OUT, "timed_out")                                                                \
    JD_KIND(REFUSED, "refused") /* the engine says that it does not support this */                \
    JD_KIND(FAILED, "failed")   /* the engine or the program reported an error */                  \
    JD_KIND(HARNESS_ERROR, "harness_error")

enum jd_sample_kind {
#define JD_KIND(name, text) JD_SAMPLE_##name,
    JD_SAMPLE_KINDS(JD_KIND)
#undef JD_KIND
        JD_SAMPLE_KIND_COUNT
};

/** Phases of a sample, in the order in which reports show them. */
#define JD_SAMPLE_PHASES(JD_SPAN)                                                                  \
    JD_SPAN(PROCESS_LOAD, process_load) /* spawn until the harness's own main */                   \
    JD_SPAN(LLVM_INIT, llvm_init)                                                                  \
    JD_SPAN(PARSE, parse)                                                                          \
    JD_SPAN(CREATE, create)                                                                        \
    JD_SPAN(ADD, add)                                                                              \
    JD_SPAN(IR_PASSES, ir_passes)                                                                  \
    JD_SPAN(PARTITION, partition)                                                                  \
    JD_SPAN(CODEGEN, codegen)                                                                      \
    JD_SPAN(LINK, link)                                                                            \
    JD_SPAN(FINALIZE, finalize)                                                                    \
    JD_SPAN(RESOLVE, resolve)                                                                      \
    JD_SPAN(FIRST_CALL, first_call)                                                                \
    JD_SPAN(SECOND_CALL, second_call)                                                              \
    JD_SPAN(THIRD_CALL, third_call)                                                                \
    JD_SPAN(STEADY, steady)                                                                        \
    JD_SPAN(TEARDOWN, teardown)

enum jd_span {
#define JD_SPAN(name, text) JD_SPAN_##name,
    JD_SAMPLE_PHASES(JD_SPAN)
#undef JD_SPAN
        JD_SPAN_COUNT
};

/** An engine's counters, as the contract names them. */
#define JD_SAMPLE_COUNTERS(JD_COUNTER)                                                             \
    JD_COUNTER(modules_added)                                                                      \
    JD_COUNTER(modules_compiled)                                                                   \
    JD_COUNTER(functions_defined)                                                                  \
    JD_COUNTER(functions_compiled)                                                                 \
    JD_COUNTER(bodies_materialised)                                                                \
    JD_COUNTER(stubs_live)                                                                         \
    JD_COUNTER(creator_calls)                                                                      \
    JD_COUNTER(relocations)                                                                        \
    JD_COUNTER(code_bytes)                                                                         \
    JD_COUNTER(rodata_bytes)                                                                       \
    JD_COUNTER(data_bytes)                                                                         \
    JD_COUNTER(stub_bytes)                                                                         \
    JD_COUNTER(got_bytes)                                                                          \
    JD_COUNTER(unwind_bytes)                                                                       \
    JD_COUNTER(reserved_bytes)                                                                     \
    JD_COUNTER(committed_bytes)                                                                    \
    JD_COUNTER(mappings)

/** JD_NONE everywhere: the engine could not be asked. */
struct jd_sample_counters {
#define JD_COUNTER(name) uint64_t name;
    JD_SAMPLE_COUNTERS(JD_COUNTER)
#undef JD_COUNTER
};

/** Times for which a call of the program waited for a compile; count JD_NONE: not recorded. */
struct jd_sample_pauses {
    uint64_t count, max_ns, p99_ns, total_ns;
};

enum { JD_SAMPLE_VALUES = 64, JD_SAMPLE_POINTS = 64, JD_SAMPLE_DETAIL_BYTES = 256 };

/** Iterations inside one process. */
struct jd_sample_warm {
    double ns_per_unit;  /**< median of values: per call, or per engine life */
    uint64_t iterations; /**< calls or lives behind the values */
    size_t count;        /**< 0: not such a sample */
    double values_ns[JD_SAMPLE_VALUES];
};

/** Any member may be JD_NONE. */
struct jd_sample_memory {
    uint64_t peak_rss_bytes, rss_anon_bytes, rss_anon_start_bytes, private_dirty_bytes,
        malloc_bytes;
};

/** Any member may be JD_NONE; the load is below 0 when unknown. */
struct jd_sample_system {
    double load_average_1m;
    uint64_t voluntary_switches, involuntary_switches, minor_faults, major_faults, user_ns,
        system_ns, migrations, steal_ticks;
};

struct jd_sample_perf {
    uint64_t instructions, cycles;
};

/** Bodies compiled so far against time since the spawn. */
struct jd_sample_curve {
    size_t count;
    uint64_t functions[JD_SAMPLE_POINTS], time_ns[JD_SAMPLE_POINTS];
};

struct jd_sample {
    size_t block, position, process; /**< place in the plan */
    enum jd_sample_kind kind;
    char detail[JD_SAMPLE_DETAIL_BYTES]; /**< one line; "" when ok */
    int exit_code;                       /**< -1: none */
    int signal;                          /**< 0: none */
    double started_s;                    /**< since the start of the run */
    bool is_outlier;                     /**< in the headline metric of its regime */
    uint64_t wall_ns;
    uint64_t time_to_main_ns, time_to_first_result_ns, time_to_last_result_ns;
    uint64_t phase_ns[JD_SPAN_COUNT];
    struct jd_sample_pauses pauses;
    struct jd_sample_warm warm;
    struct jd_sample_memory memory;
    struct jd_sample_counters counters;
    struct jd_sample_system system;
    struct jd_sample_perf perf;
    struct jd_sample_curve curve;
};

/** What is summarised and compared. */
#define JD_METRICS(JD_METRIC)                                                                      \
    JD_METRIC(TIME_TO_MAIN, "time_to_main_ns")                                                     \
    JD_METRIC(TIME_TO_FIRST_RESULT, "time_to_first_result_ns")                                     \
    JD_METRIC(TIME_TO_LAST_RESULT, "time_to_last_result_ns")                                       \
    JD_METRIC(WALL, "wall_ns")                                                                     \
    JD_METRIC(WORST_PAUSE, "worst_pause_ns")                                                       \
    JD_METRIC(NS_PER_CALL, "ns_per_call")                                                          \
    JD_METRIC(ENGINE_CYCLE, "engine_cycle_ns")                                                     \
    JD_METRIC(PEAK_RSS, "peak_rss_bytes")                                                          \
    JD_METRIC(ENGINE_MEMORY, "engine_memory_bytes")                                                \
    JD_METRIC(TEARDOWN, "teardown_ns")                                                             \
    JD_METRIC(INSTRUCTIONS, "instructions")

enum jd_metric {
#define JD_METRIC(name, text) JD_METRIC_##name,
    JD_METRICS(JD_METRIC)
#undef JD_METRIC
        JD_METRIC_COUNT
};

/** Everything unknown, no place in the plan, kind HARNESS_ERROR: nothing has been measured. */
void jd_sample_init(struct jd_sample *sample);
/** Set `detail`: cut to its size, one line, printable ASCII (it quotes programs' output). */
void jd_sample_detail(struct jd_sample *sample, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** The value of a metric in a sample of that regime; false when the sample does not have it. */
bool jd_sample_metric(const struct jd_sample *sample, enum jd_regime regime, enum jd_metric metric,
                      double *out);
/** The metric that a regime's verdicts are about. */
enum jd_metric jd_regime_headline(enum jd_regime regime);
/** The metrics of which a verdict is given, in the order of reports; the rest is shown as it is. */
enum { JD_COMPARED_COUNT = 7 };
extern const enum jd_metric jd_compared_metrics[JD_COMPARED_COUNT];
/** True for sizes: less is "smaller", not "faster". */
bool jd_metric_is_size(enum jd_metric metric);

/** Names as in reports; borrowed, static. */
const char *jd_regime_name(enum jd_regime regime);
const char *jd_sample_kind_name(enum jd_sample_kind kind);
const char *jd_span_name(enum jd_span span);
const char *jd_metric_name(enum jd_metric metric);
/** The opposite way; false when no such name exists. */
bool jd_regime_find(const char *name, enum jd_regime *out);
bool jd_sample_kind_find(const char *name, enum jd_sample_kind *out);

/** Every counter by name, for whoever writes or reads them all. */
struct jd_counter_place {
    const char *name;
    size_t offset; /**< in struct jd_sample_counters */
};
enum {
#define JD_COUNTER(name) JD_COUNTER_PLACE_##name,
    JD_SAMPLE_COUNTERS(JD_COUNTER)
#undef JD_COUNTER
        JD_COUNTER_COUNT
};
extern const struct jd_counter_place jd_counter_places[JD_COUNTER_COUNT];

#endif
