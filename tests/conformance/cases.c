/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of conformance cases. It knows capability bits, never an engine.
 */
#include "cases.h"

#include <string.h>

const struct conformance_case conformance_cases[] = {
#define JD_CASE(number, name, topic, needs, flags)                                                 \
    {number, #name, topic, needs, flags, case_##name},
#include "cases.def"
#undef JD_CASE
    {0, NULL, NULL, 0, 0, NULL},
};

const struct conformance_case *conformance_case_find(const char *name)
{
    for (const struct conformance_case *item = conformance_cases; item->name; item++)
        if (!strcmp(item->name, name))
            return item;
    return NULL;
}

uint32_t conformance_case_missing(const struct conformance_case *item,
                                  const struct jd_engine_ops *ops)
{
    uint32_t missing = item->needs & ~ops->caps;
    return missing & (~missing + 1);
}
