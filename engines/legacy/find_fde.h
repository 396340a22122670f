/* SPDX-License-Identifier: Apache-2.0
 *
 * What unwind.c (one arena) and find_fde.c (the process) share: the form of the tables, which is
 * read without a lock. Not for anyone else.
 */
#ifndef JITDUEL_LEGACY_FIND_FDE_H
#define JITDUEL_LEGACY_FIND_FDE_H

#include "unwind_tables.h"

/* Blocks of the arena begin at multiples of this. */
enum { LEGACY_UNWIND_GRANULE_BYTES = 16 };

/* One function (or part of one); offsets into the block of code and into .eh_frame. */
struct legacy_unwind_row {
    uint32_t begin, bytes, entry;
};

/* Behind .eh_frame; rows are in the order of addresses. */
struct legacy_unwind_table {
    uint32_t count;
    struct legacy_unwind_row rows[];
};

/* The first bytes of a block of code. All zero: it has no tables. */
struct legacy_unwind_prefix {
    uintptr_t frames_addr, table_addr;
};

_Static_assert(sizeof(struct legacy_unwind_prefix) == LEGACY_UNWIND_PREFIX_BYTES, "the prefix");

/* Let finders see the arena; false: no memory. */
bool legacy_unwind_publish(struct legacy_unwind *unwind);
/* Finders that begin from now on do not see it. */
void legacy_unwind_retract(struct legacy_unwind *unwind);

#endif
