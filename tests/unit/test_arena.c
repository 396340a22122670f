/* SPDX-License-Identifier: Apache-2.0
 *
 * The arena's bookkeeping in both modes: places, limits, reuse, ledger, protections. What runs code
 * is in test_arena_exec.c, what makes the system fail in test_arena_faults.c.
 */
#include "expect.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "maps.h"

static const enum jd_arena_mode modes[] = {JD_ARENA_DUAL, JD_ARENA_SEAL};
enum { MODES = 2, KIB = 1024, MIB = 1024 * 1024 };

static struct jd_error err;

static struct jd_arena *create(enum jd_arena_mode mode, size_t limit)
{
    struct jd_arena *arena;
    expect_ok(jd_arena_create(mode, limit, &arena, &err), &err);
    return arena;
}

static struct jd_arena_block reserve(struct jd_arena *arena, enum jd_arena_kind kind, size_t size,
                                     size_t align)
{
    struct jd_arena_block block;
    expect_ok(jd_arena_reserve(arena, kind, size, align, &block, &err), &err);
    return block;
}

static struct jd_arena_block commit(struct jd_arena *arena, enum jd_arena_kind kind, size_t size,
                                    size_t align)
{
    struct jd_arena_block block = reserve(arena, kind, size, align);
    jd_arena_commit(arena, &block);
    return block;
}

static struct jd_arena_stats stats_of(const struct jd_arena *arena)
{
    struct jd_arena_stats stats;
    jd_arena_get_stats(arena, &stats);
    return stats;
}

static bool is_zero(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        if (at[i])
            return false;
    return true;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void refuses_wrong_use(void **unused)
{
    (void)unused;
    struct jd_arena *arena = NULL;
    struct jd_arena_block block;
    expect_error(jd_arena_create(JD_ARENA_DUAL, (size_t)2 << 30, &arena, &err), JD_E_USAGE, "limit",
                 &err);
    assert_null(arena);
    arena = create(JD_ARENA_DUAL, ((size_t)2 << 30) - 64 * KIB);
    expect_error(jd_arena_reserve(arena, JD_ARENA_CODE, 16, 24, &block, &err), JD_E_USAGE,
                 "alignment 24", &err);
    expect_error(jd_arena_reserve(arena, JD_ARENA_CODE, 16, 32768 * KIB, &block, &err), JD_E_USAGE,
                 "alignment 33554432", &err);
    expect_error(jd_arena_reserve(arena, JD_ARENA_KIND_COUNT, 16, 16, &block, &err), JD_E_USAGE,
                 "kind", &err);
    assert_null(block.write);
    assert_int_equal(block.addr, 0);
    jd_arena_destroy(arena);
    jd_arena_destroy(NULL);
}

static void aligns_and_stays_in_range(void **unused)
{
    (void)unused;
    for (int m = 0; m < MODES; m++) {
        struct jd_arena *arena = create(modes[m], 0);
        uintptr_t low = UINTPTR_MAX, high = 0;
        for (unsigned shift = 0; shift <= 24; shift++)
            for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++) {
                struct jd_arena_block b =
                    commit(arena, (enum jd_arena_kind)kind, 1 + 3 * shift, (size_t)1 << shift);
                assert_int_equal(b.addr % ((size_t)1 << shift), 0);
                assert_true(jd_arena_contains(arena, b.addr));
                assert_true(is_zero(b.write, b.size_bytes));
                low = b.addr < low ? b.addr : low;
                high = b.addr > high ? b.addr : high;
            }
        assert_true(high - low < (size_t)1 << 31);
        assert_false(jd_arena_contains(arena, (uintptr_t)&arena));
        assert_false(jd_arena_contains(arena, 0));
        assert_int_equal(commit(arena, JD_ARENA_DATA, 5, 0).addr % 16, 0);
        jd_arena_destroy(arena);
    }
}

static void size_zero_is_distinct(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_DUAL, 0);
    struct jd_arena_block a = commit(arena, JD_ARENA_DATA, 0, 1);
    struct jd_arena_block b = commit(arena, JD_ARENA_DATA, 0, 1);
    assert_true(a.addr != b.addr);
    assert_int_equal(a.size_bytes, 0);
    assert_int_equal(stats_of(arena).used_bytes[JD_ARENA_DATA], 0);
    jd_arena_free(arena, &a);
    assert_int_equal(commit(arena, JD_ARENA_DATA, 0, 1).addr, a.addr);
    jd_arena_destroy(arena);
}

