/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of conformance cases, made from cases.def.
 */
#ifndef JD_TESTS_CONFORMANCE_CASES_H
#define JD_TESTS_CONFORMANCE_CASES_H

#include "trial.h"

enum conformance_case_flag {
    CASE_TEXT_ONLY = 1u << 0,      /**< the form of the IR changes nothing, and time is dear */
    CASE_BITCODE_ONLY = 1u << 1,   /**< it is about bitcode */
    CASE_REFUSED_BY_ALL = 1u << 2, /**< refused by design: the case itself checks the refusal */
    CASE_LONG = 1u << 3            /**< takes long: one level is enough */
};

struct conformance_case {
    unsigned number;
    const char *name;
    const char *topic;
    uint32_t needs; /**< enum jd_cap: who lacks one must refuse */
    unsigned flags;
    void (*run)(struct trial *t);
};

/** Ends with a NULL name. Static. */
extern const struct conformance_case conformance_cases[];

/** The case of that name, or NULL. */
const struct conformance_case *conformance_case_find(const char *name);

/** The capability that `ops` lacks and the case needs (one bit), or 0. */
uint32_t conformance_case_missing(const struct conformance_case *item,
                                  const struct jd_engine_ops *ops);

#define JD_CASE(number, name, topic, needs, flags) void case_##name(struct trial *t);
#include "cases.def"
#undef JD_CASE

#endif
