/* SPDX-License-Identifier: Apache-2.0
 *
 * One program run once, in a child: under an engine with some settings, or compiled ahead by LLVM
 * and the system's linker. What it printed and how it ended come back. Knows nothing of seeds.
 *
 * The calling process must not have used LLVM and must have one thread: children are forked from
 * it, so that none of them pays for loading LLVM.
 */
#ifndef JITDUEL_TESTS_DIFF_TRIAL_H
#define JITDUEL_TESTS_DIFF_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "jitduel/engine.h"

enum { TRIAL_NAME_BYTES = 48, TRIAL_CONFIGS_MAX = 64, TRIAL_FILES_MAX = 16 };

/** What a child writes to its messages: an error of the engine begins with this and the name of its
 * code; time that ran out with that and the phase it ran out in. */
#define TRIAL_ERROR_PREFIX "engine error "
#define TRIAL_LATE_PREFIX "time ran out in "
#define TRIAL_LATE_IN_PROGRAM "the program"

/** How to run a program. */
struct trial_config {
    char name[TRIAL_NAME_BYTES];     /**< "legacy-O2-block" */
    char options[96];                /**< the same as options of `jitduel run` */
    const struct jd_engine_ops *ops; /**< NULL: compiled ahead, no engine */
    unsigned opt_level;
    enum jd_granularity granularity;
    unsigned speculate_threads;
};

/** What to run. All borrowed. */
struct trial_program {
    size_t file_count;
    struct jd_ir files[TRIAL_FILES_MAX];
    const char *const *arguments; /**< argv[1]...; NULL-terminated, or NULL */
    const char *directory;        /**< NULL: where we are */
    const char *input_file;       /**< NULL: /dev/null */
    unsigned timeout_s;
    bool drops_output; /**< nobody wants to know what it printed */
};

enum trial_end { TRIAL_EXITED, TRIAL_REFUSED, TRIAL_DIED, TRIAL_TIMED_OUT };

/** What came of it; the texts are owned and end with a NUL. */
struct trial_outcome {
    enum trial_end end;
    int code; /**< exit code or signal */
    char *output, *messages;
    size_t output_bytes;
};

/** All settings of all engines of this build that make a difference, after the two without an
 * engine (levels 0 and 2). Returns how many. */
size_t trial_configs(struct trial_config *out);
/** Is it a setting of this engine? "native" is the one without. */
bool trial_config_is(const struct trial_config *config, const char *engine);

/** Run it and wait. Ends the process on errors of the system (no memory, no processes). */
void trial_run(const struct trial_config *config, const struct trial_program *program,
               struct trial_outcome *out);
void trial_outcome_fini(struct trial_outcome *outcome);
/** Same output, same end. */
bool trial_outcomes_agree(const struct trial_outcome *a, const struct trial_outcome *b);

/** In a child: check text IR and turn it into bitcode, file by file. Returns 0 and maps the bytes
 * (MAP_SHARED; give them to trial_release), or -1 with a message on standard error: the generator
 * made something invalid. At most TRIAL_FILES_MAX files. */
int trial_assemble(const struct jd_ir *texts, size_t count, struct jd_ir *out_bitcode);
void trial_release(struct jd_ir *bitcode, size_t count);

#endif
