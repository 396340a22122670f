/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans; see plan.h.
 */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

/* The groups that a calibration repeats with one engine twice: the first workload of each regime,
 * and in the cold regime, where sizes differ most, the last one too. */
enum { CALIBRATION_MAX = JD_REGIME_COUNT + 1 };

bool jd_cell_is_calibration(const struct jd_cell *cell)
{
    return cell->label[0] != '\0';
}

void jd_plan_destroy(struct jd_plan *plan)
{
    if (!plan)
        return;
    free(plan->engines);
    free(plan->cells);
    free(plan->items);
    free(plan->skips);
    free(plan);
}

/* ---- what is in it ---- */

bool jd_plan_wants(const struct jd_plan_request *request, const struct jd_suite_line *line)
{
    for (size_t i = 0; i < request->workload_count; i++)
        if (!strcmp(request->workloads[i], line->workload->name))
            return true;
    return !request->workload_count;
}

static void list_workloads(const struct jd_suite *suite, char *out, size_t out_bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < suite->line_count && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? ", " : "",
                                 suite->lines[i].workload->name);
}

static int check_names(const struct jd_plan_request *request, struct jd_error *err)
{
    char names[JD_ERROR_TEXT_BYTES - 128];
    for (size_t i = 0; i < request->workload_count; i++) {
        bool is_found = false;
        for (size_t k = 0; k < request->suite->line_count && !is_found; k++)
            is_found = !strcmp(request->suite->lines[k].workload->name, request->workloads[i]);
        if (is_found)
            continue;
        list_workloads(request->suite, names, sizeof names);
        return jd_fail(err, JD_E_USAGE, request->workloads[i],
                       "no such workload in suite '%s' (there are: %s)", request->suite->name,
                       names);
    }
    return JD_OK;
}

static unsigned regimes_of(const struct jd_plan_request *request, const struct jd_suite_line *line)
{
    unsigned regimes = 0;
    if (line->is_cold)
        regimes |= 1u << JD_REGIME_COLD_PROCESS;
    if (line->is_warm)
        regimes |= 1u << JD_REGIME_WARM;
    if (!request->regimes)
        return regimes;
    /* A new engine each time is how a warm function is also lived with; suites have no word for it.
     */
    if (line->is_warm)
        regimes |= 1u << JD_REGIME_COLD_ENGINE;
    return regimes & request->regimes;
}

static unsigned first_set(unsigned a, unsigned b, unsigned c, unsigned otherwise)
{
    return a ? a : b ? b : c ? c : otherwise;
}

static void skip(struct jd_plan *plan, const struct jd_workload *workload, const char *reason)
{
    plan->skips[plan->skip_count++] = (struct jd_plan_skip){workload->name, reason, false, 0};
}

static void skip_regime(struct jd_plan *plan, const struct jd_workload *workload,
                        enum jd_regime regime, const char *reason)
{
    plan->skips[plan->skip_count++] = (struct jd_plan_skip){workload->name, reason, true, regime};
}

static void add_cell(struct jd_plan *plan, const struct jd_cell *model,
                     const struct jd_engine_ops *ops, const char *label)
{
    struct jd_cell *cell = &plan->cells[plan->cell_count];
    *cell = *model;
    cell->id = plan->cell_count++;
    cell->group = plan->group_count;
    cell->ops = ops;
    cell->label = label;
}

static void add_group(struct jd_plan *plan, const struct jd_cell *model)
{
    for (size_t i = 0; i < plan->engine_count; i++)
        add_cell(plan, model, plan->engines[i], "");
    plan->group_count++;
}

