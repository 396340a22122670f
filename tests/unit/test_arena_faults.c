/* SPDX-License-Identifier: Apache-2.0
 *
 * The arena when the system refuses: every allocation and system call in turn fails, and each time
 * there is a clear error or none, nothing leaks, and what was there goes on working.
 */
#include "expect.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "faults.h"
#include "tiny_code.h"

enum { KIB = 1024, MIB = 1024 * 1024, BLOCKS = 400 };

static struct jd_error err;

static int use_block(struct jd_arena *arena, unsigned i, struct jd_arena_block *block)
{
    enum jd_arena_kind kind = (enum jd_arena_kind)(i % JD_ARENA_KIND_COUNT);
    size_t size = i % 50 == 7 ? 300 * KIB : 8 + i % 700;
    int rc = jd_arena_reserve(arena, kind, size, (size_t)1 << i % 8, block, &err);
    if (rc != JD_OK)
        return rc;
    tiny_code(block->write, i);
    if (i % 11 == 10)
        jd_arena_abort(arena, block);
    else
        jd_arena_commit(arena, block);
    if (i % 11 == 10)
        *block = (struct jd_arena_block){0};
    return JD_OK;
}

/* A little of everything that an arena can do. */
static int scenario(enum jd_arena_mode mode)
{
    struct jd_arena *arena = NULL;
    struct jd_arena_block *blocks = NULL;
    int rc = jd_arena_create(mode, 64 * MIB, &arena, &err);
    if (rc != JD_OK) {
        assert_null(arena);
        return rc;
    }
    blocks = test_calloc(BLOCKS, sizeof *blocks);
    for (unsigned i = 0; rc == JD_OK && i < BLOCKS; i++) {
        rc = use_block(arena, i, &blocks[i]);
        if (i % 3 == 2 && blocks[i - 2].size_bytes) {
            jd_arena_free(arena, &blocks[i - 2]);
            blocks[i - 2].size_bytes = 0;
        }
        if (rc == JD_OK && i % 100 == 99)
            rc = jd_arena_seal(arena, &err);
    }
    /* What was committed is still there, whatever failed later. */
    for (unsigned i = 0; i < BLOCKS; i++)
        if (blocks[i].size_bytes) {
            unsigned char code[TINY_CODE_BYTES];
            tiny_code(code, i);
            assert_memory_equal((const void *)blocks[i].addr, code, sizeof code);
        }
    test_free(blocks);
    jd_arena_destroy(arena);
    return rc;
}

static void fail_each(enum jd_arena_mode mode, int error)
{
    bool was_failed = true;
    unsigned failed_count = 0;
    for (unsigned long nth = 1; was_failed; nth++) {
        long blocks = faults_live_blocks(), mapped = faults_live_mapped_bytes();
        size_t files = faults_open_files();
        faults_arm(nth, error);
        int rc = scenario(mode);
        was_failed = faults_disarm();
        if (rc != JD_OK) {
            assert_true(was_failed);
            assert_true(rc == JD_E_NO_MEMORY || rc == JD_E_EXEC_DENIED);
            assert_int_equal(err.kind, JD_KIND_ENVIRONMENT);
            assert_string_equal(err.where, "arena");
            assert_true(strlen(err.text) > 8);
            failed_count++;
        }
        assert_int_equal(err.code, rc);
        jd_error_clear(&err);
        assert_int_equal(faults_live_blocks(), blocks);
        assert_int_equal(faults_live_mapped_bytes(), mapped);
        assert_int_equal(faults_open_files(), files);
    }
    assert_true(failed_count > 12);
}

/* First: pthread_atfork is called once in a program, by its first arena. */
static void first_arena_without_fork_handlers(void **unused)
{
    (void)unused;
    struct jd_arena *arena;
    faults_arm_one(FAULT_PTHREAD_ATFORK, 1, ENOMEM);
    expect_error(jd_arena_create(JD_ARENA_DUAL, MIB, &arena, &err), JD_E_NO_MEMORY,
                 "pthread_atfork", &err);
    assert_true(faults_disarm());
    assert_null(arena);
    assert_int_equal(faults_live_mapped_bytes(), 0);
}

