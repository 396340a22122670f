/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue: the tree's own descriptors hold what the format promises, and a bad line in any
 * kind of file is refused with its place. Knows no engine.
 */
#include "jitduel/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 512 };

/* ---- the tree's own ---- */

static struct jd_catalogue *open_tree(void)
{
    struct jd_catalogue *catalogue = NULL;
    struct jd_error err = JD_ERROR_INIT;
    char line[sizeof err.where + sizeof err.text];
    if (jd_catalogue_open(JD_SOURCE_DIR "/workloads", JD_BITCODE_DIR, &catalogue, &err))
        fail_msg("%s", jd_error_line(&err, line, sizeof line));
    return catalogue;
}

static void tree_is_read_and_sorted(void **state)
{
    struct jd_catalogue *catalogue = open_tree();
    size_t count, kernels = 0;
    const struct jd_workload *const *all = jd_catalogue_all(catalogue, &count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct jd_workload *w = all[i];
        kernels += !strcmp(w->group, "kernel");
        assert_non_null(w->summary);
        assert_true(w->file_count > 0);
        assert_int_equal(w->files[0][0], '/');
        assert_ptr_equal(jd_catalogue_find(catalogue, w->name), w);
        assert_int_equal(strncmp(w->name, w->group, strlen(w->group)), 0);
        if (i)
            assert_true(strcmp(all[i - 1]->name, w->name) < 0);
    }
    assert_true(kernels >= 12);
    assert_null(jd_catalogue_find(catalogue, "kernel/none"));
    jd_catalogue_close(catalogue);
}

/* A kernel's main prints what its warm entry answers, so the native run vouches for both. */
static void warm_values_are_in_the_output(void **state)
{
    struct jd_catalogue *catalogue = open_tree();
    size_t count, warm = 0;
    const struct jd_workload *const *all = jd_catalogue_all(catalogue, &count);
    char line[96];
    (void)state;
    for (size_t i = 0; i < count; i++) {
        if (!all[i]->warm_entry)
            continue;
        snprintf(line, sizeof line, "step(%lld) = %lld\n", (long long)all[i]->warm_argument,
                 (long long)all[i]->warm_expected);
        if (!strstr(all[i]->expected_output, line))
            fail_msg("%s: the expected output lacks '%s'", all[i]->name, line);
        warm++;
    }
    assert_true(warm >= 10);
    jd_catalogue_close(catalogue);
}

static void suites_hold_together(void **state)
{
    struct jd_catalogue *catalogue = open_tree();
    size_t count;
    const struct jd_suite *suites = jd_catalogue_suites(catalogue, &count);
    (void)state;
    assert_true(count >= 2);
    assert_non_null(jd_catalogue_suite(catalogue, "quick"));
    assert_non_null(jd_catalogue_suite(catalogue, "default"));
    assert_null(jd_catalogue_suite(catalogue, "none"));
    for (size_t i = 0; i < count; i++) {
        assert_non_null(suites[i].summary);
        assert_true(suites[i].processes > 0 && suites[i].opt_levels);
        for (size_t k = 0; k < suites[i].line_count; k++) {
            assert_non_null(suites[i].lines[k].workload);
            assert_true(strlen(suites[i].lines[k].why) > 0);
        }
    }
    jd_catalogue_close(catalogue);
}

/* ---- crafted trees ---- */

static char base[PATH_BYTES];

