/* SPDX-License-Identifier: Apache-2.0
 *
 * A static library: which member defines a name. Reads the System V format with a symbol index
 * ("/" or "/SYM64/") and long names ("//"), as ar and ranlib write it. Plain C, no LLVM, no ELF.
 * Source: System V ABI, "Archive File"; binutils' documentation of ar for the 64-bit index.
 */
#ifndef JITDUEL_COMMON_ARCHIVE_H
#define JITDUEL_COMMON_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

struct jd_archive;

/** A file in an archive; the bytes are the archive's. */
struct jd_archive_member {
    const char *name; /**< "ARCHIVE(MEMBER)", for messages; as long as the archive */
    const void *bytes;
    size_t size_bytes;
    bool is_taken; /**< jd_archive_take gave it out */
};

/** True when the bytes begin as an archive does, thin ones included. */
bool jd_archive_is(const void *bytes, size_t size_bytes);
/** Read the index. Bytes and name are borrowed until close. Errors: BAD_FILE (truncated, no index),
 * UNSUPPORTED (thin archives), NO_MEMORY; where is the name. */
int jd_archive_open(const void *bytes, size_t size_bytes, const char *name, struct jd_archive **out,
                    struct jd_error *err);
/** NULL is accepted. */
void jd_archive_close(struct jd_archive *archive);
/** Does a member define the name that jd_archive_take has not given out yet? */
bool jd_archive_has(const struct jd_archive *archive, const char *symbol);
/** Give out the first member that defines the name, once per member; NULL: none is left. */
const struct jd_archive_member *jd_archive_take(struct jd_archive *archive, const char *symbol);

#endif
