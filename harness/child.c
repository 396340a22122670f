/* SPDX-License-Identifier: Apache-2.0
 *
 * What the regimes share in the child: instruments on, figures collected, record sent.
 */
#include "child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "ir_file.h"
#include "json_memory.h"
#include "measure/clock.h"
#include "measure/memory.h"
#include "record_json.h"

enum { REMEMBERED_PAUSES = 1 << 16 };

/* ---- the probe: phases, and the curve of compiled bodies ---- */

static void probe_begin(void *context, enum jd_phase phase)
{
    struct jd_child *child = context;
    jd_probe_begin(jd_phases_probe(child->phases), phase);
}

static void probe_end(void *context, enum jd_phase phase)
{
    struct jd_child *child = context;
    jd_probe_end(jd_phases_probe(child->phases), phase);
}

/* When the curve is full, every second point goes and points become half as dense. */
static void add_point(struct jd_child *child, uint64_t now_ns)
{
    struct jd_sample_curve *curve = &child->sample.curve;
    child->last_compiled_ns = now_ns;
    if (child->compiled_count++ % child->curve_stride)
        return;
    if (curve->count == JD_SAMPLE_POINTS - 1) { /* the last place is for the last body */
        for (size_t i = 0; i < (curve->count + 1) / 2; i++) {
            curve->functions[i] = curve->functions[2 * i];
            curve->time_ns[i] = curve->time_ns[2 * i];
        }
        curve->count = (curve->count + 1) / 2;
        child->curve_stride *= 2;
        if ((child->compiled_count - 1) % child->curve_stride)
            return;
    }
    curve->functions[curve->count] = child->compiled_count;
    curve->time_ns[curve->count++] = now_ns - child->spawned_ns;
}

static void probe_compiled(void *context, const char *name, uintptr_t code_addr, size_t code_bytes)
{
    struct jd_child *child = context;
    jd_probe_compiled(jd_phases_probe(child->phases), name, code_addr, code_bytes);
    pthread_mutex_lock(&child->curve_lock);
    add_point(child, jd_clock_ns());
    pthread_mutex_unlock(&child->curve_lock);
}

static void finish_curve(struct jd_child *child)
{
    struct jd_sample_curve *curve = &child->sample.curve;
    if (!curve->count || curve->functions[curve->count - 1] == child->compiled_count)
        return;
    curve->functions[curve->count] = child->compiled_count;
    curve->time_ns[curve->count++] = child->last_compiled_ns - child->spawned_ns;
}

/* ---- start ---- */

static uint64_t known(uint64_t value)
{
    return value == JD_MEMORY_UNKNOWN ? JD_NONE : value;
}

static int open_files(struct jd_child *child, struct jd_error *err)
{
    child->modules = calloc(child->file_count, sizeof *child->modules);
    if (!child->modules)
        return jd_fail(err, JD_E_NO_MEMORY, "child", "out of memory");
    for (size_t i = 0; i < child->file_count; i++) {
        int rc = jd_ir_file_open(child->files[i], &child->modules[i], err);
        if (rc)
            return rc;
    }
    return JD_OK;
}

int jd_child_start(struct jd_child *child, struct jd_error *err)
{
    struct jd_memory memory;
    int rc;
    child->sample.phase_ns[JD_SPAN_PROCESS_LOAD] = jd_cli_start_ns() - child->spawned_ns;
    jd_memory_read(JD_MEMORY_CHEAP, &memory);
    child->sample.memory.rss_anon_start_bytes = known(memory.rss_anon_bytes);
    jd_perf_open(&child->perf);
    pthread_mutex_init(&child->curve_lock, NULL);
    child->curve_stride = 1;
    if ((rc = jd_phases_create(REMEMBERED_PAUSES, &child->phases, err)) ||
        (rc = open_files(child, err)))
        return rc;
    child->probe =
        (struct jd_probe){sizeof child->probe, child, probe_begin, probe_end, probe_compiled};
    return JD_OK;
}

struct jd_engine_options jd_child_engine_options(const struct jd_child *child)
{
    return (struct jd_engine_options){.struct_size = sizeof(struct jd_engine_options),
                                      .opt_level = child->opt_level,
                                      .probe = &child->probe};
}

/* ---- collect ---- */

