/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples to JSON and back; see record_json.h.
 */
#include "record_json.h"

#include <math.h>
#include <string.h>

/* A table of whole-number members serves groups that are all "number or unavailable". */
struct member {
    const char *name;
    size_t offset; /* in struct jd_sample */
};

#define MEMBER(group, name)                                                                        \
    {                                                                                              \
#name, offsetof(struct jd_sample, group.name)                                              \
    }
#define TIME(name)                                                                                 \
    {                                                                                              \
#name, offsetof(struct jd_sample, name)                                                    \
    }

static const struct member time_members[] = {TIME(wall_ns), TIME(time_to_main_ns),
                                             TIME(time_to_first_result_ns),
                                             TIME(time_to_last_result_ns)};
static const struct member pause_members[] = {MEMBER(pauses, count), MEMBER(pauses, max_ns),
                                              MEMBER(pauses, p99_ns), MEMBER(pauses, total_ns)};
static const struct member memory_members[] = {
    MEMBER(memory, peak_rss_bytes), MEMBER(memory, rss_anon_bytes),
    MEMBER(memory, rss_anon_start_bytes), MEMBER(memory, private_dirty_bytes),
    MEMBER(memory, malloc_bytes)};
static const struct member system_members[] = {MEMBER(system, voluntary_switches),
                                               MEMBER(system, involuntary_switches),
                                               MEMBER(system, minor_faults),
                                               MEMBER(system, major_faults),
                                               MEMBER(system, user_ns),
                                               MEMBER(system, system_ns),
                                               MEMBER(system, migrations),
                                               MEMBER(system, steal_ticks)};
static const struct member perf_members[] = {MEMBER(perf, instructions), MEMBER(perf, cycles)};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

json_t *jd_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *jd_json_real_if(bool is_there, double value)
{
    return is_there ? jd_json_real(value) : json_null();
}

json_t *jd_json_figure(uint64_t value)
{
    return value == JD_NONE ? json_string("unavailable") : json_integer((json_int_t)value);
}

json_t *jd_json_optional(uint64_t value)
{
    return value == JD_NONE ? json_null() : json_integer((json_int_t)value);
}

static uint64_t get(const struct jd_sample *sample, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)sample + offset, sizeof value);
    return value;
}

static json_t *figures(const struct jd_sample *sample, const struct member *members, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, members[i].name,
                            jd_json_figure(get(sample, members[i].offset)));
    return object;
}

static json_t *phases(const struct jd_sample *sample)
{
    json_t *object = json_object();
    for (size_t i = 0; i < JD_SPAN_COUNT; i++)
        json_object_set_new(object, jd_span_name((enum jd_span)i),
                            jd_json_optional(sample->phase_ns[i]));
    return object;
}

static json_t *counters(const struct jd_sample *sample)
{
    const char *base = (const char *)&sample->counters;
    json_t *object = json_object();
    for (size_t i = 0; i < JD_COUNTER_COUNT; i++) {
        uint64_t value;
        memcpy(&value, base + jd_counter_places[i].offset, sizeof value);
        if (value != JD_NONE)
            json_object_set_new(object, jd_counter_places[i].name, json_integer((json_int_t)value));
    }
    if (json_object_size(object))
        return object;
    json_decref(object);
    return json_null();
}

static json_t *warm(const struct jd_sample_warm *from)
{
    if (!from->count)
        return json_null();
    json_t *values = json_array();
    for (size_t i = 0; i < from->count; i++)
        json_array_append_new(values, jd_json_real(from->values_ns[i]));
    return json_pack("{s:o, s:I, s:o}", "ns_per_unit", jd_json_real(from->ns_per_unit),
                     "iterations", (json_int_t)from->iterations, "values_ns", values);
}

