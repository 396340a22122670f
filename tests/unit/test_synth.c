/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator: plans hold what the shapes promise, the same parameters give the same bytes, and a
 * program compiled natively by clang prints the checksum that was computed without LLVM.
 */
#include "jitduel/synth.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "synth/plan.h"

enum { PATH_BYTES = 512 };

static char folder[PATH_BYTES];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/synth-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[2 * PATH_BYTES];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static struct jd_synth_params shaped(enum jd_synth_shape shape, uint64_t functions,
                                     uint64_t executed, uint64_t modules)
{
    struct jd_synth_params params = JD_SYNTH_DEFAULTS;
    params.shape = shape;
    params.functions = functions;
    params.executed = executed;
    params.modules = modules;
    return params;
}

static void check_plan(const struct synth_plan *plan)
{
    uint32_t count = (uint32_t)plan->params.functions, calls = 0, callers_below = 0;
    for (uint32_t rank = 0; rank < count; rank++) {
        assert_int_equal(plan->rank[plan->position[rank]], rank);
        assert_true(plan->first_child[rank] <= plan->first_child[rank + 1]);
        for (uint32_t i = plan->first_child[rank]; i < plan->first_child[rank + 1]; i++, calls++) {
            assert_int_equal(plan->parent[plan->children[i]], rank);
            /* Callers come before: the call graph has no cycle. */
            assert_true(plan->children[i] > rank);
            callers_below +=
                plan->children[i] < plan->params.executed && rank >= plan->params.executed;
        }
    }
    /* Each function but the roots is called from one place, and what runs is called by what runs.
     */
    assert_int_equal(calls, count - plan->root_count);
    assert_int_equal(callers_below, 0);
    for (uint64_t position = 0; position < count; position++) {
        uint64_t module = synth_module_of(plan, position);
        assert_true(synth_module_start(plan, module) <= position);
        assert_true(position < synth_module_start(plan, module + 1));
        assert_true(synth_group_of(plan, position) < synth_group_start(plan, module + 1));
    }
}

static void plans_hold_what_shapes_promise(void **state)
{
    static const uint64_t sizes[][3] = {{1, 1, 1},    {2, 1, 2},      {17, 17, 3},
                                        {300, 40, 1}, {1000, 999, 7}, {333, 333, 333}};
    (void)state;
    for (int shape = 0; shape < JD_SYNTH_SHAPE_COUNT; shape++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct jd_synth_params params =
                shaped((enum jd_synth_shape)shape, sizes[i][0], sizes[i][1], sizes[i][2]);
            struct synth_plan plan;
            assert_int_equal(synth_plan_init(&plan, &params, NULL), JD_OK);
            check_plan(&plan);
            synth_plan_fini(&plan);
        }
}

/* What runs is spread: no half of the positions holds nearly all or nearly none of it. */
static void executed_are_spread(void **state)
{
    struct jd_synth_params params = shaped(JD_SYNTH_RANDOM, 2000, 200, 1);
    struct synth_plan plan;
    unsigned low = 0;
    (void)state;
    assert_int_equal(synth_plan_init(&plan, &params, NULL), JD_OK);
    for (uint32_t rank = 0; rank < 200; rank++)
        low += plan.position[rank] < 1000;
    assert_in_range(low, 70, 130);
    synth_plan_fini(&plan);
}

static void every_parameter_changes_the_answer(void **state)
{
    struct jd_synth_params params = shaped(JD_SYNTH_TREE, 100, 50, 1);
    char first[JD_SYNTH_OUTPUT_BYTES], other[JD_SYNTH_OUTPUT_BYTES];
    uint64_t *const fields[] = {&params.seed, &params.instructions, &params.executed,
                                &params.repeat};
    (void)state;
    assert_int_equal(jd_synth_expected(&params, first, NULL), JD_OK);
    assert_int_equal(strlen(first), strlen("checksum 0123456789abcdef\n"));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        (*fields[i])++;
        assert_int_equal(jd_synth_expected(&params, other, NULL), JD_OK);
        assert_string_not_equal(first, other);
        (*fields[i])--;
    }
    assert_int_equal(jd_synth_expected(&params, other, NULL), JD_OK);
    assert_string_equal(first, other);
}

static void bad_parameters_are_refused(void **state)
{
    const struct {
        struct jd_synth_params params;
        const char *where;
    } cases[] = {
        {shaped(JD_SYNTH_FLAT, 0, 1, 1), "--functions"},
        {shaped(JD_SYNTH_FLAT, 1000001, 1, 1), "--functions"},
        {shaped(JD_SYNTH_FLAT, 10, 0, 1), "--executed"},
        {shaped(JD_SYNTH_FLAT, 10, 11, 1), "--executed"},
        {shaped(JD_SYNTH_FLAT, 10, 1, 11), "--modules"},
        {shaped(JD_SYNTH_CHAIN, 100000, 100000, 1), "--executed"},
        {shaped((enum jd_synth_shape)99, 10, 1, 1), "--shape"},
    };
    char output[JD_SYNTH_OUTPUT_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jd_error err = JD_ERROR_INIT;
        assert_int_equal(jd_synth_expected(&cases[i].params, output, &err), JD_E_USAGE);
        assert_string_equal(err.where, cases[i].where);
        assert_string_equal(output, "");
    }
}

