/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel says of this process's mappings (proc(5), /proc/pid/maps).
 */
#ifndef JITDUEL_TESTS_MAPS_H
#define JITDUEL_TESTS_MAPS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct maps_count {
    size_t all;               /**< mappings that touch the range */
    size_t writable_and_exec; /**< in the whole process */
    size_t executable;        /**< in the range */
};

/** Count mappings; `begin` and `end` bound the range. False when /proc cannot be read. */
static inline bool maps_read(uintptr_t begin, uintptr_t end, struct maps_count *out)
{
    char line[512], access[8];
    uint64_t low, high;
    FILE *file = fopen("/proc/self/maps", "re");
    *out = (struct maps_count){0};
    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &low, &high, access) != 3)
            continue;
        if (access[1] == 'w' && access[2] == 'x')
            out->writable_and_exec++;
        if (high <= begin || low >= end)
            continue;
        out->all++;
        out->executable += access[2] == 'x';
    }
    fclose(file);
    return true;
}

#endif
