/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells: samples sorted in, status, summary. And the order of the whole; see analysis.h.
 */
#include "analysis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis_private.h"

const char *jd_cell_status_name(enum jd_cell_status status)
{
    static const char *const names[] = {
#define JD_STATUS(name, text) text,
        JD_CELL_STATUSES(JD_STATUS)
#undef JD_STATUS
    };
    return names[status];
}

void jd_analysis_destroy(struct jd_analysis *analysis)
{
    if (!analysis)
        return;
    for (size_t i = 0; analysis->cells && i < analysis->plan->cell_count; i++)
        free(analysis->cells[i].samples);
    free(analysis->cells);
    free(analysis->comparisons);
    free(analysis->pairs);
    free(analysis);
}

/* ---- values of a cell ---- */

bool analysis_has_numbers(const struct jd_cell_result *result)
{
    return result->status == JD_CELL_OK || result->status == JD_CELL_PARTIAL;
}

int analysis_values_init(struct analysis_values *values, const struct jd_cell *cell,
                         const struct jd_cell_result *result, enum jd_metric metric,
                         struct jd_error *err)
{
    size_t most = result->sample_count ? result->sample_count : 1;
    memset(values, 0, sizeof *values);
    values->one_each = calloc(most, sizeof *values->one_each);
    values->processes = calloc(most, sizeof *values->processes);
    if (!values->one_each || !values->processes) {
        analysis_values_fini(values);
        return jd_fail(err, JD_E_NO_MEMORY, "analysis", "out of memory");
    }
    for (size_t i = 0; i < result->sample_count; i++) {
        const struct jd_sample *sample = &result->samples[i];
        double value;
        if (sample->kind != JD_SAMPLE_OK || !jd_sample_metric(sample, cell->regime, metric, &value))
            continue;
        double *place = &values->one_each[values->count];
        struct jd_stats_process *process = &values->processes[values->count++];
        *place = value;
        *process = (struct jd_stats_process){place, 1};
        if (metric == JD_METRIC_NS_PER_CALL || metric == JD_METRIC_ENGINE_CYCLE)
            *process = (struct jd_stats_process){sample->warm.values_ns, sample->warm.count};
    }
    return JD_OK;
}

void analysis_values_fini(struct analysis_values *values)
{
    free(values->one_each);
    free(values->processes);
    values->one_each = NULL;
    values->processes = NULL;
}

/* ---- cells ---- */

