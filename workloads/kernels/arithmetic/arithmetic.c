/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole-number arithmetic in small loops: division, multiplication, shifts, branches that depend on
 * data. No memory, no calls to speak of: what is left is the quality of the code itself.
 */
#include <stdint.h>
#include <stdio.h>

uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint64_t power_mod(uint64_t base, uint64_t exponent, uint64_t modulus)
{
    uint64_t result = 1;
    for (base %= modulus; exponent; exponent >>= 1) {
        if (exponent & 1)
            result = result * base % modulus;
        base = base * base % modulus;
    }
    return result;
}

/* Steps of 3n+1 until 1. */
unsigned collatz_steps(uint64_t n)
{
    unsigned steps = 0;
    for (; n != 1; steps++)
        n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}

/* How many k in 1..n share no divisor with n. */
uint64_t totient(uint64_t n)
{
    uint64_t count = 0;
    for (uint64_t k = 1; k <= n; k++)
        count += gcd(n, k) == 1;
    return count;
}

int64_t kernel_step(int64_t n)
{
    int64_t sum = 0;
    for (int64_t k = 1; k <= n; k++)
        sum += collatz_steps((uint64_t)k);
    return sum;
}

int main(void)
{
    printf("gcd(1071, 462) = %llu\n", (unsigned long long)gcd(1071, 462));
    /* Fermat: p = 1000003 is prime, so a^(p-1) = 1. */
    printf("2^1000002 mod 1000003 = %llu\n", (unsigned long long)power_mod(2, 1000002, 1000003));
    printf("collatz(27) = %u\n", collatz_steps(27));
    printf("totient(1024) = %llu\n", (unsigned long long)totient(1024));
    printf("totient(997) = %llu\n", (unsigned long long)totient(997));
    printf("step(1000) = %lld\n", (long long)kernel_step(1000));
    return 0;
}