static void every_failure_in_dual_mode(void **unused)
{
    (void)unused;
    fail_each(JD_ARENA_DUAL, ENOMEM);
    fail_each(JD_ARENA_DUAL, EACCES);
}

static void every_failure_in_seal_mode(void **unused)
{
    (void)unused;
    fail_each(JD_ARENA_SEAL, ENOMEM);
    fail_each(JD_ARENA_SEAL, EPERM);
}

static void errors_name_the_call(void **unused)
{
    (void)unused;
    static const struct {
        enum fault fault;
        unsigned long nth;
        int error;
        int code;
        const char *text;
    } cases[] = {
        {FAULT_MALLOC, 1, ENOMEM, JD_E_NO_MEMORY, "for an arena"},
        {FAULT_MALLOC, 2, ENOMEM, JD_E_NO_MEMORY, "bookkeeping for 1048576 bytes"},
        {FAULT_MMAP, 1, ENOMEM, JD_E_NO_MEMORY, "address space of 1048576 bytes: Cannot allocate"},
        {FAULT_MEMFD_CREATE, 1, EMFILE, JD_E_NO_MEMORY, "memfd_create: Too many open files"},
        {FAULT_MEMFD_CREATE, 1, ENOSYS, JD_E_EXEC_DENIED, "memfd_create: Function not impl"},
        {FAULT_MEMFD_CREATE, 1, EACCES, JD_E_EXEC_DENIED, "memfd_create: Permission denied"},
        {FAULT_FTRUNCATE, 1, EPERM, JD_E_EXEC_DENIED, "memfd_create: Operation not permitted"},
        {FAULT_MMAP, 2, ENOMEM, JD_E_NO_MEMORY, "mmap of a memfd of 1048576 bytes: Cannot"},
        {FAULT_MMAP, 3, EACCES, JD_E_EXEC_DENIED, "mmap of a memfd with PROT_EXEC: Permission"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jd_arena *arena;
        faults_arm_one(cases[i].fault, cases[i].nth, cases[i].error);
        int rc = jd_arena_create(JD_ARENA_DUAL, MIB, &arena, &err);
        assert_true(faults_disarm());
        expect_error(rc, cases[i].code, cases[i].text, &err);
        assert_null(arena);
    }
}

/* Kernels before 6.3 do not know one of the flags. */
static void old_kernels_memfd_is_enough(void **unused)
{
    (void)unused;
    struct jd_arena *arena;
    faults_arm_one(FAULT_MEMFD_CREATE, 1, EINVAL);
    expect_ok(jd_arena_create(JD_ARENA_DUAL, MIB, &arena, &err), &err);
    assert_true(faults_disarm());
    assert_int_equal(faults_calls(FAULT_MEMFD_CREATE), 2);
    jd_arena_destroy(arena);
}

/* Sealing asks the system once per contiguous range. */
static void seal_is_one_mprotect_per_region(void **unused)
{
    (void)unused;
    struct jd_arena *arena;
    struct jd_arena_block block;
    expect_ok(jd_arena_create(JD_ARENA_SEAL, 64 * MIB, &arena, &err), &err);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 300; i++) {
            enum jd_arena_kind kind = i % 2 ? JD_ARENA_CODE : JD_ARENA_RODATA;
            expect_ok(jd_arena_reserve(arena, kind, 100, 16, &block, &err), &err);
            jd_arena_commit(arena, &block);
        }
        faults_arm(0, 0);
        expect_ok(jd_arena_seal(arena, &err), &err);
        assert_int_equal(faults_calls(FAULT_MPROTECT), 2);
        faults_arm(0, 0);
        expect_ok(jd_arena_seal(arena, &err), &err);
        assert_int_equal(faults_calls(FAULT_MPROTECT), 0);
    }
    jd_arena_destroy(arena);
}