static void add_line(struct jd_plan *plan, const struct jd_plan_request *request,
                     const struct jd_suite_line *line)
{
    const struct jd_suite *suite = request->suite;
    unsigned regimes = regimes_of(request, line);
    unsigned levels = first_set(request->opt_levels, line->opt_levels, suite->opt_levels, 1);
    struct jd_cell model = {.line = line, .workload = line->workload};
    model.samples =
        first_set(request->samples, line->processes, suite->processes, JD_PLAN_DEFAULT_SAMPLES);
    const char *reason = line->workload->unavailable;
    if (!reason && request->line_skips)
        reason = request->line_skips[line - suite->lines];
    if (reason) {
        skip(plan, line->workload, reason);
        return;
    }
    for (unsigned regime = 0; regime < JD_REGIME_COUNT; regime++) {
        if (!(regimes & 1u << regime))
            continue;
        model.regime = (enum jd_regime)regime;
        if (regime != JD_REGIME_COLD_PROCESS && !line->workload->warm_entry) {
            skip_regime(plan, line->workload, model.regime, "the workload names no warm entry");
            continue;
        }
        if (regime == JD_REGIME_WARM && request->is_warm_filtered &&
            request->is_warm_filtered[line - suite->lines]) {
            skip_regime(plan, line->workload, model.regime, "filtered out by --benchmark_filter");
            continue;
        }
        for (model.opt_level = 0; model.opt_level < JD_PLAN_OPT_LEVELS; model.opt_level++)
            if (levels & 1u << model.opt_level)
                add_group(plan, &model);
    }
}

/* Groups are in suite order: take the first of each regime, and the last cold one. */
static size_t choose_calibration(const struct jd_plan *plan, const struct jd_cell **out)
{
    const struct jd_cell *last_cold = NULL;
    size_t count = 0;
    bool has[JD_REGIME_COUNT] = {false};
    for (size_t i = 0; i < plan->cell_count; i += plan->engine_count) {
        const struct jd_cell *cell = &plan->cells[i];
        if (!has[cell->regime])
            out[count++] = cell;
        else if (cell->regime == JD_REGIME_COLD_PROCESS)
            last_cold = cell;
        has[cell->regime] = true;
    }
    if (last_cold)
        out[count++] = last_cold;
    return count;
}

static void add_calibration(struct jd_plan *plan)
{
    const struct jd_cell *chosen[CALIBRATION_MAX];
    size_t count = choose_calibration(plan, chosen);
    for (size_t i = 0; i < count; i++) {
        add_cell(plan, chosen[i], plan->engines[0], "A1");
        add_cell(plan, chosen[i], plan->engines[0], "A2");
        plan->group_count++;
    }
}

static int add_cells(struct jd_plan *plan, const struct jd_plan_request *request,
                     struct jd_error *err)
{
    const struct jd_suite *suite = request->suite;
    size_t groups_most = suite->line_count * JD_REGIME_COUNT * JD_PLAN_OPT_LEVELS;
    plan->cells =
        calloc(groups_most * plan->engine_count + 2 * (size_t)CALIBRATION_MAX, sizeof *plan->cells);
    plan->skips = calloc(suite->line_count * JD_REGIME_COUNT + 1, sizeof *plan->skips);
    if (!plan->cells || !plan->skips)
        return jd_fail(err, JD_E_NO_MEMORY, "plan", "out of memory");
    for (size_t i = 0; i < suite->line_count; i++)
        if (jd_plan_wants(request, &suite->lines[i]))
            add_line(plan, request, &suite->lines[i]);
    if (!plan->cell_count)
        return jd_fail(err, JD_E_USAGE, suite->name, "nothing can be run%s%s",
                       plan->skip_count ? ": " : "", plan->skip_count ? plan->skips[0].reason : "");
    if (request->has_calibration)
        add_calibration(plan);
    return JD_OK;
}

/* ---- in which order ---- */

/* First cell and size of each group; every group's cells are neighbours. */
struct group {
    size_t first, count;
};

static struct group *find_groups(const struct jd_plan *plan)
{
    struct group *groups = calloc(plan->group_count, sizeof *groups);
    for (size_t i = plan->cell_count; groups && i-- > 0;) {
        groups[plan->cells[i].group].first = i;
        groups[plan->cells[i].group].count++;
    }
    return groups;
}

