/* SPDX-License-Identifier: Apache-2.0
 *
 * Option values, exit codes and suggestions. What a whole command line does is in cases.py.
 */
#include <stdbool.h>

#include "cli.h"
#include "expect.h"

static struct jd_error err;

static void numbers(void **state)
{
    static const struct {
        const char *text;
        int has_suffix;
        unsigned long long low, high;
        int code;
        unsigned long long value;
    } cases[] = {
        {"0", 0, 0, 3, 0, 0},
        {"3", 0, 0, 3, 0, 3},
        {"4", 0, 0, 3, JD_E_USAGE, 0},
        {"", 0, 0, 3, JD_E_USAGE, 0},
        {" 1", 0, 0, 3, JD_E_USAGE, 0},
        {"+1", 0, 0, 3, JD_E_USAGE, 0},
        {"-1", 0, 0, 3, JD_E_USAGE, 0},
        {"1k", 0, 0, 9999, JD_E_USAGE, 0},
        {"1k", 1, 0, 9999, 0, 1024},
        {"2M", 1, 1, 1ull << 40, 0, 2ull << 20},
        {"3G", 1, 1, 1ull << 40, 0, 3ull << 30},
        {"3GB", 1, 1, 1ull << 40, JD_E_USAGE, 0},
        {"3T", 1, 1, 1ull << 40, JD_E_USAGE, 0},
        {"0x10", 1, 0, 99, JD_E_USAGE, 0},
        {"18446744073709551615", 0, 0, ~0ull, 0, ~0ull},
        {"18446744073709551616", 0, 0, ~0ull, JD_E_USAGE, 0},
        {"18014398509481984K", 1, 0, ~0ull, JD_E_USAGE, 0}, /* 2^64 */
        {"18014398509481983K", 1, 0, ~0ull, 0, ~0ull - 1023},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned long long value = 77;
        int code = jd_cli_number("--size", cases[i].text, cases[i].low, cases[i].high,
                                 cases[i].has_suffix, &value, &err);
        if (code != cases[i].code || value != cases[i].value)
            fail_msg("'%s': %d, %llu", cases[i].text, code, value);
        if (code)
            assert_string_equal(err.where, "--size");
        jd_error_clear(&err);
    }
}

static void exit_codes(void **state)
{
    static const struct {
        int code, exit_code;
    } cases[] = {{JD_E_USAGE, 64},       {JD_E_BAD_IR, 65},   {JD_E_UNRESOLVED, 65},
                 {JD_E_UNSUPPORTED, 69}, {JD_E_INTERNAL, 70}, {JD_E_NO_MEMORY, 71},
                 {JD_E_IO, 71}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        jd_fail(&err, cases[i].code, "w", "t");
        assert_int_equal(jd_cli_exit_code(&err), cases[i].exit_code);
        jd_error_clear(&err);
    }
    assert_int_equal(jd_cli_exit_code(&err), 0);
}

static void suggestions(void **state)
{
    static const char *const names[] = {"list", "run", "bench", "merge", "compare", NULL};
    static const char *const pairs[][2] = {
        {"rum", "run"},     {"lsit", "list"},     {"compair", "compare"},
        {"bnech", "bench"}, {"frobnicate", NULL}, {"x", NULL},
        {"", NULL},         {"engines", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *nearest = jd_cli_nearest(pairs[i][0], names);
        if (!pairs[i][1])
            assert_null(nearest);
        else if (!nearest || strcmp(nearest, pairs[i][1]) != 0)
            fail_msg("'%s' suggests %s", pairs[i][0], nearest ? nearest : "nothing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
