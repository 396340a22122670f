/* SPDX-License-Identifier: Apache-2.0
 *
 * Two reports against each other: did a change make any engine slower, larger or wrong?
 *
 * The runs were not interleaved, so what the machine did between them is part of every difference.
 * Against that: only cells of the same workload (by hash), engine, level and regime are compared;
 * only reports of the same machine, unless each engine is first set in relation to another one of
 * its own report (`relative_to`), sample by sample within a block, where both met the same machine;
 * nothing below what either run's calibration could see counts; and a shift that all engines share
 * is told.
 *
 * Knows what reports hold (report_read.h) and statistics; no option, file or terminal.
 */
#ifndef JITDUEL_HARNESS_COMPARE_H
#define JITDUEL_HARNESS_COMPARE_H

#include "report_read.h"
#include "verdict.h"

enum jd_change {
    JD_CHANGE_NONE,         /**< any harm is excluded, to within JD_VERDICT_SAME_WITHIN */
    JD_CHANGE_BETTER,       /**< faster, smaller, or runs now */
    JD_CHANGE_REGRESSION,   /**< slower, larger, or does not run any more */
    JD_CHANGE_UNKNOWN,      /**< harm is neither shown nor excluded */
    JD_CHANGE_INCOMPARABLE, /**< the workload changed, or one side did not measure it */
    JD_CHANGE_COUNT
};

enum { JD_CHANGE_REASON_BYTES = 160 };

struct jd_change_row {
    const struct jd_report_cell *base, *now; /**< either may be NULL: only the other has it */
    enum jd_metric metric;
    bool is_primary;
    bool has_ratio; /**< false: the numbers below mean nothing */
    size_t base_count, now_count;
    double base_median, now_median; /**< of the metric, or of its ratio to that of `relative_to` */
    double ratio;                   /**< new / base */
    struct jd_stats_interval interval;
    double p, p_holm, floor;
    enum jd_verdict verdict; /**< DISQUALIFIED: one side has no numbers */
    enum jd_change change;
    char reason[JD_CHANGE_REASON_BYTES];
};

/** A fact of the machines that differs. */
struct jd_machine_difference {
    const char *name;
    char base[JD_FACT_BYTES], now[JD_FACT_BYTES];
    bool forbids_times; /**< other hardware */
};

struct jd_compare_request {
    const char *relative_to;    /**< an engine of both reports, or NULL */
    const char *const *engines; /**< only these; count 0: all */
    size_t engine_count;
    const char *const *workloads;
    size_t workload_count;
};

struct jd_compare {
    const struct jd_report_file *base, *now;
    struct jd_change_row *rows;
    size_t row_count, counts[JD_CHANGE_COUNT];
    struct jd_machine_difference differences[JD_FACT_COUNT + 2];
    size_t difference_count;
    bool has_shift; /**< every engine's times moved the same way */
    double shift;   /**< the geometric middle of the engines' median ratios */
};

/** Compare. Both files are borrowed until destroy; New. Errors: USAGE (relative_to, an engine or a
 * workload that neither report has; nothing in common; other hardware without relative_to),
 * NO_MEMORY. */
int jd_compare_create(const struct jd_report_file *base, const struct jd_report_file *now,
                      const struct jd_compare_request *request, struct jd_compare **out,
                      struct jd_error *err);
/** NULL is accepted. */
void jd_compare_destroy(struct jd_compare *compare);
/** "none", "better", ...; borrowed, static. */
const char *jd_change_name(enum jd_change change);

#endif
