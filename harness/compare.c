/* SPDX-License-Identifier: Apache-2.0
 *
 * See compare.h.
 */
#include "compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

const char *jd_change_name(enum jd_change change)
{
    static const char *const names[] = {[JD_CHANGE_NONE] = "none",
                                        [JD_CHANGE_BETTER] = "better",
                                        [JD_CHANGE_REGRESSION] = "regression",
                                        [JD_CHANGE_UNKNOWN] = "unknown",
                                        [JD_CHANGE_INCOMPARABLE] = "incomparable"};
    return names[change];
}

/* ---- values ---- */

/* One value per process, and the iterations behind it. */
struct values {
    double *one_each;
    struct jd_stats_process *processes;
    size_t count;
    double median;
};

static void values_fini(struct values *values)
{
    free(values->one_each);
    free(values->processes);
    memset(values, 0, sizeof *values);
}

static bool value_of(const struct jd_sample *sample, enum jd_regime regime, enum jd_metric metric,
                     double *out)
{
    return sample->kind == JD_SAMPLE_OK && jd_sample_metric(sample, regime, metric, out) &&
           isfinite(*out) && *out > 0;
}

/* The other engine's sample in the same block: the two ran one after the other. */
static const struct jd_sample *partner(const struct jd_report_cell *reference,
                                       const struct jd_sample *sample)
{
    for (size_t i = 0; i < reference->sample_count; i++)
        if (reference->samples[i].block == sample->block)
            return &reference->samples[i];
    return NULL;
}

static bool has_good_iterations(const struct jd_sample *sample)
{
    for (size_t i = 0; i < sample->warm.count; i++)
        if (!isfinite(sample->warm.values_ns[i]) || !(sample->warm.values_ns[i] > 0))
            return false;
    return sample->warm.count > 0;
}

static void add_value(struct values *values, const struct jd_sample *sample,
                      const struct jd_report_cell *cell, const struct jd_report_cell *reference,
                      enum jd_metric metric)
{
    const struct jd_sample *other = reference ? partner(reference, sample) : NULL;
    double value, below;
    if (!value_of(sample, cell->regime, metric, &value))
        return;
    if (reference && (!other || !value_of(other, cell->regime, metric, &below)))
        return;
    double *place = &values->one_each[values->count];
    struct jd_stats_process *process = &values->processes[values->count++];
    *place = reference ? value / below : value;
    *process = (struct jd_stats_process){place, 1};
    if (!reference && (metric == JD_METRIC_NS_PER_CALL || metric == JD_METRIC_ENGINE_CYCLE) &&
        has_good_iterations(sample))
        *process = (struct jd_stats_process){sample->warm.values_ns, sample->warm.count};
}

static int values_init(struct values *values, const struct jd_report_cell *cell,
                       const struct jd_report_cell *reference, enum jd_metric metric,
                       struct jd_error *err)
{
    size_t most = cell->sample_count ? cell->sample_count : 1;
    struct jd_stats_summary summary = {0};
    *values = (struct values){.one_each = calloc(most, sizeof(double)),
                              .processes = calloc(most, sizeof(struct jd_stats_process))};
    if (!values->one_each || !values->processes) {
        values_fini(values);
        return jd_fail(err, JD_E_NO_MEMORY, "compare", "out of memory");
    }
    for (size_t i = 0; i < cell->sample_count; i++)
        add_value(values, &cell->samples[i], cell, reference, metric);
    int result =
        values->count ? jd_stats_summarise(values->one_each, values->count, &summary, err) : JD_OK;
    values->median = summary.median;
    return result;
}

/* ---- a row ---- */

struct comparing {
    struct jd_compare *compare;
    const struct jd_compare_request *request;
    struct jd_error *err;
};

static const struct jd_report_cell *reference_of(const struct comparing *c,
                                                 const struct jd_report_file *file,
                                                 const struct jd_report_cell *cell)
{
    return c->request->relative_to
               ? jd_report_file_find(file, cell->workload, c->request->relative_to, cell->opt_level,
                                     cell->regime)
               : NULL;
}

static int measure(const struct comparing *c, struct jd_change_row *row)
{
    struct values base = {0}, now = {0};
    struct jd_rng rng;
    int result;
    if ((result = values_init(&base, row->base, reference_of(c, c->compare->base, row->base),
                              row->metric, c->err)) ||
        (result = values_init(&now, row->now, reference_of(c, c->compare->now, row->now),
                              row->metric, c->err)))
        goto out;
    row->base_count = base.count;
    row->now_count = now.count;
    if (!base.count || !now.count)
        goto out;
    row->has_ratio = true;
    row->base_median = base.median;
    row->now_median = now.median;
    row->ratio = now.median / base.median;
    jd_rng_init(&rng, c->compare->row_count * JD_METRIC_COUNT + row->metric);
    result = jd_stats_ratio_interval(&rng, now.processes, now.count, base.processes, base.count,
                                     JD_VERDICT_CONFIDENCE, &row->interval, c->err);
    if (!result)
        result =
            jd_stats_rank_test(now.one_each, now.count, base.one_each, base.count, &row->p, c->err);
out:
    values_fini(&base);
    values_fini(&now);
    return result;
}

