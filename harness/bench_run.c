/* SPDX-License-Identifier: Apache-2.0
 *
 * See bench_run.h.
 *
 * A cell is given up after its first wrong or refused sample, and after two failed ones without a
 * good one: what is disqualified need not be timed, and a hang would cost its time limit each time.
 */
#include "bench_run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "journal.h"
#include "json_file.h"
#include "measure/clock.h"
#include "progress.h"
#include "runner.h"
#include "summary.h"

enum { EXIT_SAMPLE_FAILED = 1, EXIT_INTERRUPTED = 130, FAILURES_TO_GIVE_UP = 2 };

static volatile sig_atomic_t is_interrupted;

struct cell_state {
    size_t ok_count, failed_count;
    bool is_given_up;
};

struct bench {
    const struct jd_bench_job *job;
    struct jd_runner runner;
    struct jd_fingerprint fingerprint;
    struct jd_journal *journal;
    struct jd_progress progress;
    struct jd_sample *samples; /* those taken */
    size_t sample_count;
    bool *is_taken; /* by position */
    struct cell_state *cells;
    bool has_failed; /* any sample */
    bool has_report; /* it is written */
    time_t created;
    uint64_t start_ns;
};

/* ---- signals ---- */

static void on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

/* A reader of our output that went away, and a file that may grow no more, are errors of a write:
 * no reason to end without a report. Samples start with the signals' own actions. */
static void watch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before;
        /* nohup and shells that start jobs in the background ignore some on purpose. */
        if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

/* ---- samples ---- */

/* Whole rounds go to a shard: each machine has every workload under every engine. */
static bool is_ours(const struct jd_bench_job *job, const struct jd_plan_item *item)
{
    return !job->shard_count || item->process % job->shard_count == job->shard_index - 1;
}

static size_t count_ours(const struct jd_bench_job *job)
{
    size_t count = 0;
    for (size_t i = 0; i < job->plan->item_count; i++)
        count += is_ours(job, &job->plan->items[i]);
    return count;
}

static void take(struct bench *bench, const struct jd_sample *sample)
{
    struct cell_state *cell = &bench->cells[bench->job->plan->items[sample->position].cell];
    bool is_decisive = sample->kind == JD_SAMPLE_WRONG_OUTPUT ||
                       sample->kind == JD_SAMPLE_WRONG_EXIT_CODE ||
                       sample->kind == JD_SAMPLE_REFUSED;
    bench->samples[bench->sample_count++] = *sample;
    bench->is_taken[sample->position] = true;
    if (sample->kind == JD_SAMPLE_OK)
        cell->ok_count++;
    else
        cell->failed_count++;
    if (sample->kind != JD_SAMPLE_OK && sample->kind != JD_SAMPLE_REFUSED)
        bench->has_failed = true;
    if (is_decisive || (!cell->ok_count && cell->failed_count >= FAILURES_TO_GIVE_UP))
        cell->is_given_up = true;
}

static int replay(void *context, const struct jd_sample *sample, struct jd_error *err)
{
    struct bench *bench = context;
    const struct jd_plan *plan = bench->job->plan;
    if (sample->position >= plan->item_count || bench->is_taken[sample->position] ||
        sample->process != plan->items[sample->position].process ||
        !is_ours(bench->job, &plan->items[sample->position]))
        return jd_fail(err, JD_E_BAD_FILE, "journal", "a sample has no place in this plan");
    take(bench, sample);
    return JD_OK;
}

