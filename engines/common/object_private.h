/* SPDX-License-Identifier: Apache-2.0
 *
 * What object.c (reading and placing) and object_link.c (relocation) share. Not for anyone else.
 */
#ifndef JITDUEL_COMMON_OBJECT_PRIVATE_H
#define JITDUEL_COMMON_OBJECT_PRIVATE_H

#include "elf_read.h"
#include "object.h"

/* By ELF section. */
struct jd_object_place {
    uintptr_t addr; /* 0: not loaded */
    unsigned char *write;
};

/* By ELF symbol. */
struct jd_object_use {
    uint32_t global;       /* number of the global name, plus 1; 0: local */
    uint32_t cell, thunk;  /* numbers, plus 1; 0: none is needed */
    uintptr_t common_addr; /* of a common symbol; an offset until it is placed */
    uintptr_t s_addr;      /* what the symbol stands for, while the object is linked */
};

struct jd_object {
    struct jd_object_host host;
    char *name;
    void *bytes; /* aligned copy */
    struct jd_elf elf;
    struct jd_object_place *places;
    struct jd_object_use *uses;
    struct jd_object_symbol *globals;
    size_t global_count;
    struct jd_object_structor *structors;
    uint32_t *structor_sections; /* one per structor, with its offset */
    uint64_t *structor_offsets;
    size_t structor_count;
    uint32_t cell_count, thunk_count;
    bool needs_got_base;
    size_t thunks_offset; /* in the block of code */
    uint32_t frame_section;
    struct jd_arena_block blocks[JD_ARENA_KIND_COUNT];
    bool has_block[JD_ARENA_KIND_COUNT];
    bool is_linked, is_published;
    bool has_frames; /* unwinders know it */
    uint64_t relocation_count;
};

/* Copy the sections' bytes to their places. */
void jd_object_load(struct jd_object *object);
/* Count the GOT cells and thunks that the relocations of loaded sections may need, and refuse
 * those that cannot be applied. */
int jd_object_survey(struct jd_object *object, struct jd_error *err);

#endif
