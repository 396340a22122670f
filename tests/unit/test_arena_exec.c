/* SPDX-License-Identifier: Apache-2.0
 *
 * Code that runs from the arena: both modes, reuse, forks, threads, and systems that deny
 * executable memory (seccomp(2) in a child; skipped where the kernel has no filters).
 */
#include "expect.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "maps.h"
#include "tiny_code.h"

enum { MIB = 1024 * 1024, EXIT_SKIPPED = 77 };

static const enum jd_arena_mode modes[] = {JD_ARENA_DUAL, JD_ARENA_SEAL};
static struct jd_error err;

static struct jd_arena *create(enum jd_arena_mode mode, size_t limit)
{
    struct jd_arena *arena;
    expect_ok(jd_arena_create(mode, limit, &arena, &err), &err);
    return arena;
}

/* New function; 0 when the arena refuses. Asserts nothing: used by threads and children. */
static int emit(struct jd_arena *arena, enum jd_arena_kind kind, unsigned result,
                struct jd_arena_block *out, struct jd_error *error)
{
    int rc = jd_arena_reserve(arena, kind, TINY_CODE_BYTES, 16, out, error);
    if (rc != JD_OK)
        return rc;
    tiny_code(out->write, result);
    jd_arena_commit(arena, out);
    jd_arena_flush_icache(out->addr, TINY_CODE_BYTES);
    return JD_OK;
}

static struct jd_arena_block emit_ok(struct jd_arena *arena, enum jd_arena_kind kind,
                                     unsigned result)
{
    struct jd_arena_block block;
    expect_ok(emit(arena, kind, result, &block, &err), &err);
    return block;
}

static void assert_no_writable_code(void)
{
    struct maps_count maps;
    assert_true(maps_read(0, 0, &maps));
    assert_int_equal(maps.writable_and_exec, 0);
}

static void runs_code_and_stubs(void **unused)
{
    (void)unused;
    for (int m = 0; m < 2; m++) {
        struct jd_arena *arena = create(modes[m], MIB);
        struct jd_arena_block code[200];
        assert_no_writable_code();
        for (unsigned i = 0; i < 200; i++) {
            code[i] = emit_ok(arena, i % 2 ? JD_ARENA_CODE : JD_ARENA_STUB, 1000 + i);
            if (i % 50 == 49) {
                assert_no_writable_code();
                expect_ok(jd_arena_seal(arena, &err), &err);
                assert_no_writable_code();
            }
        }
        for (unsigned i = 0; i < 200; i++)
            assert_int_equal(tiny_call(code[i].addr), 1000 + i);
        jd_arena_destroy(arena);
    }
}

/* DUAL: the same address runs new code after free and reserve. */
static void reused_place_runs_new_code(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_DUAL, MIB);
    struct jd_arena_block kept = emit_ok(arena, JD_ARENA_CODE, 1);
    struct jd_arena_block old = emit_ok(arena, JD_ARENA_CODE, 2);
    assert_int_equal(tiny_call(old.addr), 2);
    jd_arena_free(arena, &old);
    struct jd_arena_block fresh = emit_ok(arena, JD_ARENA_CODE, 3);
    assert_int_equal(fresh.addr, old.addr);
    assert_int_equal(tiny_call(fresh.addr), 3);
    assert_int_equal(tiny_call(kept.addr), 1);
    jd_arena_destroy(arena);
}

