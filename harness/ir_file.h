/* SPDX-License-Identifier: Apache-2.0
 *
 * IR files as bytes: mapped read-only, or read whole from standard input. Knows no engine and does
 * not look into the bytes, except that there must be some.
 */
#ifndef JITDUEL_HARNESS_IR_FILE_H
#define JITDUEL_HARNESS_IR_FILE_H

#include "jitduel/error.h"
#include "jitduel/ir.h"

/** Open `path`, or standard input for "-". A regular file is mapped (MAP_PRIVATE, read-only); what
 * cannot be mapped (a pipe, a terminal) is read whole. `out->name` borrows `path` ("<stdin>" for
 * "-"). Close it when no engine borrows it any more. Errors name the path: IO when it cannot be
 * opened or read or is a directory, BAD_IR when it is empty, NO_MEMORY. */
int jd_ir_file_open(const char *path, struct jd_ir *out, struct jd_error *err);
/** Unmap and zero; accepts what is zero already. Only for what jd_ir_file_open filled. */
void jd_ir_file_close(struct jd_ir *ir);

#endif
