/* SPDX-License-Identifier: Apache-2.0
 *
 * What fuzz targets share: libFuzzer's entry, and a file with the input for readers that open
 * files.
 */
#ifndef JITDUEL_TESTS_FUZZ_SUPPORT_H
#define JITDUEL_TESTS_FUZZ_SUPPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FUZZ_PATH_BYTES = 160 };

/** libFuzzer's: one input, to be read as it is. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

/** A folder of this process, in memory where that can be; made once. What a target that found
 * something leaves behind is the system's to remove. */
static inline const char *fuzz_folder(void)
{
    static char folder[64];
    if (!*folder && !mkdtemp(strcpy(folder, "/dev/shm/jd-fuzz-XXXXXX")) &&
        !mkdtemp(strcpy(folder, "/tmp/jd-fuzz-XXXXXX")))
        abort();
    return folder;
}

/** Make a file of these bytes in the folder; returns its path in `out`. */
static inline char *fuzz_file(const char *name, const uint8_t *bytes, size_t size_bytes, char *out)
{
    snprintf(out, FUZZ_PATH_BYTES, "%s/%s", fuzz_folder(), name);
    FILE *file = fopen(out, "w");
    if (!file || fwrite(bytes, 1, size_bytes, file) != size_bytes || fclose(file) != 0)
        abort();
    return out;
}

#endif
