/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs before and after main: constructors by priority, atexit handlers in reverse order, then
 * destructors by priority, each once. The order is that of the C library (ISO C 7.22.4.4 and the
 * init and fini arrays of the System V ABI). main's exit code is 3.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int order;
static int64_t table[8];

__attribute__((constructor(101))) static void early(void)
{
    printf("%d constructor 101\n", ++order);
    for (int i = 0; i < 8; i++)
        table[i] = i * i;
}

__attribute__((constructor(65000))) static void late(void)
{
    printf("%d constructor 65000, table %lld\n", ++order, (long long)table[3]);
    table[3] += 1000;
}

__attribute__((constructor)) static void last(void)
{
    printf("%d constructor without priority, table %lld\n", ++order, (long long)table[3]);
}

__attribute__((destructor(101))) static void last_destructor(void)
{
    printf("%d destructor 101\n", ++order);
}

__attribute__((destructor(65000))) static void second_destructor(void)
{
    printf("%d destructor 65000\n", ++order);
}

__attribute__((destructor)) static void first_destructor(void)
{
    printf("%d destructor without priority\n", ++order);
}

static void registered_first(void)
{
    printf("%d atexit, registered first\n", ++order);
}

static void registered_second(void)
{
    printf("%d atexit, registered second\n", ++order);
}

int main(void)
{
    printf("%d main\n", ++order);
    if (atexit(registered_first) || atexit(registered_second))
        return 1;
    return 3;
}
