/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan of a generated program: call tree, order in the modules, steps of the bodies. Everything
 * follows from the parameters by arithmetic on 64-bit integers. Knows no LLVM and no files.
 * Source of the mixing function: splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom
 * number generators, 2014).
 */
#include "plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Streams of random numbers, one per purpose, so that one does not shift the other. */
enum stream {
    STREAM_ORDER = 1,
    STREAM_PARENT,
    STREAM_SLOT,
    STREAM_KEY,
    STREAM_LINKAGE,
    STREAM_BODY
};

/* Constants of programs are small; those of more than 31 bits would make code that is mostly them.
 */
#define CONSTANT_MASK UINT64_C(0x7fffffff)

enum {
    FAN_LEAVES = 16,
    COLD_REACH = 64, /* a function that never runs is named by one of this many before it */
    INTERNAL_ONE_IN = 3
};

static const char *const shape_names[JD_SYNTH_SHAPE_COUNT] = {
    [JD_SYNTH_FLAT] = "flat", [JD_SYNTH_CHAIN] = "chain",   [JD_SYNTH_FAN] = "fan",
    [JD_SYNTH_TREE] = "tree", [JD_SYNTH_RANDOM] = "random",
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t next_random(uint64_t *state)
{
    return mix(*state += 0x9e3779b97f4a7c15u);
}

static uint64_t keyed(const struct synth_plan *plan, enum stream stream, uint64_t a, uint64_t b)
{
    return mix(mix(mix(plan->params.seed + 0x9e3779b97f4a7c15u * stream) + a) + b);
}

const char *jd_synth_shape_name(enum jd_synth_shape shape)
{
    return (unsigned)shape < JD_SYNTH_SHAPE_COUNT ? shape_names[shape] : NULL;
}

int jd_synth_shape_find(const char *name, enum jd_synth_shape *out, struct jd_error *err)
{
    *out = JD_SYNTH_FLAT;
    for (int shape = 0; shape < JD_SYNTH_SHAPE_COUNT; shape++)
        if (!strcmp(name, shape_names[shape])) {
            *out = (enum jd_synth_shape)shape;
            return JD_OK;
        }
    return jd_fail(err, JD_E_USAGE, "--shape", "'%s' is not one of flat, chain, fan, tree, random",
                   name);
}

uint64_t jd_synth_executed_count(uint64_t functions, double fraction)
{
    uint64_t count = (uint64_t)llround((double)functions * fraction);
    return count ? count : 1;
}

int jd_synth_check(const struct jd_synth_params *params, struct jd_error *err)
{
    const struct {
        const char *option;
        uint64_t value, min, max;
    } ranges[] = {
        {"--functions", params->functions, 1, JD_SYNTH_MAX_FUNCTIONS},
        {"--instructions", params->instructions, 4, JD_SYNTH_MAX_INSTRUCTIONS},
        {"--executed", params->executed, 1, params->functions},
        {"--modules", params->modules, 1,
         params->functions < JD_SYNTH_MAX_MODULES ? params->functions : JD_SYNTH_MAX_MODULES},
        {"--repeat", params->repeat, 1, JD_SYNTH_MAX_REPEAT},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max)
            return jd_fail(err, JD_E_USAGE, ranges[i].option, "%llu is not in [%llu, %llu]",
                           (unsigned long long)ranges[i].value, (unsigned long long)ranges[i].min,
                           (unsigned long long)ranges[i].max);
    if (!jd_synth_shape_name(params->shape))
        return jd_fail(err, JD_E_USAGE, "--shape", "%d is no shape", (int)params->shape);
    if (params->shape == JD_SYNTH_CHAIN &&
        params->executed * (params->instructions * JD_SYNTH_STACK_PER_INSTRUCTION_BYTES +
                            JD_SYNTH_STACK_PER_CALL_BYTES) >
            JD_SYNTH_STACK_BYTES)
        return jd_fail(err, JD_E_USAGE, "--executed",
                       "a chain of %llu functions of %llu instructions may overflow the stack",
                       (unsigned long long)params->executed,
                       (unsigned long long)params->instructions);
    return JD_OK;
}

int jd_synth_file_name(const char *output, uint64_t modules, uint64_t index, bool is_text,
                       char *out, size_t out_bytes, struct jd_error *err)
{
    int length = modules == 1 ? snprintf(out, out_bytes, "%s", output)
                              : snprintf(out, out_bytes, "%s.%llu.%s", output,
                                         (unsigned long long)index, is_text ? "ll" : "bc");
    if (length < 0 || (size_t)length >= out_bytes)
        return jd_fail(err, JD_E_LIMIT, output, "the name is too long");
    return JD_OK;
}

/* Fisher and Yates. */
static void shuffle(struct synth_plan *plan)
{
    uint64_t state = keyed(plan, STREAM_ORDER, 0, 0);
    uint32_t count = (uint32_t)plan->params.functions;
    for (uint32_t i = 0; i < count; i++)
        plan->position[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)(next_random(&state) % i), kept = plan->position[i - 1];
        plan->position[i - 1] = plan->position[other];
        plan->position[other] = kept;
    }
    for (uint32_t i = 0; i < count; i++)
        plan->rank[plan->position[i]] = i;
}

