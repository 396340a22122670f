/* SPDX-License-Identifier: Apache-2.0
 *
 * Reports, as `jitduel compare` and `jitduel merge` read them: any bytes are a report or an error;
 * any report can be compared with itself, alone and in relation to each of its engines, and can be
 * restored, analysed and written again.
 */
#include "compare.h"
#include "fuzz_support.h"
#include "report_restore.h"

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

static void compare_all(const char *path)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_report_file *file;
    if (jd_report_file_open(path, &file, &err))
        return;
    compare(file, NULL);
    for (size_t i = 0; i < file->cell_count && i < 4; i++)
        compare(file, file->cells[i].engine);
    jd_report_file_close(file);
}

static void restore(const char *path)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_restored restored;
    struct jd_analysis *analysis;
    json_t *root;
    if (jd_report_json_load(path, &root, &err))
        return;
    if (jd_restored_init(&restored, root, path, &err) == 0) {
        if (jd_analysis_create(&restored.plan, restored.samples, restored.sample_count, &analysis,
                               &err) == 0) {
            restored.report.analysis = analysis;
            json_decref(jd_report_to_json(&restored.report));
        }
        jd_analysis_destroy(analysis);
        jd_restored_fini(&restored);
    }
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    char path[FUZZ_PATH_BYTES];
    fuzz_file("report", bytes, size_bytes, path);
    compare_all(path);
    restore(path);
    return 0;
}
