/* SPDX-License-Identifier: Apache-2.0
 *
 * Unwind tables of the legacy engine by themselves: which entry belongs to which address, for
 * blocks that come and go, bad tables, several arenas and threads that unwind meanwhile. The code
 * and its tables are written by hand.
 */
#include "expect.h"

#include <pthread.h>
#include <stdlib.h>
#include <unwind.h>

#include "frame_code.h"

struct room {
    struct jd_arena *arena;
    struct legacy_unwind unwind;
    struct jd_error err;
    struct jd_arena_block *added; /* every block that ever was */
    size_t added_count, added_capacity;
};

static void room_open(struct room *room)
{
    memset(room, 0, sizeof *room);
    expect_ok(jd_arena_create(JD_ARENA_DUAL, 64 << 20, &room->arena, &room->err), &room->err);
    expect_ok(legacy_unwind_init(&room->unwind, room->arena, &room->err), &room->err);
}

static void room_close(struct room *room)
{
    for (size_t i = 0; i < room->added_count; i++)
        legacy_unwind_remove(&room->unwind, &room->added[i]);
    free(room->added);
    legacy_unwind_fini(&room->unwind);
    jd_arena_destroy(room->arena);
}

static void note_added(struct room *room, const struct jd_arena_block *code)
{
    if (room->added_count == room->added_capacity) {
        room->added_capacity = room->added_capacity ? room->added_capacity * 2 : 64;
        room->added = realloc(room->added, room->added_capacity * sizeof *room->added);
        assert_non_null(room->added);
    }
    room->added[room->added_count++] = *code;
}

static struct frame_code make(struct room *room, uint32_t count, const uint32_t *order)
{
    struct frame_code made;
    expect_ok(frame_code_make(room->arena, count, order, &made, &room->err), &room->err);
    assert_true(legacy_unwind_room(made.frames.write, made.frames_bytes) <= made.frames.size_bytes);
    return made;
}

static struct frame_code add(struct room *room, uint32_t count, const uint32_t *order)
{
    struct frame_code made = make(room, count, order);
    expect_ok(frame_code_add(&room->unwind, &made, &room->err), &room->err);
    note_added(room, &made.code);
    return made;
}

/* Fails unless `pc` belongs to the function at `function_addr` by an entry about it; 0: to none. */
static void expect_function(uintptr_t pc, uintptr_t function_addr)
{
    uintptr_t found_addr;
    const unsigned char *entry = legacy_unwind_find(pc, &found_addr);
    int32_t begin;
    assert_int_equal(found_addr, function_addr);
    assert_int_equal(entry != NULL, function_addr != 0);
    if (!entry)
        return;
    memcpy(&begin, entry + 8, sizeof begin);
    assert_int_equal((uintptr_t)entry + 8 + (uintptr_t)(intptr_t)begin, function_addr);
}

static void finds_each_function_to_the_byte(void **state)
{
    struct room room;
    (void)state;
    room_open(&room);
    struct frame_code first = add(&room, 3, NULL), second = add(&room, 1, NULL);
    for (uint32_t i = 0; i < 3; i++)
        for (uintptr_t byte = 0; byte < FRAME_CODE_BYTES; byte++)
            expect_function(frame_code_addr(&first, i) + byte, frame_code_addr(&first, i));
    expect_function(frame_code_addr(&second, 0), frame_code_addr(&second, 0));
    expect_function(first.code.addr, 0);
    expect_function(first.code.addr + LEGACY_UNWIND_PREFIX_BYTES - 1, 0);
    expect_function(second.code.addr + second.code.size_bytes, 0);
    expect_function((uintptr_t)expect_function, 0);
    expect_function(0, 0);
    expect_function(UINTPTR_MAX, 0);
    room_close(&room);
}

static void tables_need_no_order(void **state)
{
    static const uint32_t order[] = {4, 2, 0, 3, 1};
    struct room room;
    (void)state;
    room_open(&room);
    struct frame_code made = add(&room, 5, order);
    for (uint32_t i = 0; i < 5; i++)
        expect_function(frame_code_addr(&made, i) + 7, frame_code_addr(&made, i));
    room_close(&room);
}

