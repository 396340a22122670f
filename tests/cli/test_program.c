/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's life on an engine that has no compiler: program.c asks the contract for everything,
 * in the promised order, and for nothing else. Ends of the process are played in forked children.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "fake_engine.h"
#include "program.h"

static struct jd_error err;

static struct jd_ir script(const char *text)
{
    return (struct jd_ir){.bytes = text, .size_bytes = strlen(text), .name = "p.ll"};
}

static struct jd_program_spec spec_of(const struct jd_ir *modules, size_t count)
{
    memset(jd_fake_calls, 0, sizeof jd_fake_calls);
    return (struct jd_program_spec){.ops = &jd_fake_ops, .modules = modules, .module_count = count};
}

static void calls_in_order(void **state)
{
    const struct jd_ir ir[] = {script("fake\ndefine main argc\n"), script("fake\n")};
    struct jd_program_spec spec = spec_of(ir, 2);
    struct jd_program *program;
    char *argv[] = {"p.ll", "x", NULL};
    (void)state;
    expect_ok(jd_program_open(&spec, &program, &err), &err);
    expect_ok(jd_program_prepare(program, &err), &err);
    expect_ok(jd_program_construct(program, &err), &err);
    assert_int_equal(jd_program_call(program, 2, argv), 2);
    assert_int_equal(jd_program_call(program, 2, argv), 2);
    expect_ok(jd_program_destruct(program, &err), &err);
    expect_ok(jd_program_destruct(program, &err), &err);
    assert_ptr_equal(jd_program_engine(program)->ops, &jd_fake_ops);
    assert_true(jd_program_has_started());
    jd_program_close(program);
    assert_string_equal(jd_fake_calls, "caaplCDx");
}

static void stamps_in_order(void **state)
{
    const struct jd_ir ir = script("fake\ndefine main argc\n");
    struct jd_program_spec spec = spec_of(&ir, 1);
    struct jd_program *program;
    char *argv[] = {"p.ll", NULL};
    (void)state;
    expect_ok(jd_program_open(&spec, &program, &err), &err);
    const struct jd_program_times *t = jd_program_times(program);
    assert_int_equal(t->prepared_ns, 0);
    expect_ok(jd_program_prepare(program, &err), &err);
    expect_ok(jd_program_construct(program, &err), &err);
    jd_program_call(program, 1, argv);
    expect_ok(jd_program_destruct(program, &err), &err);
    assert_true(0 < t->open_ns && t->open_ns <= t->created_ns && t->created_ns <= t->added_ns);
    assert_true(t->added_ns <= t->prepared_ns && t->prepared_ns <= t->main_ns);
    assert_true(t->main_ns <= t->returned_ns && t->returned_ns <= t->ended_ns);
    jd_program_close(program);
}

static void failed_step_leaves_nothing(void **state)
{
    const struct jd_ir ir[] = {script("fake\n"), script("nonsense\n")};
    struct jd_program_spec spec = spec_of(ir, 2);
    struct jd_program *program;
    (void)state;
    expect_error(jd_program_open(&spec, &program, &err), JD_E_BAD_IR, "p.ll: script:", &err);
    assert_null(program);
    assert_string_equal(jd_fake_calls, "caax");
}

static void refused_option_is_passed_on(void **state)
{
    const struct jd_ir ir = script("fake\n");
    struct jd_program_spec spec = spec_of(&ir, 1);
    struct jd_program *program;
    (void)state;
    spec.options.granularity = JD_GRAN_BLOCK;
    expect_error(jd_program_open(&spec, &program, &err), JD_E_UNSUPPORTED, "no blocks", &err);
    assert_null(program);
    assert_string_equal(jd_fake_calls, "c");
}

static void missing_library_comes_first(void **state)
{
    static const char *const libraries[] = {"./there-is-no-such-library.so"};
    const struct jd_ir ir = script("fake\n");
    struct jd_program_spec spec = spec_of(&ir, 1);
    struct jd_program *program;
    (void)state;
    spec.libraries = libraries;
    spec.library_count = 1;
    expect_error(jd_program_open(&spec, &program, &err), JD_E_IO, "there-is-no-such-library", &err);
    assert_string_equal(jd_fake_calls, "");
}

static void missing_entry_is_named(void **state)
{
    const struct jd_ir ir = script("fake\ndefine main argc\n");
    struct jd_program_spec spec = spec_of(&ir, 1);
    struct jd_program *program;
    (void)state;
    spec.entry = "start";
    expect_ok(jd_program_open(&spec, &program, &err), &err);
    expect_error(jd_program_prepare(program, &err), JD_E_NOT_FOUND, "p.ll: no function 'start'",
                 &err);
    jd_program_close(program);
    assert_string_equal(jd_fake_calls, "caplx");
}

