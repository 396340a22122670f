/* SPDX-License-Identifier: Apache-2.0
 *
 * Static libraries: the symbol index, long names, members.
 */
#include <string.h>

#include "archive.h"
#include "fuzz_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static const char *const names[] = {"alpha", "beta", "", "main", "jd_answer"};
    struct jd_error err = JD_ERROR_INIT;
    struct jd_archive *archive;
    if (jd_archive_open(bytes, size_bytes, "input.a", &archive, &err) != 0)
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct jd_archive_member *member = jd_archive_take(archive, names[i]);
        unsigned sum = 0;
        for (size_t at = 0; member && at < member->size_bytes; at++)
            sum += ((const unsigned char *)member->bytes)[at];
        if (member && strlen(member->name) == sum)
            jd_archive_has(archive, names[i]);
    }
    jd_archive_close(archive);
    return 0;
}
