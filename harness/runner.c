/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching a child and judging its sample; see runner.h.
 */
#include "runner.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"
#include "measure/clock.h"
#include "record_json.h"
#include "runner_spawn.h"

enum {
    RECORD_BYTES = 64 * 1024, /* a record has about 4 KiB */
    MESSAGES_BYTES = 2048,    /* the end of standard error, for details */
    READ_BYTES = 8 * 1024, /* on the stack, which people may limit to little more than LLVM needs */
    POLL_MS = 20           /* how often to look when the system has no pidfd */
};

/* What is known of a running child. */
struct watch {
    const struct jd_runner *runner;
    const struct jd_cell *cell;
    struct runner_child child;
    uint64_t deadline_ns;
    bool has_ended, has_timed_out;
    int status; /* of wait4 */
    uint64_t ended_ns;
    struct rusage usage;

    uint64_t first_output_ns; /* 0: none yet */
    size_t output_count;
    bool is_different;
    size_t different_at;

    char messages[MESSAGES_BYTES + 1];
    size_t messages_count;
    char *record;
    size_t record_count;
};

double jd_runner_timeout_s(const struct jd_runner *runner, const struct jd_cell *cell)
{
    if (runner->timeout_s > 0)
        return runner->timeout_s;
    return cell->workload->timeout_s > 0 ? cell->workload->timeout_s : JD_RUNNER_TIMEOUT_S;
}

/* ---- what the child writes ---- */

/* Only a cold process prints the workload's output; elsewhere main is not run. */
static bool expects_output(const struct watch *watch)
{
    return watch->cell->regime == JD_REGIME_COLD_PROCESS;
}

static void take_output(struct watch *watch, const char *bytes, size_t count)
{
    const struct jd_workload *workload = watch->cell->workload;
    size_t expected = expects_output(watch) ? workload->expected_output_bytes : 0;
    for (size_t i = 0; i < count && !watch->is_different; i++) {
        size_t at = watch->output_count + i;
        if (at < expected && workload->expected_output[at] == bytes[i])
            continue;
        watch->is_different = true;
        watch->different_at = at;
    }
    watch->output_count += count;
}

static void take_messages(struct watch *watch, const char *bytes, size_t count)
{
    if (count > MESSAGES_BYTES) {
        bytes += count - MESSAGES_BYTES;
        count = MESSAGES_BYTES;
    }
    if (watch->messages_count + count > MESSAGES_BYTES) {
        size_t kept = MESSAGES_BYTES - count;
        memmove(watch->messages, watch->messages + watch->messages_count - kept, kept);
        watch->messages_count = kept;
    }
    memcpy(watch->messages + watch->messages_count, bytes, count);
    watch->messages_count += count;
    watch->messages[watch->messages_count] = '\0';
}

static void take_record(struct watch *watch, const char *bytes, size_t count)
{
    if (count > RECORD_BYTES - watch->record_count)
        count = RECORD_BYTES - watch->record_count;
    memcpy(watch->record + watch->record_count, bytes, count);
    watch->record_count += count;
    watch->record[watch->record_count] = '\0';
}

/* Read what is there; close our end when theirs is closed. */
static void drain(struct watch *watch, enum runner_stream stream)
{
    char bytes[READ_BYTES];
    while (watch->child.fds[stream] >= 0) {
        ssize_t n = read(watch->child.fds[stream], bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(watch->child.fds[stream]);
            watch->child.fds[stream] = -1;
            return;
        }
        if (stream == RUNNER_OUTPUT) {
            if (!watch->first_output_ns)
                watch->first_output_ns = jd_clock_ns();
            take_output(watch, bytes, (size_t)n);
        } else if (stream == RUNNER_MESSAGES) {
            take_messages(watch, bytes, (size_t)n);
        } else {
            take_record(watch, bytes, (size_t)n);
        }
    }
}

/* ---- until it ends ---- */

/* Seen, not reaped: until then its number and its group's stay its own. */
static void look_for_end(struct watch *watch)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)watch->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
        return;
    watch->ended_ns = jd_clock_ns();
    watch->has_ended = true;
}

static void reap(struct watch *watch)
{
    while (wait4(watch->child.pid, &watch->status, 0, &watch->usage) < 0 && errno == EINTR)
        ;
    if (!watch->has_ended)
        watch->ended_ns = jd_clock_ns();
}