static void only_asked_for_early_exit(void **state)
{
    const struct jd_ir ir = script("fake\n");
    struct jd_program_spec spec = spec_of(&ir, 1);
    struct jd_program *program;
    (void)state;
    spec.wants_early_exit = true;
    expect_ok(jd_program_open(&spec, &program, &err), &err);
    jd_program_close(program);
    assert_string_equal(jd_fake_calls, "cdddax");
}

static void two_programs_live_side_by_side(void **state)
{
    const struct jd_ir first = script("fake\ndefine main argc\n");
    const struct jd_ir second = script("fake\ndefine main return_259\n");
    struct jd_program_spec a_spec = spec_of(&first, 1), b_spec = spec_of(&second, 1);
    struct jd_program *a, *b;
    char *argv[] = {"p.ll", NULL};
    (void)state;
    expect_ok(jd_program_open(&a_spec, &a, &err), &err);
    expect_ok(jd_program_open(&b_spec, &b, &err), &err);
    expect_ok(jd_program_prepare(a, &err), &err);
    expect_ok(jd_program_prepare(b, &err), &err);
    assert_int_equal(jd_program_call(a, 1, argv), 1);
    assert_int_equal(jd_program_call(b, 1, argv), 259);
    jd_program_close(a);
    assert_int_equal(jd_program_call(b, 1, argv), 259);
    jd_program_close(b);
    jd_program_close(NULL);
}

/* ---- ends of the process --------------------------------------------------------------------- */

static int end_pipe;

static int tell(void *context, int status)
{
    char text[64];
    (void)context;
    int used = snprintf(text, sizeof text, "%d %s", status, strchr(jd_fake_calls, 'D') ? "D" : "-");
    return write(end_pipe, text, (size_t)used) == used ? status + 100 : 99;
}

static int tell_failure(void *context, const struct jd_error *error)
{
    (void)context;
    return error->code == JD_E_UNRESOLVED ? 31 : 32;
}

/* Run the script to its end in a child. Returns its exit code; `told` is what on_end saw. */
static int run_in_child(const char *text, char *told, size_t told_bytes)
{
    int pipe_fds[2], status = 0;
    assert_int_equal(pipe(pipe_fds), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct jd_ir ir = script(text);
        struct jd_program_spec spec = spec_of(&ir, 1);
        struct jd_program *program;
        char *argv[] = {"p.ll", NULL};
        close(pipe_fds[0]);
        signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the next test */
        end_pipe = pipe_fds[1];
        freopen("/dev/null", "w", stdout);
        spec.on_end = tell;
        spec.on_failure = tell_failure;
        spec.wants_early_exit = true;
        if (jd_program_open(&spec, &program, &err) || jd_program_prepare(program, &err))
            _exit(98);
        jd_program_run(program, 1, argv);
    }
    close(pipe_fds[1]);
    ssize_t got = read(pipe_fds[0], told, told_bytes - 1);
    told[got > 0 ? got : 0] = '\0';
    close(pipe_fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* on_end hears of every end exactly once, after the destructors where they run, and its answer is
 * the exit code. */
static void every_end_is_told(void **state)
{
    static const struct {
        const char *script, *told;
        int code;
    } ends[] = {
        {"fake\ndefine main argc\n", "1 D", 101},
        {"fake\ndefine main return_259\n", "3 D", 103},
        {"fake\ndefine main exit_3\n", "3 D", 103},
        {"fake\ndefine main _exit_7\n", "7 -", 107},
        {"fake\ndefine main quick_exit_8\n", "8 -", 108},
        {"fake\ndefine main thread_exit\n", "6 D", 106},
        {"fake\ndefine main fork_exit\n", "15 D", 115},
        {"fake\ndefine main argc\nconstructor exit_9\n", "9 D", 109},
        {"fake\ndefine main argc\ndestructor exit_9\n", "9 D", 109},
        {"fake\ndefine main unresolved_call\n", "31 -", 131},
        {"fake\ndefine main argc\nfail destructors INTERNAL x\n", "32 D", 132},
        {"fake\ndefine main argc\nfail constructors UNRESOLVED x\n", "31 -", 131},
        {"fake\ndefine main segv\n", "", -11},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char told[64];
        int code = run_in_child(ends[i].script, told, sizeof told);
        if (code != ends[i].code || strcmp(told, ends[i].told) != 0)
            fail_msg("%sended with %d, told '%s'; wanted %d, '%s'", ends[i].script, code, told,
                     ends[i].code, ends[i].told);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_in_order),
        cmocka_unit_test(stamps_in_order),
        cmocka_unit_test(failed_step_leaves_nothing),
        cmocka_unit_test(refused_option_is_passed_on),
        cmocka_unit_test(missing_library_comes_first),
        cmocka_unit_test(missing_entry_is_named),
        cmocka_unit_test(only_asked_for_early_exit),
        cmocka_unit_test(two_programs_live_side_by_side),
        cmocka_unit_test(every_end_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
