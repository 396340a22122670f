/* SPDX-License-Identifier: Apache-2.0
 *
 * The regimes of one process with many iterations, in the child: `warm` (ns per call, through
 * Google Benchmark, from the fourth call on) and `cold-engine` (a new engine each time, LLVM warm).
 *
 * The value comes before the time: a wrong one ends the sample. One process is one sample, however
 * many iterations it holds.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "bench_shim.h"
#include "child.h"
#include "crash.h"
#include "measure/clock.h"
#include "stats.h"

enum {
    DISCARDED_LIVES = 6, /* compile times of one process flatten after about six rounds, not one */
    LIVES_LEAST = 5,
    LIVES_MOST = 30,
    BATCH_MOST = 1 << 22
};
static const uint64_t batch_ns = 1000000;
static const uint64_t lives_budget_ns =
    1000000000; /* beyond the least, no life starts after this */

/* Before the user's own: the last one wins. Five repetitions give a median that one interruption
 * does not move; the process, not the repetition, is what intervals are made of. */
static const char *const default_flags[] = {"--benchmark_repetitions=5",
                                            "--benchmark_min_time=0.02"};

typedef int64_t (*warm_fn)(int64_t);

struct subject {
    struct jd_child *child;
    struct jd_program *program;
    warm_fn call;
    uint64_t batch;
    bool is_wrong;
};

static int on_failure(void *context, const struct jd_error *err)
{
    jd_child_fail(context, err);
    jd_child_send(context);
    return 1;
}

/* Everything up to where the entry can be called. */
static int open_subject(struct subject *subject, struct jd_error *err)
{
    struct jd_child *child = subject->child;
    const struct jd_program_spec spec = {.ops = child->ops,
                                         .options = jd_child_engine_options(child),
                                         .modules = child->modules,
                                         .module_count = child->file_count,
                                         .wants_signals = true,
                                         .entry = child->warm_entry,
                                         .on_failure = on_failure,
                                         .context = child};
    union {
        uintptr_t addr;
        warm_fn call;
    } entry;
    int rc;
    if ((rc = jd_program_open(&spec, &subject->program, err)))
        return rc;
    if ((rc = jd_program_prepare(subject->program, err)) ||
        (rc = jd_program_construct(subject->program, err)) ||
        (rc = child->ops->lookup(jd_program_engine(subject->program), child->warm_entry,
                                 &entry.addr, err)))
        return rc;
    subject->call = entry.call;
    return JD_OK;
}

static int check_value(const struct jd_child *child, int64_t value, struct jd_error *err)
{
    if (value == child->warm_expected)
        return JD_OK;
    return jd_fail(err, JD_E_WRONG_RESULT, child->warm_entry,
                   "returned %" PRId64 " for %" PRId64 ", not %" PRId64, value,
                   child->warm_argument, child->warm_expected);
}

static int timed_call(const struct subject *subject, uint64_t *out_ns, struct jd_error *err)
{
    uint64_t start_ns = jd_clock_ns();
    int64_t value = subject->call(subject->child->warm_argument);
    *out_ns = jd_clock_ns() - start_ns;
    return check_value(subject->child, value, err);
}

/* Failure of any kind after the start: say so and end. */
static int give_up(struct jd_child *child, const struct jd_error *err)
{
    jd_child_fail(child, err);
    if (err->code == JD_E_WRONG_RESULT)
        child->sample.kind = JD_SAMPLE_WRONG_OUTPUT;
    jd_child_send(child);
    return 1;
}

static void take_values(struct jd_sample_warm *warm)
{
    double sorted[JD_SAMPLE_VALUES];
    for (size_t i = 0; i < warm->count; i++)
        sorted[i] = warm->values_ns[i];
    if (warm->count)
        warm->ns_per_unit = jd_stats_median(sorted, warm->count);
}

/* ---- warm ---- */

static void run_steady(struct jd_bench_state *state, void *context)
{
    struct subject *subject = context;
    const int64_t argument = subject->child->warm_argument;
    const int64_t expected = subject->child->warm_expected;
    const warm_fn call = subject->call;
    int64_t differences = 0;
    while (jd_bench_keep_running(state, subject->batch))
        for (uint64_t i = 0; i < subject->batch; i++)
            differences |= call(argument) ^ expected;
    if (differences)
        subject->is_wrong = true;
}

