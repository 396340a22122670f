/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference: a program compiled ahead by LLVM's code generator and linked by the system's
 * linker, with no part of an engine in between.
 */
#ifndef JITDUEL_TESTS_DIFF_NATIVE_H
#define JITDUEL_TESTS_DIFF_NATIVE_H

#include <stddef.h>

#include "jitduel/ir.h"

typedef int (*native_main_fn)(int, char **, char **);

/** Compile, link and load into this process; constructors run at once. NULL with a message on
 * standard error when something fails. To be called once per process. */
native_main_fn native_load(const struct jd_ir *files, size_t count, unsigned opt_level);
/** Parse and verify text IR and write it as bitcode to a file descriptor; 0, or -1 with a message.
 */
int native_assemble(const struct jd_ir *text, int fd);

#endif
