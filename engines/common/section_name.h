/* SPDX-License-Identifier: Apache-2.0
 *
 * Sections whose ends a linker gives names to: `__start_NAME` and `__stop_NAME`, for each section
 * whose name is a C identifier. Plain C. Source: GNU ld manual, "Input Section Example" and
 * "PROVIDE"; gABI linkers have followed it.
 */
#ifndef JITDUEL_COMMON_SECTION_NAME_H
#define JITDUEL_COMMON_SECTION_NAME_H

#include <stdbool.h>

/** Is this the name of such a section? NULL is none. */
bool jd_section_has_bounds(const char *section);
/** The section that a symbol is a bound of, within `symbol`; NULL when it is none. */
const char *jd_section_of_bound(const char *symbol, bool *out_is_stop);

#endif
