/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena whose memfd the program has closed, and whose number a file of the program has got: as
 * after a daemon's start. The arena goes on, its forks too, and the file stays as it was.
 */
#include "expect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "emulated.h"
#include "tiny_code.h"

enum { MIB = 1024 * 1024, BLOCKS = 6, DESCRIPTORS = 1024 };

static struct jd_error err;

/* A block of whole pages with a function at its start. */
static int emit(struct jd_arena *arena, unsigned result, struct jd_arena_block *out)
{
    int rc = jd_arena_reserve(arena, JD_ARENA_CODE, MIB, 16, out, &err);
    if (rc != JD_OK)
        return rc;
    tiny_code(out->write, result);
    jd_arena_commit(arena, out);
    jd_arena_flush_icache(out->addr, TINY_CODE_BYTES);
    return JD_OK;
}

static ino_t inode_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_ino;
}

/* The descriptor that came with the arena: the one that was not open before. */
static int open_arena(struct jd_arena **out)
{
    bool was_open[DESCRIPTORS];
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        was_open[fd] = fcntl(fd, F_GETFD) >= 0;
    expect_ok(jd_arena_create(JD_ARENA_DUAL, 32 * MIB, out, &err), &err);
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (!was_open[fd] && fcntl(fd, F_GETFD) >= 0)
            return fd;
    fail_msg("the arena has no descriptor");
    return -1;
}

/* A file that is long enough to be mapped or punched by mistake. */
static FILE *open_file(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < 32 * MIB / sizeof i; i++)
        assert_int_equal(fwrite(&i, sizeof i, 1, file), 1);
    assert_int_equal(fflush(file), 0);
    return file;
}

static bool is_untouched(FILE *file)
{
    size_t value, i = 0;
    rewind(file);
    for (; fread(&value, sizeof value, 1, file) == 1; i++)
        if (value != i)
            return false;
    return i == 32 * MIB / sizeof i;
}

/* Old code, new code, and memory that was given back. Returns what was wrong first. */
static int go_on(struct jd_arena *arena, const struct jd_arena_block *old, unsigned who)
{
    struct jd_arena_block blocks[BLOCKS], again;
    if (tiny_call(old->addr) != 1)
        return 1;
    for (unsigned i = 0; i < BLOCKS; i++)
        if (emit(arena, who + i, &blocks[i]))
            return 2;
    for (unsigned i = 0; i < BLOCKS; i++)
        if (tiny_call(blocks[i].addr) != who + i)
            return 3;
    jd_arena_free(arena, &blocks[0]);
    if (jd_arena_reserve(arena, JD_ARENA_CODE, MIB, 16, &again, &err) ||
        again.addr != blocks[0].addr)
        return 4;
    for (size_t i = 0; i < again.size_bytes; i++)
        if (((const unsigned char *)again.addr)[i])
            return 5;
    jd_arena_abort(arena, &again);
    return tiny_call(blocks[1].addr) == who + 1 ? 0 : 6;
}

static void is_not_needed(void **unused)
{
    (void)unused;
    if (is_emulated()) { /* qemu-user knows no mremap of no bytes, and takes no madvise */
        print_message("not under an emulator\n");
        skip();
    }
    struct jd_arena *arena;
    struct jd_arena_block old;
    int number = open_arena(&arena), status;
    expect_ok(emit(arena, 1, &old), &err);
    FILE *file = open_file();
    ino_t inode = inode_of(fileno(file));
    assert_int_equal(dup2(fileno(file), number), number);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        int wrong = go_on(arena, &old, 100);
        _exit(wrong ? wrong : inode_of(number) == inode ? 0 : 9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(go_on(arena, &old, 200), 0);
    jd_arena_destroy(arena);
    assert_int_equal(inode_of(number), inode);
    assert_true(is_untouched(file));
    close(number);
    fclose(file);
}

static volatile sig_atomic_t was_told;

static void on_limit(int number)
{
    (void)number;
    was_told = 1;
}

/* Those who judge programs limit the files that they write; a memfd counts as one. */
static int under_a_limit(bool is_limited_early)
{
    struct jd_arena *arena;
    struct jd_arena_block old;
    int status;
    signal(SIGXFSZ, on_limit);
    if (is_limited_early && setrlimit(RLIMIT_FSIZE, &(struct rlimit){MIB, MIB}))
        return 20;
    if (jd_arena_create(JD_ARENA_DUAL, 32 * MIB, &arena, &err) || emit(arena, 1, &old))
        return 21;
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){MIB, MIB}))
        return 22;
    pid_t child = fork();
    if (!child) {
        int wrong = go_on(arena, &old, 100);
        pid_t grandchild = wrong ? -1 : fork();
        if (!grandchild)
            _exit(go_on(arena, &old, 150));
        _exit(wrong || waitpid(grandchild, &status, 0) != grandchild || status);
    }
    if (waitpid(child, &status, 0) != child || status)
        return 23;
    int wrong = go_on(arena, &old, 200);
    jd_arena_destroy(arena);
    return was_told ? 24 : wrong;
}

static void limit_on_files_is_none_on_code(void **unused)
{
    (void)unused;
    if (is_emulated()) {
        print_message("not under an emulator\n");
        skip();
    }
    for (int is_early = 0; is_early < 2; is_early++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child)
            _exit(under_a_limit(is_early));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

/* Programs print what open gives them, and 3 is what they expect. */
static void is_not_the_next_one(void **unused)
{
    (void)unused;
    int before = dup(STDIN_FILENO);
    close(before);
    struct jd_arena *arena;
    open_arena(&arena);
    int after = dup(STDIN_FILENO);
    assert_int_equal(after, before);
    close(after);
    jd_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_not_needed),
        cmocka_unit_test(is_not_the_next_one),
        cmocka_unit_test(limit_on_files_is_none_on_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
