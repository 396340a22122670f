/* SPDX-License-Identifier: Apache-2.0
 *
 * What program.c (life) and program_end.c (ways to end) share. Nobody else includes it.
 */
#ifndef JITDUEL_HARNESS_PROGRAM_PRIVATE_H
#define JITDUEL_HARNESS_PROGRAM_PRIVATE_H

#include <stdatomic.h>
#include <sys/types.h>

#include "program.h"

struct jd_program {
    struct jd_program_spec spec;
    struct jd_engine *engine;
    uintptr_t entry_addr;
    struct jd_program_times times;
    atomic_bool is_destructed;
    pid_t owner; /* the process in which the end counts */
    atomic_flag is_ended;
    unsigned long long load_count; /* libraries ever loaded, at open */
    int quick_status;
};

/** Register the exit handlers; must come before anything that may register one. NO_MEMORY, STATE
 * when this process has such a program already. */
int program_watch_end(struct jd_program *program, struct jd_error *err);
/** Define the functions that end a process without exit handlers. */
int program_define_early_exit(struct jd_program *program, struct jd_error *err);
/** End the process because of an error of the program. */
_Noreturn void program_fail(struct jd_program *program, const struct jd_error *err);

#endif
