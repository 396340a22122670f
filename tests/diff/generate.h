/* SPDX-License-Identifier: Apache-2.0
 *
 * Random programs in textual LLVM IR: the same seed gives the same bytes on every machine, and
 * every program means the same under every correct compiler. Knows no LLVM and no engine.
 *
 * A program has no undefined behaviour and no poison (shifts are masked, divisors guarded, indices
 * in bounds, nothing carries nsw), does not depend on the bits of a NaN, ends (calls use up fuel,
 * loops are counted), prints checksums while it runs and at the end that of all its global
 * variables, and returns part of it as its exit code.
 */
#ifndef JITDUEL_TESTS_DIFF_GENERATE_H
#define JITDUEL_TESTS_DIFF_GENERATE_H

#include <stddef.h>
#include <stdint.h>

enum { DIFF_MODULES_MAX = 4 };

/** What the generated code is for: C's long double and the layout of va_list depend on it. */
enum diff_cpu { DIFF_CPU_X86_64, DIFF_CPU_AARCH64 };

#if defined(__aarch64__)
#define DIFF_CPU_HOST DIFF_CPU_AARCH64
#else
#define DIFF_CPU_HOST DIFF_CPU_X86_64
#endif

/** A growing string; `bytes` ends with a NUL that `size_bytes` does not count. */
struct diff_text {
    char *bytes;
    size_t size_bytes, capacity_bytes;
};

struct diff_program {
    size_t module_count;
    struct diff_text modules[DIFF_MODULES_MAX]; /**< in the order in which they are to be added */
};

/** New program; give it to diff_program_fini. Ends the process when there is no memory. */
void diff_generate(uint64_t seed, enum diff_cpu cpu, struct diff_program *out);
void diff_program_fini(struct diff_program *program);

#endif