static void arenas_are_isolated(void **unused)
{
    (void)unused;
    struct jd_arena *a = create(JD_ARENA_DUAL, MIB), *b = create(JD_ARENA_DUAL, MIB);
    struct jd_arena_block in_a = emit_ok(a, JD_ARENA_CODE, 10);
    struct jd_arena_block in_b = emit_ok(b, JD_ARENA_CODE, 20);
    assert_false(jd_arena_contains(b, in_a.addr));
    jd_arena_destroy(a);
    assert_int_equal(tiny_call(in_b.addr), 20);
    assert_int_equal(tiny_call(emit_ok(b, JD_ARENA_CODE, 30).addr), 30);
    jd_arena_destroy(b);
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

struct kept {
    struct jd_arena_block old;  /* returns 1 */
    struct jd_arena_block hole; /* freed before the fork */
    struct jd_arena_block data;
};

/* In parent, child and grandchild: old code runs, new code runs, and the place freed before the
 * fork can be used by each for itself. Returns the number of the first thing that was wrong. */
static int use_after_fork(struct jd_arena *arena, const struct kept *kept, unsigned who)
{
    struct jd_arena_block a, b;
    if (tiny_call(kept->old.addr) != 1)
        return 1;
    if (emit(arena, JD_ARENA_CODE, 100 + who, &a, &err) ||
        emit(arena, JD_ARENA_STUB, 200 + who, &b, &err))
        return 2;
    if (jd_arena_seal(arena, &err))
        return 3;
    if (tiny_call(a.addr) != 100 + who || tiny_call(b.addr) != 200 + who)
        return 4;
    *(unsigned *)kept->data.write = who;
    usleep(20000); /* let the others write theirs */
    if (tiny_call(a.addr) != 100 + who || tiny_call(b.addr) != 200 + who)
        return 5;
    if (*(const unsigned *)kept->data.addr != who || tiny_call(kept->old.addr) != 1)
        return 6;
    struct maps_count maps;
    if (!maps_read(0, 0, &maps) || maps.writable_and_exec)
        return 7;
    return 0;
}

static void fork_gives_the_child_its_own(void **unused)
{
    (void)unused;
    for (int m = 0; m < 2; m++) {
        struct jd_arena *arena = create(modes[m], 16 * MIB);
        struct kept kept = {.old = emit_ok(arena, JD_ARENA_CODE, 1)};
        kept.hole = emit_ok(arena, JD_ARENA_CODE, 9);
        expect_ok(jd_arena_reserve(arena, JD_ARENA_DATA, 64, 16, &kept.data, &err), &err);
        jd_arena_commit(arena, &kept.data);
        jd_arena_free(arena, &kept.hole);
        expect_ok(jd_arena_seal(arena, &err), &err);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            pid_t grandchild = fork();
            if (!grandchild)
                _exit(use_after_fork(arena, &kept, 3));
            int own = use_after_fork(arena, &kept, 2);
            int below = wait_for(grandchild);
            jd_arena_destroy(arena);
            _exit(own ? own : below ? 10 + below : 0);
        }
        assert_int_equal(use_after_fork(arena, &kept, 1), 0);
        assert_int_equal(wait_for(child), 0);
        assert_int_equal(use_after_fork(arena, &kept, 4), 0);
        jd_arena_destroy(arena);
    }
}

/* Rodata spread over several megabytes, holes given back: each page of it must reach the child. */
static void fork_copies_all_that_is_in_use(void **unused)
{
    (void)unused;
    enum { COUNT = 300, SIZE = 20000 };
    struct jd_arena *arena = create(JD_ARENA_DUAL, 64 * MIB);
    struct jd_arena_block blocks[COUNT], big;
    expect_ok(jd_arena_reserve(arena, JD_ARENA_RODATA, 4 * MIB, 16, &big, &err), &err);
    jd_arena_commit(arena, &big);
    memset(big.write, 0xee, big.size_bytes);
    for (int i = 0; i < COUNT; i++) {
        expect_ok(jd_arena_reserve(arena, i % 3 ? JD_ARENA_RODATA : JD_ARENA_UNWIND, SIZE, 16,
                                   &blocks[i], &err),
                  &err);
        jd_arena_commit(arena, &blocks[i]);
        memset(blocks[i].write, i % 251 + 1, SIZE);
    }
    jd_arena_free(arena, &big);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        for (int i = 0; i < COUNT; i++)
            for (size_t k = 0; k < SIZE; k++)
                if (((const unsigned char *)blocks[i].addr)[k] != i % 251 + 1)
                    _exit(1);
        if (jd_arena_reserve(arena, JD_ARENA_RODATA, 4 * MIB, 16, &big, &err))
            _exit(2);
        for (size_t k = 0; k < big.size_bytes; k++)
            if (((const unsigned char *)big.addr)[k])
                _exit(3);
        _exit(0);
    }
    assert_int_equal(wait_for(child), 0);
    jd_arena_destroy(arena);
}

enum { THREADS = 4, ROUNDS = 4000, HELD = 32 };

struct worker {
    struct jd_arena *arena;
    unsigned id;
    bool is_ok;
};

static atomic_bool is_stopping;

