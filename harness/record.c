/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of what a sample holds, and its metrics; see record.h.
 */
#include "record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const regime_names[] = {
#define JD_REGIME(name, text) text,
    JD_REGIMES(JD_REGIME)
#undef JD_REGIME
};

static const char *const kind_names[] = {
#define JD_KIND(name, text) text,
    JD_SAMPLE_KINDS(JD_KIND)
#undef JD_KIND
};

static const char *const span_names[] = {
#define JD_SPAN(name, text) #text,
    JD_SAMPLE_PHASES(JD_SPAN)
#undef JD_SPAN
};

static const char *const metric_names[] = {
#define JD_METRIC(name, text) text,
    JD_METRICS(JD_METRIC)
#undef JD_METRIC
};

const struct jd_counter_place jd_counter_places[JD_COUNTER_COUNT] = {
#define JD_COUNTER(name) {#name, offsetof(struct jd_sample_counters, name)},
    JD_SAMPLE_COUNTERS(JD_COUNTER)
#undef JD_COUNTER
};

const char *jd_regime_name(enum jd_regime regime)
{
    return regime_names[regime];
}

const char *jd_sample_kind_name(enum jd_sample_kind kind)
{
    return kind_names[kind];
}

const char *jd_span_name(enum jd_span span)
{
    return span_names[span];
}

const char *jd_metric_name(enum jd_metric metric)
{
    return metric_names[metric];
}

static bool find_name(const char *const *names, size_t count, const char *name, size_t *out)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name)) {
            *out = i;
            return true;
        }
    return false;
}

bool jd_regime_find(const char *name, enum jd_regime *out)
{
    size_t index = 0;
    bool is_known = find_name(regime_names, JD_REGIME_COUNT, name, &index);
    *out = (enum jd_regime)index;
    return is_known;
}

bool jd_sample_kind_find(const char *name, enum jd_sample_kind *out)
{
    size_t index = 0;
    bool is_known = find_name(kind_names, JD_SAMPLE_KIND_COUNT, name, &index);
    *out = (enum jd_sample_kind)index;
    return is_known;
}

void jd_sample_init(struct jd_sample *sample)
{
    memset(sample, 0, sizeof *sample);
    sample->kind = JD_SAMPLE_HARNESS_ERROR;
    sample->exit_code = -1;
    sample->wall_ns = JD_NONE;
    sample->time_to_main_ns = JD_NONE;
    sample->time_to_first_result_ns = JD_NONE;
    sample->time_to_last_result_ns = JD_NONE;
    for (size_t i = 0; i < JD_SPAN_COUNT; i++)
        sample->phase_ns[i] = JD_NONE;
    sample->pauses = (struct jd_sample_pauses){JD_NONE, JD_NONE, JD_NONE, JD_NONE};
    /* Structs of 64-bit numbers only: all bits set is JD_NONE in each. */
    memset(&sample->memory, 0xff, sizeof sample->memory);
    memset(&sample->counters, 0xff, sizeof sample->counters);
    memset(&sample->system, 0xff, sizeof sample->system);
    memset(&sample->perf, 0xff, sizeof sample->perf);
    sample->system.load_average_1m = -1;
}

void jd_sample_detail(struct jd_sample *sample, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(sample->detail, sizeof sample->detail, format, args);
    va_end(args);
    for (char *c = sample->detail; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = strchr("\n\r\t", *c) ? ' ' : '?';
}

static bool from_integer(uint64_t value, double *out)
{
    *out = value == JD_NONE ? 0 : (double)value;
    return value != JD_NONE;
}

static bool from_warm(const struct jd_sample *sample, bool is_of_regime, double *out)
{
    bool has_value = is_of_regime && sample->warm.count > 0;
    *out = has_value ? sample->warm.ns_per_unit : 0;
    return has_value;
}

bool jd_sample_metric(const struct jd_sample *sample, enum jd_regime regime, enum jd_metric metric,
                      double *out)
{
    switch (metric) {
    case JD_METRIC_TIME_TO_MAIN:
        return from_integer(sample->time_to_main_ns, out);
    case JD_METRIC_TIME_TO_FIRST_RESULT:
        return from_integer(sample->time_to_first_result_ns, out);
    case JD_METRIC_TIME_TO_LAST_RESULT:
        return from_integer(sample->time_to_last_result_ns, out);
    case JD_METRIC_WALL:
        return from_integer(sample->wall_ns, out);
    case JD_METRIC_WORST_PAUSE:
        return from_integer(sample->pauses.max_ns, out);
    case JD_METRIC_NS_PER_CALL:
        return from_warm(sample, regime == JD_REGIME_WARM, out);
    case JD_METRIC_ENGINE_CYCLE:
        return from_warm(sample, regime == JD_REGIME_COLD_ENGINE, out);
    case JD_METRIC_PEAK_RSS:
        return from_integer(sample->memory.peak_rss_bytes, out);
    case JD_METRIC_ENGINE_MEMORY:
        return from_integer(sample->counters.committed_bytes, out);
    case JD_METRIC_TEARDOWN:
        return from_integer(sample->phase_ns[JD_SPAN_TEARDOWN], out);
    case JD_METRIC_INSTRUCTIONS:
        return from_integer(sample->perf.instructions, out);
    case JD_METRIC_COUNT:
        break;
    }
    *out = 0;
    return false;
}

const enum jd_metric jd_compared_metrics[JD_COMPARED_COUNT] = {
    JD_METRIC_TIME_TO_LAST_RESULT, JD_METRIC_TIME_TO_FIRST_RESULT, JD_METRIC_TIME_TO_MAIN,
    JD_METRIC_NS_PER_CALL,         JD_METRIC_ENGINE_CYCLE,         JD_METRIC_PEAK_RSS,
    JD_METRIC_ENGINE_MEMORY};

enum jd_metric jd_regime_headline(enum jd_regime regime)
{
    switch (regime) {
    case JD_REGIME_WARM:
        return JD_METRIC_NS_PER_CALL;
    case JD_REGIME_COLD_ENGINE:
        return JD_METRIC_ENGINE_CYCLE;
    default:
        return JD_METRIC_TIME_TO_LAST_RESULT;
    }
}

bool jd_metric_is_size(enum jd_metric metric)
{
    return metric == JD_METRIC_PEAK_RSS || metric == JD_METRIC_ENGINE_MEMORY;
}
