/* SPDX-License-Identifier: Apache-2.0
 *
 * The phase recorder: the probe that turns an engine's begin/end marks into time per phase.
 *
 * Times are exclusive: while a nested phase runs on a thread, the outer one is not charged, so the
 * totals of all phases add up to the time that was spent in any. They are sums over threads.
 * A "pause" is one stretch of engine work on one thread, from the begin that finds no phase open on
 * it to the end that leaves none open: seen from the program, one lazy compile.
 *
 * Callbacks allocate nothing and take no lock; one event costs two clock readings at most. Nesting
 * is kept per thread and shared by all recorders, so that an engine's creator may use another
 * engine with another recorder. Knows no engine, program or file.
 */
#ifndef JITDUEL_MEASURE_PHASES_H
#define JITDUEL_MEASURE_PHASES_H

#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"
#include "jitduel/probe.h"

enum { JD_PHASES_DEPTH = 32 }; /**< nesting per thread; deeper phases count as their parent's */

struct jd_phases;

/** Sums so far. */
struct jd_phase_totals {
    uint64_t ns[JD_PHASE_COUNT];    /**< exclusive time */
    uint64_t count[JD_PHASE_COUNT]; /**< begins */
    uint64_t compiled_count;        /**< `compiled` events */
    uint64_t compiled_bytes;        /**< bytes of code in them */
    uint64_t pause_count;
    uint64_t pause_ns;       /**< sum over all pauses */
    uint64_t pause_max_ns;   /**< longest pause */
    uint64_t mismatch_count; /**< ends without their begin, or nesting too deep: not 0 is a bug */
};

/** New recorder that remembers the last `pause_capacity` pauses one by one (rounded up to a power
 * of two; the memory is touched only as pauses arrive). Destroy it after the engine. NO_MEMORY. */
int jd_phases_create(size_t pause_capacity, struct jd_phases **out, struct jd_error *err);
/** NULL is accepted. */
void jd_phases_destroy(struct jd_phases *phases);
/** The probe to put into jd_engine_options. Borrowed, lives as long as the recorder. */
const struct jd_probe *jd_phases_probe(struct jd_phases *phases);

/** Copy the sums. Any thread at any time; phases still open count up to their last event. */
void jd_phases_read(const struct jd_phases *phases, struct jd_phase_totals *out);
/** Zero the sums and forget the pauses. No phase may be open. */
void jd_phases_reset(struct jd_phases *phases);
/** Copy durations of pauses number `first`, `first`+1, ... (counted from 0 since the last reset)
 * that are still remembered, oldest first, into out[0..capacity). Returns how many were copied;
 * *out_first (may be NULL) is the number of the first one, above `first` when older ones were
 * overwritten. Not while other threads compile. */
size_t jd_phases_pauses(const struct jd_phases *phases, uint64_t first, uint64_t *out,
                        size_t capacity, uint64_t *out_first);

/** The innermost phase open on the calling thread, in any recorder or in the tracker below; -1 for
 * none. For crash messages: async-signal-safe. */
int jd_phase_current(void);
/** A probe that only keeps track of jd_phase_current: no clock, no sums. Static. */
extern const struct jd_probe jd_probe_track;
/** A probe whose callbacks are all NULL: what is left is the cost of asking. Static. */
extern const struct jd_probe jd_probe_none;

/** "parse", "codegen", ...; NULL for anything that is not a phase. Static. */
const char *jd_phase_name(int phase);

#endif