static json_t *curve(const struct jd_sample_curve *from)
{
    if (!from->count)
        return json_null();
    json_t *functions = json_array(), *times = json_array();
    for (size_t i = 0; i < from->count; i++) {
        json_array_append_new(functions, json_integer((json_int_t)from->functions[i]));
        json_array_append_new(times, json_integer((json_int_t)from->time_ns[i]));
    }
    return json_pack("{s:o, s:o}", "functions", functions, "time_ns", times);
}

static json_t *system_facts(const struct jd_sample *sample)
{
    json_t *object = figures(sample, system_members, COUNT_OF(system_members));
    double load = sample->system.load_average_1m;
    json_object_set_new(object, "load_average_1m",
                        load < 0 ? json_string("unavailable") : jd_json_real(load));
    return object;
}

json_t *jd_sample_to_json(const struct jd_sample *s)
{
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:s, s:s, s:o, s:o, s:o, s:b}", "block", (json_int_t)s->block,
                  "position", (json_int_t)s->position, "process", (json_int_t)s->process, "kind",
                  jd_sample_kind_name(s->kind), "detail", s->detail, "exit_code",
                  s->exit_code < 0 ? json_null() : json_integer(s->exit_code), "signal",
                  s->signal ? json_integer(s->signal) : json_null(), "started_s",
                  jd_json_real(s->started_s), "is_outlier", s->is_outlier);
    if (!object)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(time_members); i++)
        json_object_set_new(object, time_members[i].name,
                            jd_json_optional(get(s, time_members[i].offset)));
    json_object_set_new(object, "phases_ns", phases(s));
    json_object_set_new(object, "pauses",
                        s->pauses.count == JD_NONE
                            ? json_null()
                            : figures(s, pause_members, COUNT_OF(pause_members)));
    json_object_set_new(object, "warm", warm(&s->warm));
    json_object_set_new(object, "memory", figures(s, memory_members, COUNT_OF(memory_members)));
    json_object_set_new(object, "counters", counters(s));
    json_object_set_new(object, "system", system_facts(s));
    json_object_set_new(object, "perf", figures(s, perf_members, COUNT_OF(perf_members)));
    json_object_set_new(object, "curve", curve(&s->curve));
    return object;
}

/* ---- and back ---- */

static int wrong(const char *member, struct jd_error *err)
{
    return jd_fail(err, JD_E_BAD_FILE, member, "has a value that a sample cannot hold");
}

/* Absent, null and "unavailable" leave *out alone. */
static int read_whole(const json_t *object, const char *name, uint64_t *out, struct jd_error *err)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value) ||
        (json_is_string(value) && !strcmp(json_string_value(value), "unavailable")))
        return JD_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return wrong(name, err);
    *out = (uint64_t)json_integer_value(value);
    return JD_OK;
}

static int read_real(const json_t *object, const char *name, double *out, struct jd_error *err)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value) || json_is_string(value))
        return JD_OK;
    if (!json_is_number(value))
        return wrong(name, err);
    *out = json_number_value(value);
    return JD_OK;
}

static int read_members(const json_t *object, const struct member *members, size_t count,
                        struct jd_sample *out, struct jd_error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = get(out, members[i].offset);
        if (read_whole(object, members[i].name, &value, err))
            return JD_E_BAD_FILE;
        memcpy((char *)out + members[i].offset, &value, sizeof value);
    }
    return JD_OK;
}

static int read_phases(const json_t *object, struct jd_sample *out, struct jd_error *err)
{
    for (size_t i = 0; i < JD_SPAN_COUNT; i++)
        if (read_whole(object, jd_span_name((enum jd_span)i), &out->phase_ns[i], err))
            return JD_E_BAD_FILE;
    return JD_OK;
}

static int read_counters(const json_t *object, struct jd_sample *out, struct jd_error *err)
{
    for (size_t i = 0; i < JD_COUNTER_COUNT; i++) {
        uint64_t value = JD_NONE;
        if (read_whole(object, jd_counter_places[i].name, &value, err))
            return JD_E_BAD_FILE;
        memcpy((char *)&out->counters + jd_counter_places[i].offset, &value, sizeof value);
    }
    return JD_OK;
}

