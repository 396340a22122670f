/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a run is, on standard error: a bar with the time left on a terminal, plain lines
 * elsewhere. Knows counts and words, no plan and no sample. Writes only between samples.
 */
#ifndef JITDUEL_HARNESS_PROGRESS_H
#define JITDUEL_HARNESS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jd_progress {
    size_t total, done, done_before; /**< before: by an earlier run */
    uint64_t start_ns;
    bool is_quiet, is_terminal;
    size_t last_tenth; /**< plain lines: one per tenth of the run */
};

/** `done_before` samples of `total` are there already. Quiet: failures only. */
void jd_progress_init(struct jd_progress *progress, size_t total, size_t done_before,
                      bool is_quiet);
/** What is measured next. Borrowed for the call. */
void jd_progress_show(struct jd_progress *progress, const char *what);
/** One sample more. `problem`: NULL, or what became of it; that is always told. */
void jd_progress_step(struct jd_progress *progress, const char *what, const char *problem);
/** Clear the bar. */
void jd_progress_end(struct jd_progress *progress);

#endif
