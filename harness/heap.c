/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap that LLVM works on. A compiler allocates tens of MiB in small pieces and lets most of
 * them go again; the C library's defaults take such a heap from the system 132 KiB at a time, a
 * page fault for every 4 KiB, and hand the top back whenever it is free: most of the 9,400 page
 * faults of a short SQLite run. Knows nothing of engines, commands or LLVM.
 */
#include "heap.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    START_BYTES = 64 << 20,       /* address space on huge pages; pages come when touched */
    STEP_BYTES = 4 << 20,         /* what the heap takes from the system beyond that */
    MAPPED_ALONE_BYTES = 4 << 20, /* a larger block gets a mapping, if the heap has no room */
    HUGE_PAGE_BYTES = 2 << 20     /* on both CPUs, with base pages of 4 KiB */
};

/* The first allocation that the heap has no room for makes it take a step from the system. */
static void take_step(int step_bytes)
{
    mallopt(M_TOP_PAD, step_bytes);
    void *volatile block = malloc((size_t)256 << 10);
    free(block);
}

void jd_heap_prepare(void)
{
    if (getenv("GLIBC_TUNABLES"))
        return;
    mallopt(M_MMAP_THRESHOLD, MAPPED_ALONE_BYTES);
    mallopt(M_TRIM_THRESHOLD, 2 * START_BYTES);
    uintptr_t begin =
        ((uintptr_t)sbrk(0) + HUGE_PAGE_BYTES - 1) & ~(uintptr_t)(HUGE_PAGE_BYTES - 1);
    take_step(START_BYTES);
    mallopt(M_TOP_PAD, STEP_BYTES);
    uintptr_t end = (uintptr_t)sbrk(0) & ~(uintptr_t)(HUGE_PAGE_BYTES - 1);
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}
