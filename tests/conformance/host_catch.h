/* SPDX-License-Identifier: Apache-2.0
 *
 * A C++ handler on the host's side, for C.
 */
#ifndef JD_TESTS_CONFORMANCE_HOST_CATCH_H
#define JD_TESTS_CONFORMANCE_HOST_CATCH_H

#ifdef __cplusplus
extern "C" {
#endif

/** Calls function(x) in a try block: the int that it threw, 0 when it threw nothing, -1 when it
 * threw something else. */
int host_catch(void (*function)(int), int x);

#ifdef __cplusplus
}
#endif
#endif
