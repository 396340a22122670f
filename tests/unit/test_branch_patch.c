/* SPDX-License-Identifier: Apache-2.0
 *
 * Branches that change between two targets while threads run them. Where a mixture of the old and
 * the new displacement would lead, there is a function that gives it away. Fields within a fetch
 * block, across two, across cache lines and across pages; calls, jumps and conditional jumps.
 */
#include "branch_patch.h"

#include <linux/memfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core_sync.h"
#include "expect.h"
#include "tiny_code.h"

#if defined(__x86_64__)

enum {
    CODE_BYTES = 40 << 20,
    THREADS = 2,
    CHANGES = 4000,
    FALLEN_THROUGH = 8,
    MIXED = 4,
};

/* All four bytes differ, so that each mixture is a third address. */
static const uint32_t displacements[2] = {0x01101010, 0x02202020};

static unsigned char *writable, *executable;
static atomic_bool has_ended;
static atomic_uint started;

enum kind { CALL, JUMP, CONDITIONAL, KINDS };

/* A function whose one branch has its field at that offset; returns what the target returns. */
static tiny_function write_site(enum kind kind, size_t field)
{
    static const unsigned char before[KINDS][4] = {
        [CALL] = {0x90, 0x90, 0x90, 0xe8},        /* call */
        [JUMP] = {0x90, 0x90, 0x90, 0xe9},        /* jmp */
        [CONDITIONAL] = {0x31, 0xc0, 0x0f, 0x84}, /* xor eax, eax; je */
    };
    memset(writable + field - 16, 0x90, 64);
    memcpy(writable + field - sizeof before[kind], before[kind], sizeof before[kind]);
    memcpy(writable + field, &displacements[0], sizeof displacements[0]);
    if (kind == CALL)
        writable[field + 4] = 0xc3; /* ret */
    else
        tiny_code(writable + field + 4, FALLEN_THROUGH);
    for (unsigned low = 0; low <= 4; low++)
        for (unsigned from = 0; from < 2; from++) {
            uint32_t mask = low == 4 ? UINT32_MAX : (1u << 8 * low) - 1;
            uint32_t mixed = (displacements[from] & mask) | (displacements[!from] & ~mask);
            tiny_code(writable + field + 4 + mixed, mixed == displacements[0]   ? 1
                                                    : mixed == displacements[1] ? 2
                                                                                : MIXED);
        }
    return (tiny_function)(uintptr_t)(executable + field - 4);
}

/* Which results were seen, one bit each. */
static void *keep_calling(void *argument)
{
    tiny_function function = (tiny_function)(uintptr_t)argument;
    uintptr_t seen = 0;
    started++;
    while (!has_ended)
        for (int i = 0; i < 100; i++)
            seen |= (uintptr_t)function();
    return (void *)seen;
}

static void change(const struct jd_branch *branch, size_t field, uint32_t displacement)
{
    if (jd_branch_is_whole((uintptr_t)executable + field)) {
        jd_branch_store(writable + field, displacement);
        return;
    }
    jd_branch_hold(branch);
    assert_true(jd_core_sync());
    jd_branch_set_rest(branch, displacement);
    assert_true(jd_core_sync());
    jd_branch_release(branch, displacement);
}

static void run_while_changing(enum kind kind, size_t field)
{
    tiny_function function = write_site(kind, field);
    pthread_t threads[THREADS];
    struct jd_branch branch;
    assert_true(jd_branch_read(writable + field, &branch));
    assert_int_equal(function(), 1);
    has_ended = false;
    started = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, keep_calling, (void *)(uintptr_t)function), 0);
    while (started < THREADS)
        sched_yield();
    for (int i = 1; i <= CHANGES; i++)
        change(&branch, field, displacements[i % 2]);
    has_ended = true;
    for (int i = 0; i < THREADS; i++) {
        void *seen;
        assert_int_equal(pthread_join(threads[i], &seen), 0);
        assert_int_equal((uintptr_t)seen & ~(uintptr_t)3, 0);
    }
    assert_int_equal(function(), 1);
    change(&branch, field, displacements[1]);
    assert_int_equal(function(), 2);
}

static void test_threads_see_the_old_target_or_the_new(void **state)
{
    static const size_t fields[] = {4096 + 4,  4096 + 12, 4096 + 13, 4096 + 14,
                                    4096 + 15, 4096 + 61, 4096 + 62, 4096 + 63,
                                    8189,      8190,      8191};
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            run_while_changing(kind, fields[i]);
}

static void test_first_step_can_be_undone(void **state)
{
    struct jd_branch branch;
    enum { FIELD = 4096 + 14 };
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        tiny_function function = write_site(kind, FIELD);
        unsigned char before[8];
        memcpy(before, writable + FIELD - 4, sizeof before);
        assert_true(jd_branch_read(writable + FIELD, &branch));
        jd_branch_hold(&branch);
        assert_memory_not_equal(before, writable + FIELD - 4, sizeof before);
        jd_branch_release(&branch, displacements[0]);
        assert_memory_equal(before, writable + FIELD - 4, sizeof before);
        assert_int_equal(function(), 1);
    }
}

static void test_what_is_no_branch_is_refused(void **state)
{
    struct jd_branch branch;
    unsigned char moved[] = {0x90, 0x48, 0x8b, 0x05, 0, 0, 0, 0};    /* mov rax, [rip] */
    unsigned char begun[] = {0x90, 0x90, 0xc7, 0xf8, 0, 0, 0, 0};    /* xbegin */
    unsigned char prefixed[] = {0x90, 0x66, 0x66, 0xe8, 0, 0, 0, 0}; /* data16 call */
    unsigned char called[] = {0x66, 0x90, 0x90, 0xe8, 0, 0, 0, 0};
    (void)state;
    assert_false(jd_branch_read(moved + 4, &branch));
    assert_false(jd_branch_read(begun + 4, &branch));
    assert_false(jd_branch_read(prefixed + 4, &branch));
    assert_true(jd_branch_read(called + 4, &branch));
}

static void test_whole_fields_lie_in_sixteen_bytes(void **state)
{
    (void)state;
    for (uintptr_t i = 0; i < 64; i++)
        assert_int_equal(jd_branch_is_whole(0x7000 + i), i / 16 == (i + 3) / 16);
}

static int set_up(void **state)
{
    (void)state;
    int file = memfd_create("branches", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, CODE_BYTES))
        return -1;
    writable = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    executable = mmap(NULL, CODE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    close(file);
    return writable == MAP_FAILED || executable == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    munmap(writable, CODE_BYTES);
    munmap(executable, CODE_BYTES);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_fields_lie_in_sixteen_bytes),
        cmocka_unit_test(test_what_is_no_branch_is_refused),
        cmocka_unit_test_setup_teardown(test_first_step_can_be_undone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads_see_the_old_target_or_the_new, set_up,
                                        tear_down),
    };
    if (!jd_core_sync_init()) {
        print_message("skipped: this kernel does not synchronise cores for a process\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    print_message("skipped: one store replaces any branch of this CPU\n");
    return 77;
}

#endif
