/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory instrument: what the system and the allocator say about this process. What an engine
 * says about itself is in its counters. Knows no engine and no program.
 *
 * Sources: /proc/self/smaps_rollup, /proc/self/status, getrusage(2), mallinfo2(3).
 */
#ifndef JITDUEL_MEASURE_MEMORY_H
#define JITDUEL_MEASURE_MEMORY_H

#include <stdint.h>

/** Marks a value that this system does not give. It is reported as unavailable, never as 0. */
#define JD_MEMORY_UNKNOWN UINT64_MAX

/** One reading. Any member may be JD_MEMORY_UNKNOWN. */
struct jd_memory {
    uint64_t rss_anon_bytes;      /**< resident anonymous memory (status: RssAnon) */
    uint64_t private_dirty_bytes; /**< smaps_rollup: Private_Dirty; needs JD_MEMORY_FULL */
    uint64_t vm_hwm_bytes;        /**< highest resident size so far (status: VmHWM) */
    uint64_t heap_in_use_bytes;   /**< malloc: small and large blocks in use (mallinfo2) */
    uint64_t minor_faults;        /**< of this process since its start */
    uint64_t major_faults;
};

enum jd_memory_depth {
    JD_MEMORY_CHEAP, /**< without smaps_rollup, which walks every mapping (about 1 ms) */
    JD_MEMORY_FULL
};

/** Fill `out`. Costs tens of microseconds and more: never inside a timed region. Never fails; what
 * cannot be read is JD_MEMORY_UNKNOWN. Allocates nothing. Any thread. */
void jd_memory_read(enum jd_memory_depth depth, struct jd_memory *out);

#endif