static int milliseconds_left(const struct watch *watch)
{
    uint64_t now_ns = jd_clock_ns();
    if (now_ns >= watch->deadline_ns)
        return 0;
    uint64_t left_ms = (watch->deadline_ns - now_ns) / 1000000 + 1;
    int most = watch->child.pid_fd < 0 ? POLL_MS : 1000;
    return left_ms < (uint64_t)most ? (int)left_ms : most;
}

static void wait_for_something(struct watch *watch)
{
    struct pollfd fds[RUNNER_STREAM_COUNT + 1];
    for (size_t i = 0; i < RUNNER_STREAM_COUNT; i++)
        fds[i] = (struct pollfd){watch->child.fds[i], POLLIN, 0}; /* below 0: ignored */
    fds[RUNNER_STREAM_COUNT] = (struct pollfd){watch->child.pid_fd, POLLIN, 0};
    if (poll(fds, RUNNER_STREAM_COUNT + 1, milliseconds_left(watch)) < 0)
        return;
    for (size_t i = 0; i < RUNNER_STREAM_COUNT; i++)
        if (fds[i].revents)
            drain(watch, (enum runner_stream)i);
    if (watch->child.pid_fd < 0 || fds[RUNNER_STREAM_COUNT].revents)
        look_for_end(watch);
}

static void kill_group(const struct watch *watch)
{
    /* A child that has not got as far as its group yet: emulators let us be that quick. */
    if (kill(-watch->child.pid, SIGKILL) && !watch->has_ended)
        kill(watch->child.pid, SIGKILL);
}

static int watch_child(struct watch *watch, struct jd_error *err)
{
    int rc = JD_OK;
    while (!watch->has_ended && !watch->has_timed_out && !rc) {
        if (*watch->runner->is_interrupted)
            rc = jd_fail(err, JD_E_STATE, "bench", "interrupted");
        else if (jd_clock_ns() >= watch->deadline_ns)
            watch->has_timed_out = true;
        else
            wait_for_something(watch);
    }
    /* Also what the workload left behind in its group: it would disturb the next sample. */
    kill_group(watch);
    reap(watch);
    for (size_t i = 0; i < RUNNER_STREAM_COUNT; i++)
        drain(watch, (enum runner_stream)i);
    return rc;
}

/* ---- judge ---- */

static const char *last_line(struct watch *watch)
{
    size_t end = watch->messages_count;
    while (end > 0 && watch->messages[end - 1] == '\n')
        watch->messages[--end] = '\0';
    const char *before = strrchr(watch->messages, '\n');
    return before ? before + 1 : watch->messages;
}

/* First line: the sample; second, if there is one: teardown. */
static bool read_record(const struct watch *watch, struct jd_sample *out)
{
    json_t *line = json_loads(watch->record, JSON_DISABLE_EOF_CHECK, NULL);
    const char *second = strchr(watch->record, '\n');
    bool is_whole = line && second && jd_sample_from_json(line, out, NULL) == JD_OK;
    json_decref(line);
    if (!is_whole)
        return false;
    json_t *more = json_loads(second + 1, JSON_DISABLE_EOF_CHECK, NULL);
    json_t *teardown = json_object_get(more, "teardown_ns");
    if (json_is_integer(teardown))
        out->phase_ns[JD_SPAN_TEARDOWN] = (uint64_t)json_integer_value(teardown);
    json_decref(more);
    return true;
}

static void judge_without_record(struct watch *watch, struct jd_sample *out)
{
    const char *said = last_line(watch);
    jd_sample_init(out);
    if (WIFSIGNALED(watch->status)) {
        out->kind = JD_SAMPLE_CRASHED;
        jd_sample_detail(out, "signal %d (%s)%s%s", WTERMSIG(watch->status),
                         strsignal(WTERMSIG(watch->status)), *said ? ": " : "", said);
    } else if (WEXITSTATUS(watch->status) == JD_CRASH_EXIT_ENGINE) {
        out->kind = JD_SAMPLE_CRASHED;
        jd_sample_detail(out, "%s", said);
    } else {
        jd_sample_detail(out, "exit code %d without a record%s%s", WEXITSTATUS(watch->status),
                         *said ? ": " : "", said);
    }
}

static void judge_output(const struct watch *watch, struct jd_sample *out)
{
    const struct jd_workload *workload = watch->cell->workload;
    size_t expected = expects_output(watch) ? workload->expected_output_bytes : 0;
    int expected_code = expects_output(watch) ? workload->expected_exit_code & 0xff : 0;
    if (watch->is_different || watch->output_count != expected) {
        out->kind = JD_SAMPLE_WRONG_OUTPUT;
        jd_sample_detail(out, "%zu bytes of output, %zu expected; different from byte %zu on",
                         watch->output_count, expected,
                         watch->is_different ? watch->different_at : watch->output_count);
    } else if (WEXITSTATUS(watch->status) != expected_code) {
        out->kind = JD_SAMPLE_WRONG_EXIT_CODE;
        jd_sample_detail(out, "exit code %d, %d expected", WEXITSTATUS(watch->status),
                         expected_code);
    }
}

