/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a test waits for what must come before it says that it never will. It is there for
 * deadlocks: no test judges a duration, because the machine may be slow, emulated or busy.
 */
#ifndef JITDUEL_TESTS_PATIENCE_H
#define JITDUEL_TESTS_PATIENCE_H

/** Seconds; less than the limit that CTest has for a test (tests/CMakeLists.txt), so that a child
 * that was forked ends first and leaves nobody behind. */
enum { PATIENCE_S = 600 };

#endif