/* Reserve, write, commit, run, free; what is held must stay what it was. */
static void *work(void *context)
{
    struct worker *self = context;
    struct jd_arena_block held[HELD] = {{0}};
    unsigned results[HELD] = {0};
    struct jd_error error = JD_ERROR_INIT;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned slot = i % HELD;
        if (held[slot].size_bytes) {
            if (tiny_call(held[slot].addr) != results[slot])
                return NULL;
            jd_arena_free(self->arena, &held[slot]);
        }
        results[slot] = (self->id << 12 | (i & 0xfff)) & 0xffff;
        if (emit(self->arena, i % 3 ? JD_ARENA_CODE : JD_ARENA_STUB, results[slot], &held[slot],
                 &error))
            return NULL;
        struct jd_arena_block data;
        if (jd_arena_reserve(self->arena, JD_ARENA_DATA, 8 * (1 + i % 50), 16, &data, &error))
            return NULL;
        memset(data.write, (int)self->id, data.size_bytes);
        jd_arena_abort(self->arena, &data);
        if (jd_arena_writable(self->arena, held[slot].addr) != held[slot].write)
            return NULL;
    }
    for (unsigned i = 0; i < HELD; i++)
        if (tiny_call(held[i].addr) != results[i])
            return NULL;
    self->is_ok = true;
    return NULL;
}

/* Stats and forks from outside, all the while. */
static void *watch(void *context)
{
    struct worker *self = context;
    struct jd_arena_stats stats;
    self->is_ok = true;
    while (!atomic_load(&is_stopping) && self->is_ok) {
        jd_arena_get_stats(self->arena, &stats);
        pid_t child = fork();
        if (!child) {
            struct jd_arena_block block;
            _exit(emit(self->arena, JD_ARENA_CODE, 5, &block, NULL) || tiny_call(block.addr) != 5);
        }
        self->is_ok = child > 0 && wait_for(child) == 0;
    }
    return NULL;
}

static void threads_share_an_arena(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_DUAL, 16 * MIB);
    pthread_t threads[THREADS + 1];
    struct worker workers[THREADS + 1];
    atomic_store(&is_stopping, false);
    for (unsigned i = 0; i <= THREADS; i++) {
        workers[i] = (struct worker){.arena = arena, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, i < THREADS ? work : watch, &workers[i]),
                         0);
    }
    for (unsigned i = 0; i <= THREADS; i++) {
        if (i == THREADS)
            atomic_store(&is_stopping, true);
        pthread_join(threads[i], NULL);
        assert_true(workers[i].is_ok);
    }
    struct jd_arena_stats stats;
    jd_arena_get_stats(arena, &stats);
    assert_int_equal(stats.used_bytes[JD_ARENA_CODE] + stats.used_bytes[JD_ARENA_STUB],
                     THREADS * HELD * TINY_CODE_BYTES);
    assert_int_equal(stats.used_bytes[JD_ARENA_DATA], 0);
    jd_arena_destroy(arena);
}

#if defined(__x86_64__)
#define THIS_AUDIT_ARCH AUDIT_ARCH_X86_64
#else
#define THIS_AUDIT_ARCH AUDIT_ARCH_AARCH64
#endif

/* EPERM for mmap and mprotect with PROT_EXEC, or for memfd_create. False: no filters here. */
static bool deny(bool is_memfd)
{
    enum {
        NR = offsetof(struct seccomp_data, nr),
        ARCH = offsetof(struct seccomp_data, arch),
        PROT = offsetof(struct seccomp_data, args[2])
    };
    struct sock_filter exec_filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARCH),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_AUDIT_ARCH, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PROT),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_filter memfd_filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {
        .len = is_memfd ? sizeof memfd_filter / sizeof *memfd_filter
                        : sizeof exec_filter / sizeof *exec_filter,
        .filter = is_memfd ? memfd_filter : exec_filter,
    };
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static bool is_denied(int rc, const char *text)
{
    bool is_right = rc == JD_E_EXEC_DENIED && err.kind == JD_KIND_ENVIRONMENT &&
                    strstr(err.text, text) && strstr(err.text, "not permitted");
    if (!is_right)
        print_error("got %s: %s\n", jd_code_name(rc), err.text);
    jd_error_clear(&err);
    return is_right;
}

