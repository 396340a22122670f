/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JITDUEL_TESTS_THROW_THROUGH_H
#define JITDUEL_TESTS_THROW_THROUGH_H

#ifdef __cplusplus
extern "C" {
#endif

/** Calls `function`, which calls what it is given, which throws. Returns 1 when that was caught. */
int throw_through(void (*function)(void (*callee)(void)));
/** Does not return. */
void throw_an_int(void);

#ifdef __cplusplus
}
#endif
#endif
