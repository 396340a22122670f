/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of the CPU's state the trampoline keeps. Source: Intel SDM volume 1, 13.2 (CPUID leaf
 * 0xD, XCR0) and 13.4 (the XSAVE area).
 */
#include "stubs.h"

#include <cpuid.h>

/* Components that arguments can travel in: x87, SSE, AVX, and AVX-512's opmask, ZMM_Hi256 and
 * Hi16_ZMM. AMX tiles and protection keys are never arguments. */
enum { XSAVE_ARGUMENT_MASK = 0x1 | 0x2 | 0x4 | 0x20 | 0x40 | 0x80 };
enum { FXSAVE_BYTES = 512, XSAVE_HEADER_BYTES = 64 };

__attribute__((visibility("hidden"))) uint32_t jd_xsave_mask; /* 0: FXSAVE */
__attribute__((visibility("hidden"))) uint64_t jd_xsave_bytes = FXSAVE_BYTES + XSAVE_HEADER_BYTES;

static uint32_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

void jd_trampoline_init(void)
{
    unsigned a, b, c, d;
    uint64_t bytes = FXSAVE_BYTES + XSAVE_HEADER_BYTES;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return;
    uint32_t mask = read_xcr0() & XSAVE_ARGUMENT_MASK;
    for (unsigned component = 2; component < 8; component++) {
        if (!(mask & 1u << component) || !__get_cpuid_count(0xD, component, &a, &b, &c, &d))
            continue;
        if (b + a > bytes) /* offset + size, standard format */
            bytes = b + a;
    }
    jd_xsave_bytes = bytes;
    jd_xsave_mask = mask;
}