static uint32_t executed_parent(const struct synth_plan *plan, uint32_t rank)
{
    if (rank < plan->root_count)
        return SYNTH_NO_PARENT;
    switch (plan->params.shape) {
    case JD_SYNTH_CHAIN:
        return rank - 1;
    case JD_SYNTH_FAN:
        return (rank - plan->root_count) / FAN_LEAVES;
    case JD_SYNTH_TREE:
        return (rank - 1) / 2;
    default:
        return (uint32_t)(keyed(plan, STREAM_PARENT, rank, 0) % rank);
    }
}

static uint32_t count_roots(const struct jd_synth_params *params)
{
    switch (params->shape) {
    case JD_SYNTH_FLAT:
        return (uint32_t)params->executed;
    case JD_SYNTH_FAN:
        return (uint32_t)((params->executed + FAN_LEAVES) / (FAN_LEAVES + 1));
    default:
        return 1;
    }
}

static void draw_parents(struct synth_plan *plan)
{
    uint32_t executed = (uint32_t)plan->params.executed, count = (uint32_t)plan->params.functions;
    plan->root_count = count_roots(&plan->params);
    for (uint32_t rank = 0; rank < executed; rank++)
        plan->parent[rank] = executed_parent(plan, rank);
    for (uint32_t rank = executed; rank < count; rank++) {
        uint32_t reach = rank < COLD_REACH ? rank : COLD_REACH;
        plan->parent[rank] = rank - 1 - (uint32_t)(keyed(plan, STREAM_PARENT, rank, 0) % reach);
    }
}

/* Parents to lists of children, by counting. */
static void list_children(struct synth_plan *plan)
{
    uint32_t count = (uint32_t)plan->params.functions, *first = plan->first_child;
    for (uint32_t rank = 0; rank < count; rank++)
        if (plan->parent[rank] != SYNTH_NO_PARENT)
            first[plan->parent[rank]]++;
    for (uint32_t rank = 0; rank < count; rank++)
        first[rank + 1] = first[rank] + (rank + 1 < count ? first[rank + 1] : 0);
    /* Each entry is the end of its list now; filling from the end makes it the start. */
    for (uint32_t rank = count; rank-- > 0;)
        if (plan->parent[rank] != SYNTH_NO_PARENT)
            plan->children[--first[plan->parent[rank]]] = rank;
}

int synth_plan_init(struct synth_plan *plan, const struct jd_synth_params *params,
                    struct jd_error *err)
{
    *plan = (struct synth_plan){.params = *params};
    int code = jd_synth_check(params, err);
    if (code)
        return code;
    size_t count = (size_t)params->functions;
    plan->position = calloc(count, sizeof *plan->position);
    plan->rank = calloc(count, sizeof *plan->rank);
    plan->parent = calloc(count, sizeof *plan->parent);
    plan->first_child = calloc(count + 1, sizeof *plan->first_child);
    plan->children = calloc(count, sizeof *plan->children);
    if (!plan->position || !plan->rank || !plan->parent || !plan->first_child || !plan->children) {
        synth_plan_fini(plan);
        return jd_fail(err, JD_E_NO_MEMORY, "synth", "no memory for a plan of %zu functions",
                       count);
    }
    shuffle(plan);
    draw_parents(plan);
    list_children(plan);
    return JD_OK;
}