/* A block without tables must not be answered for by the tables of the block before it. */
static void blocks_without_tables_have_none(void **state)
{
    struct room room;
    struct jd_arena_block bare;
    (void)state;
    room_open(&room);
    struct frame_code before = add(&room, 1, NULL);
    expect_ok(jd_arena_reserve(room.arena, JD_ARENA_CODE, 64 << 10, 16, &bare, &room.err),
              &room.err);
    expect_ok(legacy_unwind_add(&room.unwind, &bare, NULL, 0, 0, &room.err), &room.err);
    jd_arena_commit(room.arena, &bare);
    struct frame_code after = add(&room, 1, NULL);
    expect_function(bare.addr + LEGACY_UNWIND_PREFIX_BYTES, 0);
    expect_function(bare.addr + bare.size_bytes - 1, 0);
    expect_function(frame_code_addr(&before, 0), frame_code_addr(&before, 0));
    expect_function(frame_code_addr(&after, 0), frame_code_addr(&after, 0));
    legacy_unwind_remove(&room.unwind, &bare);
    expect_function(bare.addr + bare.size_bytes - 1, 0);
    room_close(&room);
}

/* Blocks come and go at random; what is there is found, what is gone is not. */
static void memory_is_used_again(void **state)
{
    enum { BLOCKS = 3000, ROUNDS = 30000 };
    struct room room;
    uint64_t random = 1;
    struct frame_code *made = calloc(BLOCKS, sizeof *made);
    uint32_t *counts = calloc(BLOCKS, sizeof *counts);
    (void)state;
    assert_true(made && counts);
    room_open(&room);
    for (int round = 0; round < ROUNDS; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
        uint32_t i = (uint32_t)(random >> 33) % BLOCKS;
        if (counts[i]) {
            uintptr_t addr = frame_code_addr(&made[i], counts[i] - 1);
            expect_function(addr + 3, addr);
            legacy_unwind_remove(&room.unwind, &made[i].code);
            expect_function(addr + 3, 0);
            frame_code_free(room.arena, &made[i]);
            counts[i] = 0;
        } else {
            counts[i] = 1 + (uint32_t)(random >> 40) % 40;
            made[i] = add(&room, counts[i], NULL);
        }
    }
    for (int i = 0; i < BLOCKS; i++)
        for (uint32_t k = 0; k < counts[i]; k++)
            expect_function(frame_code_addr(&made[i], k), frame_code_addr(&made[i], k));
    room_close(&room);
    free(made);
    free(counts);
}

static void arenas_do_not_mix(void **state)
{
    enum { ROOMS = 9 };
    struct room rooms[ROOMS];
    struct frame_code made[ROOMS];
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < ROOMS; i++) {
            room_open(&rooms[i]);
            made[i] = add(&rooms[i], 1, NULL);
        }
        for (int i = 0; i < ROOMS; i++)
            expect_function(frame_code_addr(&made[i], 0), frame_code_addr(&made[i], 0));
        for (int i = 0; i < ROOMS; i += 2)
            room_close(&rooms[i]);
        for (int i = 0; i < ROOMS; i++)
            expect_function(frame_code_addr(&made[i], 0), i % 2 ? frame_code_addr(&made[i], 0) : 0);
        for (int i = 1; i < ROOMS; i += 2)
            room_close(&rooms[i]);
    }
}

struct damage {
    size_t offset;
    uint32_t value; /* of the 4 bytes there */
    int code;
    const char *text;
};

static void bad_tables_are_refused(void **state)
{
    /* Offsets into the section: common part at 0, entry at 24. */
    static const struct damage cases[] = {
        {24 + 8, 0x10000000, JD_E_BAD_OBJECT, "which is not of the code"},
        {24 + 12, 17, JD_E_BAD_OBJECT, "which is not of the code"},
        {24 + 4, 4096, JD_E_BAD_OBJECT, "without its common part"},
        {8, 'y' << 8 | 1, JD_E_UNSUPPORTED, "augmentation 'y'"},
        {8, 'Q' << 16 | 'z' << 8 | 1, JD_E_UNSUPPORTED, "augmentation 'zQ'"},
        {16, 0x0c000000 | 7 << 16 | 0x1a01, JD_E_UNSUPPORTED, "pointer encoding 0x1a"},
        {16, 0x0c000000 | 7 << 16 | 0x3b01, JD_E_UNSUPPORTED, "pointer encoding 0x3b"},
    };
    struct room room;
    (void)state;
    room_open(&room);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame_code made = make(&room, 1, NULL);
        unsigned char *section = made.frames.write;
        if (cases[i].offset == 16) /* the augmentation's length and what it holds */
            frame_code_put32(section + 15, cases[i].value);
        else
            frame_code_put32(section + cases[i].offset, cases[i].value);
        expect_error(frame_code_add(&room.unwind, &made, &room.err), cases[i].code, cases[i].text,
                     &room.err);
        expect_function(frame_code_addr(&made, 0), 0);
        legacy_unwind_remove(&room.unwind, &made.code);
    }
    room_close(&room);
}