/* Freed and aborted bytes come back, and come back zeroed; neighbours are left alone. */
static void reuses_zeroed(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {1, 16, 100, 4096, 10000, 300 * KIB};
    for (int m = 0; m < MODES; m++)
        for (int k = 0; k < JD_ARENA_KIND_COUNT; k++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                enum jd_arena_kind kind = (enum jd_arena_kind)k;
                struct jd_arena *arena = create(modes[m], 8 * MIB);
                struct jd_arena_block before = commit(arena, kind, 64, 16);
                struct jd_arena_block block = commit(arena, kind, sizes[s], 16);
                struct jd_arena_block after = commit(arena, kind, 64, 16);
                memset(before.write, 0x11, 64);
                memset(block.write, 0xff, sizes[s]);
                memset(after.write, 0x22, 64);
                jd_arena_free(arena, &block);
                struct jd_arena_block again = reserve(arena, kind, sizes[s], 16);
                assert_int_equal(again.addr, block.addr);
                assert_true(is_zero(again.write, sizes[s]));
                memset(again.write, 0xff, sizes[s]);
                jd_arena_abort(arena, &again);
                again = commit(arena, kind, sizes[s], 16);
                assert_int_equal(again.addr, block.addr);
                assert_true(is_zero(again.write, sizes[s]));
                assert_int_equal(*(unsigned char *)before.write, 0x11);
                assert_int_equal(((unsigned char *)before.write)[63], 0x11);
                assert_int_equal(*(unsigned char *)after.write, 0x22);
                jd_arena_destroy(arena);
            }
}

static void alias_shows_at_the_address(void **unused)
{
    (void)unused;
    for (int m = 0; m < MODES; m++) {
        struct jd_arena *arena = create(modes[m], 4 * MIB);
        for (int k = 0; k < JD_ARENA_KIND_COUNT; k++) {
            struct jd_arena_block b = commit(arena, (enum jd_arena_kind)k, 10000, 16);
            bool is_in_place = modes[m] == JD_ARENA_SEAL || k == JD_ARENA_DATA || k == JD_ARENA_GOT;
            assert_int_equal((uintptr_t)b.write == b.addr, is_in_place);
            assert_ptr_equal(jd_arena_writable(arena, b.addr), b.write);
            assert_ptr_equal(jd_arena_writable(arena, b.addr + 9999),
                             (unsigned char *)b.write + 9999);
            memset(b.write, 'a' + k, 10000);
            assert_memory_equal((const void *)b.addr, b.write, 10000);
        }
        uintptr_t first = commit(arena, JD_ARENA_CODE, 1, 1).addr & ~(uintptr_t)(4 * MIB - 1);
        assert_null(jd_arena_writable(arena, (uintptr_t)&arena));
        assert_null(jd_arena_writable(arena, first - 16 * (uintptr_t)MIB));
        jd_arena_destroy(arena);
    }
}

/* Pages that no kind has are not writable. */
static void unused_rest_is_not_writable(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_DUAL, 64 * MIB);
    struct jd_arena_block b = commit(arena, JD_ARENA_CODE, 1, 1);
    uintptr_t far_addr = b.addr + 63 * (uintptr_t)MIB;
    assert_true(jd_arena_contains(arena, far_addr));
    assert_null(jd_arena_writable(arena, far_addr));
    jd_arena_destroy(arena);
}

static size_t fill(struct jd_arena *arena, enum jd_arena_kind kind, size_t size)
{
    struct jd_arena_block block;
    size_t count = 0;
    int rc;
    while (!(rc = jd_arena_reserve(arena, kind, size, 16, &block, &err))) {
        jd_arena_commit(arena, &block);
        count++;
    }
    assert_int_equal(rc, JD_E_ARENA_FULL);
    return count;
}

/* A tiny arena has room for every kind, and nearly all of it for one of them. */
static void tiny_limit_is_shared_out(void **unused)
{
    (void)unused;
    for (int m = 0; m < MODES; m++) {
        struct jd_arena *arena = create(modes[m], 64 * KIB);
        for (int k = 0; k < JD_ARENA_KIND_COUNT; k++)
            commit(arena, (enum jd_arena_kind)k, 64, 16);
        jd_arena_destroy(arena);
        for (int k = 0; k < JD_ARENA_KIND_COUNT; k++) {
            arena = create(modes[m], 64 * KIB);
            assert_int_equal(fill(arena, (enum jd_arena_kind)k, 64), 1024);
            expect_error((int)err.code, JD_E_ARENA_FULL, "limit of 65536 bytes", &err);
            jd_arena_destroy(arena);
            arena = create(modes[m], 16 * MIB);
            assert_int_equal(fill(arena, (enum jd_arena_kind)k, 64), 16 * MIB / 64);
            jd_error_clear(&err);
            jd_arena_destroy(arena);
        }
    }
}

