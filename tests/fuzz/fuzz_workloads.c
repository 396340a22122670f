/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors of workloads and recipes, generated workloads, suites. The first byte of the input
 * says which of them the rest is.
 */
#include <string.h>

#include "fuzz_support.h"
#include "jitduel/workload.h"

static const char good_workload[] =
    "name = kernel/a\nsummary = s\nfiles = a.bc\nexpected = e.txt\n";
static const char good_suite[] = "summary = s\nkernel/a cold warm : why\n";

static void make_folder(const char *name)
{
    char path[FUZZ_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    mkdir(path, 0700);
}

static void use(const struct jd_catalogue *catalogue)
{
    size_t count, seen = 0;
    const struct jd_workload *const *all = jd_catalogue_all(catalogue, &count);
    for (size_t i = 0; i < count; i++) {
        seen += strlen(all[i]->name) + strlen(all[i]->hash) + strlen(all[i]->expected_output);
        if (jd_catalogue_find(catalogue, all[i]->name) != all[i])
            abort();
    }
    if (seen == SIZE_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static const char *const folders[] = {"kernels",   "kernels/a", "recipes",
                                          "recipes/b", "synth",     "suites"};
    char path[FUZZ_PATH_BYTES];
    struct jd_error err = JD_ERROR_INIT;
    struct jd_catalogue *catalogue;
    if (!size_bytes)
        return 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make_folder(folders[i]);
    unsigned kind = bytes[0] % 4;
    fuzz_file("kernels/a/e.txt", (const uint8_t *)"x", 1, path);
    fuzz_file("kernels/a/a.workload", (const uint8_t *)good_workload, sizeof good_workload - 1,
              path);
    fuzz_file("suites/s.suite", (const uint8_t *)good_suite, sizeof good_suite - 1, path);
    fuzz_file("synth/g.synth", (const uint8_t *)"", 0, path);
    static const char *const names[] = {"kernels/a/a.workload", "suites/s.suite", "synth/g.synth",
                                        "recipes/b/b.workload"};
    fuzz_file(names[kind], bytes + 1, size_bytes - 1, path);
    if (jd_catalogue_open(fuzz_folder(), fuzz_folder(), &catalogue, &err) == 0)
        use(catalogue);
    jd_catalogue_close(catalogue);
    if (kind == 3)
        unlink(path);
    return 0;
}
