/* SPDX-License-Identifier: Apache-2.0
 *
 * See verdict.h.
 */
#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>

const char *jd_verdict_name(enum jd_verdict verdict)
{
    static const char *const names[] = {
#define JD_VERDICT(name, text) text,
        JD_VERDICTS(JD_VERDICT)
#undef JD_VERDICT
    };
    return names[verdict];
}

double jd_verdict_effect(double ratio)
{
    return ratio >= 1 ? ratio - 1 : 1 / ratio - 1;
}

static bool is_same_family(const struct jd_corrected *a, const struct jd_corrected *b)
{
    return a->is_primary ? b->is_primary : !b->is_primary && a->metric == b->metric;
}

/* The family of differences[first], the first of its kind, through `p`, which has room for all. */
static int correct_family(struct jd_corrected *differences, size_t count, size_t first, double *p,
                          struct jd_error *err)
{
    size_t members = 0;
    for (size_t i = first; i < count; i++)
        if (is_same_family(&differences[first], &differences[i]))
            p[members++] = differences[i].p;
    int rc = jd_stats_holm(p, members, p, err);
    members = 0;
    for (size_t i = first; !rc && i < count; i++)
        if (is_same_family(&differences[first], &differences[i]))
            differences[i].p_holm = p[members++];
    return rc;
}

int jd_verdict_correct(struct jd_corrected *differences, size_t count, struct jd_error *err)
{
    double *p = calloc(count + 1, sizeof *p);
    int rc = p ? JD_OK : jd_fail(err, JD_E_NO_MEMORY, "correction", "out of memory");
    for (size_t i = 0; !rc && i < count; i++) {
        bool is_done = false;
        for (size_t k = 0; k < i && !is_done; k++)
            is_done = is_same_family(&differences[k], &differences[i]);
        if (!is_done)
            rc = correct_family(differences, count, i, p, err);
    }
    free(p);
    return rc;
}

static enum jd_verdict direction(const struct jd_evidence *evidence)
{
    if (evidence->is_size)
        return evidence->ratio < 1 ? JD_VERDICT_SMALLER : JD_VERDICT_LARGER;
    return evidence->ratio < 1 ? JD_VERDICT_FASTER : JD_VERDICT_SLOWER;
}

enum jd_verdict jd_verdict_decide(const struct jd_evidence *evidence, char *reason,
                                  size_t reason_bytes)
{
    bool is_significant = evidence->p_holm < JD_VERDICT_ALPHA;
    bool is_within = jd_verdict_effect(evidence->interval.low) < JD_VERDICT_SAME_WITHIN &&
                     jd_verdict_effect(evidence->interval.high) < JD_VERDICT_SAME_WITHIN;
    snprintf(reason, reason_bytes, "%s", "");
    if (evidence->is_blind) {
        snprintf(reason, reason_bytes, "the calibration could not detect any effect");
        return JD_VERDICT_INCONCLUSIVE;
    }
    if (is_significant && jd_verdict_effect(evidence->ratio) >= evidence->floor)
        return direction(evidence);
    if (is_within) {
        snprintf(reason, reason_bytes, "the interval is within %g %%",
                 100 * JD_VERDICT_SAME_WITHIN);
        return JD_VERDICT_NO_DIFFERENCE;
    }
    snprintf(reason, reason_bytes, "%s",
             is_significant ? "significant, but below what this run can tell apart"
                            : "not significant after correction");
    return JD_VERDICT_INCONCLUSIVE;
}