static void fractions_become_counts(void **state)
{
    (void)state;
    assert_int_equal(jd_synth_executed_count(2000, 0.001), 2);
    assert_int_equal(jd_synth_executed_count(2000, 0), 1);
    assert_int_equal(jd_synth_executed_count(2000, 1), 2000);
    assert_int_equal(jd_synth_executed_count(10, 0.25), 3);
}

static size_t read_all(const char *path, char *bytes, size_t room)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t got = fread(bytes, 1, room, file);
    fclose(file);
    assert_true(got > 0 && got < room);
    return got;
}

static void same_parameters_give_same_bytes(void **state)
{
    static char bytes[2][1 << 20];
    size_t sizes[2];
    char path[2 * PATH_BYTES];
    struct jd_synth_params params = shaped(JD_SYNTH_RANDOM, 300, 30, 1);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%zu.bc", folder, i);
        assert_int_equal(jd_synth_generate(&params, path, false, NULL), JD_OK);
        sizes[i] = read_all(path, bytes[i], sizeof bytes[i]);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    assert_memory_equal(bytes[0], "BC\xc0\xde", 4);
}

static void unwritable_output_is_told(void **state)
{
    struct jd_synth_params params = shaped(JD_SYNTH_FLAT, 3, 1, 1);
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    assert_int_equal(jd_synth_generate(&params, "/nowhere/a.bc", false, &err), JD_E_IO);
    assert_non_null(strstr(err.where, "/nowhere/a.bc"));
}

static size_t count_files(void)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *item; (item = readdir(directory));)
        count += item->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* A limit on the size of files stands for a full disk. */
static void failed_write_leaves_nothing(void **state)
{
    struct jd_synth_params params = shaped(JD_SYNTH_FLAT, 400, 4, 4);
    struct jd_error err = JD_ERROR_INIT;
    struct rlimit before, small;
    char path[2 * PATH_BYTES];
    (void)state;
    snprintf(path, sizeof path, "%s/p", folder);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int code = jd_synth_generate(&params, path, false, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(code, JD_E_IO);
    assert_non_null(strstr(err.text, "cannot be written"));
    assert_int_equal(count_files(), 0);
    assert_int_equal(jd_synth_generate(&params, path, false, NULL), JD_OK);
    assert_int_equal(count_files(), 4);
}

/* Compile with clang, run, compare with what was computed. */
static void check_natively(const struct jd_synth_params *params, bool is_text)
{
    char output[2 * PATH_BYTES], command[8 * PATH_BYTES], printed[256] = "";
    char expected[JD_SYNTH_OUTPUT_BYTES];
    snprintf(output, sizeof output, "%s/p%s", folder, is_text ? ".ll" : ".bc");
    assert_int_equal(jd_synth_expected(params, expected, NULL), JD_OK);
    assert_int_equal(jd_synth_generate(params, output, is_text, NULL), JD_OK);
    snprintf(command, sizeof command, "cd '%s' && %s -w -O0 p.* -o program && ./program && rm p.*",
             folder, JD_CLANG);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(printed, 1, sizeof printed - 1, pipe);
    printed[got] = '\0';
    assert_int_equal(pclose(pipe), 0);
    assert_string_equal(printed, expected);
}

static void native_programs_print_what_was_computed(void **state)
{
    (void)state;
    if (access(JD_CLANG, X_OK))
        skip();
    for (int shape = 0; shape < JD_SYNTH_SHAPE_COUNT; shape++) {
        struct jd_synth_params params = shaped((enum jd_synth_shape)shape, 60, 40, 1);
        params.seed = 77;
        params.repeat = 3;
        check_natively(&params, shape == JD_SYNTH_TREE);
        params.modules = 3;
        check_natively(&params, shape == JD_SYNTH_FAN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_hold_what_shapes_promise),
        cmocka_unit_test(executed_are_spread),
        cmocka_unit_test(every_parameter_changes_the_answer),
        cmocka_unit_test(bad_parameters_are_refused),
        cmocka_unit_test(fractions_become_counts),
        cmocka_unit_test_setup_teardown(same_parameters_give_same_bytes, set_up, tear_down),
        cmocka_unit_test(unwritable_output_is_told),
        cmocka_unit_test_setup_teardown(failed_write_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(native_programs_print_what_was_computed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