static int take_next(struct bench *bench, size_t position, struct jd_error *err)
{
    const struct jd_plan_item *item = &bench->job->plan->items[position];
    const struct jd_cell *cell = &bench->job->plan->cells[item->cell];
    struct jd_sample sample;
    char name[256], problem[JD_SAMPLE_DETAIL_BYTES + 32];
    jd_format_cell(cell, name, sizeof name);
    jd_progress_show(&bench->progress, name);
    int rc = jd_runner_sample(&bench->runner, cell, &sample, err);
    if (rc)
        return rc;
    sample.position = position;
    sample.process = item->process;
    sample.block = item->block;
    if ((rc = jd_journal_append(bench->journal, &sample, err)))
        return rc;
    take(bench, &sample);
    snprintf(problem, sizeof problem, "%s: %s%s", jd_sample_kind_name(sample.kind), sample.detail,
             bench->cells[item->cell].is_given_up ? " (cell given up)" : "");
    jd_progress_step(&bench->progress, name, sample.kind == JD_SAMPLE_OK ? NULL : problem);
    return JD_OK;
}

/* Stops early, without an error, when interrupted. */
static int take_all(struct bench *bench, struct jd_error *err)
{
    const struct jd_plan *plan = bench->job->plan;
    int rc = JD_OK;
    jd_progress_init(&bench->progress, count_ours(bench->job), bench->sample_count,
                     bench->job->is_quiet);
    for (size_t i = 0; !rc && !is_interrupted && i < plan->item_count; i++) {
        if (bench->is_taken[i] || !is_ours(bench->job, &plan->items[i]))
            continue;
        if (bench->cells[plan->items[i].cell].is_given_up)
            bench->progress.done++;
        else
            rc = take_next(bench, i, err);
    }
    jd_progress_end(&bench->progress);
    if (rc == JD_E_STATE && is_interrupted) {
        jd_error_clear(err);
        rc = JD_OK;
    }
    return rc;
}

/* ---- the journal ---- */

static json_t *limits(const struct jd_bench_job *job)
{
    json_t *args = json_array();
    for (size_t i = 0; i < job->benchmark_arg_count; i++)
        json_array_append_new(args, json_string(job->benchmark_args[i]));
    return json_pack("{s:f, s:I, s:o, s:i, s:i}", "timeout_s", job->timeout_s, "memory_limit_bytes",
                     (json_int_t)job->memory_limit_bytes, "benchmark_args", args, "shard_index",
                     (int)job->shard_index, "shard_count", (int)job->shard_count);
}

static int open_journal(struct bench *bench, struct jd_error *err)
{
    const struct jd_bench_job *job = bench->job;
    char *path = NULL;
    json_t *identity = json_pack("{s:s, s:o, s:o, s:o, s:o}", "journal", "jitduel-journal/1",
                                 "plan", json_sprintf("%016" PRIx64, job->plan->hash), "machine",
                                 json_sprintf("%016" PRIx64, bench->fingerprint.hash), "program",
                                 json_sprintf("%016" PRIx64, jd_program_hash(job->program)),
                                 "limits", limits(job));
    int rc = JD_E_NO_MEMORY;
    if (!identity || asprintf(&path, "%s.journal", job->report_path) < 0) {
        path = NULL;
        jd_fail(err, rc, "bench", "out of memory");
    } else {
        rc = jd_journal_open(path, identity, job->can_resume, replay, bench, &bench->journal, err);
    }
    json_decref(identity);
    free(path);
    return rc;
}

/* ---- the report ---- */

static bool is_complete(const struct bench *bench)
{
    const struct jd_plan *plan = bench->job->plan;
    for (size_t i = 0; i < plan->item_count; i++)
        if (is_ours(bench->job, &plan->items[i]) && !bench->is_taken[i] &&
            !bench->cells[plan->items[i].cell].is_given_up)
            return false;
    return true;
}

