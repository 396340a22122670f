/* SPDX-License-Identifier: Apache-2.0
 *
 * A JSON value to a file, all or nothing. Knows no content.
 */
#ifndef JITDUEL_HARNESS_JSON_FILE_H
#define JITDUEL_HARNESS_JSON_FILE_H

#include <jansson.h>

#include "jitduel/error.h"

/** Fail early: can a file be made at `path`? Creates nothing. *out_path is the same place as an
 * absolute path (new; free it), valid after a chdir. IO names the path. */
int jd_json_file_check(const char *path, char **out_path, struct jd_error *err);

/** Write `value` (borrowed; not NULL) with a line end to `path`. A regular file, or one that does
 * not exist, is replaced atomically: temporary file in the same folder, fsync, rename; on failure
 * the old file is untouched and the temporary one removed. Anything else (a pipe, /dev/stdout) is
 * written to directly. A full disk is IO and says so. Where memory was short while `value` was
 * made, by anyone in this process, it may not be whole: NO_MEMORY, and no file. `value` keeps
 * member order; reals are written with 17 digits. */
int jd_json_file_write(const char *path, const json_t *value, struct jd_error *err);

#endif
