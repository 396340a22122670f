/* SPDX-License-Identifier: Apache-2.0
 *
 * Journals: what a kill, a full disk, another plan and a second run leave behind.
 */
#include "expect.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

static char folder[32], path[64];
static size_t pwrites_left; /* before the disk is full; SIZE_MAX: never */
static bool is_half_written;

ssize_t __real_pwrite(int fd, const void *bytes, size_t count, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t count, off_t at);

/* A full disk takes half of the line, then nothing. */
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    if (pwrites_left == SIZE_MAX)
        return __real_pwrite(fd, bytes, count, at);
    if (pwrites_left-- > 0)
        return __real_pwrite(fd, bytes, count, at);
    pwrites_left = 0;
    if (!is_half_written) {
        is_half_written = true;
        return __real_pwrite(fd, bytes, count / 2, at);
    }
    errno = ENOSPC;
    return -1;
}

static unsigned getlines_left = UINT_MAX; /* before there is no memory */
ssize_t __real_getline(char **line, size_t *size, FILE *in);
ssize_t __wrap_getline(char **line, size_t *size, FILE *in);
ssize_t __real___getdelim(char **line, size_t *size, int end, FILE *in);
ssize_t __wrap___getdelim(char **line, size_t *size, int end, FILE *in);

static bool has_memory_to_read(void)
{
    if (!getlines_left)
        errno = ENOMEM;
    return getlines_left && getlines_left--;
}

ssize_t __wrap_getline(char **line, size_t *size, FILE *in)
{
    return has_memory_to_read() ? __real_getline(line, size, in) : -1;
}

/* What glibc's header makes of getline in optimised builds. */
ssize_t __wrap___getdelim(char **line, size_t *size, int end, FILE *in)
{
    return has_memory_to_read() ? __real___getdelim(line, size, end, in) : -1;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/jd-journal-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/journal", folder);
    pwrites_left = SIZE_MAX;
    is_half_written = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

struct seen {
    size_t count, last_position;
};

static int see(void *context, const struct jd_sample *sample, struct jd_error *err)
{
    struct seen *seen = context;
    (void)err;
    seen->count++;
    seen->last_position = sample->position;
    return JD_OK;
}

static int open_for(const char *plan, bool can_resume, struct seen *seen, struct jd_journal **out,
                    struct jd_error *err)
{
    json_t *identity = json_pack("{s:s, s:s}", "plan", plan, "machine", "m");
    int rc = jd_journal_open(path, identity, can_resume, see, seen, out, err);
    json_decref(identity);
    return rc;
}

static void append(struct jd_journal *journal, size_t position)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_sample sample;
    jd_sample_init(&sample);
    sample.kind = JD_SAMPLE_OK;
    sample.position = position;
    expect_ok(jd_journal_append(journal, &sample, &err), &err);
}

/* A run that was killed after `count` samples. */
static void leave_journal(size_t count)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    struct seen seen = {0};
    expect_ok(open_for("p", false, &seen, &journal, &err), &err);
    for (size_t i = 0; i < count; i++)
        append(journal, i);
    jd_journal_close(journal, false);
}

static void expect_resumed(size_t count)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    struct seen seen = {0};
    expect_ok(open_for("p", true, &seen, &journal, &err), &err);
    assert_int_equal(seen.count, count);
    assert_int_equal(jd_journal_replayed_count(journal), count);
    if (count)
        assert_int_equal(seen.last_position, count - 1);
    jd_journal_close(journal, false);
}

/* What could not be read for want of memory is there the next time. */
static void test_no_memory_to_read(void **state)
{
    (void)state;
    leave_journal(3);
    for (unsigned lines = 0; lines <= 3; lines++) {
        struct jd_error err = JD_ERROR_INIT;
        struct jd_journal *journal;
        struct seen seen = {0};
        getlines_left = lines;
        int code = open_for("p", true, &seen, &journal, &err);
        getlines_left = UINT_MAX;
        expect_error(code, JD_E_NO_MEMORY, path, &err);
        assert_null(journal);
    }
    expect_resumed(3);
}

