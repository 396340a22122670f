/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of free ranges ordered by offset: put joins neighbours, take is first fit. Every operation
 * is O(log n). Knows nothing of memory: offsets are numbers. Not thread-safe.
 */
#ifndef JITDUEL_COMMON_RANGES_H
#define JITDUEL_COMMON_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jd_range_node;
struct jd_range_slab;

struct jd_ranges {
    struct jd_range_node *root;
    struct jd_range_node *spare;
    struct jd_range_slab *slabs;
    uint32_t seed;
    size_t range_count;
};

/** An empty set is all zero. */
void jd_ranges_init(struct jd_ranges *ranges);
/** Frees the bookkeeping; the set is empty again. */
void jd_ranges_fini(struct jd_ranges *ranges);

/** Add [offset, offset + size), which must not overlap the set. False when there is no memory for
 * bookkeeping: the range is not added (neighbours that were in the set stay in it). */
bool jd_ranges_put(struct jd_ranges *ranges, size_t offset, size_t size);
/** Remove `size` bytes whose offset is a multiple of `align` (a power of two) from the lowest range
 * they fit into. Where more than 32 ranges are long enough but lie badly for `align`, a higher one
 * may be chosen; after 4096 the search ends. False when nothing is found (or there is no memory for
 * bookkeeping); the set is as before then. */
bool jd_ranges_take(struct jd_ranges *ranges, size_t size, size_t align, size_t *out_offset);
/** Remove the range that ends exactly at `end`, if there is one. */
bool jd_ranges_take_ending_at(struct jd_ranges *ranges, size_t end, size_t *out_offset);
/** Remove what the set has of [low, high). Never fails when no range reaches across both ends. */
void jd_ranges_remove(struct jd_ranges *ranges, size_t low, size_t high);
/** Size of the largest range, 0 when empty. */
size_t jd_ranges_largest(const struct jd_ranges *ranges);

#endif
