/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity of a workload: SHA-256 over its IR files, one after the other. Two reports are
 * compared only where these agree. Uses nettle; knows neither descriptors nor suites.
 */
#include "catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 13 }; /* on the stack, which may be limited */

static int hash_file(struct sha256_ctx *context, const char *path, struct jd_error *err)
{
    uint8_t chunk[CHUNK_BYTES];
    ssize_t got = -1;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0)
        while ((got = read(file, chunk, sizeof chunk)) > 0)
            sha256_update(context, (size_t)got, chunk);
    int code = got < 0 ? jd_fail(err, JD_E_IO, path, "cannot be read: %s", strerror(errno)) : JD_OK;
    if (file >= 0)
        close(file);
    return code;
}

int workloads_entry_hash(struct workloads_entry *entry, struct jd_error *err)
{
    static const char digits[] = "0123456789abcdef";
    static const uint8_t separator[1] = {0};
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    if (entry->hash[0])
        return JD_OK;
    sha256_init(&context);
    for (size_t i = 0; i < entry->workload.file_count; i++) {
        /* So that bytes moved from one file to the next are another workload; of a single file the
         * hash is the one that sha256sum prints. */
        if (i)
            sha256_update(&context, sizeof separator, separator);
        int code = hash_file(&context, entry->workload.files[i], err);
        if (code)
            return code;
    }
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        entry->hash[2 * i] = digits[digest[i] >> 4];
        entry->hash[2 * i + 1] = digits[digest[i] & 15];
    }
    return JD_OK;
}
