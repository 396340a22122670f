/* SPDX-License-Identifier: Apache-2.0
 *
 * The harness's one clock: CLOCK_MONOTONIC in nanoseconds, comparable between processes of one
 * machine since its boot. Knows nothing of what is timed.
 */
#ifndef JITDUEL_MEASURE_CLOCK_H
#define JITDUEL_MEASURE_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Now, in ns since an arbitrary point; never goes back. Any thread, also in a signal handler. */
static inline uint64_t jd_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/** What one reading costs here and now: the smallest of several averages over many readings, so
 * that an interruption does not count. Takes about 0.2 ms; call it outside timed regions. */
double jd_clock_overhead_ns(void);

#endif
