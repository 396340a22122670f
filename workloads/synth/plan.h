/* SPDX-License-Identifier: Apache-2.0
 *
 * What a generated program is, before anything is emitted: which function runs, who calls whom,
 * what each computes. Two readers follow one plan: the evaluator (evaluate.c, plain C) and the
 * emitter (emit.c, LLVM); whatever they disagree about shows as a wrong answer. Private to synth/.
 *
 * A function has a rank and a position. Ranks count from 0 in the order of the plan: those below
 * `executed` run. Positions count through the modules; a shuffle takes ranks to positions, so that
 * what runs is spread over what does not.
 */
#ifndef JITDUEL_SYNTH_PLAN_H
#define JITDUEL_SYNTH_PLAN_H

#include "jitduel/synth.h"

enum {
    SYNTH_GROUP_FUNCTIONS = 16, /* functions that share one table of data */
    SYNTH_GROUP_SLOTS = 8,      /* 64-bit words in it; a power of two */
    SYNTH_DRIVER_CALLS = 64     /* roots that one driver function calls */
};

#define SYNTH_NO_PARENT UINT32_MAX

struct synth_plan {
    struct jd_synth_params params;
    uint32_t *position;    /**< by rank */
    uint32_t *rank;        /**< by position */
    uint32_t *parent;      /**< by rank: the one function that calls it; SYNTH_NO_PARENT: a root */
    uint32_t *first_child; /**< by rank, and one more: start of its part of `children` */
    uint32_t *children;    /**< ranks, by parent, ascending: those that run come first */
    uint32_t root_count;   /**< roots are the ranks below; main's drivers call them */
};

/** Errors: USAGE (params out of range), NO_MEMORY. */
int synth_plan_init(struct synth_plan *plan, const struct jd_synth_params *params,
                    struct jd_error *err);
void synth_plan_fini(struct synth_plan *plan);

/** First position of a module, or behind its last: module `modules` starts where all end. */
uint64_t synth_module_start(const struct synth_plan *plan, uint64_t module);
uint64_t synth_module_of(const struct synth_plan *plan, uint64_t position);
/** Index of the data table that a position uses; tables never span modules. */
uint64_t synth_group_of(const struct synth_plan *plan, uint64_t position);
/** Tables are numbered through; the first of a module. */
uint64_t synth_group_start(const struct synth_plan *plan, uint64_t module);
/** What a slot holds before anything runs. */
uint64_t synth_slot_initial(const struct synth_plan *plan, uint64_t group, unsigned slot);
/** True when only its own module can see the function. */
bool synth_is_internal(const struct synth_plan *plan, uint64_t position);
/** The second argument in the call of a function. */
uint64_t synth_call_key(const struct synth_plan *plan, uint64_t rank);

/** The steps of a body; x and y are its two values, c and d constants, s a shift from 1 to 63. */
enum synth_kind {
    SYNTH_ADD,    /**< x += c */
    SYNTH_XOR,    /**< x ^= c */
    SYNTH_MUL,    /**< x *= c, c odd */
    SYNTH_SHIFT,  /**< x ^= x >> s */
    SYNTH_ROTATE, /**< x = x << s | x >> (64 - s) */
    SYNTH_CROSS,  /**< x += y */
    SYNTH_MIX,    /**< y = y * c ^ x, c odd */
    SYNTH_NARROW, /**< y += (uint32_t)x * (uint32_t)c, the product cut to 32 bits */
    SYNTH_SELECT, /**< x += x < y ? c : d, unsigned */
    SYNTH_LOAD,   /**< x += table[y % slots] */
    SYNTH_STORE,  /**< table[x % slots] = x + y */
    SYNTH_BRANCH, /**< if (y & 1 << s) x = (x ^ c) + d; else x = x - d ^ y */
    SYNTH_LOOP,   /**< for (i = 0; i < 2 + s % 4; i++) x = x * c + i, c odd */
    SYNTH_KIND_COUNT
};

struct synth_step {
    enum synth_kind kind;
    uint64_t c, d;
    unsigned s;
};

/** The steps of one half of a body: half 0 comes before its calls, half 1 after them. */
struct synth_steps {
    uint64_t state;
    uint64_t budget; /**< IR instructions left */
};

void synth_steps_start(struct synth_steps *steps, const struct synth_plan *plan, uint64_t rank,
                       unsigned half);
bool synth_steps_next(struct synth_steps *steps, struct synth_step *out);

/** The checksum that the program prints. Errors: NO_MEMORY. */
int synth_evaluate(const struct synth_plan *plan, uint64_t *out, struct jd_error *err);
/** The format of the one line that the program prints, for printf and an unsigned 64-bit value. */
#define SYNTH_OUTPUT_FORMAT "checksum %016llx\n"

#endif
