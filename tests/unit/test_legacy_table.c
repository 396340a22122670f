/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy engine's hash table against a plain array that says what must be in it.
 */
#include <stdlib.h>

#include "expect.h"
#include "table.h"

enum { KEYS = 5000, ROUNDS = 200000 };

static bool is_key(const void *item, const void *key)
{
    return *(const uint32_t *)item == *(const uint32_t *)key;
}

/* Few distinct hashes: long probe sequences, which removal has to mend. */
static uint32_t crowded(uint32_t key)
{
    return key % 61;
}

static void check_all(const struct legacy_table *table, const uint32_t *keys, const bool *is_in)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        const uint32_t *found = legacy_table_find(table, crowded(keys[i]), is_key, &keys[i]);
        assert_ptr_equal(found, is_in[i] ? &keys[i] : NULL);
    }
}

static void random_insertions_and_removals(void **state)
{
    static uint32_t keys[KEYS];
    static bool is_in[KEYS];
    struct legacy_table table = {0};
    uint32_t random = 12345, count = 0;
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++)
        keys[i] = i;
    for (int round = 0; round < 20000; round++) {
        random = random * 1664525u + 1013904223u;
        uint32_t i = (random >> 8) % 600;
        if (is_in[i])
            legacy_table_remove(&table, crowded(keys[i]), &keys[i]);
        else
            assert_true(legacy_table_insert(&table, crowded(keys[i]), &keys[i]));
        count += is_in[i] ? UINT32_MAX : 1;
        is_in[i] = !is_in[i];
        assert_int_equal(table.count, count);
    }
    check_all(&table, keys, is_in);
    legacy_table_fini(&table);
}

static void rounds_do_not_grow_the_table(void **state)
{
    struct legacy_table table = {0};
    uint32_t keys[16];
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t *key = &keys[round % 16];
        *key = (uint32_t)round;
        assert_true(legacy_table_insert(&table, *key * 2654435761u, key));
        legacy_table_remove(&table, *key * 2654435761u, key);
    }
    assert_int_equal(table.count, 0);
    assert_int_equal(table.capacity, 64);
    legacy_table_fini(&table);
}

static void replace_keeps_the_place(void **state)
{
    struct legacy_table table = {0};
    uint32_t old = 7, new = 7, key = 7;
    (void)state;
    assert_true(legacy_table_insert(&table, 7, &old));
    legacy_table_replace(&table, 7, &old, &new);
    assert_ptr_equal(legacy_table_find(&table, 7, is_key, &key), &new);
    legacy_table_remove(&table, 7, &old); /* not in any more: nothing happens */
    assert_int_equal(table.count, 1);
    legacy_table_fini(&table);
}

static void empty_table_finds_nothing(void **state)
{
    struct legacy_table table = {0};
    uint32_t key = 1;
    (void)state;
    assert_null(legacy_table_find(&table, 1, is_key, &key));
    legacy_table_remove(&table, 1, &key);
    legacy_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_insertions_and_removals),
        cmocka_unit_test(rounds_do_not_grow_the_table),
        cmocka_unit_test(replace_keeps_the_place),
        cmocka_unit_test(empty_table_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
