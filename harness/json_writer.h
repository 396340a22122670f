/* SPDX-License-Identifier: Apache-2.0
 *
 * The report as JSON: jitduel-report/1. Knows the schema and no file; writing is json_file.h's.
 */
#ifndef JITDUEL_HARNESS_JSON_WRITER_H
#define JITDUEL_HARNESS_JSON_WRITER_H

#include <jansson.h>
#include <time.h>

#include "analysis.h"
#include "fingerprint.h"
#include "plan.h"

/** What a report tells beside plan and samples. All borrowed for the call. */
struct jd_report {
    const struct jd_plan *plan;
    const struct jd_analysis *analysis;
    const struct jd_fingerprint *fingerprint;
    struct jd_build build;
    bool is_complete;
    time_t created, finished;
    double elapsed_s;
    const char *const *command_line;
    size_t command_line_count;
    size_t resumed_count;
    double timeout_s;            /**< 0: each workload's own */
    uint64_t memory_limit_bytes; /**< 0: none */
    const char *const *benchmark_args;
    size_t benchmark_arg_count;
    double timer_overhead_ns;
    unsigned shard_index, shard_count; /**< this part of the plan; count 0: all of it */
    size_t merged_count;               /**< reports that this one was made of; 0: measured */
    const char *mixed;                 /**< how their machines differ, or NULL */
};

/** The reason that stands for a build with assertions. */
#define JD_REASON_ASSERTIONS "assertions are on"

enum { JD_REASONS_MAX = 8, JD_REASON_BYTES = 128 };

/** Why the numbers may not be published: fills lines, returns how many (0: they may). */
size_t jd_report_reasons(const struct jd_report *report, char reasons[][JD_REASON_BYTES]);
/** The name of capability bit `bit` in reports (enum jd_cap is 1 << bit); NULL beyond the last. */
const char *jd_cap_name(unsigned bit);
/** New object that satisfies the schema, or NULL without memory. */
json_t *jd_report_to_json(const struct jd_report *report);

#endif
