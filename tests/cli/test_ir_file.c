/* SPDX-License-Identifier: Apache-2.0
 *
 * IR files as bytes: files, pipes, and what is not there.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "ir_file.h"

static struct jd_error err;
static char path[] = "/tmp/jitduel-ir-file-XXXXXX";

/* Wrapped, so that a pipe can meet the end of memory. */
static bool mremap_fails;
void *__real_mremap(void *old, size_t old_bytes, size_t new_bytes, int flags);
void *__wrap_mremap(void *old, size_t old_bytes, size_t new_bytes, int flags);

void *__wrap_mremap(void *old, size_t old_bytes, size_t new_bytes, int flags)
{
    return mremap_fails ? MAP_FAILED : __real_mremap(old, old_bytes, new_bytes, flags);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd >= 0 && write(fd, "some bytes", 10) == 10 && close(fd) == 0 ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void file_is_mapped(void **state)
{
    struct jd_ir ir;
    (void)state;
    expect_ok(jd_ir_file_open(path, &ir, &err), &err);
    assert_int_equal(ir.size_bytes, 10);
    assert_memory_equal(ir.bytes, "some bytes", 10);
    assert_ptr_equal(ir.name, path);
    jd_ir_file_close(&ir);
    assert_null(ir.bytes);
    jd_ir_file_close(&ir);
}

static void errors_name_the_file(void **state)
{
    struct jd_ir ir = {.bytes = path, .size_bytes = 1, .name = "old"};
    (void)state;
    expect_error(jd_ir_file_open("/nonexistent/x", &ir, &err), JD_E_IO,
                 "/nonexistent/x: cannot be opened: No such file", &err);
    assert_null(ir.bytes);
    assert_null(ir.name);
    expect_error(jd_ir_file_open("/tmp", &ir, &err), JD_E_IO, "/tmp: is a directory", &err);
    expect_error(jd_ir_file_open("/dev/null", &ir, &err), JD_E_BAD_IR, "/dev/null: is empty", &err);
    assert_null(ir.bytes);
    assert_int_equal(jd_ir_file_open("/nonexistent/x", &ir, NULL), JD_E_IO);
}

/* Make standard input a pipe into which a child writes `count` bytes; returns the old one. */
static int pipe_to_stdin(size_t count)
{
    int fds[2], old = dup(STDIN_FILENO);
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    if (fork() == 0) {
        static char block[4096];
        close(fds[0]);
        for (size_t i = 0; i < count; i++) {
            block[i % sizeof block] = (char)(i * 31);
            if ((i + 1) % sizeof block == 0 || i + 1 == count)
                if (write(fds[1], block, i % sizeof block + 1) < 0)
                    _exit(1);
        }
        _exit(0);
    }
    close(fds[1]);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    return old;
}

static void restore_stdin(int old)
{
    dup2(old, STDIN_FILENO);
    close(old);
    wait(NULL);
}

static void pipe_is_read_whole(void **state)
{
    static const size_t counts[] = {1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5000001};
    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct jd_ir ir;
        int old = pipe_to_stdin(counts[c]);
        expect_ok(jd_ir_file_open("-", &ir, &err), &err);
        restore_stdin(old);
        assert_int_equal(ir.size_bytes, counts[c]);
        assert_string_equal(ir.name, "<stdin>");
        const char *bytes = ir.bytes;
        for (size_t i = 0; i < counts[c]; i++)
            if (bytes[i] != (char)(i * 31))
                fail_msg("byte %zu of %zu", i, counts[c]);
        jd_ir_file_close(&ir);
    }
}

static void empty_pipe_is_refused(void **state)
{
    struct jd_ir ir;
    int old = pipe_to_stdin(0);
    (void)state;
    expect_error(jd_ir_file_open("-", &ir, &err), JD_E_BAD_IR, "<stdin>: is empty", &err);
    restore_stdin(old);
}

static void end_of_memory_is_told(void **state)
{
    struct jd_ir ir;
    int old = pipe_to_stdin((1 << 20) + 1);
    (void)state;
    mremap_fails = true;
    expect_error(jd_ir_file_open("-", &ir, &err), JD_E_NO_MEMORY, "<stdin>: no memory", &err);
    mremap_fails = false;
    assert_null(ir.bytes);
    close(STDIN_FILENO);
    restore_stdin(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_mapped),        cmocka_unit_test(errors_name_the_file),
        cmocka_unit_test(pipe_is_read_whole),    cmocka_unit_test(empty_pipe_is_refused),
        cmocka_unit_test(end_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