static void take_result(void *context, const struct jd_bench_result *result)
{
    struct jd_sample *sample = context;
    if (result->error || sample->warm.count == JD_SAMPLE_VALUES)
        return;
    sample->warm.values_ns[sample->warm.count++] = result->real_ns;
    sample->warm.iterations += result->iterations;
    sample->phase_ns[JD_SPAN_STEADY] += (uint64_t)(result->real_ns * (double)result->iterations);
}

static uint64_t fastest_of_three(const struct subject *subject, uint64_t count)
{
    const int64_t argument = subject->child->warm_argument;
    uint64_t fastest_ns = UINT64_MAX;
    for (int attempt = 0; attempt < 3; attempt++) {
        uint64_t start_ns = jd_clock_ns();
        for (uint64_t i = 0; i < count; i++)
            subject->call(argument);
        uint64_t took_ns = jd_clock_ns() - start_ns;
        fastest_ns = took_ns < fastest_ns ? took_ns : fastest_ns;
    }
    return fastest_ns;
}

/* Calls are timed in batches of a millisecond: far above 100 clock readings, and long enough to
 * mean something alone. The library takes one stalled batch for a slow function and then repeats no
 * more than that one batch, in every repetition; a single call would then be all that is timed. */
static uint64_t choose_batch(const struct subject *subject)
{
    uint64_t count = 1;
    while (count < BATCH_MOST && fastest_of_three(subject, count) < batch_ns)
        count *= 2;
    return count;
}

static int measure_steady(struct subject *subject, struct jd_error *err)
{
    struct jd_child *child = subject->child;
    const char *flags[JD_CHILD_BENCHMARK_ARGS + 2] = {default_flags[0], default_flags[1]};
    struct jd_bench_counts counts;
    int rc;
    for (size_t i = 0; i < child->benchmark_arg_count; i++)
        flags[2 + i] = child->benchmark_args[i];
    child->sample.phase_ns[JD_SPAN_STEADY] = 0;
    if ((rc = jd_bench_init(flags, 2 + child->benchmark_arg_count, err)) ||
        (rc = jd_bench_register(child->files[0], run_steady, subject, false, err)) ||
        (rc = jd_bench_run(".", take_result, NULL, &child->sample, &counts, err)))
        return rc;
    if (subject->is_wrong)
        return jd_fail(err, JD_E_WRONG_RESULT, child->warm_entry,
                       "returned different values in the steady state");
    take_values(&child->sample.warm);
    return JD_OK;
}

static int measure_first_calls(struct subject *subject, struct jd_error *err)
{
    uint64_t *phase_ns = subject->child->sample.phase_ns;
    int rc;
    if ((rc = timed_call(subject, &phase_ns[JD_SPAN_FIRST_CALL], err)) ||
        (rc = timed_call(subject, &phase_ns[JD_SPAN_SECOND_CALL], err)) ||
        (rc = timed_call(subject, &phase_ns[JD_SPAN_THIRD_CALL], err)))
        return rc;
    subject->batch = choose_batch(subject);
    return JD_OK;
}

int jd_child_run_warm(struct jd_child *child)
{
    struct jd_error err = JD_ERROR_INIT;
    struct subject subject = {.child = child};
    struct jd_phase_totals totals;
    jd_crash_watch(child->files[0]);
    if (jd_child_start(child, &err) || open_subject(&subject, &err))
        return give_up(child, &err);
    const struct jd_program_times *times = jd_program_times(subject.program);
    child->sample.phase_ns[JD_SPAN_CREATE] = times->created_ns - times->open_ns;
    jd_phases_read(child->phases, &totals);
    if (measure_first_calls(&subject, &err) || measure_steady(&subject, &err))
        return give_up(child, &err);
    jd_child_collect(child, jd_program_engine(subject.program), totals.pause_count);
    if (jd_program_destruct(subject.program, &err))
        return give_up(child, &err);
    child->sample.kind = JD_SAMPLE_OK;
    if (!jd_child_send(child))
        return JD_CHILD_EXIT_HARNESS;
    uint64_t start_ns = jd_clock_ns();
    jd_program_close(subject.program);
    jd_child_send_teardown(child, jd_clock_ns() - start_ns);
    return 0;
}

