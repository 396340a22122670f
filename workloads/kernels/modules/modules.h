/* SPDX-License-Identifier: Apache-2.0
 *
 * What the three modules of this kernel know of each other.
 */
#ifndef MODULES_H
#define MODULES_H

#include <stdint.h>

typedef int64_t step_fn(int64_t n);

/* first.c */
int64_t first_step(int64_t n);
extern int64_t shared_counter;
/* second.c */
int64_t second_step(int64_t n);
step_fn *second_pointer_to_first(void);
step_fn *second_private(void);
int64_t second_memory(void);
extern step_fn *const second_table[3];
/* third.c */
int64_t third_step(int64_t n);
step_fn *third_pointer_to_first(void);
step_fn *third_private(void);
int64_t third_memory(void);
/* Each module has a weak one; all calls must reach the same. */
int64_t *weak_cell(void);

#endif
