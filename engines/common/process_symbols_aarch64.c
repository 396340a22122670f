/* SPDX-License-Identifier: Apache-2.0
 *
 * What libgcc links into each AArch64 program instead of sharing it: the helpers that atomic
 * operations become unless the IR is for a CPU with LSE (-moutline-atomics). Source: libgcc,
 * config/aarch64/lse.S.
 */
#include <stddef.h>

#include "process_symbols.h"

#define HELPER_EACH_ORDER(X, operation, bytes)                                                     \
    X(__aarch64_##operation##bytes##_relax)                                                        \
    X(__aarch64_##operation##bytes##_acq)                                                          \
    X(__aarch64_##operation##bytes##_rel)                                                          \
    X(__aarch64_##operation##bytes##_acq_rel)
#define HELPER_EACH_SIZE(X, operation)                                                             \
    HELPER_EACH_ORDER(X, operation, 1)                                                             \
    HELPER_EACH_ORDER(X, operation, 2)                                                             \
    HELPER_EACH_ORDER(X, operation, 4)                                                             \
    HELPER_EACH_ORDER(X, operation, 8)
#define HELPERS(X)                                                                                 \
    HELPER_EACH_SIZE(X, cas)                                                                       \
    HELPER_EACH_ORDER(X, cas, 16)                                                                  \
    HELPER_EACH_SIZE(X, swp)                                                                       \
    HELPER_EACH_SIZE(X, ldadd)                                                                     \
    HELPER_EACH_SIZE(X, ldset)                                                                     \
    HELPER_EACH_SIZE(X, ldclr)                                                                     \
    HELPER_EACH_SIZE(X, ldeor)

#define DECLARE(name) extern char name[];
HELPERS(DECLARE)

#define ENTRY(name) {#name, (uintptr_t)name},
const struct jd_static_symbol jd_static_symbols_cpu[] = {HELPERS(ENTRY){NULL, 0}};
