/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator: seed and shape in, IR files and the program's exact output out.
 *
 * The program's answer is computed here in plain C while the plan is made; no engine and no part of
 * LLVM evaluates anything, so a wrong answer of an engine cannot hide. The same parameters give the
 * same plan on every machine, and the same bytes for the same LLVM and target.
 */
#ifndef JITDUEL_SYNTH_H
#define JITDUEL_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who calls whom among the functions that are executed. */
enum jd_synth_shape {
    JD_SYNTH_FLAT,   /**< main calls every one */
    JD_SYNTH_CHAIN,  /**< main calls the first, each calls the next: as deep as there are functions
                      */
    JD_SYNTH_FAN,    /**< main calls hubs, each hub calls up to 16 leaves */
    JD_SYNTH_TREE,   /**< a binary tree of calls from one root */
    JD_SYNTH_RANDOM, /**< each is called by one of all before it, drawn at random */
    JD_SYNTH_SHAPE_COUNT
};

enum {
    JD_SYNTH_MAX_FUNCTIONS = 1000000,
    JD_SYNTH_MAX_INSTRUCTIONS = 1000000,
    JD_SYNTH_MAX_MODULES = 10000,
    JD_SYNTH_MAX_REPEAT = 1000000,
    JD_SYNTH_OUTPUT_BYTES = 64 /**< enough for the program's output and a NUL */
};

/** A chain is refused when its frames could take more than this of a stack of 8 MiB: a frame is
 * taken for so many bytes per instruction and per call, at -O0. */
enum {
    JD_SYNTH_STACK_BYTES = 6 << 20,
    JD_SYNTH_STACK_PER_INSTRUCTION_BYTES = 8,
    JD_SYNTH_STACK_PER_CALL_BYTES = 128
};

struct jd_synth_params {
    uint64_t seed;
    uint64_t functions;    /**< defined functions besides main; 1 or more */
    uint64_t instructions; /**< IR instructions per function, about; 4 or more */
    uint64_t executed;     /**< how many of the functions run; at most `functions` */
    uint64_t modules;      /**< files; at most `functions` */
    uint64_t repeat;       /**< how often main runs the whole of it; 1 or more */
    enum jd_synth_shape shape;
};

/** seed 1, 1000 functions of 40 instructions, 100 of them executed, flat, one module, once. */
#define JD_SYNTH_DEFAULTS                                                                          \
    {                                                                                              \
        .seed = 1, .functions = 1000, .instructions = 40, .executed = 100, .modules = 1,           \
        .repeat = 1, .shape = JD_SYNTH_FLAT                                                        \
    }

/** "flat", "chain", ...; NULL for a value outside the list. Borrowed, static. */
const char *jd_synth_shape_name(enum jd_synth_shape shape);
/** By name. Errors: USAGE. */
int jd_synth_shape_find(const char *name, enum jd_synth_shape *out, struct jd_error *err);
/** How many of `functions` a fraction from 0 to 1 means: rounded, at least 1. */
uint64_t jd_synth_executed_count(uint64_t functions, double fraction);
/** Errors: USAGE naming the parameter and its range. */
int jd_synth_check(const struct jd_synth_params *params, struct jd_error *err);

/** What the program prints, with a NUL, into `out` (JD_SYNTH_OUTPUT_BYTES); the program returns 0.
 * Time: executed functions x instructions. Errors: USAGE, NO_MEMORY. */
int jd_synth_expected(const struct jd_synth_params *params, char *out, struct jd_error *err);

/** Name of the file of one module, from the name given as output: the name itself when there is one
 * module, else NAME.0.bc, NAME.1.bc, ... (.ll for text). `out` has `out_bytes`. Errors: LIMIT. */
int jd_synth_file_name(const char *output, uint64_t modules, uint64_t index, bool is_text,
                       char *out, size_t out_bytes, struct jd_error *err);

/** Write the modules. Files appear whole (temporary name, then rename), and only after all modules
 * were made. Uses LLVM. Errors: USAGE, NO_MEMORY, IO, INTERNAL. */
int jd_synth_generate(const struct jd_synth_params *params, const char *output, bool is_text,
                      struct jd_error *err);

/** The command `jitduel synth`: argv[0] is "jitduel synth" or the like. Prints the program's output
 * to be expected with --print-expected. Returns an exit code: 0, or after a message 64 (options),
 * 70 (LLVM), 71 (system). */
int jd_synth_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
