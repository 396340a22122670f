/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounding to bfloat, which LLVM calls on CPUs without an instruction for it and which libgcc has
 * from 13 on only. Under their own names and visible in the program, so that whatever is linked in
 * this process finds them. Knows no engine.
 *
 * A bfloat travels where a float does, in the low half (x86-64 psABI 3.2.3; AAPCS64 6.8.2): these
 * functions return a float of which the caller reads 16 bits, so that no compiler has to know the
 * type. Source: libgcc, soft-fp/truncsfbf2.c, truncdfbf2.c (round to nearest, ties to even).
 */
#include "bfloat.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float __truncsfbf2(float value)
{
    uint32_t bits = bits_of(value);
    if (isnan(value))
        return float_of(bits >> 16 | 0x40); /* quiet, and still a NaN without its low half */
    return float_of((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* First to a float whose last bit says that something was lost, so that the second rounding is the
 * only one. */
float __truncdfbf2(double value)
{
    float nearest = (float)value;
    uint32_t bits = bits_of(nearest);
    if (isnan(value) || (double)nearest == value)
        return __truncsfbf2(nearest);
    if (fabs((double)nearest) > fabs(value))
        bits--;
    return __truncsfbf2(float_of(bits | 1));
}
