/* SPDX-License-Identifier: Apache-2.0
 *
 * What libgcc links into each x86-64 program instead of sharing it: the record of the CPU's
 * features, which __builtin_cpu_supports and target_clones read. Source: libgcc,
 * config/i386/cpuinfo.c.
 */
#include <stddef.h>

#include "process_symbols.h"

extern int __cpu_indicator_init(void);
extern char __cpu_model[], __cpu_features2[];

const struct jd_static_symbol jd_static_symbols_cpu[] = {
    {"__cpu_indicator_init", (uintptr_t)__cpu_indicator_init},
    {"__cpu_model", (uintptr_t)__cpu_model},
    {"__cpu_features2", (uintptr_t)__cpu_features2},
    {NULL, 0},
};
