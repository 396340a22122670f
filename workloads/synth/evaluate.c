/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer of a generated program, computed from its plan in plain C. Knows no LLVM: it is what
 * engines are judged by, so nothing that an engine uses may take part in it.
 */
#include "plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A call that has not returned. */
struct frame {
    uint32_t rank, next_child;
    uint64_t x, y;
};

struct machine {
    const struct synth_plan *plan;
    uint64_t *slots; /* all tables, one after the other */
    struct frame *frames;
    size_t depth, capacity;
};

static void do_step(uint64_t *table, const struct synth_step *step, uint64_t *x_at, uint64_t *y_at)
{
    uint64_t x = *x_at, y = *y_at, c = step->c, d = step->d;
    unsigned s = step->s;
    switch (step->kind) {
    case SYNTH_ADD:
        x += c;
        break;
    case SYNTH_XOR:
        x ^= c;
        break;
    case SYNTH_MUL:
        x *= c;
        break;
    case SYNTH_SHIFT:
        x ^= x >> s;
        break;
    case SYNTH_ROTATE:
        x = x << s | x >> (64 - s);
        break;
    case SYNTH_CROSS:
        x += y;
        break;
    case SYNTH_MIX:
        y = y * c ^ x;
        break;
    case SYNTH_NARROW:
        y += (uint32_t)x * (uint32_t)c;
        break;
    case SYNTH_SELECT:
        x += x < y ? c : d;
        break;
    case SYNTH_LOAD:
        x += table[y % SYNTH_GROUP_SLOTS];
        break;
    case SYNTH_STORE:
        table[x % SYNTH_GROUP_SLOTS] = x + y;
        break;
    case SYNTH_BRANCH:
        x = y & (uint64_t)1 << s ? (x ^ c) + d : (x - d) ^ y;
        break;
    case SYNTH_LOOP:
        for (uint64_t i = 0; i < 2 + s % 4; i++)
            x = x * c + i;
        break;
    case SYNTH_KIND_COUNT:
        break;
    }
    *x_at = x;
    *y_at = y;
}

static void do_half(struct machine *machine, struct frame *frame, unsigned half)
{
    const struct synth_plan *plan = machine->plan;
    uint64_t group = synth_group_of(plan, plan->position[frame->rank]);
    struct synth_steps steps;
    struct synth_step step;
    synth_steps_start(&steps, plan, frame->rank, half);
    while (synth_steps_next(&steps, &step))
        do_step(machine->slots + group * SYNTH_GROUP_SLOTS, &step, &frame->x, &frame->y);
}

static int enter(struct machine *machine, uint32_t rank, uint64_t x, struct jd_error *err)
{
    if (machine->depth == machine->capacity) {
        size_t more = machine->capacity ? 2 * machine->capacity : 64;
        struct frame *frames = reallocarray(machine->frames, more, sizeof *frames);
        if (!frames)
            return jd_fail(err, JD_E_NO_MEMORY, "synth", "no memory for %zu calls", more);
        machine->frames = frames;
        machine->capacity = more;
    }
    struct frame *frame = &machine->frames[machine->depth++];
    frame->rank = rank;
    frame->next_child = machine->plan->first_child[rank];
    frame->x = x;
    frame->y = synth_call_key(machine->plan, rank);
    do_half(machine, frame, 0);
    return JD_OK;
}

/* One call from main with everything below it, without recursion: a chain may be long. */
static int call_root(struct machine *machine, uint32_t root, uint64_t *x, struct jd_error *err)
{
    const struct synth_plan *plan = machine->plan;
    int code = enter(machine, root, *x, err);
    while (!code && machine->depth) {
        struct frame *frame = &machine->frames[machine->depth - 1];
        if (frame->next_child < plan->first_child[frame->rank + 1] &&
            plan->children[frame->next_child] < plan->params.executed) {
            uint32_t child = plan->children[frame->next_child++];
            code = enter(machine, child, frame->x, err);
            continue;
        }
        do_half(machine, frame, 1);
        *x = frame->x ^ frame->y;
        machine->depth--;
        if (machine->depth)
            machine->frames[machine->depth - 1].x = *x;
    }
    return code;
}

int synth_evaluate(const struct synth_plan *plan, uint64_t *out, struct jd_error *err)
{
    struct machine machine = {.plan = plan};
    uint64_t group_count = synth_group_start(plan, plan->params.modules);
    uint64_t x = plan->params.seed;
    int code = JD_OK;
    *out = 0;
    machine.slots = calloc(group_count * SYNTH_GROUP_SLOTS, sizeof *machine.slots);
    if (!machine.slots)
        return jd_fail(err, JD_E_NO_MEMORY, "synth", "no memory for %" PRIu64 " tables",
                       group_count);
    for (uint64_t group = 0; group < group_count; group++)
        for (unsigned slot = 0; slot < SYNTH_GROUP_SLOTS; slot++)
            machine.slots[group * SYNTH_GROUP_SLOTS + slot] = synth_slot_initial(plan, group, slot);
    for (uint64_t round = 0; round < plan->params.repeat && !code; round++)
        for (uint32_t root = 0; root < plan->root_count && !code; root++)
            code = call_root(&machine, root, &x, err);
    if (!code)
        *out = x;
    free(machine.slots);
    free(machine.frames);
    return code;
}

int jd_synth_expected(const struct jd_synth_params *params, char *out, struct jd_error *err)
{
    struct synth_plan plan;
    uint64_t checksum = 0;
    *out = '\0';
    int code = synth_plan_init(&plan, params, err);
    if (code)
        return code;
    code = synth_evaluate(&plan, &checksum, err);
    if (!code)
        snprintf(out, JD_SYNTH_OUTPUT_BYTES, SYNTH_OUTPUT_FORMAT, (unsigned long long)checksum);
    synth_plan_fini(&plan);
    return code;
}
