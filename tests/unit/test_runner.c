/* SPDX-License-Identifier: Apache-2.0
 *
 * The runner against children that behave as no engine should. The child is this program: started
 * as `test_runner child ...` it does what its first file's name says.
 */
#include "emulated.h"
#include "expect.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure/clock.h"
#include "patience.h"
#include "runner.h"

static char self[4096];
static volatile sig_atomic_t is_interrupted;

/* ---- the child ---- */

static const char *after(int argc, char **argv, const char *prefix)
{
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], prefix, strlen(prefix)))
            return argv[i] + strlen(prefix);
    exit(99);
}

/* The last result is 5 ms after the spawn, whatever the child really takes. */
static void send_record(const char *kind, const char *more)
{
    dprintf(3,
            "{\"kind\": \"%s\", \"detail\": \"told\", \"time_to_last_result_ns\": 5000000, "
            "\"phases_ns\": {\"link\": 12}}\n%s",
            kind, more);
}

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        exit(98);
}

static void leave_a_grandchild(void)
{
    if (fork() == 0) { /* keeps the pipes open and would outlive the sample */
        sleep(PATIENCE_S);
        _exit(0);
    }
}

static void echo_input(void)
{
    char bytes[64];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n > 0 && write(STDOUT_FILENO, bytes, (size_t)n) < 0)
        exit(98);
}

static void flood(void)
{
    char block[65536];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 64; i++)
        if (write(STDOUT_FILENO, block, sizeof block) < 0)
            exit(98);
}

static void hang(void)
{
    leave_a_grandchild();
    for (;;)
        pause();
}

static void say_folder(void)
{
    char folder[256];
    say(getcwd(folder, sizeof folder) ? folder : "?");
}

static void say_last_words(void)
{
    fprintf(stderr, "first words\nlast words\n");
    raise(SIGXCPU); /* no sanitizer has a handler for this one */
}

/* Prints `output`, does `deed`, sends a record of `kind` and `more`, then ends. */
static const struct act {
    const char *name, *output;
    void (*deed)(void);
    const char *kind, *more;
    int signal, exit_code;
} acts[] = {
    {"good", "expected", NULL, "ok", "{\"teardown_ns\": 77}\n", 0, 0},
    {"exit4", "expected", NULL, "ok", "", 0, 4},
    {"wrong", "expEcted", NULL, "ok", "", 0, 0},
    {"short", "expec", NULL, "ok", "", 0, 0},
    {"flood", "", flood, "ok", "", 0, 0},
    {"refuse", "", NULL, "refused", "", 0, 1},
    {"signal", "", say_last_words, NULL, NULL, 0, 0},
    {"teardown-signal", "expected", NULL, "ok", "", SIGXCPU, 0},
    {"silent", "expected", NULL, NULL, NULL, 0, 0},
    {"hang", "", hang, NULL, NULL, 0, 0},
    {"leave-behind", "expected", leave_a_grandchild, "ok", "", 0, 0},
    {"echo", "", echo_input, "ok", "", 0, 0},
    {"where", "", say_folder, "ok", "", 0, 0},
};

static int play(const struct act *act)
{
    say(act->output);
    if (act->deed)
        act->deed();
    if (act->kind)
        send_record(act->kind, act->more);
    if (act->signal)
        raise(act->signal);
    return act->exit_code;
}

/* What is no row of the table. */
static int play_other(const char *name, int argc, char **argv)
{
    if (!strcmp(name, "late")) {
        usleep(20000);
        say("expected");
    } else if (!strcmp(name, "engine-crash")) {
        fprintf(stderr, "LLVM crashed in phase codegen\n");
        return 70;
    } else if (!strcmp(name, "torn")) {
        say("expected");
        dprintf(3, "{\"kind\": \"ok\", \"wall");
        return 0;
    } else if (!strcmp(name, "arguments")) {
        say(after(argc, argv, "--engine="));
        say(after(argc, argv, "--opt-level="));
        say(argv[argc - 2]);
        say(argv[argc - 1]);
    }
    send_record("ok", "");
    return 0;
}

static int be_child(int argc, char **argv)
{
    int i = 2;
    while (i < argc && !strncmp(argv[i], "--", 2) && argv[i][2])
        i++;
    unsigned long long spawned = strtoull(after(argc, argv, "--spawned-ns="), NULL, 10);
    if (i == argc || spawned > jd_clock_ns() ||
        jd_clock_ns() - spawned > PATIENCE_S * UINT64_C(1000000000))
        return 97;
    for (size_t k = 0; k < sizeof acts / sizeof *acts; k++)
        if (!strcmp(acts[k].name, argv[i]))
            return play(&acts[k]);
    return play_other(argv[i], argc, argv);
}

/* ---- the parent ---- */

static const struct jd_engine_ops engine = {.name = "played"};

