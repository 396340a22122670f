/* SPDX-License-Identifier: Apache-2.0
 *
 * Is this program run by an emulator? For what emulation cannot show: how long something takes.
 */
#ifndef JITDUEL_TESTS_EMULATED_H
#define JITDUEL_TESTS_EMULATED_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/** The kernel knows an emulated process by the emulator's name. */
static inline bool is_emulated(void)
{
    char name[32] = "";
    FILE *in = fopen("/proc/self/comm", "r");
    bool is_emulator = in && fgets(name, sizeof name, in) && !strncmp(name, "qemu-", 5);
    if (in)
        fclose(in);
    return is_emulator;
}

#endif
