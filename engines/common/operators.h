/* SPDX-License-Identifier: Apache-2.0
 *
 * The operators of C++'s run-time library that a program may replace. Natively the program's
 * definitions serve all shared libraries, the C++ library first of all: std::string's memory comes
 * from there, and operator new[] calls operator new. Source: ISO C++, [replacement.functions].
 */
#ifndef JITDUEL_COMMON_OPERATORS_H
#define JITDUEL_COMMON_OPERATORS_H

#include <stdint.h>

#include "jitduel/error.h"

/** Address of a program's definition, or 0. */
typedef uintptr_t (*jd_operator_find_fn)(void *context, const char *name);

/** From here on, calls by shared libraries of the operators that `find` knows go to what it
 * answers, except from the program's file itself, from the library that has LLVM, and from threads
 * that are undisturbed: an engine's memory is none of the program's. One owner at a time: while
 * another has done so, nothing is done. Any thread. Errors: EXEC_DENIED (a library's table cannot
 * be written). */
int jd_operators_replace(const void *owner, jd_operator_find_fn find, void *context,
                         struct jd_error *err);
/** The library's own again, if they were replaced for `owner`. */
void jd_operators_restore(const void *owner);

#endif