static void full_arena_says_so_and_lives(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_DUAL, 64 * KIB);
    struct jd_arena_block kept = commit(arena, JD_ARENA_CODE, 4096, 16), block;
    memset(kept.write, 0x5a, kept.size_bytes);
    expect_error(jd_arena_reserve(arena, JD_ARENA_RODATA, 64 * KIB, 16, &block, &err),
                 JD_E_ARENA_FULL, "arena: no room for 65536 bytes of rodata: ", &err);
    assert_null(block.write);
    expect_error(jd_arena_reserve(arena, JD_ARENA_STUB, 65001, 16, &block, &err), JD_E_ARENA_FULL,
                 "65001 bytes of stub", &err);
    expect_error(jd_arena_reserve(arena, JD_ARENA_DATA, SIZE_MAX, 16, &block, &err),
                 JD_E_ARENA_FULL, "of data", &err);
    expect_error(jd_arena_reserve(arena, JD_ARENA_DATA, SIZE_MAX - 70000, 65536, &block, &err),
                 JD_E_ARENA_FULL, "limit of 65536 bytes", &err);
    fill(arena, JD_ARENA_CODE, 4096);
    jd_error_clear(&err);
    assert_int_equal(*(unsigned char *)kept.addr, 0x5a);
    jd_arena_free(arena, &kept);
    assert_int_equal(commit(arena, JD_ARENA_CODE, 4096, 16).addr, kept.addr);
    jd_arena_destroy(arena);
}

static void large_requests_are_lazy(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_DUAL, 0);
    struct jd_arena_block block;
    commit(arena, JD_ARENA_CODE, 64, 16);
    expect_error(jd_arena_reserve(arena, JD_ARENA_DATA, (size_t)1 << 30, 16, &block, &err),
                 JD_E_ARENA_FULL, "bytes are taken (a limit may be up to 2147418112)", &err);
    block = commit(arena, JD_ARENA_DATA, (size_t)768 * MIB, 4096);
    ((unsigned char *)block.write)[block.size_bytes - 1] = 1;
    jd_arena_free(arena, &block);
    block = commit(arena, JD_ARENA_DATA, (size_t)768 * MIB, 4096);
    assert_int_equal(((unsigned char *)block.write)[block.size_bytes - 1], 0);
    block = commit(arena, JD_ARENA_CODE, (size_t)128 * MIB, 4096);
    ((unsigned char *)block.write)[block.size_bytes - 1] = 0xc3;
    assert_int_equal(((const unsigned char *)block.addr)[block.size_bytes - 1], 0xc3);
    jd_arena_destroy(arena);
}

static void ledger_counts(void **unused)
{
    (void)unused;
    for (int m = 0; m < MODES; m++) {
        struct jd_arena *arena = create(modes[m], 16 * MIB);
        struct jd_arena_stats stats = stats_of(arena);
        assert_int_equal(stats.reserved_bytes, 16 * MIB);
        assert_int_equal(stats.committed_bytes, 0);
        struct jd_arena_block a = reserve(arena, JD_ARENA_CODE, 100, 16);
        assert_int_equal(stats_of(arena).used_bytes[JD_ARENA_CODE], 0);
        jd_arena_commit(arena, &a);
        assert_int_equal(stats_of(arena).used_bytes[JD_ARENA_CODE], 100);
        assert_int_equal(stats_of(arena).committed_bytes, page_bytes());
        struct jd_arena_block b = commit(arena, JD_ARENA_DATA, MIB, page_bytes());
        stats = stats_of(arena);
        assert_int_equal(stats.used_bytes[JD_ARENA_DATA], MIB);
        assert_int_equal(stats.committed_bytes, page_bytes() + MIB);
        jd_arena_free(arena, &b);
        stats = stats_of(arena);
        assert_int_equal(stats.used_bytes[JD_ARENA_DATA], 0);
        assert_int_equal(stats.committed_bytes, page_bytes());
        jd_arena_free(arena, &a);
        assert_int_equal(stats_of(arena).used_bytes[JD_ARENA_CODE], 0);
        a = reserve(arena, JD_ARENA_CODE, 100, 16);
        jd_arena_abort(arena, &a);
        assert_int_equal(stats_of(arena).used_bytes[JD_ARENA_CODE], 0);
        jd_arena_destroy(arena);
    }
}

