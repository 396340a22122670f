/* SPDX-License-Identifier: Apache-2.0
 *
 * A JSON file is there whole or not at all, also when each of the calls behind it fails in turn.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "expect.h"
#include "json_file.h"

static struct jd_error err;
static char folder[] = "/tmp/jitduel-json-file-XXXXXX";
static char path[128];

enum fault { NO_FAULT, WRITE_FAULT, SHORT_WRITES, FSYNC_FAULT, RENAME_FAULT };
static enum fault fault;

ssize_t __real_write(int fd, const void *bytes, size_t count);
ssize_t __wrap_write(int fd, const void *bytes, size_t count);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

static int fail_with(int number)
{
    errno = number;
    return -1;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t count)
{
    static unsigned calls;
    if (fault == WRITE_FAULT)
        return fail_with(ENOSPC);
    if (fault == SHORT_WRITES)
        return calls++ % 2 ? fail_with(EINTR) : __real_write(fd, bytes, count > 3 ? 3 : count);
    return __real_write(fd, bytes, count);
}

int __wrap_fsync(int fd)
{
    return fault == FSYNC_FAULT ? fail_with(EIO) : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    return fault == RENAME_FAULT ? fail_with(EXDEV) : __real_rename(from, to);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/out.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int file_count(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void put_old(void)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("old", file) >= 0);
    fclose(file);
}

static void expect_content(const char *wanted)
{
    char text[256] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, wanted);
}

static int write_value(void)
{
    json_t *value = json_pack("{s:i, s:f}", "b", 1, "a", 0.1);
    int code = jd_json_file_write(path, value, &err);
    json_decref(value);
    return code;
}

static const char written[] = "{\n  \"b\": 1,\n  \"a\": 0.10000000000000001\n}\n";

static void new_file(void **state)
{
    struct stat status;
    mode_t mask = umask(022);
    (void)state;
    expect_ok(write_value(), &err);
    umask(mask);
    expect_content(written);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    assert_int_equal(file_count(), 1);
    unlink(path);
}

static void interrupted_writes(void **state)
{
    (void)state;
    fault = SHORT_WRITES;
    int code = write_value();
    fault = NO_FAULT;
    expect_ok(code, &err);
    expect_content(written);
    unlink(path);
}

static void old_file_survives_failures(void **state)
{
    static const struct {
        enum fault fault;
        const char *text;
    } cases[] = {{WRITE_FAULT, "No space left on device"},
                 {FSYNC_FAULT, "Input/output error"},
                 {RENAME_FAULT, "cannot be replaced"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_old();
        fault = cases[i].fault;
        int code = write_value();
        fault = NO_FAULT;
        expect_error(code, JD_E_IO, cases[i].text, &err);
        expect_content("old");
        assert_int_equal(file_count(), 1);
    }
    unlink(path);
}

static void no_half_file_after_failure(void **state)
{
    (void)state;
    fault = WRITE_FAULT;
    int code = write_value();
    fault = NO_FAULT;
    expect_error(code, JD_E_IO, path, &err);
    assert_int_equal(file_count(), 0);
}

static void devices_are_written_to(void **state)
{
    json_t *value = json_integer(1);
    (void)state;
    expect_ok(jd_json_file_write("/dev/null", value, &err), &err);
    expect_error(jd_json_file_write("/dev/full", value, &err), JD_E_IO,
                 "/dev/full: cannot be written: No space left", &err);
    json_decref(value);
    struct stat status;
    assert_int_equal(stat("/dev/full", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
}

/* The last test: from here on no JSON of this process is trusted. */
static void no_file_after_short_memory(void **state)
{
    json_malloc_t allocate;
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer ends the process instead */
#endif
    expect_ok(write_value(), &err);
    unlink(path);
    json_get_alloc_funcs(&allocate, NULL);
    assert_null(allocate(SIZE_MAX / 4));
    expect_error(write_value(), JD_E_NO_MEMORY, path, &err);
    assert_int_equal(file_count(), 0);
}

static void check_tells_early(void **state)
{
    char *absolute, here[4096], wanted[4200];
    (void)state;
    expect_error(jd_json_file_check("/nonexistent/x.json", &absolute, &err), JD_E_IO,
                 "/nonexistent/x.json: cannot be written", &err);
    assert_null(absolute);
    expect_error(jd_json_file_check(folder, &absolute, &err), JD_E_IO, "Is a directory", &err);
    expect_error(jd_json_file_check("", &absolute, &err), JD_E_IO, "empty", &err);
    expect_ok(jd_json_file_check("/dev/null", &absolute, &err), &err);
    free(absolute);
    expect_ok(jd_json_file_check("x.json", &absolute, &err), &err);
    assert_non_null(getcwd(here, sizeof here));
    snprintf(wanted, sizeof wanted, "%s/x.json", here);
    assert_string_equal(absolute, wanted);
    assert_int_equal(access("x.json", F_OK), -1);
    free(absolute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_file),
        cmocka_unit_test(interrupted_writes),
        cmocka_unit_test(old_file_survives_failures),
        cmocka_unit_test(no_half_file_after_failure),
        cmocka_unit_test(devices_are_written_to),
        cmocka_unit_test(check_tells_early),
        cmocka_unit_test(no_file_after_short_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
