/* SPDX-License-Identifier: Apache-2.0
 *
 * Three modules that call each other in a ring, hand out each other's addresses, share a variable,
 * and each have a static function and a static variable of the same names.
 */
#include "modules.h"

#include <stdio.h>

int64_t shared_counter;
static int64_t memory = 100;

__attribute__((noinline)) static int64_t private_step(int64_t n)
{
    memory++;
    return n + 1;
}

__attribute__((weak, noinline)) int64_t *weak_cell(void)
{
    static int64_t cell;
    return &cell;
}

int64_t first_step(int64_t n)
{
    shared_counter++;
    return n <= 0 ? 0 : private_step(n) + second_step(n - 1);
}

int64_t kernel_step(int64_t n)
{
    return first_step(n);
}

int main(void)
{
    step_fn *mine = first_step;
    printf("same function: %d %d %d\n", mine == second_pointer_to_first(),
           mine == third_pointer_to_first(), mine == second_table[0]);
    printf("statics are three: %d %d %d\n", private_step != second_private(),
           private_step != third_private(), second_private() != third_private());
    printf("statics answer: %lld %lld %lld\n", (long long)private_step(10),
           (long long)second_private()(10), (long long)third_private()(10));
    printf("through the table: %lld %lld\n", (long long)second_table[1](3),
           (long long)second_table[2](3));
    printf("static variables: %lld %lld %lld\n", (long long)memory, (long long)second_memory(),
           (long long)third_memory());
    shared_counter = 0;
    printf("step(3000) = %lld\n", (long long)kernel_step(3000));
    printf("counter: %lld\n", (long long)shared_counter);
    *weak_cell() = 5;
    printf("weak: %lld\n", (long long)*weak_cell());
    return 0;
}