static void judge_without_numbers(struct jd_change_row *row)
{
    const struct jd_report_cell *base = row->base, *now = row->now;
    row->verdict = JD_VERDICT_DISQUALIFIED;
    if (!now->has_numbers && base->has_numbers)
        row->change = now->is_not_run ? JD_CHANGE_UNKNOWN : JD_CHANGE_REGRESSION;
    else if (now->has_numbers)
        row->change = base->is_not_run ? JD_CHANGE_INCOMPARABLE : JD_CHANGE_BETTER;
    else
        row->change = JD_CHANGE_INCOMPARABLE;
    snprintf(row->reason, sizeof row->reason, "was %s, is %s%s%.100s", base->status, now->status,
             now->status_detail[0] ? ": " : "", now->status_detail);
}

static void set_aside(struct jd_change_row *row, const char *reason)
{
    row->verdict = JD_VERDICT_DISQUALIFIED;
    row->change = JD_CHANGE_INCOMPARABLE;
    snprintf(row->reason, sizeof row->reason, "%s", reason);
}

static int add_row(const struct comparing *c, const struct jd_report_cell *base,
                   const struct jd_report_cell *now, enum jd_metric metric)
{
    struct jd_change_row *row = &c->compare->rows[c->compare->row_count];
    const struct jd_report_cell *any = base ? base : now;
    int result = JD_OK;
    *row = (struct jd_change_row){.base = base,
                                  .now = now,
                                  .metric = metric,
                                  .is_primary = metric == jd_regime_headline(any->regime)};
    if (!base || !now)
        set_aside(row, base ? "only in the base" : "only in the new report");
    else if (strcmp(base->workload_hash, now->workload_hash) != 0)
        set_aside(row, "the workload's files changed");
    else if (!base->has_numbers || !now->has_numbers)
        judge_without_numbers(row);
    else if ((result = measure(c, row)) || row->has_ratio)
        return c->compare->row_count++, result;
    else if (row->is_primary)
        set_aside(row, c->request->relative_to ? "no block has both engines' samples"
                                               : "no sample has this figure");
    if (row->reason[0] && row->is_primary) /* once per cell, not once per metric */
        c->compare->row_count++;
    return JD_OK;
}

/* ---- which rows ---- */

static bool is_named(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return !count;
}

static bool is_wanted(const struct comparing *c, const struct jd_report_cell *cell)
{
    const struct jd_compare_request *request = c->request;
    if (request->relative_to && !strcmp(request->relative_to, cell->engine))
        return false; /* always 1 */
    return is_named(cell->engine, request->engines, request->engine_count) &&
           is_named(cell->workload, request->workloads, request->workload_count);
}

static int add_cell(const struct comparing *c, const struct jd_report_cell *base,
                    const struct jd_report_cell *now)
{
    int result = JD_OK;
    if (!is_wanted(c, base ? base : now))
        return JD_OK;
    for (size_t m = 0; !result && m < JD_COMPARED_COUNT; m++)
        result = add_row(c, base, now, jd_compared_metrics[m]);
    return result;
}

static int add_rows(const struct comparing *c)
{
    const struct jd_report_file *base = c->compare->base, *now = c->compare->now;
    size_t most = (base->cell_count + now->cell_count) * JD_COMPARED_COUNT;
    int result = JD_OK;
    c->compare->rows = calloc(most + 1, sizeof *c->compare->rows);
    if (!c->compare->rows)
        return jd_fail(c->err, JD_E_NO_MEMORY, "compare", "out of memory");
    for (size_t i = 0; !result && i < base->cell_count; i++) {
        const struct jd_report_cell *cell = &base->cells[i];
        result = add_cell(
            c, cell,
            jd_report_file_find(now, cell->workload, cell->engine, cell->opt_level, cell->regime));
    }
    for (size_t i = 0; !result && i < now->cell_count; i++) {
        const struct jd_report_cell *cell = &now->cells[i];
        if (!jd_report_file_find(base, cell->workload, cell->engine, cell->opt_level, cell->regime))
            result = add_cell(c, NULL, cell);
    }
    return result;
}

/* ---- verdicts ---- */

