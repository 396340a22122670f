/* SPDX-License-Identifier: Apache-2.0
 *
 * What the applier (reloc.c) sees of the tables per CPU. Not for anyone else.
 */
#ifndef JITDUEL_COMMON_RELOC_TABLES_H
#define JITDUEL_COMMON_RELOC_TABLES_H

#include "reloc.h"

/** Row of a type, which may be JD_RELOC_UNSUPPORTED; NULL when the psABI has no such type. */
const struct jd_reloc_howto *jd_reloc_x86_64_row(uint32_t type);
const struct jd_reloc_howto *jd_reloc_aarch64_row(uint32_t type);

/* A type that is refused by name; the name comes from the caller's own macro, because elf.h's
 * constants are macros too and would be expanded on the way here. */
#define JD_RELOC_NAMED(the_type, the_name)                                                         \
    {                                                                                              \
        .type = (the_type), .name = (the_name), .formula = JD_RELOC_UNSUPPORTED                    \
    }

#endif
