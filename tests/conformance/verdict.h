/* SPDX-License-Identifier: Apache-2.0
 *
 * What is expected of a cell, and the matrix of what happened as JSON.
 */
#ifndef JD_TESTS_CONFORMANCE_VERDICT_H
#define JD_TESTS_CONFORMANCE_VERDICT_H

#include "supervise.h"

struct verdict_book;

/** Reads the table of recorded exceptions: {"engine": {"case": {"outcome": ..., "reason": ...}}}.
 * What is recorded as skipped is not to be run. "or" is another outcome that is as acceptable,
 * where it depends on timing; "limit_seconds" ends the case sooner. An entry for a case that does
 * not exist, or without a reason, is an error. The caller closes. */
int verdict_open(const char *path, struct verdict_book **out, struct jd_error *err);
/** NULL is accepted. */
void verdict_close(struct verdict_book *book);

/** What must happen: what the engine's capabilities say, unless the table has an entry for it.
 * `out_reason` is the entry's reason or NULL; borrowed from the book. */
enum outcome verdict_expected(const struct verdict_book *book, const struct cell *cell,
                              const char **out_reason);
/** A skip is always acceptable: the machine lacks what the case needs. */
bool verdict_is_met(const struct verdict_book *book, const struct cell *cell);

/** The time limit of the cell: `limit_seconds`, or the shorter one that the table has for it. */
double verdict_limit(const struct verdict_book *book, const struct cell *cell,
                     double limit_seconds);

/** Adds one finished cell to the matrix. */
int verdict_record(struct verdict_book *book, const struct cell *cell, struct jd_error *err);
/** Writes the matrix ("jitduel-conformance/1") and the time limit that it was made with. */
int verdict_write(const struct verdict_book *book, double limit_seconds, const char *path,
                  struct jd_error *err);

#endif
