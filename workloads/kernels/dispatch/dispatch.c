/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls through a table of function pointers, chosen so that few entries get most of the calls (as
 * in Zipf's law). The pointers stand in constant data, so each function has an address before any
 * has run; the same address must come out of the table and of the expression.
 */
#include <stdint.h>
#include <stdio.h>

typedef uint64_t handler(uint64_t x);

/* Thirty-two small functions that differ in what they do and never merge into one. */
#define HANDLERS(X)                                                                                \
    X(0)                                                                                           \
    X(1)                                                                                           \
    X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18)  \
        X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)

#define DEFINE(n)                                                                                  \
    uint64_t handle_##n(uint64_t x)                                                                \
    {                                                                                              \
        return (x ^ (n + 1) * 0x9e37u) * (2 * n + 3) + (x >> (n % 7 + 1));                         \
    }
HANDLERS(DEFINE)

#define ENTRY(n) handle_##n,
static handler *const table[] = {HANDLERS(ENTRY)};

enum { COUNT = sizeof table / sizeof *table };

/* Entry i about 1/(i+1) as often as entry 0: a uniform draw from a range drawn uniformly. */
static unsigned draw(uint32_t *state)
{
    uint32_t range;
    *state = *state * 1664525u + 1013904223u;
    range = (*state >> 16) % COUNT + 1;
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 16) % range;
}

int64_t kernel_step(int64_t n)
{
    uint32_t state = 7;
    uint64_t x = 1;
    for (int64_t i = 0; i < n; i++)
        x = table[draw(&state)](x);
    return (int64_t)(x >> 1);
}

int main(void)
{
    unsigned drawn[COUNT] = {0};
    uint32_t state = 7;
    for (int i = 0; i < 10000; i++)
        drawn[draw(&state)]++;
    printf("drawn: %u %u %u ... %u\n", drawn[0], drawn[1], drawn[2], drawn[COUNT - 1]);
    printf("same address: %d %d\n", table[0] == handle_0, table[31] == handle_31);
    printf("step(10) = %lld\n", (long long)kernel_step(10));
    printf("step(5000) = %lld\n", (long long)kernel_step(5000));
    return 0;
}