void synth_plan_fini(struct synth_plan *plan)
{
    free(plan->position);
    free(plan->rank);
    free(plan->parent);
    free(plan->first_child);
    free(plan->children);
    *plan = (struct synth_plan){.root_count = 0};
}

uint64_t synth_module_start(const struct synth_plan *plan, uint64_t module)
{
    /* Rounded up, so that synth_module_of is its exact inverse. */
    return (module * plan->params.functions + plan->params.modules - 1) / plan->params.modules;
}

uint64_t synth_module_of(const struct synth_plan *plan, uint64_t position)
{
    return position * plan->params.modules / plan->params.functions;
}

uint64_t synth_group_start(const struct synth_plan *plan, uint64_t module)
{
    /* One more than fits for each module: a module's last table may be partly used. */
    return synth_module_start(plan, module) / SYNTH_GROUP_FUNCTIONS + module;
}

uint64_t synth_group_of(const struct synth_plan *plan, uint64_t position)
{
    uint64_t module = synth_module_of(plan, position);
    return synth_group_start(plan, module) +
           (position - synth_module_start(plan, module)) / SYNTH_GROUP_FUNCTIONS;
}

uint64_t synth_slot_initial(const struct synth_plan *plan, uint64_t group, unsigned slot)
{
    return keyed(plan, STREAM_SLOT, group, slot);
}

bool synth_is_internal(const struct synth_plan *plan, uint64_t position)
{
    uint32_t parent = plan->parent[plan->rank[position]];
    uint64_t caller = parent == SYNTH_NO_PARENT ? 0 : synth_module_of(plan, plan->position[parent]);
    return caller == synth_module_of(plan, position) &&
           keyed(plan, STREAM_LINKAGE, position, 0) % INTERNAL_ONE_IN == 0;
}

uint64_t synth_call_key(const struct synth_plan *plan, uint64_t rank)
{
    return (keyed(plan, STREAM_KEY, rank, 0) & CONSTANT_MASK) | 1;
}

void synth_steps_start(struct synth_steps *steps, const struct synth_plan *plan, uint64_t rank,
                       unsigned half)
{
    uint64_t instructions = plan->params.instructions;
    steps->state = keyed(plan, STREAM_BODY, rank, half);
    steps->budget = half ? instructions - instructions / 2 : instructions / 2;
}

/* How often a kind is drawn, in 32nds, and how many IR instructions it makes. */
static const struct {
    unsigned weight, cost;
} kinds[SYNTH_KIND_COUNT] = {
    [SYNTH_ADD] = {4, 1},   [SYNTH_XOR] = {3, 1},    [SYNTH_MUL] = {3, 1},
    [SYNTH_SHIFT] = {3, 2}, [SYNTH_ROTATE] = {2, 3}, [SYNTH_CROSS] = {3, 1},
    [SYNTH_MIX] = {3, 2},   [SYNTH_NARROW] = {2, 4}, [SYNTH_SELECT] = {2, 3},
    [SYNTH_LOAD] = {2, 4},  [SYNTH_STORE] = {2, 4},  [SYNTH_BRANCH] = {2, 10},
    [SYNTH_LOOP] = {1, 8},
};

static enum synth_kind draw_kind(uint64_t random)
{
    unsigned point = (unsigned)(random % 32);
    int kind = 0;
    while (point >= kinds[kind].weight)
        point -= kinds[kind++].weight;
    return (enum synth_kind)kind;
}

bool synth_steps_next(struct synth_steps *steps, struct synth_step *out)
{
    if (!steps->budget)
        return false;
    uint64_t random = next_random(&steps->state);
    out->kind = draw_kind(random);
    if (kinds[out->kind].cost > steps->budget)
        out->kind = SYNTH_ADD;
    steps->budget -= kinds[out->kind].cost;
    out->s = 1 + (unsigned)((random >> 8) % 63);
    out->c = (next_random(&steps->state) & CONSTANT_MASK) | 1;
    out->d = next_random(&steps->state) & CONSTANT_MASK;
    return true;
}
