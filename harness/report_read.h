/* SPDX-License-Identifier: Apache-2.0
 *
 * A report, read back: what two of them are compared by. Knows the schema
 * (reports/schema/jitduel-report-1.schema.json) and no plan, engine or statistics.
 */
#ifndef JITDUEL_HARNESS_REPORT_READ_H
#define JITDUEL_HARNESS_REPORT_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "fingerprint.h"
#include "jitduel/error.h"
#include "record.h"

/** One measured workload under one engine at one level in one regime. Texts belong to the file. */
struct jd_report_cell {
    const char *workload, *workload_hash, *engine;
    unsigned opt_level;
    enum jd_regime regime;
    const char *status, *status_detail;
    bool has_numbers; /**< status ok or partial */
    bool is_not_run;
    struct jd_sample *samples;
    size_t sample_count;
};

/** What the calibration of a regime could see. */
struct jd_report_regime {
    bool is_calibrated, can_detect;
    double detectable_effect;
};

/** Cells of the calibration are left out. */
struct jd_report_file {
    const char *path; /**< borrowed from open */
    bool is_complete, is_publishable;
    const char *revision;             /**< git's, of the program that measured */
    const char *facts[JD_FACT_COUNT]; /**< of the machine, as jd_fact_places; never NULL */
    json_int_t cpu_online_count, page_size_bytes; /**< -1: unavailable */
    struct jd_report_regime regimes[JD_REGIME_COUNT];
    struct jd_report_cell *cells;
    size_t cell_count;
    json_t *root; /**< owns the texts */
};

/** Load JSON from `path` and check that it is a report of this schema; no more. New; errors as
 * below. */
int jd_report_json_load(const char *path, json_t **out, struct jd_error *err);
/** Read the report at `path` (borrowed until close). Errors: IO, NO_MEMORY, BAD_FILE with the
 * place: not JSON, another schema, a member that is missing or of another type. */
int jd_report_file_open(const char *path, struct jd_report_file **out, struct jd_error *err);
/** NULL is accepted. */
void jd_report_file_close(struct jd_report_file *file);
/** The cell of that workload, engine, level and regime; NULL when there is none. */
const struct jd_report_cell *jd_report_file_find(const struct jd_report_file *file,
                                                 const char *workload, const char *engine,
                                                 unsigned opt_level, enum jd_regime regime);

#endif
