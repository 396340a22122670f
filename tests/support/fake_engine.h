/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine without a compiler: its "IR" is a script that binds names to functions of the test
 * program itself. It proves that the harness needs nothing but the contract, and plays what real
 * engines do rarely: refuse, fail late, crash inside a phase.
 *
 * Script, one command per line, first line "fake":
 *   define NAME FUNCTION      NAME is that host function (see fake_engine.c for the list)
 *   constructor FUNCTION      run by run_constructors, in order
 *   destructor FUNCTION       run by run_destructors, in reverse
 *   fail METHOD CODE TEXT     the method (add_module, prepare, constructors, destructors, counters)
 *                             fails with the jd_code of that name
 *   crash PHASE SIGNAL        add_module raises the signal inside that phase
 *   crash - SIGNAL            ... outside any phase
 *
 * The function print_args_by_token waits for a byte of the pipe named by JD_FAKE_TOKENS, where that
 * is set: whoever holds the other end says how many runs end.
 */
#ifndef JITDUEL_TESTS_FAKE_ENGINE_H
#define JITDUEL_TESTS_FAKE_ENGINE_H

#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_fake_ops;

/** Calls so far, one letter each: c create, a add_module, d define_symbol, p prepare, l lookup,
 * C run_constructors, D run_destructors, n counters, x destroy. */
extern char jd_fake_calls[64];

#endif
