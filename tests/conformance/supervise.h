/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one case on one engine in a child process with a time limit and says how it ended.
 */
#ifndef JD_TESTS_CONFORMANCE_SUPERVISE_H
#define JD_TESTS_CONFORMANCE_SUPERVISE_H

#include "cases.h"

enum outcome {
    OUTCOME_PASS = 0,
    OUTCOME_REFUSED, /**< refused exactly as a refusal must be */
    OUTCOME_SKIPPED,
    OUTCOME_FAIL,
    OUTCOME_CRASH,
    OUTCOME_TIMEOUT
};

enum { CONFORMANCE_DETAIL_BYTES = 1200 };

struct cell {
    const struct jd_engine_ops *ops;
    const struct conformance_case *item;
    enum outcome outcome;
    double seconds;
    char detail[CONFORMANCE_DETAIL_BYTES]; /**< why it did not pass; one line, may be "" */
};

/** "pass", "refused", ...; borrowed, static. */
const char *outcome_name(enum outcome outcome);
/** The outcome of that name, or -1. */
int outcome_find(const char *name);

/** Runs `program --child --engine E --case C` plus `extra` (NULL-terminated) and fills the rest of
 * `cell`. What the child printed goes to this process's standard error unless it passed or refused.
 * Returns 0, or a JD_E_ code when the child could not be run at all. */
int supervise_cell(const char *program, const char *const *extra, double limit_seconds,
                   struct cell *cell, struct jd_error *err);

#endif
