/* SPDX-License-Identifier: Apache-2.0
 *
 * The third of three modules; see first.c.
 */
#include "modules.h"

static int64_t memory = 300;

__attribute__((noinline)) static int64_t private_step(int64_t n)
{
    memory++;
    return n * n;
}

__attribute__((weak, noinline)) int64_t *weak_cell(void)
{
    static int64_t cell;
    return &cell;
}

int64_t third_step(int64_t n)
{
    shared_counter++;
    *weak_cell() += 1;
    return n <= 0 ? 0 : private_step(n) + first_step(n - 1);
}

step_fn *third_pointer_to_first(void)
{
    return first_step;
}

step_fn *third_private(void)
{
    return private_step;
}

int64_t third_memory(void)
{
    return memory;
}
