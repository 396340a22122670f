/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest function there is, as machine code: returns a constant from 0 to 65535.
 * Sources: Intel SDM volume 2, MOV and RET; Arm ARM, MOVZ and RET.
 */
#ifndef JITDUEL_TESTS_TINY_CODE_H
#define JITDUEL_TESTS_TINY_CODE_H

#include <stdint.h>
#include <string.h>

enum { TINY_CODE_BYTES = 8 };

typedef int (*tiny_function)(void);

/** Write a function that returns `result`. */
static inline void tiny_code(void *write, unsigned result)
{
#if defined(__x86_64__)
    unsigned char code[TINY_CODE_BYTES] = {
        0xb8, (unsigned char)result, (unsigned char)(result >> 8), 0, 0, 0xc3, 0x90, 0x90};
    memcpy(write, code, sizeof code);
#elif defined(__aarch64__)
    uint32_t code[2] = {0x52800000u | (result & 0xffff) << 5, 0xd65f03c0u};
    memcpy(write, code, sizeof code);
#else
#error "no machine code for this CPU"
#endif
}

/** Call what was written; the instruction cache must be in step (jd_arena_flush_icache). */
static inline unsigned tiny_call(uintptr_t addr)
{
    return (unsigned)((tiny_function)addr)();
}

#endif
