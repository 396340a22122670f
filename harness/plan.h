/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan of a run: suite x engine x level x regime gives cells; their samples are ordered in
 * randomised blocks, so that no engine has the morning to itself.
 *
 * A block holds one sample of every engine for one workload, level and regime. A round holds one
 * block of each of those, so that an interrupted run has as many samples of one cell as of another,
 * give or take one. Both orders come from the seed: the same input gives the same plan.
 *
 * Knows workloads and engines by their tables only. No clock, no JSON, starts nothing.
 */
#ifndef JITDUEL_HARNESS_PLAN_H
#define JITDUEL_HARNESS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/engine.h"
#include "jitduel/workload.h"
#include "record.h"

enum {
    JD_PLAN_OPT_LEVELS = 4,
    JD_PLAN_DEFAULT_SAMPLES = 10, /**< where neither suite nor command line says how many */
    JD_PLAN_SAMPLES_MAX = 100000
};

/** What was asked for. Everything is borrowed until jd_plan_create returns, except the engines,
 * the suite and the workloads: those the plan keeps pointing at. */
struct jd_plan_request {
    const struct jd_suite *suite;
    const struct jd_engine_ops *const *engines; /**< in the order of reports; at least one */
    size_t engine_count;
    const char *const *workloads; /**< narrow the suite to these names; count 0: all of it */
    size_t workload_count;
    /** One per line of the suite: why this line cannot be run after all, or NULL. NULL: none. The
     * texts are kept until the plan is destroyed. */
    const char *const *line_skips;
    const bool *is_warm_filtered; /**< one per line: leave its warm regime out. NULL: none */
    unsigned opt_levels;          /**< bit n for -On; 0: as the suite says */
    unsigned samples;             /**< per cell; 0: as the suite says */
    unsigned regimes; /**< bit n for enum jd_regime; 0: cold-process and warm, as the suite says */
    bool has_calibration;
    uint64_t seed;
};

/** One workload under one engine at one level in one regime. */
struct jd_cell {
    size_t id; /**< index in the plan */
    size_t group;
    const struct jd_suite_line *line;
    const struct jd_workload *workload;
    const struct jd_engine_ops *ops;
    unsigned opt_level;
    enum jd_regime regime;
    const char *label; /**< "", or "A1" and "A2" for the same engine against itself */
    size_t samples;    /**< planned */
};

/** One sample to be taken. */
struct jd_plan_item {
    size_t cell, process, block;
};

struct jd_plan_skip {
    const char *workload;
    const char *reason; /**< owned by the plan's input or static */
    bool is_one_regime;
    enum jd_regime regime;
};

/** Cells of one workload, level and regime are neighbours: a group. */
struct jd_plan {
    const struct jd_suite *suite;
    const struct jd_engine_ops **engines;
    size_t engine_count;
    struct jd_cell *cells;
    size_t cell_count;
    struct jd_plan_item *items; /**< in running order */
    size_t item_count;
    size_t block_count, group_count, round_count;
    struct jd_plan_skip *skips;
    size_t skip_count;
    uint64_t seed;
    uint64_t hash; /**< over what is run and in which order, IR hashes included */
};

/** Whether the request names this line of its suite. */
bool jd_plan_wants(const struct jd_plan_request *request, const struct jd_suite_line *line);
/** Make the plan. New; destroy it. Errors: USAGE when a named workload is not in the suite (the
 * text names those that are) or when nothing is left to run; NO_MEMORY. */
int jd_plan_create(const struct jd_plan_request *request, struct jd_plan **out,
                   struct jd_error *err);
/** NULL is accepted. */
void jd_plan_destroy(struct jd_plan *plan);
/** True for a cell of the calibration. */
bool jd_cell_is_calibration(const struct jd_cell *cell);

#endif