static int without_exec(void)
{
    struct jd_arena *arena, *early;
    struct jd_arena_block block;
    if (jd_arena_create(JD_ARENA_DUAL, MIB, &early, &err))
        return 1;
    if (!deny(false))
        return EXIT_SKIPPED;
    if (!is_denied(jd_arena_create(JD_ARENA_DUAL, MIB, &arena, &err), "PROT_EXEC") || arena)
        return 2;
    if (!is_denied(jd_arena_create(JD_ARENA_SEAL, MIB, &arena, &err), "PROT_EXEC") || arena)
        return 3;
    /* An arena from before the denial refuses code and still gives data. */
    if (!is_denied(emit(early, JD_ARENA_CODE, 1, &block, &err), "code") || block.write)
        return 4;
    if (jd_arena_reserve(early, JD_ARENA_DATA, 100, 16, &block, &err))
        return 5;
    jd_arena_destroy(early);
    return 0;
}

static int seal_without_exec(void)
{
    struct jd_arena *arena;
    struct jd_arena_block block;
    if (jd_arena_create(JD_ARENA_SEAL, MIB, &arena, &err) ||
        emit(arena, JD_ARENA_CODE, 1, &block, &err))
        return 1;
    if (!deny(false))
        return EXIT_SKIPPED;
    if (!is_denied(jd_arena_seal(arena, &err), "mprotect"))
        return 2;
    if (jd_arena_writable(arena, block.addr) != block.write)
        return 3;
    jd_arena_destroy(arena);
    return 0;
}

static int without_memfd(void)
{
    struct jd_arena *arena;
    struct jd_arena_block block;
    if (!deny(true))
        return EXIT_SKIPPED;
    if (!is_denied(jd_arena_create(JD_ARENA_DUAL, MIB, &arena, &err), "memfd_create") || arena)
        return 1;
    if (jd_arena_create(JD_ARENA_SEAL, MIB, &arena, &err) ||
        emit(arena, JD_ARENA_CODE, 77, &block, &err) || jd_arena_seal(arena, &err))
        return 2;
    return tiny_call(block.addr) == 77 ? 0 : 3;
}

static void in_child(int (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child)
        _exit(body());
    int status = wait_for(child);
    if (status == EXIT_SKIPPED) {
        print_message("no seccomp filters here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void denied_exec_is_a_clean_error(void **unused)
{
    (void)unused;
    in_child(without_exec);
}

static void denied_seal_is_a_clean_error(void **unused)
{
    (void)unused;
    in_child(seal_without_exec);
}

static void denied_memfd_leaves_seal_mode(void **unused)
{
    (void)unused;
    in_child(without_memfd);
}

/* Sealed code and rodata, and code in DUAL mode, cannot be written at their address. */
static int write_to(enum jd_arena_mode mode, enum jd_arena_kind kind)
{
    struct jd_arena *arena;
    struct jd_arena_block block;
    if (jd_arena_create(mode, MIB, &arena, &err) || emit(arena, kind, 1, &block, &err) ||
        jd_arena_seal(arena, &err))
        return 1;
    *(volatile char *)block.addr = 1;
    return 0;
}

static void code_is_not_writable_in_place(void **unused)
{
    (void)unused;
    for (int m = 0; m < 2; m++)
        for (int k = 0; k < JD_ARENA_KIND_COUNT; k++) {
            pid_t child = fork();
            assert_true(child >= 0);
            if (!child) {
                signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would turn it into an exit */
                _exit(write_to(modes[m], (enum jd_arena_kind)k));
            }
            bool is_data = k == JD_ARENA_DATA || k == JD_ARENA_GOT;
            assert_int_equal(wait_for(child), is_data ? 0 : 1000 + SIGSEGV);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_code_and_stubs),
        cmocka_unit_test(reused_place_runs_new_code),
        cmocka_unit_test(arenas_are_isolated),
        cmocka_unit_test(fork_gives_the_child_its_own),
        cmocka_unit_test(fork_copies_all_that_is_in_use),
        cmocka_unit_test(threads_share_an_arena),
        cmocka_unit_test(code_is_not_writable_in_place),
        cmocka_unit_test(denied_exec_is_a_clean_error),
        cmocka_unit_test(denied_seal_is_a_clean_error),
        cmocka_unit_test(denied_memfd_leaves_seal_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
