/* SPDX-License-Identifier: Apache-2.0
 *
 * Code in memory that held code before: every core is told before anything leads to it, and is left
 * in peace where the memory is new. The system call is counted (ld --wrap).
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "arena.h"
#include "core_sync.h"
#include "expect.h"

static struct jd_error err;
static int sync_count;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long command, long flags, long cpu);

long __wrap_syscall(long number, long command, long flags, long cpu)
{
    if (number == SYS_membarrier && command == MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)
        sync_count++;
    return __real_syscall(number, command, flags, cpu);
}

static struct jd_arena_block new_code(struct jd_arena *arena)
{
    struct jd_arena_block block;
    expect_ok(jd_arena_reserve(arena, JD_ARENA_CODE, 64, 16, &block, &err), &err);
    jd_arena_commit(arena, &block);
    return block;
}

static void test_only_reused_memory_asks_for_it(void **state)
{
    struct jd_arena *arena;
    struct jd_arena_block first, second, third;
    (void)state;
    expect_ok(jd_arena_create(JD_ARENA_DUAL, 1 << 20, &arena, &err), &err);
    sync_count = 0;
    first = new_code(arena);
    second = new_code(arena);
    assert_false(first.is_reused || second.is_reused);
    jd_arena_publish_code(&first);
    jd_arena_publish_code(&second);
    assert_int_equal(sync_count, 0);
    jd_arena_free(arena, &first);
    third = new_code(arena);
    assert_int_equal(third.addr, first.addr);
    assert_true(third.is_reused);
    jd_arena_publish_code(&third);
    assert_int_equal(sync_count, 1);
    jd_arena_free(arena, &second); /* goes back under the bump pointer */
    second = new_code(arena);
    assert_true(second.is_reused);
    jd_arena_destroy(arena);
}

static void test_kernel_that_offers_it_does_it(void **state)
{
    (void)state;
    long offered = __real_syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0L, 0L);
    if (offered < 0 || !(offered & MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)) {
        print_message("skipped: this kernel does not synchronise cores for a process\n");
        skip();
    }
    jd_core_sync_init();
    errno = 77;
    assert_true(jd_core_sync());
    assert_int_equal(errno, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_reused_memory_asks_for_it),
        cmocka_unit_test(test_kernel_that_offers_it_does_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
