/* SPDX-License-Identifier: Apache-2.0
 *
 * Doubly recursive Fibonacci: calls and little else, so it shows what a call costs in each engine.
 */
#include <stdint.h>
#include <stdio.h>

__attribute__((noinline)) int64_t fib(int64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int64_t kernel_step(int64_t n)
{
    return fib(n);
}

int main(void)
{
    for (int64_t n = 0; n <= 20; n += 5)
        printf("fib(%lld) = %lld\n", (long long)n, (long long)fib(n));
    printf("step(22) = %lld\n", (long long)kernel_step(22));
    return 0;
}