/* ---- cold-engine ---- */

/* What one life of an engine took: create, add, prepare, call once, destroy. */
struct life {
    double total_ns, create_ns, first_call_ns, teardown_ns;
};

static int live(struct subject *subject, struct life *out, struct jd_error *err)
{
    uint64_t start_ns = jd_clock_ns(), call_ns = 0, close_ns, end_ns;
    int rc = open_subject(subject, err);
    if (!rc)
        rc = timed_call(subject, &call_ns, err);
    if (!rc)
        rc = jd_program_destruct(subject->program, err);
    if (rc)
        return rc;
    const struct jd_program_times *times = jd_program_times(subject->program);
    out->create_ns = (double)(times->created_ns - times->open_ns);
    close_ns = jd_clock_ns();
    jd_program_close(subject->program);
    subject->program = NULL;
    end_ns = jd_clock_ns();
    out->first_call_ns = (double)call_ns;
    out->teardown_ns = (double)(end_ns - close_ns);
    out->total_ns = (double)(end_ns - start_ns);
    return JD_OK;
}

static uint64_t median_of(const struct life *lives, size_t count, size_t offset)
{
    double values[LIVES_MOST];
    for (size_t i = 0; i < count; i++)
        values[i] = *(const double *)((const char *)&lives[i] + offset);
    return (uint64_t)jd_stats_median(values, count);
}

static int measure_lives(struct subject *subject, struct life *lives, size_t *out_count,
                         struct jd_error *err)
{
    struct life discarded;
    size_t count = 0;
    int rc = JD_OK;
    for (size_t i = 0; !rc && i < DISCARDED_LIVES; i++)
        rc = live(subject, &discarded, err);
    jd_phases_reset(subject->child->phases);
    uint64_t start_ns = jd_clock_ns();
    while (!rc && count < LIVES_MOST &&
           (count < LIVES_LEAST || jd_clock_ns() - start_ns < lives_budget_ns))
        if (!(rc = live(subject, &lives[count], err)))
            count++;
    *out_count = count;
    return rc;
}

static void take_lives(struct jd_sample *sample, const struct life *lives, size_t count)
{
    /* The recorder's sums are over all lives, and pauses mean nothing between them. */
    for (size_t i = 0; i < JD_SPAN_COUNT; i++)
        if (i != JD_SPAN_PROCESS_LOAD && sample->phase_ns[i] != JD_NONE)
            sample->phase_ns[i] /= count;
    sample->pauses = (struct jd_sample_pauses){JD_NONE, JD_NONE, JD_NONE, JD_NONE};
    sample->curve.count = 0;
    sample->phase_ns[JD_SPAN_CREATE] = median_of(lives, count, offsetof(struct life, create_ns));
    sample->phase_ns[JD_SPAN_FIRST_CALL] =
        median_of(lives, count, offsetof(struct life, first_call_ns));
    sample->phase_ns[JD_SPAN_TEARDOWN] =
        median_of(lives, count, offsetof(struct life, teardown_ns));
    for (size_t i = 0; i < count; i++)
        sample->warm.values_ns[i] = lives[i].total_ns;
    sample->warm.count = sample->warm.iterations = count;
    take_values(&sample->warm);
}

int jd_child_run_cold_engine(struct jd_child *child)
{
    struct jd_error err = JD_ERROR_INIT;
    struct subject subject = {.child = child};
    struct life lives[LIVES_MOST];
    size_t count;
    jd_crash_watch(child->files[0]);
    if (jd_child_start(child, &err) || measure_lives(&subject, lives, &count, &err))
        return give_up(child, &err);
    jd_child_collect(child, NULL, 0);
    take_lives(&child->sample, lives, count);
    child->sample.kind = JD_SAMPLE_OK;
    return jd_child_send(child) ? 0 : JD_CHILD_EXIT_HARNESS;
}