void jd_child_fail(struct jd_child *child, const struct jd_error *err)
{
    char line[sizeof err->where + sizeof err->text + 8];
    child->sample.kind = err->kind == JD_KIND_UNSUPPORTED ? JD_SAMPLE_REFUSED : JD_SAMPLE_FAILED;
    jd_sample_detail(&child->sample, "%s: %s", jd_kind_name(err->kind),
                     jd_error_line(err, line, sizeof line));
}

static int compare_ns(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void collect_pauses(struct jd_child *child, const struct jd_phase_totals *totals,
                           uint64_t first_pause)
{
    struct jd_sample_pauses *out = &child->sample.pauses;
    uint64_t *ns = calloc(REMEMBERED_PAUSES, sizeof *ns);
    if (!ns)
        return;
    size_t count = jd_phases_pauses(child->phases, first_pause, ns, REMEMBERED_PAUSES, NULL);
    *out = (struct jd_sample_pauses){totals->pause_count - first_pause, 0, 0, 0};
    qsort(ns, count, sizeof *ns, compare_ns);
    for (size_t i = 0; i < count; i++)
        out->total_ns += ns[i];
    if (count) {
        out->max_ns = ns[count - 1];
        out->p99_ns = ns[(count * 99 + 99) / 100 - 1]; /* nearest rank */
    }
    free(ns);
}

static void collect_phases(struct jd_child *child, uint64_t first_pause)
{
    struct jd_phase_totals totals;
    jd_phases_read(child->phases, &totals);
#define JD_PHASE(name, text)                                                                       \
    if (totals.count[JD_PHASE_##name])                                                             \
        child->sample.phase_ns[JD_SPAN_##name] = totals.ns[JD_PHASE_##name];
    JD_PHASES(JD_PHASE)
#undef JD_PHASE
    collect_pauses(child, &totals, first_pause);
}

static void collect_counters(struct jd_child *child, struct jd_engine *engine)
{
    struct jd_counters counters = {.struct_size = sizeof counters};
    if (!engine || child->ops->counters(engine, &counters, NULL))
        return;
#define JD_COUNTER(name) child->sample.counters.name = counters.name;
    JD_SAMPLE_COUNTERS(JD_COUNTER)
#undef JD_COUNTER
}

static void collect_memory(struct jd_child *child)
{
    struct jd_sample_memory *out = &child->sample.memory;
    struct jd_memory memory;
    jd_memory_read(JD_MEMORY_FULL, &memory);
    out->peak_rss_bytes = known(memory.vm_hwm_bytes);
    out->rss_anon_bytes = known(memory.rss_anon_bytes);
    out->private_dirty_bytes = known(memory.private_dirty_bytes);
    out->malloc_bytes = known(memory.heap_in_use_bytes);
}

/* Migrations between CPUs: only the scheduler's own file has them, on kernels built with it. */
static void collect_migrations(struct jd_child *child)
{
    char line[128];
    unsigned long long value;
    FILE *in = fopen("/proc/self/sched", "re");
    while (in && fgets(line, sizeof line, in))
        if (sscanf(line, "se.nr_migrations : %llu", &value) == 1)
            child->sample.system.migrations = value;
    if (in)
        fclose(in);
}

void jd_child_collect(struct jd_child *child, struct jd_engine *engine, uint64_t first_pause)
{
    struct jd_perf_counts counts;
    jd_perf_read(&child->perf, &counts);
    child->sample.perf.instructions = known(counts.instructions);
    child->sample.perf.cycles = known(counts.cycles);
    collect_phases(child, first_pause);
    collect_counters(child, engine);
    collect_memory(child);
    collect_migrations(child);
    finish_curve(child);
}

size_t jd_child_thread_count(void)
{
    struct stat status;
    /* One folder per thread; each counts as a link of its parent, beside "." and "..". */
    return stat("/proc/self/task", &status) || status.st_nlink < 3 ? 0 : status.st_nlink - 2;
}

/* ---- send ---- */

static bool send_line(const struct jd_child *child, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    size_t length = text ? strlen(text) : 0, done = 0;
    bool is_sent = text && !jd_json_memory_is_short();
    json_decref(object);
    if (text)
        text[length++] = '\n';
    while (is_sent && done < length) {
        ssize_t n = write(child->record_fd, text + done, length - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            is_sent = false;
    }
    free(text);
    return is_sent;
}

bool jd_child_send(struct jd_child *child)
{
    return send_line(child, jd_sample_to_json(&child->sample));
}

void jd_child_send_teardown(struct jd_child *child, uint64_t teardown_ns)
{
    send_line(child, json_pack("{s:I}", "teardown_ns", (json_int_t)teardown_ns));
}
