/* SPDX-License-Identifier: Apache-2.0
 *
 * The mcjit engine's object cache: what is taken from it runs as what was compiled, and an entry
 * that is damaged in any way is compiled again.
 */
#include "mcjit_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

/* The entries' paths; returns how many there are. */
static size_t list(char paths[][512], size_t most)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.' && count < most)
            snprintf(paths[count++], 512, "%s/%s", folder, entry->d_name);
    closedir(directory);
    return count;
}

static void empty_folder(void)
{
    char paths[32][512];
    for (size_t count = list(paths, 32); count > 0;)
        unlink(paths[--count]);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/jd-cache-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    empty_folder();
    return rmdir(folder);
}

static void open_cached(struct fixture *f, unsigned level)
{
    const struct jd_engine_options options = {
        .struct_size = sizeof options, .opt_level = level, .object_cache = folder};
    fixture_open(f, &options);
}

static const char program[] =
    "@counter = internal global i32 40\n"
    "@table = constant [2 x ptr] [ptr @one, ptr @hidden]\n"
    "@llvm.global_ctors = appending global [1 x {i32, ptr, ptr}] "
    "[{i32, ptr, ptr} {i32 300, ptr @start, ptr null}]\n"
    "@per_thread = thread_local global i32 7\n"
    "declare i32 @abs(i32)\n"
    "declare ptr @llvm.threadlocal.address.p0(ptr)\n"
    "define internal void @start() {\n  store i32 50, ptr @counter\n  ret void\n}\n"
    "define internal i32 @hidden() {\n  ret i32 3\n}\n"
    "define i32 @one() {\n  %r = call i32 @abs(i32 -1)\n  ret i32 %r\n}\n"
    "define i32 @run() {\n  %c = load i32, ptr @counter\n"
    "  %p = getelementptr ptr, ptr @table, i64 1\n  %f = load ptr, ptr %p\n"
    "  %h = call i32 %f()\n  %o = call i32 @one()\n"
    "  %t = call ptr @llvm.threadlocal.address.p0(ptr @per_thread)\n"
    "  %l = load i32, ptr %t\n"
    "  %a = add i32 %c, %h\n  %b = add i32 %a, %o\n  %r = add i32 %b, %l\n  ret i32 %r\n}\n";
enum { PROGRAM_RESULT = 50 + 3 + 1 + 7 };

/* Modules that were compiled, not taken from the cache. */
static uint64_t run_program(unsigned level)
{
    struct fixture f;
    open_cached(&f, level);
    fixture_add(&f, "program.ll", program);
    expect_ok(jd_mcjit_ops.run_constructors(f.engine, &f.err), &f.err);
    assert_int_equal(fixture_call(&f, "run"), PROGRAM_RESULT);
    struct jd_counters counters = fixture_counters(&f);
    assert_int_equal(counters.modules_added, 1);
    assert_int_equal(counters.functions_defined, 4);
    assert_int_equal(counters.functions_compiled, counters.modules_compiled ? 4 : 0);
    fixture_close(&f);
    return counters.modules_compiled;
}

static void test_second_time_nothing_is_compiled(void **state)
{
    char paths[32][512];
    (void)state;
    assert_int_equal(run_program(0), 1);
    assert_int_equal(list(paths, 32), 1);
    assert_int_equal(run_program(0), 0);
    assert_int_equal(run_program(2), 1); /* other code */
    assert_int_equal(list(paths, 32), 2);
    assert_int_equal(run_program(2), 0);
    assert_int_equal(run_program(0), 0);
}

static void damage(const char *path, long at, int value)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, at, SEEK_SET);
    int old = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(value < 0 ? old ^ 0x10 : value, file);
    fclose(file);
}

static void test_damage_is_found(void **state)
{
    char paths[32][512];
    struct stat status;
    (void)state;
    assert_int_equal(run_program(1), 1);
    assert_int_equal(list(paths, 32), 1);
    stat(paths[0], &status);
    for (long at = 0; at < status.st_size; at += at < 90 ? 5 : 97) {
        damage(paths[0], at, -1);
        assert_int_equal(run_program(1), 1);
        assert_int_equal(run_program(1), 0); /* mended */
    }
    for (long size = 0; size < status.st_size; size += 1 + size / 3) {
        assert_int_equal(truncate(paths[0], size), 0);
        assert_int_equal(run_program(1), 1);
    }
    FILE *file = fopen(paths[0], "ab");
    fputs("more", file);
    fclose(file);
    assert_int_equal(run_program(1), 1);
    assert_int_equal(run_program(1), 0);
    assert_int_equal(list(paths, 32), 1); /* and nothing else is left */
}

/* An entry under another's name is not taken. */
static void test_entry_of_another_module(void **state)
{
    char paths[32][512], first[512];
    (void)state;
    run_program(0);
    assert_int_equal(list(paths, 32), 1);
    strcpy(first, paths[0]);
    run_program(3);
    assert_int_equal(list(paths, 32), 2);
    const char *second = strcmp(paths[0], first) ? paths[0] : paths[1];
    assert_int_equal(rename(first, second), 0);
    assert_int_equal(run_program(3), 1);
    assert_int_equal(run_program(3), 0);
}

