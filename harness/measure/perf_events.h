/* SPDX-License-Identifier: Apache-2.0
 *
 * The counter instrument: instructions and cycles of this process and the threads that it starts
 * later, in user mode. Knows nothing of what is counted.
 *
 * Source: perf_event_open(2). Virtual machines without a PMU and systems with
 * perf_event_paranoid above 2 refuse: the counts are then unknown, never 0.
 */
#ifndef JITDUEL_MEASURE_PERF_EVENTS_H
#define JITDUEL_MEASURE_PERF_EVENTS_H

#include <stdint.h>

#define JD_PERF_UNKNOWN UINT64_MAX

struct jd_perf_counts {
    uint64_t instructions, cycles; /**< JD_PERF_UNKNOWN when refused, or never scheduled */
};

struct jd_perf {
    int instructions_fd, cycles_fd; /**< below 0: refused */
};

/** Start counting. Never fails. */
void jd_perf_open(struct jd_perf *perf);
/** Counts so far, scaled where the kernel shared the counters out. */
void jd_perf_read(const struct jd_perf *perf, struct jd_perf_counts *out);
void jd_perf_close(struct jd_perf *perf);

#endif