/* The kernel may join neighbours of one protection, so it can count fewer, never more. */
static void mappings_are_few_and_counted(void **unused)
{
    (void)unused;
    for (int m = 0; m < MODES; m++) {
        size_t limit = 256 * (size_t)MIB;
        struct jd_arena *arena = create(modes[m], limit);
        uintptr_t base_addr = 0;
        for (int i = 0; i < 20000; i++) {
            struct jd_arena_block b =
                commit(arena, (enum jd_arena_kind)(i % JD_ARENA_KIND_COUNT), 2000, 16);
            if (!i)
                base_addr = b.addr;
            if (i % 3000 == 0)
                expect_ok(jd_arena_seal(arena, &err), &err);
        }
        struct maps_count maps;
        assert_true(maps_read(base_addr, base_addr + limit, &maps));
        uint64_t alias = modes[m] == JD_ARENA_DUAL;
        uint64_t counted = stats_of(arena).mappings;
        assert_true(maps.all + alias <= counted);
        assert_true(counted < 150);
        jd_arena_destroy(arena);
    }
}

/* 100,000 rounds with some blocks alive across rounds: memory is bounded by what is alive. */
static void rounds_stay_bounded(void **unused)
{
    (void)unused;
    enum { ROUNDS = 100000, ALIVE = 64 };
    for (int m = 0; m < MODES; m++) {
        struct jd_arena *arena = create(modes[m], 0);
        struct jd_arena_block alive[ALIVE] = {{0}};
        uint32_t state = 1;
        for (int i = 0; i < ROUNDS; i++) {
            struct jd_arena_block *slot = &alive[i % ALIVE];
            if (slot->size_bytes)
                jd_arena_free(arena, slot);
            state = state * 1664525u + 1013904223u;
            *slot = commit(arena, (enum jd_arena_kind)(state >> 24) % JD_ARENA_KIND_COUNT,
                           1 + (state >> 8) % 3000, (size_t)1 << (state >> 20) % 8);
        }
        struct jd_arena_stats stats = stats_of(arena);
        assert_true(stats.committed_bytes < 2 * MIB);
        for (size_t i = 0; i < ALIVE; i++)
            jd_arena_free(arena, &alive[i]);
        stats = stats_of(arena);
        for (int k = 0; k < JD_ARENA_KIND_COUNT; k++)
            assert_int_equal(stats.used_bytes[k], 0);
        jd_arena_destroy(arena);
    }
}

/* 300,000 blocks freed in a scattered order join again into one range. */
static void freed_blocks_join(void **unused)
{
    (void)unused;
    enum { COUNT = 300000, STRIDE = 7919 /* prime, does not divide COUNT */ };
    struct jd_arena *arena = create(JD_ARENA_DUAL, 64 * (size_t)MIB);
    struct jd_arena_block *blocks = calloc(COUNT, sizeof *blocks);
    assert_non_null(blocks);
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = commit(arena, JD_ARENA_CODE, 40 + i % 100, 16);
    uint64_t committed = stats_of(arena).committed_bytes;
    for (size_t i = 0; i < COUNT; i++)
        jd_arena_free(arena, &blocks[i * STRIDE % COUNT]);
    struct jd_arena_block whole = commit(arena, JD_ARENA_CODE, committed, 16);
    assert_int_equal(whole.addr, blocks[0].addr);
    assert_int_equal(stats_of(arena).committed_bytes, committed);
    free(blocks);
    jd_arena_destroy(arena);
}

static void seal_starts_a_fresh_page(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_SEAL, MIB);
    struct jd_arena_block hole = commit(arena, JD_ARENA_CODE, 64, 16);
    struct jd_arena_block a = commit(arena, JD_ARENA_CODE, 100, 16);
    struct jd_arena_block data = commit(arena, JD_ARENA_DATA, 100, 16);
    jd_arena_free(arena, &hole);
    expect_ok(jd_arena_seal(arena, &err), &err);
    assert_null(jd_arena_writable(arena, a.addr));
    assert_ptr_equal(jd_arena_writable(arena, data.addr), data.write);
    struct jd_arena_block b = commit(arena, JD_ARENA_CODE, 64, 16);
    assert_int_equal(b.addr % page_bytes(), 0);
    assert_true(b.addr > a.addr);
    memset(b.write, 1, 64);
    expect_ok(jd_arena_seal(arena, &err), &err);
    expect_ok(jd_arena_seal(arena, &err), &err);
    assert_int_equal(*(const unsigned char *)b.addr, 1);
    assert_null(jd_arena_writable(arena, b.addr));
    jd_arena_destroy(arena);
}

