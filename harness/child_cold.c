/* SPDX-License-Identifier: Apache-2.0
 *
 * The cold-process regime in the child: the process is the program, from exec to its last result.
 *
 * The record is made on the way out, after the program's exit handlers and the flush of its
 * streams, so that programs which call exit() or _exit() are measured as those which return. Then,
 * if main returned and no thread of the program lives on, the engine is destroyed with the clock
 * running.
 */
#include "child.h"
#include "crash.h"
#include "measure/clock.h"

/* Lives until the process ends. */
static struct {
    struct jd_child *child;
    struct jd_program *program;
    uint64_t first_pause;
    size_t threads_before; /* the program's main: engines may have helpers of their own */
} cold;

static uint64_t since_spawn(uint64_t stamp_ns)
{
    return stamp_ns ? stamp_ns - cold.child->spawned_ns : JD_NONE;
}

static void take_times(struct jd_child *child, const struct jd_program_times *times)
{
    child->sample.time_to_main_ns = since_spawn(times->main_ns);
    child->sample.time_to_last_result_ns = since_spawn(times->ended_ns);
    child->sample.phase_ns[JD_SPAN_CREATE] = times->created_ns - times->open_ns;
}

static void measure_teardown(struct jd_child *child)
{
    size_t threads = jd_child_thread_count();
    if (!jd_program_times(cold.program)->returned_ns || !threads || threads > cold.threads_before)
        return;
    uint64_t start_ns = jd_clock_ns();
    jd_program_close(cold.program);
    jd_child_send_teardown(child, jd_clock_ns() - start_ns);
}

static int on_end(void *context, int status)
{
    struct jd_child *child = context;
    if (!cold.program) /* the process ends before the program began: nothing to tell here */
        return status;
    take_times(child, jd_program_times(cold.program));
    jd_child_collect(child, jd_program_engine(cold.program), cold.first_pause);
    if (child->sample.kind == JD_SAMPLE_HARNESS_ERROR)
        child->sample.kind = JD_SAMPLE_OK; /* as far as this process can know */
    if (!jd_child_send(child))
        return JD_CHILD_EXIT_HARNESS;
    if (child->sample.kind == JD_SAMPLE_OK)
        measure_teardown(child);
    return status;
}

static int on_failure(void *context, const struct jd_error *err)
{
    jd_child_fail(context, err);
    return 1;
}

static int start(struct jd_child *child, struct jd_error *err)
{
    struct jd_program_spec spec = {.ops = child->ops,
                                   .options = jd_child_engine_options(child),
                                   .modules = child->modules,
                                   .module_count = child->file_count,
                                   .wants_early_exit = true,
                                   .wants_signals = true,
                                   .on_end = on_end,
                                   .on_failure = on_failure,
                                   .context = child};
    struct jd_phase_totals totals;
    struct jd_program *program;
    int rc;
    spec.options.start_argc = child->program_argc;
    spec.options.start_argv = child->program_argv;
    if ((rc = jd_program_open(&spec, &program, err)) || (rc = jd_program_prepare(program, err)))
        return rc;
    jd_phases_read(child->phases, &totals);
    cold.first_pause = totals.pause_count;
    cold.threads_before = jd_child_thread_count();
    cold.program = program;
    return JD_OK;
}

int jd_child_run_cold(struct jd_child *child)
{
    struct jd_error err = JD_ERROR_INIT;
    cold.child = child;
    jd_crash_watch(child->files[0]);
    if (jd_child_start(child, &err) || start(child, &err)) {
        jd_child_fail(child, &err);
        jd_child_send(child);
        return 1;
    }
    jd_program_run(cold.program, child->program_argc, child->program_argv);
}
