/* SPDX-License-Identifier: Apache-2.0
 *
 * A report made again from its JSON: plan, samples, machine and the rest, so that reports can be
 * joined and analysed anew. Engines and workloads are names here; nothing of them can be run.
 *
 * Knows the schema (reports/schema/jitduel-report-1.schema.json) and what it is filled into.
 */
#ifndef JITDUEL_HARNESS_REPORT_RESTORE_H
#define JITDUEL_HARNESS_REPORT_RESTORE_H

#include <jansson.h>

#include "json_writer.h"

/** One report. Texts belong to the JSON. */
struct jd_restored {
    struct jd_report report; /**< without its analysis */
    struct jd_plan plan;     /**< items: a place for each sample planned, filled where one is */
    struct jd_sample *samples;
    size_t sample_count;
    struct jd_fingerprint fingerprint;
    struct jd_suite suite;
    struct jd_suite_line *lines;
    struct jd_workload *workloads;
    struct jd_engine_ops *engines;
    size_t line_count, engine_count;
    char **texts; /**< of command line and options */
};

/** Fill `out` from `root` (borrowed until jd_restored_fini); `path` is for messages. Errors:
 * BAD_FILE names what is missing or wrong; NO_MEMORY. */
int jd_restored_init(struct jd_restored *out, const json_t *root, const char *path,
                     struct jd_error *err);
/** Zeroed ones are accepted. */
void jd_restored_fini(struct jd_restored *restored);

#endif