static int sort_in(struct jd_analysis *analysis, const struct jd_sample *samples, size_t count,
                   struct jd_error *err)
{
    const struct jd_plan *plan = analysis->plan;
    for (size_t i = 0; i < plan->cell_count; i++) {
        analysis->cells[i].samples =
            calloc(plan->cells[i].samples, sizeof *analysis->cells[i].samples);
        if (!analysis->cells[i].samples)
            return jd_fail(err, JD_E_NO_MEMORY, "analysis", "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        struct jd_cell_result *cell = &analysis->cells[plan->items[samples[i].position].cell];
        cell->samples[cell->sample_count++] = samples[i];
        cell->ok_count += samples[i].kind == JD_SAMPLE_OK;
    }
    return JD_OK;
}

static const struct jd_sample *first_of_kind(const struct jd_cell_result *cell,
                                             enum jd_sample_kind low, enum jd_sample_kind high)
{
    for (size_t i = 0; i < cell->sample_count; i++)
        if (cell->samples[i].kind >= low && cell->samples[i].kind <= high)
            return &cell->samples[i];
    return NULL;
}

static void judge_cell(struct jd_cell_result *cell)
{
    const struct jd_sample *wrong =
        first_of_kind(cell, JD_SAMPLE_WRONG_OUTPUT, JD_SAMPLE_WRONG_EXIT_CODE);
    const struct jd_sample *bad =
        wrong ? wrong : first_of_kind(cell, JD_SAMPLE_WRONG_OUTPUT, JD_SAMPLE_HARNESS_ERROR);
    if (!cell->sample_count)
        cell->status = JD_CELL_NOT_RUN;
    else if (!bad)
        cell->status = JD_CELL_OK;
    else if (wrong)
        cell->status = JD_CELL_WRONG_OUTPUT;
    else if (cell->ok_count)
        cell->status = JD_CELL_PARTIAL;
    else
        cell->status = bad->kind == JD_SAMPLE_REFUSED ? JD_CELL_REFUSED : JD_CELL_FAILED;
    if (bad)
        snprintf(cell->detail, sizeof cell->detail, "%zu of %zu samples: %s: %.180s",
                 cell->sample_count - cell->ok_count, cell->sample_count,
                 jd_sample_kind_name(bad->kind), bad->detail);
}

static void flag_outliers(const struct jd_cell *cell, struct jd_cell_result *result)
{
    enum jd_metric headline = jd_regime_headline(cell->regime);
    const struct jd_stats_summary *stats = &result->metrics[headline].stats;
    for (size_t i = 0; i < result->sample_count; i++) {
        struct jd_sample *sample = &result->samples[i];
        double value;
        sample->is_outlier = sample->kind == JD_SAMPLE_OK &&
                             jd_sample_metric(sample, cell->regime, headline, &value) &&
                             jd_stats_is_outlier(value, stats->median, stats->mad);
    }
}

static int summarise_metric(const struct jd_plan *plan, const struct jd_cell *cell,
                            struct jd_cell_result *result, enum jd_metric metric,
                            struct jd_error *err)
{
    struct jd_metric_summary *out = &result->metrics[metric];
    struct analysis_values values;
    struct jd_rng rng;
    int rc = analysis_values_init(&values, cell, result, metric, err);
    if (rc || !values.count)
        goto out;
    out->has_value = true;
    rc = jd_stats_summarise(values.one_each, values.count, &out->stats, err);
    if (rc || values.count < 3)
        goto out;
    out->has_interval = true;
    jd_rng_init(&rng, analysis_seed(plan, cell->id, metric));
    rc = jd_stats_median_interval(&rng, values.processes, values.count, JD_VERDICT_CONFIDENCE,
                                  &out->interval, err);
out:
    analysis_values_fini(&values);
    return rc;
}

static int summarise_phases(struct jd_cell_result *result, struct jd_error *err)
{
    double *values = calloc(result->sample_count, sizeof *values);
    if (!values)
        return jd_fail(err, JD_E_NO_MEMORY, "analysis", "out of memory");
    for (size_t span = 0; span < JD_SPAN_COUNT; span++) {
        size_t count = 0;
        for (size_t i = 0; i < result->sample_count; i++)
            if (result->samples[i].kind == JD_SAMPLE_OK &&
                result->samples[i].phase_ns[span] != JD_NONE)
                values[count++] = (double)result->samples[i].phase_ns[span];
        result->phase_median_ns[span] = count ? jd_stats_median(values, count) : -1;
    }
    free(values);
    return JD_OK;
}

static int summarise_cell(const struct jd_plan *plan, size_t id, struct jd_cell_result *result,
                          struct jd_error *err)
{
    int rc = JD_OK;
    judge_cell(result);
    if (!analysis_has_numbers(result))
        return JD_OK;
    for (int metric = 0; !rc && metric < JD_METRIC_COUNT; metric++)
        rc = summarise_metric(plan, &plan->cells[id], result, (enum jd_metric)metric, err);
    if (!rc)
        rc = summarise_phases(result, err);
    flag_outliers(&plan->cells[id], result);
    return rc;
}

uint64_t analysis_seed(const struct jd_plan *plan, size_t id, enum jd_metric metric)
{
    const size_t place[] = {id, (size_t)metric};
    return jd_hash64(plan->seed ^ JD_HASH64_INIT, place, sizeof place);
}

int jd_analysis_create(const struct jd_plan *plan, const struct jd_sample *samples,
                       size_t sample_count, struct jd_analysis **out, struct jd_error *err)
{
    struct jd_analysis *analysis = calloc(1, sizeof *analysis);
    int rc = JD_E_NO_MEMORY;
    *out = NULL;
    if (!analysis)
        return jd_fail(err, rc, "analysis", "out of memory");
    analysis->plan = plan;
    analysis->cells = calloc(plan->cell_count, sizeof *analysis->cells);
    if (!analysis->cells) {
        jd_fail(err, rc, "analysis", "out of memory");
        goto out;
    }
    rc = sort_in(analysis, samples, sample_count, err);
    for (size_t i = 0; !rc && i < plan->cell_count; i++)
        rc = summarise_cell(plan, i, &analysis->cells[i], err);
    if (!rc)
        rc = analysis_compare(analysis, err);
out:
    if (rc)
        jd_analysis_destroy(analysis);
    else
        *out = analysis;
    return rc;
}