static int read_warm(const json_t *object, struct jd_sample_warm *out, struct jd_error *err)
{
    const json_t *values = json_object_get(object, "values_ns");
    size_t count = json_array_size(values);
    if (!json_is_object(object))
        return JD_OK;
    if (count > JD_SAMPLE_VALUES)
        return wrong("values_ns", err);
    for (size_t i = 0; i < count; i++)
        out->values_ns[i] = json_number_value(json_array_get(values, i));
    out->count = count;
    if (read_whole(object, "iterations", &out->iterations, err))
        return JD_E_BAD_FILE;
    return read_real(object, "ns_per_unit", &out->ns_per_unit, err);
}

static int read_curve(const json_t *object, struct jd_sample_curve *out, struct jd_error *err)
{
    const json_t *functions = json_object_get(object, "functions");
    const json_t *times = json_object_get(object, "time_ns");
    size_t count = json_array_size(functions);
    if (count > JD_SAMPLE_POINTS || count != json_array_size(times))
        return wrong("curve", err);
    for (size_t i = 0; i < count; i++) {
        out->functions[i] = (uint64_t)json_integer_value(json_array_get(functions, i));
        out->time_ns[i] = (uint64_t)json_integer_value(json_array_get(times, i));
    }
    out->count = count;
    return JD_OK;
}

static int read_place(const json_t *object, struct jd_sample *out, struct jd_error *err)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const char *detail = json_string_value(json_object_get(object, "detail"));
    uint64_t block = 0, position = 0, process = 0, signal = 0, exit_code = JD_NONE;
    if (!kind || !jd_sample_kind_find(kind, &out->kind))
        return wrong("kind", err);
    if (detail)
        jd_sample_detail(out, "%s", detail);
    if (read_whole(object, "block", &block, err) ||
        read_whole(object, "position", &position, err) ||
        read_whole(object, "process", &process, err) ||
        read_whole(object, "signal", &signal, err) ||
        read_whole(object, "exit_code", &exit_code, err) ||
        read_real(object, "started_s", &out->started_s, err))
        return JD_E_BAD_FILE;
    out->block = (size_t)block;
    out->position = (size_t)position;
    out->process = (size_t)process;
    out->signal = (int)signal;
    out->exit_code = exit_code == JD_NONE ? -1 : (int)exit_code;
    out->is_outlier = json_is_true(json_object_get(object, "is_outlier"));
    return JD_OK;
}

static int read_groups(const json_t *object, struct jd_sample *out, struct jd_error *err)
{
    const json_t *system = json_object_get(object, "system");
    if (read_members(object, time_members, COUNT_OF(time_members), out, err) ||
        read_phases(json_object_get(object, "phases_ns"), out, err) ||
        read_members(json_object_get(object, "pauses"), pause_members, COUNT_OF(pause_members), out,
                     err) ||
        read_warm(json_object_get(object, "warm"), &out->warm, err) ||
        read_members(json_object_get(object, "memory"), memory_members, COUNT_OF(memory_members),
                     out, err) ||
        read_counters(json_object_get(object, "counters"), out, err) ||
        read_members(system, system_members, COUNT_OF(system_members), out, err) ||
        read_real(system, "load_average_1m", &out->system.load_average_1m, err) ||
        read_members(json_object_get(object, "perf"), perf_members, COUNT_OF(perf_members), out,
                     err))
        return JD_E_BAD_FILE;
    return read_curve(json_object_get(object, "curve"), &out->curve, err);
}

int jd_sample_from_json(const json_t *object, struct jd_sample *out, struct jd_error *err)
{
    jd_sample_init(out);
    if (!json_is_object(object))
        return wrong("sample", err);
    if (read_place(object, out, err) || read_groups(object, out, err)) {
        jd_sample_init(out);
        return JD_E_BAD_FILE;
    }
    return JD_OK;
}
