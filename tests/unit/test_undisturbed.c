/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits while a thread is undisturbed, and what does not.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "undisturbed.h"

static volatile sig_atomic_t handled;

static void on_signal(int signal_number)
{
    handled = signal_number;
}

static void test_handler_runs_afterwards(void **state)
{
    (void)state;
    static const int numbers[] = {SIGALRM, SIGCHLD, SIGUSR1, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct jd_disturbance before;
        struct sigaction action = {.sa_handler = on_signal}, old;
        assert_int_equal(sigaction(numbers[i], &action, &old), 0);
        handled = 0;
        jd_undisturbed_begin(&before);
        raise(numbers[i]);
        assert_int_equal(handled, 0);
        jd_undisturbed_end(&before);
        assert_int_equal(handled, numbers[i]);
        assert_int_equal(sigaction(numbers[i], &old, NULL), 0);
    }
}

/* A signal without a handler that a person sends to end the process ends it at once. */
static void test_person_can_end_the_process(void **state)
{
    (void)state;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int status;
        pid_t child = fork();
        if (!child) {
            struct jd_disturbance before;
            signal(numbers[i], SIG_DFL);
            jd_undisturbed_begin(&before);
            raise(numbers[i]);
            _exit(3);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), numbers[i]);
    }
}

static void test_fault_is_not_put_off(void **state)
{
    (void)state;
    struct jd_disturbance before;
    struct sigaction action = {.sa_handler = on_signal}, old;
    assert_int_equal(sigaction(SIGFPE, &action, &old), 0);
    handled = 0;
    jd_undisturbed_begin(&before);
    raise(SIGFPE);
    assert_int_equal(handled, SIGFPE);
    jd_undisturbed_end(&before);
    assert_int_equal(sigaction(SIGFPE, &old, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handler_runs_afterwards),
        cmocka_unit_test(test_person_can_end_the_process),
        cmocka_unit_test(test_fault_is_not_put_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
