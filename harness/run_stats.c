/* SPDX-License-Identifier: Apache-2.0
 *
 * The --stats file. Everything here happens after the program has ended.
 */
#include "run_stats.h"

#include <stddef.h>
#include <stdlib.h>

#include "json_file.h"
#include "measure/memory.h"

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* From one stamp to the next; null while one of them is missing. */
static json_t *span(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns && to_ns ? integer(to_ns - from_ns) : json_null();
}

static json_t *phases_json(const struct jd_phase_totals *totals)
{
    json_t *object = json_object();
    for (int i = 0; i < JD_PHASE_COUNT; i++)
        json_object_set_new(object, jd_phase_name(i), integer(totals->ns[i]));
    return object;
}

static json_t *spans_json(const struct jd_program_times *times)
{
    uint64_t run_end_ns = times->returned_ns ? times->returned_ns : times->main_ns;
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", "create", span(times->open_ns, times->created_ns), "add",
        span(times->created_ns, times->added_ns), "prepare",
        span(times->added_ns, times->prepared_ns), "constructors",
        span(times->prepared_ns, times->main_ns), "main", span(times->main_ns, times->returned_ns),
        "exit", times->returned_ns ? span(run_end_ns, times->ended_ns) : json_null());
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that at least `percent` of all are not above. */
static uint64_t percentile(const uint64_t *sorted, size_t count, unsigned percent)
{
    return sorted[(count * percent + 99) / 100 - 1];
}

/* One number per lazy compile, as the program felt it. */
static json_t *first_calls_json(const struct jd_run_facts *facts, const struct jd_phase_totals *t)
{
    size_t capacity = (size_t)(t->pause_count - facts->first_pause);
    uint64_t *ns = calloc(capacity ? capacity : 1, sizeof *ns), total = 0;
    json_t *object = NULL;
    if (!ns)
        return NULL;
    size_t count = jd_phases_pauses(facts->phases, facts->first_pause, ns, capacity, NULL);
    qsort(ns, count, sizeof *ns, compare_ns);
    for (size_t i = 0; i < count; i++)
        total += ns[i];
    object = json_pack("{s:o, s:o}", "count", integer(capacity), "sampled", integer(count));
    json_object_set_new(object, "total_ns", integer(total));
    json_object_set_new(object, "p50_ns", count ? integer(percentile(ns, count, 50)) : json_null());
    json_object_set_new(object, "p99_ns", count ? integer(percentile(ns, count, 99)) : json_null());
    json_object_set_new(object, "max_ns", count ? integer(ns[count - 1]) : json_null());
    free(ns);
    return object;
}

static json_t *counters_json(const struct jd_counters *counters)
{
#define COUNTER(name)                                                                              \
    {                                                                                              \
#name, offsetof(struct jd_counters, name)                                                  \
    }
    static const struct {
        const char *name;
        size_t offset;
    } members[] = {COUNTER(modules_added),
                   COUNTER(modules_compiled),
                   COUNTER(functions_defined),
                   COUNTER(functions_compiled),
                   COUNTER(bodies_materialised),
                   COUNTER(stubs_live),
                   COUNTER(creator_calls),
                   COUNTER(relocations),
                   COUNTER(code_bytes),
                   COUNTER(rodata_bytes),
                   COUNTER(data_bytes),
                   COUNTER(stub_bytes),
                   COUNTER(got_bytes),
                   COUNTER(unwind_bytes),
                   COUNTER(reserved_bytes),
                   COUNTER(committed_bytes),
                   COUNTER(mappings)};
#undef COUNTER
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *at = (const char *)counters + members[i].offset;
        json_object_set_new(object, members[i].name, integer(*(const uint64_t *)(const void *)at));
    }
    return object;
}

static json_t *reading(uint64_t value)
{
    return value == JD_MEMORY_UNKNOWN ? json_string("unavailable") : integer(value);
}

static json_t *memory_json(const struct jd_counters *counters)
{
    struct jd_memory memory;
    jd_memory_read(JD_MEMORY_FULL, &memory);
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "engine_committed_bytes",
        integer(counters->committed_bytes), "engine_reserved_bytes",
        integer(counters->reserved_bytes), "rss_anon_bytes", reading(memory.rss_anon_bytes),
        "private_dirty_bytes", reading(memory.private_dirty_bytes), "vm_hwm_bytes",
        reading(memory.vm_hwm_bytes), "heap_in_use_bytes", reading(memory.heap_in_use_bytes),
        "minor_faults", reading(memory.minor_faults), "major_faults", reading(memory.major_faults));
}

static json_t *files_json(const struct jd_run_facts *facts)
{
    json_t *array = json_array();
    for (size_t i = 0; i < facts->file_count; i++) {
        /* A file name need not be UTF-8, JSON text must be. */
        json_t *name = json_string(facts->files[i]);
        json_array_append_new(array, name ? name : json_null());
    }
    return array;
}

static json_t *stats_json(const struct jd_run_facts *facts, const struct jd_counters *counters)
{
    const struct jd_program_times *times = jd_program_times(facts->program);
    struct jd_phase_totals totals;
    /* Memory first: what follows uses some. */
    json_t *memory = memory_json(counters);
    jd_phases_read(facts->phases, &totals);
    return json_pack("{s:s, s:s, s:s, s:i, s:b, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "schema", "jitduel-run/1", "engine", facts->engine, "granularity",
                     facts->granularity, "opt_level", (int)facts->opt_level, "is_lazy",
                     facts->is_lazy, "files", files_json(facts), "entry", facts->entry, "exit_code",
                     facts->exit_code, "time_to_main_ns", span(facts->start_ns, times->main_ns),
                     "time_to_exit_ns", span(facts->start_ns, times->ended_ns), "spans_ns",
                     spans_json(times), "phases_ns", phases_json(&totals), "first_calls",
                     first_calls_json(facts, &totals), "counters", counters_json(counters),
                     "memory", memory);
}

int jd_run_stats_write(const char *path, const struct jd_run_facts *facts, struct jd_error *err)
{
    struct jd_counters counters = {.struct_size = sizeof counters};
    struct jd_engine *engine = jd_program_engine(facts->program);
    int code = engine->ops->counters(engine, &counters, err);
    if (code != JD_OK)
        return code;
    json_t *stats = stats_json(facts, &counters);
    if (!stats)
        return jd_fail(err, JD_E_NO_MEMORY, path, "no memory for the statistics");
    code = jd_json_file_write(path, stats, err);
    json_decref(stats);
    return code;
}
