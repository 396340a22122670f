/* SPDX-License-Identifier: Apache-2.0
 *
 * Doors that C++ exceptions do not pass.
 */
#ifndef JITDUEL_COMMON_GUARD_SHIM_H
#define JITDUEL_COMMON_GUARD_SHIM_H

#include <stdbool.h>

#include "jitduel/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Call work(argument, err). True: it returned *out_result. False: memory ran out in C++ code,
 * which was left at once: what it was working on is undefined. A program that catches all
 * exceptions would otherwise take the engine's for its own, and go on with the engine's lock held.
 */
bool jd_guard_shim_call(int (*work)(void *argument, struct jd_error *err), void *argument,
                        struct jd_error *err, int *out_result);
/** Call function(argument), which is not ours. False: it was left by an exception. The end of the
 * thread passes through. */
bool jd_guard_shim_call_foreign(void (*function)(void *argument), void *argument);

#ifdef __cplusplus
}
#endif
#endif
