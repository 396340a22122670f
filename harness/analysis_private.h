/* SPDX-License-Identifier: Apache-2.0
 *
 * What analysis.c (cells) and analysis_compare.c (pairs of cells) share. Nobody else includes it.
 */
#ifndef JITDUEL_HARNESS_ANALYSIS_PRIVATE_H
#define JITDUEL_HARNESS_ANALYSIS_PRIVATE_H

#include "analysis.h"

/* A metric of the good samples of a cell: one value per process, and the iterations behind it. */
struct analysis_values {
    double *one_each;
    struct jd_stats_process *processes;
    size_t count;
};

int analysis_values_init(struct analysis_values *values, const struct jd_cell *cell,
                         const struct jd_cell_result *result, enum jd_metric metric,
                         struct jd_error *err);
void analysis_values_fini(struct analysis_values *values);
/* Neither disqualified nor empty. */
bool analysis_has_numbers(const struct jd_cell_result *result);
/* The seed of one interval: does not depend on what else was computed. */
uint64_t analysis_seed(const struct jd_plan *plan, size_t id, enum jd_metric metric);
/* Comparisons and calibration, from the summarised cells. */
int analysis_compare(struct jd_analysis *analysis, struct jd_error *err);

#endif
