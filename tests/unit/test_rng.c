/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers and the hash against published test vectors.
 */
#include "expect.h"

#include <stdbool.h>

#include "rng.h"

/* The sequence that the authors' xoshiro256starstar.c gives from the state 1, 2, 3, 4. */
static void test_xoshiro_vector(void **state)
{
    static const uint64_t expected[] = {UINT64_C(11520), UINT64_C(0), UINT64_C(1509978240),
                                        UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360)};
    struct jd_rng rng = {{1, 2, 3, 4}};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(jd_rng_next(&rng), expected[i]);
}

/* splitmix64 from 1234567, as its author's splitmix64.c gives it, fills the state. */
static void test_seed_vector(void **state)
{
    struct jd_rng rng;
    (void)state;
    jd_rng_init(&rng, 1234567);
    assert_int_equal(rng.state[0], UINT64_C(6457827717110365317));
    assert_int_equal(rng.state[1], UINT64_C(3203168211198807973));
    assert_int_equal(rng.state[2], UINT64_C(9817491932198370423));
    assert_int_equal(rng.state[3], UINT64_C(4593380528125082431));
}

static void test_hash_vectors(void **state)
{
    (void)state;
    assert_int_equal(jd_hash64(JD_HASH64_INIT, "", 0), UINT64_C(0xcbf29ce484222325));
    assert_int_equal(jd_hash64(JD_HASH64_INIT, "a", 1), UINT64_C(0xaf63dc4c8601ec8c));
    assert_int_equal(jd_hash64(JD_HASH64_INIT, "foobar", 6), UINT64_C(0x85944171f73967e8));
}

static void test_text_hash_keeps_boundaries(void **state)
{
    (void)state;
    uint64_t left = jd_hash64_text(jd_hash64_text(JD_HASH64_INIT, "ab"), "c");
    uint64_t right = jd_hash64_text(jd_hash64_text(JD_HASH64_INIT, "a"), "bc");
    assert_true(left != right);
    assert_int_equal(jd_hash64_text(JD_HASH64_INIT, NULL), jd_hash64_text(JD_HASH64_INIT, ""));
}

static void test_below_is_uniform(void **state)
{
    enum { BOUND = 7, DRAWS = 70000 };
    size_t seen[BOUND] = {0};
    struct jd_rng rng;
    (void)state;
    jd_rng_init(&rng, 1);
    for (int i = 0; i < DRAWS; i++)
        seen[jd_rng_below(&rng, BOUND)]++;
    /* 10,000 each; five standard deviations of a binomial are 463 */
    for (int i = 0; i < BOUND; i++)
        assert_in_range(seen[i], 10000 - 463, 10000 + 463);
}

/* Every order of three comes equally often. */
static void test_shuffle_is_uniform(void **state)
{
    enum { DRAWS = 60000 };
    size_t seen[6] = {0};
    struct jd_rng rng;
    (void)state;
    jd_rng_init(&rng, 2);
    for (int i = 0; i < DRAWS; i++) {
        size_t order[3] = {0, 1, 2};
        jd_rng_shuffle(&rng, order, 3);
        assert_int_equal(order[0] + order[1] + order[2], 3);
        seen[2 * order[0] + (order[1] > order[2])]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 10000 - 457, 10000 + 457);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xoshiro_vector),   cmocka_unit_test(test_seed_vector),
        cmocka_unit_test(test_hash_vectors),     cmocka_unit_test(test_text_hash_keeps_boundaries),
        cmocka_unit_test(test_below_is_uniform), cmocka_unit_test(test_shuffle_is_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