static void make_folder(const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", base, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void write_file(const char *name, const char *text)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", base, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define GOOD "# a comment\nname = kernel/a\n\nsummary = s\nfiles = a.bc\nexpected = out.txt\n"

/* source/kernels/a, source/synth, source/suites and bitcode/kernels/a, without descriptors. */
static int set_up(void **state)
{
    static const char *const folders[] = {"source",          "source/kernels",   "source/kernels/a",
                                          "source/synth",    "source/suites",    "bitcode",
                                          "bitcode/kernels", "bitcode/kernels/a"};
    (void)state;
    snprintf(base, sizeof base, "%s/catalogue-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(base));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make_folder(folders[i]);
    write_file("source/kernels/a/out.txt", "hello\n");
    write_file("bitcode/kernels/a/a.bc", "abc");
    return 0;
}

static int tear_down(void **state)
{
    char command[2 * PATH_BYTES];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    return system(command);
}

static int open_crafted(struct jd_catalogue **catalogue, struct jd_error *err)
{
    char source[2 * PATH_BYTES], bitcode[2 * PATH_BYTES];
    snprintf(source, sizeof source, "%s/source", base);
    snprintf(bitcode, sizeof bitcode, "%s/bitcode", base);
    return jd_catalogue_open(source, bitcode, catalogue, err);
}

static void descriptor_is_read(void **state)
{
    struct jd_catalogue *catalogue;
    struct jd_error err = JD_ERROR_INIT;
    char path[2 * PATH_BYTES];
    (void)state;
    write_file("source/kernels/a/a.workload",
               GOOD "arg = one two\narg_file = out.txt\ninput = out.txt\nexit_code = 7\n"
                    "warm_entry = f\nwarm_argument = -3\nwarm_expected = 9\ntimeout_s = 1.5\n");
    assert_int_equal(open_crafted(&catalogue, &err), JD_OK);
    const struct jd_workload *w = jd_catalogue_find(catalogue, "kernel/a");
    assert_non_null(w);
    assert_string_equal(w->group, "kernel");
    assert_int_equal(w->arg_count, 2);
    assert_string_equal(w->args[0], "one two");
    snprintf(path, sizeof path, "%s/source/kernels/a/out.txt", base);
    assert_string_equal(w->args[1], path);
    assert_string_equal(w->input_file, path);
    assert_string_equal(w->expected_output, "hello\n");
    assert_int_equal(w->expected_output_bytes, 6);
    assert_int_equal(w->expected_exit_code, 7);
    assert_int_equal(w->warm_argument, -3);
    assert_int_equal(w->warm_expected, 9);
    assert_true(w->timeout_s > 1.4 && w->timeout_s < 1.6);
    assert_null(w->unavailable);
    /* FIPS 180-4's own example: SHA-256 of "abc". */
    assert_string_equal(w->hash,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    jd_catalogue_close(catalogue);
}

static void missing_bitcode_has_a_reason(void **state)
{
    struct jd_catalogue *catalogue;
    (void)state;
    write_file("source/kernels/a/a.workload",
               "name = kernel/a\nsummary = s\nfiles = b.bc\nexpected = out.txt\n");
    assert_int_equal(open_crafted(&catalogue, NULL), JD_OK);
    const struct jd_workload *w = jd_catalogue_find(catalogue, "kernel/a");
    assert_non_null(strstr(w->unavailable, "b.bc is missing"));
    assert_string_equal(w->hash, "");
    struct jd_error err = JD_ERROR_INIT;
    assert_int_equal(jd_workload_materialise(w, "/bin/false", &err), JD_E_NOT_FOUND);
    jd_catalogue_close(catalogue);

    write_file("bitcode/kernels/a/UNAVAILABLE", "the compiler is on holiday\n");
    assert_int_equal(open_crafted(&catalogue, NULL), JD_OK);
    w = jd_catalogue_find(catalogue, "kernel/a");
    assert_string_equal(w->unavailable, "the compiler is on holiday");
    jd_catalogue_close(catalogue);
}

/* A whole room without its compiler: the reason stands one folder up. */
static void reason_of_the_room_counts(void **state)
{
    struct jd_catalogue *catalogue;
    (void)state;
    write_file("source/kernels/a/a.workload",
               "name = kernel/a\nsummary = s\nfiles = b.bc\nexpected = out.txt\n");
    write_file("bitcode/kernels/UNAVAILABLE", "no compiler at all\n");
    assert_int_equal(open_crafted(&catalogue, NULL), JD_OK);
    assert_string_equal(jd_catalogue_find(catalogue, "kernel/a")->unavailable,
                        "no compiler at all");
    jd_catalogue_close(catalogue);
}

static void generator_failure_is_told(void **state)
{
    struct jd_catalogue *catalogue;
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    write_file("source/synth/a.synth", "synth/a functions=10 executed=0.5 modules=2 : ten\n");
    assert_int_equal(open_crafted(&catalogue, &err), JD_OK);
    const struct jd_workload *w = jd_catalogue_find(catalogue, "synth/a");
    assert_int_equal(w->file_count, 2);
    assert_int_equal(w->function_count, 10);
    assert_int_equal(w->executed_count, 5);
    assert_int_equal(jd_workload_materialise(w, "/bin/false", &err), JD_E_IO);
    jd_error_clear(&err);
    assert_int_equal(jd_workload_materialise(w, "/nowhere/jitduel", &err), JD_E_IO);
    assert_string_equal(err.where, "/nowhere/jitduel");
    jd_catalogue_close(catalogue);
}

static const struct bad {
    const char *file, *text, *place, *message;
} bad[] = {
    {"source/kernels/a/a.workload", "name kernel/a\n", "a.workload:1", "key = value"},
    {"source/kernels/a/a.workload", "name = nogroup\n", "a.workload:1", "not a name"},
    {"source/kernels/a/a.workload", "\n# c\ncolour = red\n", "a.workload:3", "'colour'"},
    {"source/kernels/a/a.workload", "name = kernel/a\nexit_code = 256\n", "a.workload:2",
     "exit_code"},
    {"source/kernels/a/a.workload", "name = kernel/a\nexit_code = -1\n", "a.workload:2",
     "exit_code"},
    {"source/kernels/a/a.workload", "name = kernel/a\ntimeout_s = soon\n", "a.workload:2",
     "timeout_s"},
    {"source/kernels/a/a.workload", GOOD "warm_entry = f\nwarm_argument = 1\n", "a.workload:8",
     "`warm_expected` is missing"},
    {"source/kernels/a/a.workload", GOOD "warm_argument = 1\n", "a.workload:7",
     "`warm_entry` is missing"},
    {"source/kernels/a/a.workload", GOOD "warm_argument = 99999999999999999999\n", "a.workload:7",
     "not a whole number"},
    {"source/kernels/a/a.workload", "name = kernel/a\nsummary = s\nexpected = out.txt\n",
     "a.workload:3", "`files` is missing"},
    {"source/synth/a.synth", "synth/a functions=3\n", "a.synth:1", "summary"},
    {"source/synth/a.synth", "synth/a functions=0 : none\n", "a.synth:1", "--functions"},
    {"source/synth/a.synth", "synth/a functions=9 executed=1.5 : much\n", "a.synth:1", "at most 1"},
    {"source/synth/a.synth", "# c\nsynth/a shape=knot : odd\n", "a.synth:2", "knot"},
    {"source/synth/a.synth", "synth/a colour=red : odd\n", "a.synth:1", "'colour'"},
    {"source/synth/a.synth", "synth/a : one\nsynth/a : two\n", "a.synth:2", "another workload"},
    {"source/suites/a.suite", "summary = s\nkernel/b cold : why\n", "a.suite:2", "no workload"},
    {"source/suites/a.suite", "summary = s\nkernel/a cold\n", "a.suite:2", "why"},
    {"source/suites/a.suite", "summary = s\nkernel/a : why\n", "a.suite:2", "neither"},
    {"source/suites/a.suite", "summary = s\nkernel/a warm : why\n", "a.suite:2", "no warm entry"},
    {"source/suites/a.suite", "summary = s\nkernel/a cold levels=O4 : why\n", "a.suite:2", "O4"},
    {"source/suites/a.suite", "summary = s\nkernel/a cold levels=O0, : why\n", "a.suite:2",
     "levels"},
    {"source/suites/a.suite", "summary = s\nlevels = fast\n", "a.suite:2", "fast"},
    {"source/suites/a.suite", "kernel/a cold : why\n", "a.suite:1", "`summary` is missing"},
    {"source/suites/a.suite", "summary = s\n", "a.suite:1", "empty"},
};

static void bad_lines_are_refused_with_their_place(void **state)
{
    struct jd_catalogue *catalogue;
    char path[2 * PATH_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct jd_error err = JD_ERROR_INIT;
        write_file("source/kernels/a/a.workload", GOOD);
        write_file(bad[i].file, bad[i].text);
        int code = open_crafted(&catalogue, &err);
        if (code != JD_E_BAD_FILE || catalogue || !strstr(err.where, bad[i].place) ||
            !strstr(err.text, bad[i].message) || err.kind != JD_KIND_INPUT)
            fail_msg("case %zu: code %d, '%s': '%s'", i, code, err.where, err.text);
        snprintf(path, sizeof path, "%s/%s", base, bad[i].file);
        assert_int_equal(unlink(path), 0);
    }
}

static void missing_files_are_told(void **state)
{
    struct jd_catalogue *catalogue;
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    assert_int_equal(jd_catalogue_open("/nowhere", "/tmp", &catalogue, &err), JD_E_IO);
    assert_null(catalogue);
    assert_string_equal(err.where, "/nowhere");
    jd_error_clear(&err);
    write_file("source/kernels/a/a.workload",
               "name = kernel/a\nsummary = s\nfiles = a.bc\nexpected = none.txt\n");
    assert_int_equal(open_crafted(&catalogue, &err), JD_E_IO);
    assert_non_null(strstr(err.where, "none.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_is_read_and_sorted),
        cmocka_unit_test(warm_values_are_in_the_output),
        cmocka_unit_test(suites_hold_together),
        cmocka_unit_test_setup_teardown(descriptor_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_bitcode_has_a_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reason_of_the_room_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(generator_failure_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_lines_are_refused_with_their_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_files_are_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