/* Where the system does not take pages back, they are zeroed by hand. */
static void pages_that_cannot_be_released_are_zeroed(void **unused)
{
    (void)unused;
    static const struct {
        enum fault fault;
        enum jd_arena_kind kind;
    } cases[] = {{FAULT_FALLOCATE, JD_ARENA_CODE}, {FAULT_MADVISE, JD_ARENA_DATA}};
    for (size_t c = 0; c < 2; c++) {
        struct jd_arena *arena;
        struct jd_arena_block block;
        uintptr_t addr = 0;
        expect_ok(jd_arena_create(JD_ARENA_DUAL, 16 * MIB, &arena, &err), &err);
        for (int round = 0; round < 2; round++) {
            expect_ok(jd_arena_reserve(arena, cases[c].kind, MIB, 16, &block, &err), &err);
            assert_true(!addr || addr == block.addr);
            addr = block.addr;
            for (size_t i = 0; i < MIB; i++)
                assert_int_equal(((unsigned char *)block.write)[i], 0);
            memset(block.write, 0xff, MIB);
            jd_arena_commit(arena, &block);
            faults_arm_one(cases[c].fault, 1, EPERM);
            jd_arena_free(arena, &block);
            assert_true(faults_disarm());
        }
        struct jd_arena_stats stats;
        jd_arena_get_stats(arena, &stats);
        assert_int_equal(stats.committed_bytes, MIB);
        jd_arena_destroy(arena);
    }
}

/* Runs with standard error in a pipe; forks with the copy made to fail. */
static int fork_without_copy(enum fault fault, unsigned long nth, int error_pipe)
{
    struct jd_arena *arena;
    struct jd_arena_block block;
    if (dup2(error_pipe, STDERR_FILENO) < 0 || jd_arena_create(JD_ARENA_DUAL, MIB, &arena, &err) ||
        jd_arena_reserve(arena, JD_ARENA_CODE, TINY_CODE_BYTES, 16, &block, &err))
        return 1;
    tiny_code(block.write, 12);
    jd_arena_commit(arena, &block);
    jd_arena_flush_icache(block.addr, TINY_CODE_BYTES);
    faults_arm_one(fault, nth, ENOMEM);
    pid_t child = fork();
    if (!child)
        _exit(0); /* must not get here */
    int status;
    if (!faults_disarm() && fault != FAULT_MMAP) /* the child's mmap fails in the child's memory */
        return 2;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 127)
        return 3;
    /* The parent is as before, and can fork again. */
    if (tiny_call(block.addr) != 12)
        return 4;
    child = fork();
    if (!child)
        _exit(tiny_call(block.addr) == 12 ? 0 : 1);
    if (waitpid(child, &status, 0) != child || status)
        return 5;
    jd_arena_destroy(arena);
    return 0;
}

static void child_without_a_copy_ends(void **unused)
{
    (void)unused;
    static const struct {
        enum fault fault;
        unsigned long nth;
        const char *text;
    } cases[] = {{FAULT_MEMFD_CREATE, 1, "copy of the memfd"},
                 {FAULT_FTRUNCATE, 1, "copy of the memfd"},
                 {FAULT_PWRITE, 1, "copy of the memfd"},
                 {FAULT_MMAP, 1, "mmap"},
                 {FAULT_MMAP, 2, "mmap"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int ends[2], status;
        char text[256] = {0};
        assert_int_equal(pipe(ends), 0);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child)
            _exit(fork_without_copy(cases[i].fault, cases[i].nth, ends[1]));
        close(ends[1]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(read(ends[0], text, sizeof text - 1) > 0);
        close(ends[0]);
        assert_int_equal(status, 0);
        assert_non_null(strstr(text, "jitduel: arena: fork: "));
        assert_non_null(strstr(text, cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_arena_without_fork_handlers),
        cmocka_unit_test(every_failure_in_dual_mode),
        cmocka_unit_test(every_failure_in_seal_mode),
        cmocka_unit_test(errors_name_the_call),
        cmocka_unit_test(old_kernels_memfd_is_enough),
        cmocka_unit_test(seal_is_one_mprotect_per_region),
        cmocka_unit_test(pages_that_cannot_be_released_are_zeroed),
        cmocka_unit_test(child_without_a_copy_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