static int write_report(struct bench *bench, const struct jd_analysis *analysis,
                        struct jd_error *err)
{
    const struct jd_bench_job *job = bench->job;
    const struct jd_report report = {.plan = job->plan,
                                     .analysis = analysis,
                                     .fingerprint = &bench->fingerprint,
                                     .build = jd_build_info(),
                                     .is_complete = is_complete(bench),
                                     .created = bench->created,
                                     .finished = time(NULL),
                                     .elapsed_s = (double)(jd_clock_ns() - bench->start_ns) / 1e9,
                                     .command_line = job->command_line,
                                     .command_line_count = job->command_line_count,
                                     .resumed_count = jd_journal_replayed_count(bench->journal),
                                     .timeout_s = job->timeout_s,
                                     .memory_limit_bytes = job->memory_limit_bytes,
                                     .benchmark_args = job->benchmark_args,
                                     .benchmark_arg_count = job->benchmark_arg_count,
                                     .shard_index = job->shard_index,
                                     .shard_count = job->shard_count,
                                     .timer_overhead_ns = jd_clock_overhead_ns()};
    json_t *object = jd_report_to_json(&report);
    int rc = object ? jd_json_file_write(job->report_path, object, err)
                    : jd_fail(err, JD_E_NO_MEMORY, job->report_path, "no memory for the report");
    json_decref(object);
    bench->has_report = !rc;
    if (rc)
        return rc;
    jd_summary_print(stdout, &report, job->report_path);
    if (fflush(stdout) || ferror(stdout))
        return jd_fail(err, JD_E_IO, "standard output",
                       "the summary cannot be written (the report is)");
    return JD_OK;
}

static int finish(struct bench *bench, struct jd_error *err)
{
    struct jd_analysis *analysis;
    int rc =
        jd_analysis_create(bench->job->plan, bench->samples, bench->sample_count, &analysis, err);
    if (!rc)
        rc = write_report(bench, analysis, err);
    jd_analysis_destroy(analysis);
    return rc;
}

/* ---- together ---- */

static int init(struct bench *bench, const struct jd_bench_job *job, struct jd_error *err)
{
    bench->job = job;
    bench->created = time(NULL);
    bench->start_ns = jd_clock_ns();
    bench->runner = (struct jd_runner){.program = job->program,
                                       .timeout_s = job->timeout_s,
                                       .memory_limit_bytes = job->memory_limit_bytes,
                                       .benchmark_args = job->benchmark_args,
                                       .benchmark_arg_count = job->benchmark_arg_count,
                                       .start_ns = bench->start_ns,
                                       .is_interrupted = &is_interrupted};
    bench->samples = calloc(job->plan->item_count, sizeof *bench->samples);
    bench->is_taken = calloc(job->plan->item_count, sizeof *bench->is_taken);
    bench->cells = calloc(job->plan->cell_count, sizeof *bench->cells);
    if (!bench->samples || !bench->is_taken || !bench->cells)
        return jd_fail(err, JD_E_NO_MEMORY, "bench", "out of memory");
    jd_fingerprint_read(&bench->fingerprint);
    return open_journal(bench, err);
}

static int fini(struct bench *bench, int rc, const struct jd_error *err)
{
    int code = is_interrupted ? EXIT_INTERRUPTED : bench->has_failed ? EXIT_SAMPLE_FAILED : 0;
    if (rc) {
        code = jd_cli_report(err);
        if (bench->journal && bench->sample_count && !bench->has_report)
            fprintf(stderr, "jitduel: %s.journal: %zu finished samples are kept (--resume)\n",
                    bench->job->report_path, bench->sample_count);
    }
    jd_journal_close(bench->journal, bench->has_report && is_complete(bench));
    free(bench->samples);
    free(bench->is_taken);
    free(bench->cells);
    return code;
}

int jd_bench_run_job(const struct jd_bench_job *job)
{
    struct jd_error err = JD_ERROR_INIT;
    struct bench bench = {0};
    watch_signals();
    int rc = init(&bench, job, &err);
    if (!rc && bench.sample_count && !job->is_quiet)
        fprintf(stderr, "jitduel: %zu of %zu samples are there already\n", bench.sample_count,
                count_ours(job));
    if (!rc)
        rc = take_all(&bench, &err);
    if (!rc)
        rc = finish(&bench, &err);
    return fini(&bench, rc, &err);
}
