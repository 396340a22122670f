/* SPDX-License-Identifier: Apache-2.0
 *
 * The symbol table in front of MCJIT: finding among many, and every pair of linkage ranks.
 */
#include "expect.h"

#include <stdio.h>

#include "symbol_table.h"

enum { MANY = 20000 };

static void test_finds_each_among_many(void **state)
{
    struct mcjit_symbol_table table = {0};
    struct mcjit_symbol *symbol, *again;
    struct jd_error err = JD_ERROR_INIT;
    char name[32];
    (void)state;
    assert_null(mcjit_symbol_find(&table, "s0", 2));
    for (int i = 0; i < MANY; i++) {
        int length = snprintf(name, sizeof name, "s%d", i);
        expect_ok(mcjit_symbol_intern(&table, name, (size_t)length, &symbol, &err), &err);
        assert_string_equal(symbol->name, name);
        symbol->addr = (uintptr_t)i + 1;
    }
    assert_int_equal(table.symbol_count, MANY);
    for (int i = 0; i < MANY; i++) {
        int length = snprintf(name, sizeof name, "s%d", i);
        symbol = mcjit_symbol_find(&table, name, (size_t)length);
        assert_non_null(symbol);
        assert_int_equal(symbol->addr, i + 1);
        expect_ok(mcjit_symbol_intern(&table, name, (size_t)length, &again, &err), &err);
        assert_ptr_equal(symbol, again);
    }
    assert_int_equal(table.symbol_count, MANY);
    mcjit_symbol_table_fini(&table);
    assert_int_equal(table.symbol_count, 0);
}

/* A name is what its length says: one that begins another is a name of its own. */
static void test_tells_prefixes_apart(void **state)
{
    struct mcjit_symbol_table table = {0};
    struct mcjit_symbol *whole, *part;
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    expect_ok(mcjit_symbol_intern(&table, "foobar", 6, &whole, &err), &err);
    assert_null(mcjit_symbol_find(&table, "foobar", 3));
    expect_ok(mcjit_symbol_intern(&table, "foobar", 3, &part, &err), &err);
    assert_string_equal(part->name, "foo");
    assert_ptr_not_equal(part, whole);
    assert_ptr_equal(mcjit_symbol_find(&table, "foo", 3), part);
    mcjit_symbol_table_fini(&table);
}

static const struct {
    const char *what;
    struct mcjit_symbol symbol;
    enum mcjit_rank rank;
    uint64_t common_bytes;
    enum mcjit_verdict verdict;
} cases[] = {
    {"first weak", {.rank = MCJIT_RANK_NONE}, MCJIT_RANK_WEAK, 0, MCJIT_TAKE},
    {"first strong", {.rank = MCJIT_RANK_NONE}, MCJIT_RANK_STRONG, 0, MCJIT_TAKE},
    {"weak, weak", {.rank = MCJIT_RANK_WEAK}, MCJIT_RANK_WEAK, 0, MCJIT_KEEP},
    {"weak, strong", {.rank = MCJIT_RANK_WEAK}, MCJIT_RANK_STRONG, 0, MCJIT_TAKE},
    {"weak, common", {.rank = MCJIT_RANK_WEAK}, MCJIT_RANK_COMMON, 4, MCJIT_TAKE},
    {"strong, weak", {.rank = MCJIT_RANK_STRONG}, MCJIT_RANK_WEAK, 0, MCJIT_KEEP},
    {"strong, strong", {.rank = MCJIT_RANK_STRONG}, MCJIT_RANK_STRONG, 0, MCJIT_DUPLICATE},
    {"strong, common", {.rank = MCJIT_RANK_STRONG}, MCJIT_RANK_COMMON, 64, MCJIT_KEEP},
    {"common, weak",
     {.rank = MCJIT_RANK_COMMON, .common_bytes = 4},
     MCJIT_RANK_WEAK,
     0,
     MCJIT_KEEP},
    {"common, strong",
     {.rank = MCJIT_RANK_COMMON, .common_bytes = 4},
     MCJIT_RANK_STRONG,
     0,
     MCJIT_TAKE},
    {"common, smaller",
     {.rank = MCJIT_RANK_COMMON, .common_bytes = 8},
     MCJIT_RANK_COMMON,
     4,
     MCJIT_KEEP},
    {"common, same",
     {.rank = MCJIT_RANK_COMMON, .common_bytes = 8},
     MCJIT_RANK_COMMON,
     8,
     MCJIT_KEEP},
    {"common, larger",
     {.rank = MCJIT_RANK_COMMON, .common_bytes = 8},
     MCJIT_RANK_COMMON,
     16,
     MCJIT_TAKE},
    {"compiled weak, strong",
     {.rank = MCJIT_RANK_WEAK, .is_bound = true},
     MCJIT_RANK_STRONG,
     0,
     MCJIT_TOO_LATE},
    {"compiled weak, weak",
     {.rank = MCJIT_RANK_WEAK, .is_bound = true},
     MCJIT_RANK_WEAK,
     0,
     MCJIT_KEEP},
    {"compiled strong, strong",
     {.rank = MCJIT_RANK_STRONG, .is_bound = true},
     MCJIT_RANK_STRONG,
     0,
     MCJIT_DUPLICATE},
    {"compiled common, larger",
     {.rank = MCJIT_RANK_COMMON, .common_bytes = 8, .is_bound = true},
     MCJIT_RANK_COMMON,
     16,
     MCJIT_TOO_LATE},
    {"bound elsewhere, strong", {.is_bound = true}, MCJIT_RANK_STRONG, 0, MCJIT_TOO_LATE},
    {"bound elsewhere, weak", {.is_bound = true}, MCJIT_RANK_WEAK, 0, MCJIT_KEEP},
    {"bound to a defined address, strong",
     {.is_bound = true, .is_user_defined = true},
     MCJIT_RANK_STRONG,
     0,
     MCJIT_KEEP},
    {"defined address not used yet, strong",
     {.is_user_defined = true},
     MCJIT_RANK_STRONG,
     0,
     MCJIT_TAKE},
};

static void test_judges_every_pair(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum mcjit_verdict verdict =
            mcjit_symbol_judge(&cases[i].symbol, cases[i].rank, cases[i].common_bytes);
        if (verdict != cases[i].verdict)
            fail_msg("%s: got verdict %d, wanted %d", cases[i].what, (int)verdict,
                     (int)cases[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_each_among_many),
        cmocka_unit_test(test_tells_prefixes_apart),
        cmocka_unit_test(test_judges_every_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
