/* SPDX-License-Identifier: Apache-2.0
 *
 * One program under many settings: who disagrees with the reference, and what is kept of it.
 */
#ifndef JITDUEL_TESTS_DIFF_COMPARE_H
#define JITDUEL_TESTS_DIFF_COMPARE_H

#include "trial.h"

/** What is compared, and where differences go. */
struct compare_plan {
    struct trial_config configs[TRIAL_CONFIGS_MAX];
    size_t config_count;
    const char *keep_folder; /**< files of programs that differ; NULL: not kept */
    bool is_verbose;         /**< a line for every run */
};

struct compare_totals {
    unsigned long programs, runs, refused, differing;
};

/** Run the program under each setting. The reference of a setting is the program compiled ahead at
 * the same level; without one in the plan, or when that fails, `expected` (may be NULL), else the
 * first setting. Prints one block per difference. Returns true when all agree. */
bool compare_program(const struct compare_plan *plan, const char *title,
                     const struct trial_program *program, const struct trial_outcome *expected,
                     struct compare_totals *totals);

#endif
