/* SPDX-License-Identifier: Apache-2.0
 *
 * A file made by the build, whole, for a test that hands bytes to an engine or a reader.
 */
#ifndef JITDUEL_TESTS_READ_FILE_H
#define JITDUEL_TESTS_READ_FILE_H

#include "expect.h"

#include <stdio.h>
#include <stdlib.h>

/** The bytes of the file at `path`; new, free them. The test fails where it cannot be read. */
static inline void *read_file(const char *path, size_t *out_bytes)
{
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    fseek(in, 0, SEEK_END);
    *out_bytes = (size_t)ftell(in);
    rewind(in);
    void *bytes = malloc(*out_bytes);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *out_bytes, in), *out_bytes);
    fclose(in);
    return bytes;
}

#endif
