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
#define EIGHT(X, a, b, c, d, e, f, g, h) X(a) X(b) X(c) X(d) X(e) X(f) X(g) X(h)
#define HANDLERS(X)                                                                                \
    EIGHT(X, 0, 1, 2, 3, 4, 5, 6, 7)                                                               \
    EIGHT(X, 8, 9, 10, 11, 12, 13, 14, 15)                                                         \
    EIGHT(X, 16, 17, 18, 19, 20, 21, 22, 23)                                                       \
    EIGHT(X, 24, 25, 26, 27, 28, 29, 30, 31)

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
