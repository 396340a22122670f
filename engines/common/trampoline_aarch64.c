/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of the CPU's state the trampoline keeps. Source: Linux, "AArch64 ELF hwcaps" and
 * "Scalable Vector Extension support". The vector length is a thread's own and may change; the
 * trampoline reads it each time.
 */
#include "stubs.h"

#include <sys/auxv.h>

#ifndef HWCAP_SVE
#define HWCAP_SVE (1UL << 22)
#endif

__attribute__((visibility("hidden"))) uint8_t jd_has_sve;

void jd_trampoline_init(void)
{
    jd_has_sve = (getauxval(AT_HWCAP) & HWCAP_SVE) != 0;
}
