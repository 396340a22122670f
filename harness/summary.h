/* SPDX-License-Identifier: Apache-2.0
 *
 * The report for people: a table on standard output, what was skipped, what failed, how far to
 * trust it, and on the last line where the report is. Knows the analysis, not how it was made.
 */
#ifndef JITDUEL_HARNESS_SUMMARY_H
#define JITDUEL_HARNESS_SUMMARY_H

#include <stdio.h>

#include "json_writer.h"

/** Print the table. `path`: of the report. */
void jd_summary_print(FILE *out, const struct jd_report *report, const char *path);
/** Print the plan without running it, in running order of its cells. */
void jd_summary_plan(FILE *out, const struct jd_plan *plan);
/** "12.3 ms" into `out`; returns it. */
char *jd_format_ns(double ns, char *out, size_t out_bytes);
/** "61.2 MiB" into `out`; returns it. */
char *jd_format_bytes(double bytes, char *out, size_t out_bytes);
/** "kernel/fib mcjit -O2 warm A1" into `out`; returns it. */
char *jd_format_cell(const struct jd_cell *cell, char *out, size_t out_bytes);

#endif