static void test_resume(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    struct seen seen = {0};
    (void)state;
    leave_journal(3);
    expect_ok(open_for("p", true, &seen, &journal, &err), &err);
    append(journal, 3);
    jd_journal_close(journal, false);
    expect_resumed(4);
}

static void test_resume_of_nothing_is_a_start(void **state)
{
    (void)state;
    expect_resumed(0);
    expect_resumed(0);
}

/* Cut anywhere: whole lines count, the torn one does not, and the run goes on behind them. */
static void test_torn_at_every_byte(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct stat one, two;
    (void)state;
    leave_journal(1);
    assert_int_equal(stat(path, &one), 0);
    unlink(path);
    leave_journal(2);
    assert_int_equal(stat(path, &two), 0);
    for (off_t size = two.st_size - 1; size > one.st_size; size -= 7) {
        struct jd_journal *journal;
        struct seen seen = {0};
        assert_int_equal(truncate(path, size), 0);
        expect_ok(open_for("p", true, &seen, &journal, &err), &err);
        assert_int_equal(seen.count, 1);
        append(journal, 1);
        jd_journal_close(journal, false);
        expect_resumed(2);
    }
}

static void test_torn_first_line_is_a_start(void **state)
{
    (void)state;
    leave_journal(0);
    assert_int_equal(truncate(path, 5), 0);
    expect_resumed(0);
}

static void test_existing_needs_resume(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    struct seen seen = {0};
    (void)state;
    leave_journal(2);
    expect_error(open_for("p", false, &seen, &journal, &err), JD_E_STATE, "--resume", &err);
    assert_null(journal);
    expect_resumed(2); /* and was left alone */
}

static void test_another_plan(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    struct seen seen = {0};
    (void)state;
    leave_journal(2);
    expect_error(open_for("q", true, &seen, &journal, &err), JD_E_USAGE, "plan differs", &err);
    assert_int_equal(seen.count, 0);
    expect_resumed(2);
}

static void test_damage_is_not_repaired(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    struct seen seen = {0};
    (void)state;
    leave_journal(2);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs("not json\n", file);
    fclose(file);
    expect_error(open_for("p", true, &seen, &journal, &err), JD_E_BAD_FILE, "line 4", &err);
}

static void test_one_run_at_a_time(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *first, *second;
    struct seen seen = {0};
    (void)state;
    expect_ok(open_for("p", false, &seen, &first, &err), &err);
    expect_error(open_for("p", true, &seen, &second, &err), JD_E_STATE, "another run", &err);
    jd_journal_close(first, true);
    assert_int_equal(access(path, F_OK), -1); /* done: removed */
}

static void test_full_disk(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    struct jd_sample sample;
    struct seen seen = {0};
    (void)state;
    expect_ok(open_for("p", false, &seen, &journal, &err), &err);
    append(journal, 0);
    pwrites_left = 0;
    jd_sample_init(&sample);
    expect_error(jd_journal_append(journal, &sample, &err), JD_E_IO, "No space left", &err);
    pwrites_left = SIZE_MAX;
    append(journal, 1); /* there is room again: no torn line in between */
    jd_journal_close(journal, false);
    expect_resumed(2);
}

static void test_no_folder(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    struct seen seen = {0};
    (void)state;
    snprintf(path, sizeof path, "/nonexistent/journal");
    expect_error(open_for("p", false, &seen, &journal, &err), JD_E_IO, "/nonexistent/journal",
                 &err);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(test_resume),
        WITH_FILE(test_no_memory_to_read),
        WITH_FILE(test_resume_of_nothing_is_a_start),
        WITH_FILE(test_torn_at_every_byte),
        WITH_FILE(test_torn_first_line_is_a_start),
        WITH_FILE(test_existing_needs_resume),
        WITH_FILE(test_another_plan),
        WITH_FILE(test_damage_is_not_repaired),
        WITH_FILE(test_one_run_at_a_time),
        WITH_FILE(test_full_disk),
        WITH_FILE(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
