/* SPDX-License-Identifier: Apache-2.0
 *
 * An object on its way into the arena, as link.c and link_ahead.c see it.
 */
#ifndef JITDUEL_LEGACY_LINK_PRIVATE_H
#define JITDUEL_LEGACY_LINK_PRIVATE_H

#include "elf_read.h"
#include "internal.h"
#include "reloc.h"

/** A section. */
struct legacy_place {
    uintptr_t addr; /* 0: not loaded */
    unsigned char *write;
    bool is_elsewhere; /* what it holds exists already, at `addr` */
    bool has_datum;
};

struct legacy_link {
    struct legacy_engine *engine;
    struct legacy_module *module;
    struct legacy_object *object;
    struct jd_elf elf;
    void *bytes; /* own copy of the object; NULL while the pipeline's buffer is used */
    struct legacy_place *places;    /* by section */
    struct legacy_symbol **symbols; /* by ELF symbol; NULL: not the engine's business */
    uintptr_t *veneers;             /* by ELF symbol; 0: none so far */
    size_t veneers_end;             /* in the code block; 0: none are wanted */
    struct legacy_site *sites;
    uint32_t site_count, site_capacity;
    /* Of an object made ahead only: */
    struct legacy_symbol **claimed; /* by ELF symbol: data that is taken from it */
    bool *is_duplicate;             /* by ELF symbol: a mergeable constant that exists already */
};

/** Decide about each datum in an object made ahead: `claimed`, `is_duplicate`, `is_elsewhere`.
 * STATE: it does not fit. Locked, may unlock. */
int legacy_link_adopt(struct legacy_link *link, struct jd_error *err);
/** Let go of claimed data that did not become ready. Locked. */
void legacy_link_release(struct legacy_link *link);

/* sites.c */

/** Remember a branch to a function of a module. False when it cannot be rewritten safely, or
 * without memory: it then has to go through the stub for good. */
bool legacy_site_add(struct legacy_link *link, const struct jd_reloc_howto *howto,
                     struct legacy_symbol *callee, uintptr_t addr, const Elf64_Rela *rela);
/** Hand the link's sites to its object, and list each with its callee. */
void legacy_sites_publish(struct legacy_link *link);

/** Is this ELF symbol the definition that the engine's symbol stands for? */
bool legacy_link_defines(const struct legacy_link *link, uint32_t index,
                         const struct legacy_symbol *symbol);
/** Undo what was done of a link that failed; the object is gone or its module's. Locked. */
void legacy_link_give_up(struct legacy_link *link);

#endif
