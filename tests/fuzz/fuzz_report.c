/* SPDX-License-Identifier: Apache-2.0
 *
 * Reports, as `jitduel compare` reads them: any bytes are a report or an error, and any report can
 * be compared with itself, alone and in relation to each of its engines.
 */
#include "compare.h"
#include "fuzz_support.h"

static void compare(const struct jd_report_file *file, const char *relative_to)
{
    struct jd_error err = JD_ERROR_INIT;
    const struct jd_compare_request request = {.relative_to = relative_to};
    struct jd_compare *compare;
    if (jd_compare_create(file, file, &request, &compare, &err))
        return;
    for (size_t i = 0; i < compare->row_count; i++)
        if (compare->rows[i].change == JD_CHANGE_REGRESSION ||
            compare->rows[i].change == JD_CHANGE_BETTER)
            abort(); /* against itself */
    jd_compare_destroy(compare);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    char path[FUZZ_PATH_BYTES];
    struct jd_error err = JD_ERROR_INIT;
    struct jd_report_file *file;
    fuzz_file("report", bytes, size_bytes, path);
    if (jd_report_file_open(path, &file, &err))
        return 0;
    compare(file, NULL);
    for (size_t i = 0; i < file->cell_count && i < 4; i++)
        compare(file, file->cells[i].engine);
    jd_report_file_close(file);
    return 0;
}
