/* SPDX-License-Identifier: Apache-2.0
 *
 * New instructions where old ones were: another core may have fetched the old ones before they were
 * overwritten, and keeps them until something synchronises its context. Both CPUs ask the executing
 * side for it, an ISB on AArch64 (Arm ARM, B2.2.5), a serializing instruction on x86-64 (Intel SDM
 * volume 3, 9.1.3); the kernel does it there on our behalf. Source: membarrier(2).
 */
#ifndef JITDUEL_COMMON_CORE_SYNC_H
#define JITDUEL_COMMON_CORE_SYNC_H

#include <stdbool.h>

/** Tell the kernel that this process, and what it forks, will ask. False where it does not offer
 * that. Again and again is harmless. Any thread. */
bool jd_core_sync_init(void);
/** When it returns, every thread of the process has passed a point after which it runs nothing that
 * it fetched before the call. False where the kernel does not offer it (before 4.16, or denied):
 * nothing was done. errno stays as it is. Any thread; costs an interruption of each CPU that runs
 * one of them. */
bool jd_core_sync(void);

#endif
