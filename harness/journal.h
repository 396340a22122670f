/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal of a run: JSON lines beside the report, one per finished sample, written out before
 * the next sample starts. A killed run is continued from it.
 *
 * Line 1 says which run this is; it is compared as a whole. A last line without its end, or cut
 * short, is what a kill leaves: it is dropped, and its sample is taken again. Anything else that
 * cannot be read is an error: a journal is never repaired by guessing.
 *
 * Knows samples, not plans: whether a place exists is for the caller to check.
 */
#ifndef JITDUEL_HARNESS_JOURNAL_H
#define JITDUEL_HARNESS_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "jitduel/error.h"
#include "record.h"

struct jd_journal;

/** Takes each sample that is in the journal already. Returns 0 or an error to give up with. */
typedef int (*jd_journal_replay_fn)(void *context, const struct jd_sample *sample,
                                    struct jd_error *err);

/** Open or make the journal at `path` and hold its lock. `identity` (borrowed) is an object that
 * says which plan, machine and program this is.
 * Not there yet: it is made. There, and `can_resume`: every sample is handed to `replay`, in order.
 * Errors: STATE when it exists and may not be resumed, or when another process holds it; BAD_FILE
 * names the line; USAGE when it belongs to another run and says what differs; IO. */
int jd_journal_open(const char *path, const json_t *identity, bool can_resume,
                    jd_journal_replay_fn replay, void *context, struct jd_journal **out,
                    struct jd_error *err);
/** Append one sample; when this returns 0 it outlives the process. On failure (a full disk) the
 * journal is as before. IO. */
int jd_journal_append(struct jd_journal *journal, const struct jd_sample *sample,
                      struct jd_error *err);
/** Samples that open found. */
size_t jd_journal_replayed_count(const struct jd_journal *journal);
/** Let go; with `is_done`, its samples are safe elsewhere and the file is removed. NULL is
 * accepted. */
void jd_journal_close(struct jd_journal *journal, bool is_done);

#endif
