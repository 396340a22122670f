/* SPDX-License-Identifier: Apache-2.0
 *
 * What may be said of a ratio: the one rule by which a report's comparisons and two reports'
 * comparisons are judged. Pure; any thread.
 *
 * A difference is reported when it is significant after correction and at least as large as the
 * run could see. "No difference" is said when the whole interval is close to 1; otherwise nothing
 * is known.
 */
#ifndef JITDUEL_HARNESS_VERDICT_H
#define JITDUEL_HARNESS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "stats.h"

#define JD_VERDICT_CONFIDENCE 0.95
#define JD_VERDICT_ALPHA 0.05
#define JD_VERDICT_MINIMUM_EFFECT 0.02
/** "No difference" is said when the whole interval lies within this. */
#define JD_VERDICT_SAME_WITHIN 0.05

/** JD_VERDICT(NAME, "text") */
#define JD_VERDICTS(JD_VERDICT)                                                                    \
    JD_VERDICT(FASTER, "faster")                                                                   \
    JD_VERDICT(SLOWER, "slower")                                                                   \
    JD_VERDICT(SMALLER, "smaller")                                                                 \
    JD_VERDICT(LARGER, "larger")                                                                   \
    JD_VERDICT(NO_DIFFERENCE, "no difference")                                                     \
    JD_VERDICT(INCONCLUSIVE, "inconclusive")                                                       \
    JD_VERDICT(DISQUALIFIED, "disqualified")

enum jd_verdict {
#define JD_VERDICT(name, text) JD_VERDICT_##name,
    JD_VERDICTS(JD_VERDICT)
#undef JD_VERDICT
        JD_VERDICT_COUNT
};

/** One difference among those that are corrected together. */
struct jd_corrected {
    double p;
    bool is_primary; /**< of a regime's headline metric: those of all regimes are one family */
    int metric;      /**< enum jd_metric; the others of one metric are a family of their own */
    double p_holm;   /**< what jd_verdict_correct fills in */
};

/** Holm's correction, family by family. NO_MEMORY. */
int jd_verdict_correct(struct jd_corrected *differences, size_t count, struct jd_error *err);

struct jd_evidence {
    double ratio; /**< above 0 */
    struct jd_stats_interval interval;
    double p_holm;
    double floor;  /**< smallest effect that may be reported */
    bool is_blind; /**< the calibration could not detect any effect */
    bool is_size;  /**< less is "smaller", not "faster" */
};

/** The verdict, and why it is not a difference ("" when it is one). */
enum jd_verdict jd_verdict_decide(const struct jd_evidence *evidence, char *reason,
                                  size_t reason_bytes);
/** Distance from 1 that treats twice and half alike. */
double jd_verdict_effect(double ratio);
/** Name as in reports; borrowed, static. */
const char *jd_verdict_name(enum jd_verdict verdict);

#endif
