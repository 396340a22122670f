/* SPDX-License-Identifier: Apache-2.0
 *
 * cmocka, and what every unit test says about jd_error. Knows no room but errors.
 */
#ifndef JITDUEL_TESTS_EXPECT_H
#define JITDUEL_TESTS_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jitduel/error.h"

/** Fails the test with the error's own line unless `rc` is 0. Clears the error otherwise. */
#define expect_ok(rc, err) expect_ok_at((rc), (err), __FILE__, __LINE__)
/** Fails the test unless `rc` is `code` and the error's line contains `text`. Clears the error. */
#define expect_error(rc, code, text, err)                                                          \
    expect_error_at((rc), (code), (text), (err), __FILE__, __LINE__)

static inline void expect_ok_at(int rc, struct jd_error *err, const char *file, int line)
{
    char text[JD_ERROR_WHERE_BYTES + JD_ERROR_TEXT_BYTES];
    if (rc != JD_OK) {
        print_error("%s:%d: %s: %s\n", file, line, jd_code_name(rc),
                    jd_error_line(err, text, sizeof text));
        _fail(file, line);
    }
    jd_error_clear(err);
}

static inline void expect_error_at(int rc, int code, const char *part, struct jd_error *err,
                                   const char *file, int line)
{
    char text[JD_ERROR_WHERE_BYTES + JD_ERROR_TEXT_BYTES];
    jd_error_line(err, text, sizeof text);
    if (rc != code || (int)err->code != code || !strstr(text, part)) {
        print_error("%s:%d: got %s '%s', wanted %s '%s'\n", file, line, jd_code_name(rc), text,
                    jd_code_name(code), part);
        _fail(file, line);
    }
    jd_error_clear(err);
}

#endif
