/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls across functions: seven small ones, none inlined, each compiled after the one that calls
 * it. Shows what a lazy engine's first way to a callee, through its stub, costs ever after.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define FUNCTION __attribute__((noinline)) uint64_t

FUNCTION turn(uint64_t x, uint64_t by);
FUNCTION add(uint64_t x, uint64_t i);
FUNCTION fold(uint64_t x, uint64_t i);
FUNCTION odd(uint64_t x, uint64_t i);
FUNCTION even(uint64_t x, uint64_t i);
FUNCTION mix(uint64_t x, uint64_t i);

FUNCTION mix(uint64_t x, uint64_t i)
{
    return fold(x & 1 ? odd(x, i) : even(x, i), i) + 1;
}

FUNCTION odd(uint64_t x, uint64_t i)
{
    return add(3 * x + 1, i) ^ i;
}

FUNCTION even(uint64_t x, uint64_t i)
{
    return turn(x, i & 31) ^ 0x9e3779b97f4a7c15;
}

FUNCTION fold(uint64_t x, uint64_t i)
{
    return turn(x ^ x >> 29, 7) + add(x, i);
}

FUNCTION add(uint64_t x, uint64_t i)
{
    return x + i * 0x2545f4914f6cdd1d;
}

FUNCTION turn(uint64_t x, uint64_t by)
{
    return x << by | x >> (-by & 63);
}

int64_t kernel_step(int64_t rounds)
{
    uint64_t x = 1;
    for (uint64_t i = 0; i < (uint64_t)rounds; i++)
        x = mix(x, i);
    return (int64_t)(x >> 1);
}

int main(void)
{
    for (int64_t rounds = 1; rounds <= 10000; rounds *= 10)
        printf("step(%" PRId64 ") = %" PRId64 "\n", rounds, kernel_step(rounds));
    return 0;
}
