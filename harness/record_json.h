/* SPDX-License-Identifier: Apache-2.0
 *
 * A sample as JSON and back: the one form that the child's record, the journal and the report
 * share. Knows no file, plan or engine. Schema: reports/schema/jitduel-report-1.schema.json,
 * sample.
 */
#ifndef JITDUEL_HARNESS_RECORD_JSON_H
#define JITDUEL_HARNESS_RECORD_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "jitduel/error.h"
#include "record.h"

/** New object, or NULL without memory. NaN and infinities become null: jansson has no word for
 * them, and a file that holds one cannot be read again. */
json_t *jd_sample_to_json(const struct jd_sample *sample);
/** Fill all of `out`; a member that is absent stays unknown. BAD_FILE names the member whose type
 * or value is wrong. */
int jd_sample_from_json(const json_t *object, struct jd_sample *out, struct jd_error *err);

/** A finite real, or null. New. */
json_t *jd_json_real(double value);
/** The same where there is a value, else null. New. */
json_t *jd_json_real_if(bool is_there, double value);
/** A whole number, or the string "unavailable" for JD_NONE. New. */
json_t *jd_json_figure(uint64_t value);
/** A whole number, or null for JD_NONE. New. */
json_t *jd_json_optional(uint64_t value);

#endif