static void add_block(struct jd_plan *plan, struct jd_rng *rng, const struct group *group,
                      size_t process, size_t *order)
{
    for (size_t i = 0; i < group->count; i++)
        order[i] = group->first + i;
    jd_rng_shuffle(rng, order, group->count);
    for (size_t i = 0; i < group->count; i++)
        plan->items[plan->item_count++] =
            (struct jd_plan_item){order[i], process, plan->block_count};
    plan->block_count++;
}

static void add_rounds(struct jd_plan *plan, const struct group *groups, size_t *group_order,
                       size_t *cell_order)
{
    struct jd_rng rng;
    size_t rounds = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        if (plan->cells[i].samples > rounds)
            rounds = plan->cells[i].samples;
    plan->round_count = rounds;
    jd_rng_init(&rng, plan->seed);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < plan->group_count; i++)
            group_order[i] = i;
        jd_rng_shuffle(&rng, group_order, plan->group_count);
        for (size_t i = 0; i < plan->group_count; i++) {
            const struct group *group = &groups[group_order[i]];
            if (round < plan->cells[group->first].samples)
                add_block(plan, &rng, group, round, cell_order);
        }
    }
}

static int order_samples(struct jd_plan *plan, struct jd_error *err)
{
    struct group *groups = find_groups(plan);
    size_t *group_order = calloc(plan->group_count, sizeof *group_order);
    size_t *cell_order = calloc(plan->cell_count, sizeof *cell_order);
    size_t total = 0;
    int rc = JD_OK;
    for (size_t i = 0; i < plan->cell_count; i++)
        total += plan->cells[i].samples;
    plan->items = calloc(total, sizeof *plan->items);
    if (groups && group_order && cell_order && plan->items)
        add_rounds(plan, groups, group_order, cell_order);
    else
        rc = jd_fail(err, JD_E_NO_MEMORY, "plan", "out of memory");
    free(groups);
    free(group_order);
    free(cell_order);
    return rc;
}

static uint64_t hash_plan(const struct jd_plan *plan)
{
    uint64_t hash = jd_hash64(JD_HASH64_INIT, &plan->seed, sizeof plan->seed);
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct jd_cell *cell = &plan->cells[i];
        const size_t numbers[] = {cell->opt_level, (size_t)cell->regime, cell->samples};
        hash = jd_hash64_text(hash, cell->workload->name);
        hash = jd_hash64_text(hash, cell->workload->hash);
        hash = jd_hash64_text(hash, cell->ops->name);
        hash = jd_hash64_text(hash, cell->label);
        hash = jd_hash64(hash, numbers, sizeof numbers);
    }
    for (size_t i = 0; i < plan->item_count; i++)
        hash = jd_hash64(hash, &plan->items[i].cell, sizeof plan->items[i].cell);
    return hash;
}

int jd_plan_create(const struct jd_plan_request *request, struct jd_plan **out,
                   struct jd_error *err)
{
    struct jd_plan *plan = calloc(1, sizeof *plan);
    int rc = JD_E_NO_MEMORY;
    *out = NULL;
    if (!plan || !(plan->engines = calloc(request->engine_count, sizeof *plan->engines))) {
        jd_fail(err, rc, "plan", "out of memory");
        goto out;
    }
    memcpy(plan->engines, request->engines, request->engine_count * sizeof *plan->engines);
    plan->engine_count = request->engine_count;
    plan->suite = request->suite;
    plan->seed = request->seed;
    if ((rc = check_names(request, err)) || (rc = add_cells(plan, request, err)) ||
        (rc = order_samples(plan, err)))
        goto out;
    plan->hash = hash_plan(plan);
    *out = plan;
    plan = NULL;
out:
    jd_plan_destroy(plan);
    return rc;
}