static void sealed_bytes_are_not_reused(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_SEAL, MIB);
    struct jd_arena_block a = commit(arena, JD_ARENA_RODATA, 1000, 16);
    expect_ok(jd_arena_seal(arena, &err), &err);
    jd_arena_free(arena, &a);
    assert_int_equal(stats_of(arena).used_bytes[JD_ARENA_RODATA], 0);
    struct jd_arena_block b = commit(arena, JD_ARENA_RODATA, 1000, 16);
    assert_true(b.addr >= a.addr + page_bytes());
    jd_arena_destroy(arena);
}

/* Code that leaves an extent's tail behind: the tail is used, sealed, and never used again. */
static void seal_covers_every_extent(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_SEAL, 32 * MIB);
    uintptr_t addrs[200];
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < 50; i++) {
            struct jd_arena_block b = commit(arena, JD_ARENA_CODE, 3000 + 500 * i, 16);
            memset(b.write, (int)(round + 1), b.size_bytes);
            addrs[round * 50 + i] = b.addr;
            commit(arena, JD_ARENA_DATA, 9000, 16); /* breaks up the code's extents */
        }
        if (round == 2)
            continue;
        expect_ok(jd_arena_seal(arena, &err), &err);
        for (size_t i = 0; i < round * 50 + 50; i++)
            assert_null(jd_arena_writable(arena, addrs[i]));
    }
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(*(const unsigned char *)addrs[i], i / 50 + 1);
    jd_arena_destroy(arena);
}

static void seal_refuses_open_reservations(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_SEAL, MIB);
    struct jd_arena_block a = commit(arena, JD_ARENA_CODE, 100, 16);
    struct jd_arena_block b = reserve(arena, JD_ARENA_CODE, 100, 16);
    struct jd_arena_block data = reserve(arena, JD_ARENA_DATA, 100, 16);
    expect_error(jd_arena_seal(arena, &err), JD_E_STATE, "1 blocks of code", &err);
    assert_ptr_equal(jd_arena_writable(arena, a.addr), a.write);
    jd_arena_abort(arena, &b);
    expect_ok(jd_arena_seal(arena, &err), &err);
    assert_null(jd_arena_writable(arena, a.addr));
    jd_arena_commit(arena, &data);
    jd_arena_destroy(arena);
}

static void seal_does_nothing_in_dual_mode(void **unused)
{
    (void)unused;
    struct jd_arena *arena = create(JD_ARENA_DUAL, MIB);
    struct jd_arena_block a = commit(arena, JD_ARENA_CODE, 100, 16);
    struct jd_arena_block b = reserve(arena, JD_ARENA_CODE, 100, 16);
    expect_ok(jd_arena_seal(arena, &err), &err);
    assert_ptr_equal(jd_arena_writable(arena, a.addr), a.write);
    jd_arena_abort(arena, &b);
    jd_arena_free(arena, &a);
    assert_int_equal(commit(arena, JD_ARENA_CODE, 100, 16).addr, a.addr);
    jd_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_use),
        cmocka_unit_test(aligns_and_stays_in_range),
        cmocka_unit_test(size_zero_is_distinct),
        cmocka_unit_test(reuses_zeroed),
        cmocka_unit_test(alias_shows_at_the_address),
        cmocka_unit_test(unused_rest_is_not_writable),
        cmocka_unit_test(tiny_limit_is_shared_out),
        cmocka_unit_test(full_arena_says_so_and_lives),
        cmocka_unit_test(large_requests_are_lazy),
        cmocka_unit_test(ledger_counts),
        cmocka_unit_test(mappings_are_few_and_counted),
        cmocka_unit_test(rounds_stay_bounded),
        cmocka_unit_test(freed_blocks_join),
        cmocka_unit_test(seal_starts_a_fresh_page),
        cmocka_unit_test(sealed_bytes_are_not_reused),
        cmocka_unit_test(seal_covers_every_extent),
        cmocka_unit_test(seal_refuses_open_reservations),
        cmocka_unit_test(seal_does_nothing_in_dual_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