/* ---- the unwinder itself ---- */

struct walk {
    uintptr_t wanted_addr;
    bool was_wanted, was_outside;
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    uintptr_t function_addr = (uintptr_t)_Unwind_GetRegionStart(context);
    if (function_addr == walk->wanted_addr)
        walk->was_wanted = true;
    else if (walk->was_wanted)
        walk->was_outside = true;
    return _URC_NO_REASON;
}

static _Thread_local struct walk *current;

static void walk_here(void)
{
    _Unwind_Backtrace(visit, current);
}

/* The walk passes through the function and goes on with its caller. */
static bool is_walked_through(uintptr_t function_addr)
{
    struct walk walk = {.wanted_addr = function_addr};
    current = &walk;
    ((void (*)(void (*)(void)))function_addr)(walk_here);
    return walk.was_wanted && walk.was_outside;
}

static void this_process_asks_us(void **state)
{
    (void)state;
    assert_int_equal(legacy_unwind_mode(), JD_TEST_UNWIND_MODE);
}

static void unwinder_walks_through_blocks(void **state)
{
    struct room room;
    (void)state;
    room_open(&room);
    struct frame_code made[100];
    for (int i = 0; i < 100; i++)
        made[i] = add(&room, 3, NULL);
    for (int i = 0; i < 100; i++)
        assert_true(is_walked_through(frame_code_addr(&made[i], (uint32_t)i % 3)));
    for (int i = 0; i < 100; i += 2)
        legacy_unwind_remove(&room.unwind, &made[i].code);
    for (int i = 0; i < 100; i++)
        assert_int_equal(is_walked_through(frame_code_addr(&made[i], 0)), i % 2);
    for (int i = 1; i < 100; i += 2)
        legacy_unwind_remove(&room.unwind, &made[i].code);
    room_close(&room);
}

struct walker {
    pthread_t thread;
    uintptr_t function_addr;
    atomic_bool *is_over;
    uint64_t walks, failures;
};

static void *keep_walking(void *argument)
{
    struct walker *walker = argument;
    while (!atomic_load(walker->is_over)) {
        walker->walks++;
        walker->failures += !is_walked_through(walker->function_addr);
    }
    return NULL;
}

/* Threads walk while blocks come and go around theirs, in this arena and in others. */
static void threads_walk_meanwhile(void **state)
{
    enum { WALKERS = 3, ROUNDS = 2000, BATCH = 8 };
    struct room room, other;
    struct walker walkers[WALKERS];
    struct frame_code batch[BATCH];
    atomic_bool is_over = false;
    (void)state;
    room_open(&room);
    struct frame_code own = add(&room, WALKERS, NULL);
    for (uint32_t i = 0; i < WALKERS; i++) {
        walkers[i] =
            (struct walker){.function_addr = frame_code_addr(&own, i), .is_over = &is_over};
        assert_int_equal(pthread_create(&walkers[i].thread, NULL, keep_walking, &walkers[i]), 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < BATCH; i++)
            batch[i] = add(&room, 1 + i, NULL);
        for (uint32_t i = 0; i < BATCH; i++) {
            legacy_unwind_remove(&room.unwind, &batch[i].code);
            frame_code_free(room.arena, &batch[i]);
        }
        if (round % 50)
            continue;
        room_open(&other);
        room_close(&other);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < WALKERS; i++) {
        pthread_join(walkers[i].thread, NULL);
        assert_int_not_equal(walkers[i].walks, 0);
        assert_int_equal(walkers[i].failures, 0);
    }
    room_close(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_process_asks_us),   cmocka_unit_test(finds_each_function_to_the_byte),
        cmocka_unit_test(tables_need_no_order),   cmocka_unit_test(blocks_without_tables_have_none),
        cmocka_unit_test(memory_is_used_again),   cmocka_unit_test(arenas_do_not_mix),
        cmocka_unit_test(bad_tables_are_refused), cmocka_unit_test(unwinder_walks_through_blocks),
        cmocka_unit_test(threads_walk_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