struct setting {
    struct jd_workload workload;
    struct jd_cell cell;
    struct jd_runner runner;
    const char *files[1];
};

static void init(struct setting *s, const char *act)
{
    static const char *const no_args[] = {NULL};
    memset(s, 0, sizeof *s);
    s->files[0] = act;
    s->workload = (struct jd_workload){.name = "t/played",
                                       .files = s->files,
                                       .file_count = 1,
                                       .args = no_args,
                                       .expected_output = "expected",
                                       .expected_output_bytes = 8};
    s->cell = (struct jd_cell){.workload = &s->workload,
                               .ops = &engine,
                               .opt_level = 2,
                               .regime = JD_REGIME_COLD_PROCESS,
                               .label = ""};
    s->runner = (struct jd_runner){.program = self,
                                   .timeout_s = PATIENCE_S / 2,
                                   .start_ns = jd_clock_ns(),
                                   .is_interrupted = &is_interrupted};
}

static struct jd_sample take(struct setting *s)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_sample sample;
    expect_ok(jd_runner_sample(&s->runner, &s->cell, &sample, &err), &err);
    return sample;
}

static struct jd_sample take_act(const char *act)
{
    struct setting s;
    init(&s, act);
    return take(&s);
}

static void expect_kind(const struct jd_sample *sample, enum jd_sample_kind kind,
                        const char *detail)
{
    if (sample->kind != kind || !strstr(sample->detail, detail))
        fail_msg("got %s '%s', wanted %s '%s'", jd_sample_kind_name(sample->kind), sample->detail,
                 jd_sample_kind_name(kind), detail);
}

static void test_good(void **state)
{
    struct jd_sample sample = take_act("good");
    (void)state;
    expect_kind(&sample, JD_SAMPLE_OK, "");
    assert_int_equal(sample.exit_code, 0);
    assert_int_equal(sample.signal, 0);
    assert_int_equal(sample.phase_ns[JD_SPAN_LINK], 12);
    assert_int_equal(sample.phase_ns[JD_SPAN_TEARDOWN], 77);
    assert_int_equal(sample.time_to_last_result_ns, 5000000);
    assert_true(sample.time_to_first_result_ns > 0);
    assert_true(sample.time_to_first_result_ns <= sample.time_to_last_result_ns);
    assert_true(sample.wall_ns > 0 && sample.wall_ns != JD_NONE);
    assert_true(sample.system.minor_faults > 0 && sample.system.minor_faults != JD_NONE);
}

/* The output comes after what the child called its last result: printed once, at the end. */
static void test_first_result_is_not_after_last(void **state)
{
    struct jd_sample sample = take_act("late");
    (void)state;
    expect_kind(&sample, JD_SAMPLE_OK, "");
    assert_int_equal(sample.time_to_first_result_ns, 5000000);
    assert_true(sample.wall_ns > 20000000);
}

static void test_wrong_output(void **state)
{
    struct jd_sample sample = take_act("wrong");
    (void)state;
    expect_kind(&sample, JD_SAMPLE_WRONG_OUTPUT, "from byte 3 on");
    sample = take_act("short");
    expect_kind(&sample, JD_SAMPLE_WRONG_OUTPUT, "5 bytes of output, 8 expected");
    sample = take_act("flood");
    expect_kind(&sample, JD_SAMPLE_WRONG_OUTPUT, "4194304 bytes of output");
}

static void test_wrong_exit_code(void **state)
{
    struct setting s;
    (void)state;
    init(&s, "exit4");
    struct jd_sample sample = take(&s);
    expect_kind(&sample, JD_SAMPLE_WRONG_EXIT_CODE, "exit code 4, 0 expected");
    s.workload.expected_exit_code = 4;
    sample = take(&s);
    expect_kind(&sample, JD_SAMPLE_OK, "");
    assert_int_equal(sample.exit_code, 4);
}

static void test_crashes(void **state)
{
    struct jd_sample sample = take_act("signal");
    (void)state;
    expect_kind(&sample, JD_SAMPLE_CRASHED, "signal 24");
    expect_kind(&sample, JD_SAMPLE_CRASHED, "last words");
    assert_int_equal(sample.signal, SIGXCPU);
    assert_int_equal(sample.exit_code, -1);
    assert_int_equal(sample.time_to_last_result_ns, JD_NONE);
    sample = take_act("teardown-signal");
    expect_kind(&sample, JD_SAMPLE_CRASHED, "in teardown");
    sample = take_act("engine-crash");
    expect_kind(&sample, JD_SAMPLE_CRASHED, "LLVM crashed in phase codegen");
    assert_int_equal(sample.exit_code, 70);
}

static void test_no_record(void **state)
{
    struct jd_sample sample = take_act("silent");
    (void)state;
    expect_kind(&sample, JD_SAMPLE_HARNESS_ERROR, "without a record");
    sample = take_act("torn");
    expect_kind(&sample, JD_SAMPLE_HARNESS_ERROR, "without a record");
}

