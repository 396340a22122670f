/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of sections and of their bounds. Plain C. Source: section_name.h.
 */
#include "section_name.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

bool jd_section_has_bounds(const char *section)
{
    if (!section || !*section || isdigit((unsigned char)*section))
        return false;
    for (; *section; section++)
        if (!isalnum((unsigned char)*section) && *section != '_')
            return false;
    return true;
}

const char *jd_section_of_bound(const char *symbol, bool *out_is_stop)
{
    static const char start[] = "__start_", stop[] = "__stop_";
    const char *section = NULL;
    *out_is_stop = false;
    if (!strncmp(symbol, start, sizeof start - 1)) {
        section = symbol + sizeof start - 1;
    } else if (!strncmp(symbol, stop, sizeof stop - 1)) {
        section = symbol + sizeof stop - 1;
        *out_is_stop = true;
    }
    return jd_section_has_bounds(section) ? section : NULL;
}