static void judge(struct watch *watch, struct jd_sample *out)
{
    bool has_record = read_record(watch, out);
    if (watch->has_timed_out) {
        jd_sample_init(out);
        out->kind = JD_SAMPLE_TIMED_OUT;
        jd_sample_detail(out, "killed after %g s", jd_runner_timeout_s(watch->runner, watch->cell));
    } else if (!has_record) {
        judge_without_record(watch, out);
    } else if (WIFSIGNALED(watch->status) && out->kind == JD_SAMPLE_OK) {
        /* The program had ended: the engine died while it was taken down. */
        out->kind = JD_SAMPLE_CRASHED;
        jd_sample_detail(out, "signal %d (%s) in teardown", WTERMSIG(watch->status),
                         strsignal(WTERMSIG(watch->status)));
    } else if (out->kind == JD_SAMPLE_OK) {
        judge_output(watch, out);
    }
    if (WIFSIGNALED(watch->status))
        out->signal = WTERMSIG(watch->status);
    else
        out->exit_code = WEXITSTATUS(watch->status);
}

/* ---- what the parent knows ---- */

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

/* The first byte is stamped when this process has it, a wake-up after it was written; a program
 * that prints once, at its end, has its first result with its last. */
static void take_parent_times(const struct watch *watch, struct jd_sample *out)
{
    out->wall_ns = watch->ended_ns - watch->child.spawned_ns;
    if (!expects_output(watch) || out->time_to_last_result_ns == JD_NONE)
        return;
    out->time_to_first_result_ns = out->time_to_last_result_ns;
    if (watch->first_output_ns) {
        uint64_t first_ns = watch->first_output_ns - watch->child.spawned_ns;
        if (first_ns < out->time_to_last_result_ns)
            out->time_to_first_result_ns = first_ns;
    }
}

/* "cpu  user nice system idle iowait irq softirq steal ..." of the whole machine. */
static uint64_t steal_ticks(void)
{
    unsigned long long value = 0;
    FILE *in = fopen("/proc/stat", "re");
    bool is_there = in && fscanf(in, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &value) == 1;
    if (in)
        fclose(in);
    return is_there ? value : JD_NONE;
}

static void take_system(const struct watch *watch, double load, uint64_t steal_before,
                        struct jd_sample *out)
{
    const struct rusage *usage = &watch->usage;
    uint64_t steal_after = steal_ticks();
    out->system.load_average_1m = load;
    out->system.voluntary_switches = (uint64_t)usage->ru_nvcsw;
    out->system.involuntary_switches = (uint64_t)usage->ru_nivcsw;
    out->system.minor_faults = (uint64_t)usage->ru_minflt;
    out->system.major_faults = (uint64_t)usage->ru_majflt;
    out->system.user_ns = timeval_ns(usage->ru_utime);
    out->system.system_ns = timeval_ns(usage->ru_stime);
    if (steal_before != JD_NONE && steal_after != JD_NONE && steal_after >= steal_before)
        out->system.steal_ticks = steal_after - steal_before;
}

int jd_runner_sample(const struct jd_runner *runner, const struct jd_cell *cell,
                     struct jd_sample *out, struct jd_error *err)
{
    struct watch watch = {.runner = runner, .cell = cell};
    double load = -1;
    jd_sample_init(out);
    watch.record = calloc(1, RECORD_BYTES + 1);
    if (!watch.record)
        return jd_fail(err, JD_E_NO_MEMORY, "runner", "out of memory");
    if (getloadavg(&load, 1) != 1)
        load = -1;
    uint64_t steal_before = steal_ticks();
    int rc = runner_spawn(runner, cell, &watch.child, err);
    if (rc)
        goto out;
    watch.deadline_ns =
        watch.child.spawned_ns + (uint64_t)(jd_runner_timeout_s(runner, cell) * 1e9);
    rc = watch_child(&watch, err);
    if (!rc) {
        judge(&watch, out);
        take_parent_times(&watch, out);
        take_system(&watch, load, steal_before, out);
        out->started_s = (double)(watch.child.spawned_ns - runner->start_ns) / 1e9;
    }
    runner_close(&watch.child);
out:
    free(watch.record);
    return rc;
}