static void test_refusal_is_told(void **state)
{
    struct jd_sample sample = take_act("refuse");
    (void)state;
    expect_kind(&sample, JD_SAMPLE_REFUSED, "told");
}

/* This process adopts what its children leave, so that it can see how that ended; not all emulators
 * let it. */
static bool sees_orphans;

/* A grandchild that was neither killed nor let be would have waited until its own end. */
static void expect_orphans_were_killed(void)
{
    int status;
    while (sees_orphans && waitpid(-1, &status, 0) > 0)
        assert_true(WIFSIGNALED(status));
}

static void test_hang_is_killed(void **state)
{
    struct setting s;
    (void)state;
    init(&s, "hang");
    s.runner.timeout_s = 0.2;
    struct jd_sample sample = take(&s);
    expect_kind(&sample, JD_SAMPLE_TIMED_OUT, "0.2 s");
    expect_orphans_were_killed();
}

static void test_nothing_is_left_behind(void **state)
{
    struct jd_sample sample = take_act("leave-behind");
    (void)state;
    if (!sees_orphans)
        skip(); /* nothing to judge by */
    expect_kind(&sample, JD_SAMPLE_OK, "");
    expect_orphans_were_killed();
}

static void test_interrupt(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_sample sample;
    struct setting s;
    (void)state;
    init(&s, "hang");
    is_interrupted = 1;
    expect_error(jd_runner_sample(&s.runner, &s.cell, &sample, &err), JD_E_STATE, "interrupted",
                 &err);
    is_interrupted = 0;
    expect_orphans_were_killed();
}

static void test_surroundings(void **state)
{
    char input[] = "/tmp/jd-runner-XXXXXX";
    const char *const args[] = {"one", "two words", NULL};
    struct setting s;
    (void)state;
    int fd = mkstemp(input);
    assert_true(fd >= 0 && write(fd, "from a file", 11) == 11);
    close(fd);
    init(&s, "echo");
    s.workload.input_file = input;
    s.workload.expected_output = "from a file";
    s.workload.expected_output_bytes = 11;
    struct jd_sample sample = take(&s);
    unlink(input);
    expect_kind(&sample, JD_SAMPLE_OK, "");

    init(&s, "where");
    s.workload.directory = "/usr/lib";
    s.workload.expected_output = "/usr/lib";
    expect_kind((sample = take(&s), &sample), JD_SAMPLE_OK, "");

    init(&s, "arguments");
    s.workload.args = args;
    s.workload.arg_count = 2;
    s.workload.expected_output = "played2onetwo words";
    s.workload.expected_output_bytes = 19;
    expect_kind((sample = take(&s), &sample), JD_SAMPLE_OK, "");
}

/* No fault of the cell: the run has to stop. */
static void test_no_program(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_sample sample;
    struct setting s;
    (void)state;
    init(&s, "good");
    s.runner.program = "/nonexistent/jitduel";
    expect_error(jd_runner_sample(&s.runner, &s.cell, &sample, &err), JD_E_IO, "no child", &err);
}

static void test_time_limit_order(void **state)
{
    struct setting s;
    (void)state;
    init(&s, "good");
    s.workload.timeout_s = 7;
    assert_true(jd_runner_timeout_s(&s.runner, &s.cell) == PATIENCE_S / 2);
    s.runner.timeout_s = 0;
    assert_true(jd_runner_timeout_s(&s.runner, &s.cell) == 7);
    s.workload.timeout_s = 0;
    assert_true(jd_runner_timeout_s(&s.runner, &s.cell) == JD_RUNNER_TIMEOUT_S);
}

/* Emulated, a program can start itself only if the kernel knows the emulator. */
static bool can_start_itself(void)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_sample sample;
    struct setting s;
    init(&s, "good");
    return !is_emulated() ||
           (!jd_runner_sample(&s.runner, &s.cell, &sample, &err) && sample.kind == JD_SAMPLE_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_first_result_is_not_after_last),
        cmocka_unit_test(test_wrong_output),
        cmocka_unit_test(test_wrong_exit_code),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_no_record),
        cmocka_unit_test(test_refusal_is_told),
        cmocka_unit_test(test_hang_is_killed),
        cmocka_unit_test(test_nothing_is_left_behind),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_surroundings),
        cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_time_limit_order),
    };
    if (argc > 1 && !strcmp(argv[1], "child"))
        return be_child(argc, argv);
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return 1;
    sees_orphans = !prctl(PR_SET_CHILD_SUBREAPER, 1);
    self[length] = '\0';
    if (!can_start_itself()) {
        fprintf(stderr, "skipped: the emulator is not known to the kernel (binfmt_misc)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