/* Those that have a ratio, corrected as those of a report are (verdict.h). */
static int correct(struct jd_compare *compare, struct jd_error *err)
{
    struct jd_corrected *differences = calloc(compare->row_count + 1, sizeof *differences);
    size_t count = 0;
    int result = differences ? JD_OK : jd_fail(err, JD_E_NO_MEMORY, "compare", "out of memory");
    for (size_t i = 0; !result && i < compare->row_count; i++) {
        const struct jd_change_row *row = &compare->rows[i];
        if (row->has_ratio)
            differences[count++] =
                (struct jd_corrected){row->p, row->is_primary, (int)row->metric, 0};
    }
    if (!result)
        result = jd_verdict_correct(differences, count, err);
    count = 0;
    for (size_t i = 0; !result && i < compare->row_count; i++)
        if (compare->rows[i].has_ratio)
            compare->rows[i].p_holm = differences[count++].p_holm;
    free(differences);
    return result;
}

/* Neither run may be asked for more than its own calibration could see. */
static void set_floor(const struct jd_compare *compare, struct jd_change_row *row,
                      struct jd_evidence *evidence)
{
    const struct jd_report_regime *sides[] = {&compare->base->regimes[row->now->regime],
                                              &compare->now->regimes[row->now->regime]};
    evidence->floor = JD_VERDICT_MINIMUM_EFFECT;
    for (size_t i = 0; row->is_primary && i < 2; i++)
        if (sides[i]->is_calibrated) {
            evidence->is_blind |= !sides[i]->can_detect;
            evidence->floor = fmax(evidence->floor, sides[i]->detectable_effect);
        }
    row->floor = evidence->floor;
}

static void decide(const struct jd_compare *compare, struct jd_change_row *row)
{
    struct jd_evidence evidence = {.ratio = row->ratio,
                                   .interval = row->interval,
                                   .p_holm = row->p_holm,
                                   .is_size = jd_metric_is_size(row->metric)};
    set_floor(compare, row, &evidence);
    row->verdict = jd_verdict_decide(&evidence, row->reason, sizeof row->reason);
    if (row->verdict == JD_VERDICT_SLOWER || row->verdict == JD_VERDICT_LARGER)
        row->change = JD_CHANGE_REGRESSION;
    else if (row->verdict == JD_VERDICT_FASTER || row->verdict == JD_VERDICT_SMALLER)
        row->change = JD_CHANGE_BETTER;
    else if (!evidence.is_blind && row->interval.high < 1 + JD_VERDICT_SAME_WITHIN)
        row->change = JD_CHANGE_NONE;
    else
        row->change = JD_CHANGE_UNKNOWN;
}

/* ---- the machines ---- */

static void add_difference(struct jd_compare *compare, const char *name, const char *base,
                           const char *now, bool forbids_times)
{
    struct jd_machine_difference *out = &compare->differences[compare->difference_count++];
    *out = (struct jd_machine_difference){.name = name, .forbids_times = forbids_times};
    snprintf(out->base, sizeof out->base, "%s", base);
    snprintf(out->now, sizeof out->now, "%s", now);
}

static void add_count(struct jd_compare *compare, const char *name, json_int_t base, json_int_t now)
{
    char texts[2][24];
    if (base == now)
        return;
    snprintf(texts[0], sizeof texts[0], "%lld", (long long)base);
    snprintf(texts[1], sizeof texts[1], "%lld", (long long)now);
    add_difference(compare, name, texts[0], texts[1], true);
}

static void look_at_machines(struct jd_compare *compare)
{
    const struct jd_report_file *base = compare->base, *now = compare->now;
    for (size_t i = 0; i < JD_FACT_COUNT; i++)
        if (jd_fact_places[i].is_stable && strcmp(base->facts[i], now->facts[i]) != 0)
            add_difference(compare, jd_fact_places[i].name, base->facts[i], now->facts[i],
                           jd_fact_is_hardware(i));
    add_count(compare, "cpu_online_count", base->cpu_online_count, now->cpu_online_count);
    add_count(compare, "page_size_bytes", base->page_size_bytes, now->page_size_bytes);
}

static int refuse_other_hardware(const struct comparing *c)
{
    if (c->request->relative_to)
        return JD_OK;
    for (size_t i = 0; i < c->compare->difference_count; i++) {
        const struct jd_machine_difference *d = &c->compare->differences[i];
        if (d->forbids_times)
            return jd_fail(c->err, JD_E_USAGE, d->name,
                           "the reports come from different machines ('%.60s' and '%.60s'): their "
                           "times say nothing of the engines; --relative-to ENGINE compares what "
                           "each engine costs in relation to another on its own machine",
                           d->base, d->now);
    }
    return JD_OK;
}

/* ---- a shift of everything ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median ratio of an engine's headline rows; 0 when it has none. */
static double median_ratio(const struct jd_compare *compare, const char *engine, double *room)
{
    size_t count = 0;
    for (size_t i = 0; i < compare->row_count; i++) {
        const struct jd_change_row *row = &compare->rows[i];
        if (row->has_ratio && row->is_primary && !strcmp(row->now->engine, engine))
            room[count++] = row->ratio;
    }
    if (!count)
        return 0;
    qsort(room, count, sizeof *room, compare_doubles);
    return jd_stats_quantile(room, count, 0.5);
}

