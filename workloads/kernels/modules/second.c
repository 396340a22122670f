/* SPDX-License-Identifier: Apache-2.0
 *
 * The second of three modules; see first.c.
 */
#include "modules.h"

static int64_t memory = 200;

__attribute__((noinline)) static int64_t private_step(int64_t n)
{
    memory++;
    return n * 2;
}

__attribute__((weak, noinline)) int64_t *weak_cell(void)
{
    static int64_t cell;
    return &cell;
}

/* Addresses in constant data: of another module, of this one, of a third. */
step_fn *const second_table[3] = {first_step, second_step, third_step};

int64_t second_step(int64_t n)
{
    shared_counter++;
    return n <= 0 ? 0 : private_step(n) + third_step(n - 1);
}

step_fn *second_pointer_to_first(void)
{
    return first_step;
}

step_fn *second_private(void)
{
    return private_step;
}

int64_t second_memory(void)
{
    return memory;
}
