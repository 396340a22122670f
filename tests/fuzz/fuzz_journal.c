/* SPDX-License-Identifier: Apache-2.0
 *
 * Journals, and with them samples as JSON: what a killed run may have left, and worse.
 */
#include "fuzz_support.h"
#include "journal.h"
#include "record_json.h"

/* What was read can be written again, and then reads as the same. */
static int see(void *context, const struct jd_sample *sample, struct jd_error *err)
{
    struct jd_sample again;
    json_t *object = jd_sample_to_json(sample), *second = NULL;
    (void)context;
    if (!object || jd_sample_from_json(object, &again, err) != 0 ||
        !(second = jd_sample_to_json(&again)) || !json_equal(object, second))
        abort();
    json_decref(object);
    json_decref(second);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    char path[FUZZ_PATH_BYTES];
    struct jd_error err = JD_ERROR_INIT;
    struct jd_journal *journal;
    json_t *identity = json_object();
    fuzz_file("journal", bytes, size_bytes, path);
    if (jd_journal_open(path, identity, true, see, NULL, &journal, &err) == 0)
        jd_journal_close(journal, false);
    json_decref(identity);
    return 0;
}