static bool is_first_row_of(const struct jd_compare *compare, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (compare->rows[i].now &&
            !strcmp(compare->rows[i].now->engine, compare->rows[index].now->engine))
            return false;
    return true;
}

/* Two engines at least must move, all the same way: then the machine is the simplest reason. */
static int find_shift(const struct comparing *c)
{
    struct jd_compare *compare = c->compare;
    double *room = calloc(compare->row_count + 1, sizeof *room), logs = 0;
    size_t engines = 0, slower = 0, faster = 0;
    if (!room)
        return jd_fail(c->err, JD_E_NO_MEMORY, "compare", "out of memory");
    for (size_t i = 0; i < compare->row_count; i++) {
        if (!compare->rows[i].now || !is_first_row_of(compare, i))
            continue;
        double ratio = median_ratio(compare, compare->rows[i].now->engine, room);
        if (!(ratio > 0))
            continue;
        engines++;
        logs += log(ratio);
        slower += ratio >= 1 + JD_VERDICT_MINIMUM_EFFECT;
        faster += ratio <= 1 / (1 + JD_VERDICT_MINIMUM_EFFECT);
    }
    free(room);
    compare->has_shift = engines >= 2 && (slower == engines || faster == engines);
    compare->shift = engines ? exp(logs / (double)engines) : 1;
    return JD_OK;
}

/* ---- together ---- */

static bool has_engine(const struct jd_report_file *file, const char *engine)
{
    for (size_t i = 0; i < file->cell_count; i++)
        if (!strcmp(file->cells[i].engine, engine))
            return true;
    return false;
}

static bool has_workload(const struct jd_report_file *file, const char *workload)
{
    for (size_t i = 0; i < file->cell_count; i++)
        if (!strcmp(file->cells[i].workload, workload))
            return true;
    return false;
}

static int check_names(const struct comparing *c)
{
    const struct jd_report_file *base = c->compare->base, *now = c->compare->now;
    const struct jd_compare_request *request = c->request;
    const char *to = request->relative_to;
    if (to && (!has_engine(base, to) || !has_engine(now, to)))
        return jd_fail(c->err, JD_E_USAGE, to, "%s has no sample of this engine",
                       has_engine(base, to) ? now->path : base->path);
    for (size_t i = 0; i < request->engine_count; i++)
        if (!has_engine(base, request->engines[i]) && !has_engine(now, request->engines[i]))
            return jd_fail(c->err, JD_E_USAGE, request->engines[i],
                           "neither report has this engine");
    for (size_t i = 0; i < request->workload_count; i++)
        if (!has_workload(base, request->workloads[i]) && !has_workload(now, request->workloads[i]))
            return jd_fail(c->err, JD_E_USAGE, request->workloads[i],
                           "neither report has this workload");
    return JD_OK;
}

static int count_changes(const struct comparing *c)
{
    struct jd_compare *compare = c->compare;
    for (size_t i = 0; i < compare->row_count; i++) {
        struct jd_change_row *row = &compare->rows[i];
        if (row->has_ratio)
            decide(compare, row);
        compare->counts[row->change]++;
    }
    if (compare->counts[JD_CHANGE_INCOMPARABLE] == compare->row_count)
        return jd_fail(c->err, JD_E_USAGE, compare->now->path,
                       "has nothing in common with %.200s that could be compared: same workload, "
                       "engine, level and regime%s%.100s",
                       compare->base->path, compare->row_count ? "; the first: " : "",
                       compare->row_count ? compare->rows[0].reason : "");
    return JD_OK;
}

int jd_compare_create(const struct jd_report_file *base, const struct jd_report_file *now,
                      const struct jd_compare_request *request, struct jd_compare **out,
                      struct jd_error *err)
{
    struct jd_compare *compare = calloc(1, sizeof *compare);
    const struct comparing c = {compare, request, err};
    int result;
    *out = NULL;
    if (!compare)
        return jd_fail(err, JD_E_NO_MEMORY, "compare", "out of memory");
    compare->base = base;
    compare->now = now;
    look_at_machines(compare);
    if ((result = check_names(&c)) || (result = refuse_other_hardware(&c)) ||
        (result = add_rows(&c)) || (result = correct(compare, err)) ||
        (result = count_changes(&c)) || (result = find_shift(&c))) {
        jd_compare_destroy(compare);
        return result;
    }
    *out = compare;
    return JD_OK;
}

void jd_compare_destroy(struct jd_compare *compare)
{
    if (!compare)
        return;
    free(compare->rows);
    free(compare);
}
