/* SPDX-License-Identifier: Apache-2.0
 *
 * The --stats file of `jitduel run`: what is in it, in what order. The schema is
 * reports/schema/jitduel-run-1.schema.json. Knows no command line.
 */
#ifndef JITDUEL_HARNESS_RUN_STATS_H
#define JITDUEL_HARNESS_RUN_STATS_H

#include "measure/phases.h"
#include "program.h"

/** What the file tells. All borrowed for the call. */
struct jd_run_facts {
    const char *engine;
    const char *granularity; /**< "default", "function", ... */
    const char *entry;
    unsigned opt_level;
    bool is_lazy; /**< something is compiled at its first call */
    const char *const *files;
    size_t file_count;
    int exit_code;
    uint64_t start_ns;              /**< the clock when the process began its work */
    const struct jd_phases *phases; /**< the recorder; its engine may still be compiling */
    uint64_t first_pause;           /**< number of the first pause of the program's run */
    const struct jd_program *program;
};

/** Read the counters and the memory instrument, and write the file (json_file.h). IO, NO_MEMORY, or
 * the engine's error for its counters. */
int jd_run_stats_write(const char *path, const struct jd_run_facts *facts, struct jd_error *err);

#endif