/* Linkage is decided anew each time: an object is not made for one program. */
static void test_linkage_of_cached_modules(void **state)
{
    static const char weak[] = "define weak i32 @f() {\n  ret i32 1\n}\n"
                               "@v = common global i32 0\n"
                               "define internal i32 @local() {\n  ret i32 10\n}\n"
                               "define i32 @a() {\n  %x = call i32 @f()\n"
                               "  %l = call i32 @local()\n  %r = add i32 %x, %l\n"
                               "  ret i32 %r\n}\n"
                               "define ptr @f_of_a() {\n  ret ptr @f\n}\n";
    static const char strong[] = "define i32 @f() {\n  ret i32 2\n}\n"
                                 "@v = global i32 5\n"
                                 "define internal i32 @local() {\n  ret i32 20\n}\n"
                                 "define i32 @b() {\n  %l = call i32 @local()\n"
                                 "  %v = load i32, ptr @v\n  %r = add i32 %l, %v\n"
                                 "  ret i32 %r\n}\n"
                                 "define ptr @f_of_b() {\n  ret ptr @f\n}\n";
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct fixture f;
        open_cached(&f, 0);
        fixture_add(&f, "weak.ll", weak);
        assert_int_equal(fixture_call(&f, "a"), 11);
        fixture_close(&f);
        open_cached(&f, 0);
        fixture_add(&f, "weak.ll", weak);
        fixture_add(&f, "strong.ll", strong);
        assert_int_equal(fixture_call(&f, "a"), 12);
        assert_int_equal(fixture_call(&f, "b"), 25);
        assert_ptr_equal(((void *(*)(void))fixture_lookup(&f, "f_of_a"))(),
                         ((void *(*)(void))fixture_lookup(&f, "f_of_b"))());
        assert_int_equal(fixture_try_add(&f, "again.ll", strong), JD_E_DUPLICATE);
        jd_error_clear(&f.err);
        assert_int_equal(fixture_counters(&f).modules_compiled, round ? 0 : 1);
        fixture_close(&f);
    }
}

/* What objects cannot be linked here takes the usual way, each time. */
static void test_ifuncs_take_the_usual_way(void **state)
{
    static const char ir[] = "@f = ifunc i32 (), ptr @choose\n"
                             "define internal i32 @chosen() {\n  ret i32 6\n}\n"
                             "define internal ptr @choose() {\n  ret ptr @chosen\n}\n"
                             "define i32 @g() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n";
    char paths[32][512];
    (void)state;
#if defined(__aarch64__)
    skip(); /* LLVM 19's RuntimeDyld links no ifuncs there */
#endif
    for (int round = 0; round < 2; round++) {
        struct fixture f;
        open_cached(&f, 0);
        fixture_add(&f, "ifunc.ll", ir);
        assert_int_equal(fixture_call(&f, "g"), 6);
        assert_int_equal(fixture_counters(&f).modules_compiled, 1);
        fixture_close(&f);
    }
    assert_int_equal(list(paths, 32), 0);
}

/* Data of several modules in one section, which is walked from end to end. */
static void test_shared_sections_take_the_usual_way(void **state)
{
    static const char walker[] =
        "@__start_items = external global i32\n@__stop_items = external global i32\n"
        "@own = global i32 1, section \"items\"\n"
        "define i32 @count() {\n  %a = ptrtoint ptr @__start_items to i64\n"
        "  %b = ptrtoint ptr @__stop_items to i64\n  %n = sub i64 %b, %a\n"
        "  %r = trunc i64 %n to i32\n  ret i32 %r\n}\n";
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct fixture f;
        open_cached(&f, 0);
        fixture_add(&f, "walker.ll", walker);
        fixture_add(&f, "other.ll", "@other = global i32 2, section \"items\"\n");
        assert_int_equal(fixture_call(&f, "count"), 2 * sizeof(int32_t));
        fixture_close(&f);
    }
}

static void test_errors(void **state)
{
    struct jd_engine_options options = {.struct_size = sizeof options, .object_cache = folder};
    struct fixture f = {0};
    char path[128], paths[32][512];
    (void)state;
    open_cached(&f, 0);
    assert_int_equal(fixture_try_add(&f, "broken.ll", "define i32"), JD_E_BAD_IR);
    jd_error_clear(&f.err);
    expect_error(fixture_try_add(&f, "bad.ll",
                                 "define void @g() {\n  call void asm sideeffect "
                                 "\"no such instruction\", \"\"()\n  ret void\n}\n"),
                 JD_E_COMPILE, "bad.ll: ", &f.err);
    fixture_add(&f, "program.ll", program);
    expect_ok(jd_mcjit_ops.run_constructors(f.engine, &f.err), &f.err);
    assert_int_equal(fixture_call(&f, "run"), PROGRAM_RESULT);
    fixture_close(&f);
    assert_int_equal(list(paths, 32), 1);

    options.granularity = JD_GRAN_MODULE;
    expect_error(jd_mcjit_ops.create(&options, &f.engine, &f.err), JD_E_UNSUPPORTED, "object_cache",
                 &f.err);
    options.granularity = JD_GRAN_DEFAULT;
    options.object_cache = paths[0];
    expect_error(jd_mcjit_ops.create(&options, &f.engine, &f.err), JD_E_IO, "is not a folder",
                 &f.err);
    options.object_cache = "/nonexistent/folder";
    expect_error(jd_mcjit_ops.create(&options, &f.engine, &f.err), JD_E_IO,
                 "/nonexistent/folder: cannot be made", &f.err);
    snprintf(path, sizeof path, "%s/.made", folder);
    options.object_cache = path;
    expect_ok(jd_mcjit_ops.create(&options, &f.engine, &f.err), &f.err);
    fixture_close(&f);
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_second_time_nothing_is_compiled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_entry_of_another_module, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_linkage_of_cached_modules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ifuncs_take_the_usual_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_sections_take_the_usual_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
