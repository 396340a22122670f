/* SPDX-License-Identifier: Apache-2.0
 *
 * Small functions with unwind tables, written by hand into an arena: each calls its first argument
 * and returns. Knows the arena and the tables of the legacy engine; no compiler. Sources: LSB core
 * 5.0, 10.6; Intel SDM volume 2; Arm ARM, C6.2.
 */
#ifndef JITDUEL_TESTS_FRAME_CODE_H
#define JITDUEL_TESTS_FRAME_CODE_H

#include <string.h>

#include "arena.h"
#include "unwind_tables.h"

enum { FRAME_CODE_BYTES = 16, FRAME_CIE_BYTES = 24, FRAME_FDE_BYTES = 24 };

/** A block of such functions. */
struct frame_code {
    struct jd_arena_block code, frames;
    size_t frames_bytes; /* of the .eh_frame section */
};

#if defined(__x86_64__)
/* sub $8, %rsp; call *%rdi; add $8, %rsp; ret */
static const unsigned char frame_code_text[FRAME_CODE_BYTES] = {0x48, 0x83, 0xec, 0x08, 0xff, 0xd7,
                                                                0x48, 0x83, 0xc4, 0x08, 0xc3};
/* version 1, "zR", factors 1 and -8, return address 16; CFA = rsp + 8, rip at CFA - 8 */
static const unsigned char frame_code_cie[16] = {1, 'z',  'R',  0, 1, 0x78, 16,
                                                 1, 0x1b, 0x0c, 7, 8, 0x90, 1};
/* from +4: CFA = rsp + 16 */
static const unsigned char frame_code_cfa[8] = {0, 0x44, 0x0e, 16};
#elif defined(__aarch64__)
/* stp x29, x30, [sp, #-16]!; blr x0; ldp x29, x30, [sp], #16; ret */
static const unsigned char frame_code_text[FRAME_CODE_BYTES] = {
    0xfd, 0x7b, 0xbf, 0xa9, 0x00, 0x00, 0x3f, 0xd6, 0xfd, 0x7b, 0xc1, 0xa8, 0xc0, 0x03, 0x5f, 0xd6};
/* version 1, "zR", factors 1 and -8, return address 30; CFA = sp */
static const unsigned char frame_code_cie[16] = {1, 'z', 'R', 0, 1, 0x78, 30, 1, 0x1b, 0x0c, 31, 0};
/* from +4: CFA = sp + 16, x29 at CFA - 16, x30 at CFA - 8 */
static const unsigned char frame_code_cfa[8] = {0, 0x44, 0x0e, 16, 0x9d, 2, 0x9e, 1};
#endif

static inline void frame_code_put32(unsigned char *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

/** Writes the entry for `count` bytes of code at `code_addr` where code will see `addr`. */
static inline void frame_code_put_entry(unsigned char *at, size_t offset, uintptr_t addr,
                                        uintptr_t code_addr, uint32_t bytes)
{
    frame_code_put32(at, FRAME_FDE_BYTES - 4);
    frame_code_put32(at + 4, (uint32_t)offset + 4);
    frame_code_put32(at + 8, (uint32_t)(code_addr - (addr + 8)));
    frame_code_put32(at + 12, bytes);
    memcpy(at + 16, frame_code_cfa, sizeof frame_code_cfa);
}

static inline uintptr_t frame_code_addr(const struct frame_code *made, uint32_t index)
{
    return made->code.addr + LEGACY_UNWIND_PREFIX_BYTES + (size_t)index * FRAME_CODE_BYTES;
}

/** A block of `count` functions, not added yet; its tables are in the order of `order` (indices;
 * NULL: ascending). The code and its tables belong to the arena. */
static inline int frame_code_make(struct jd_arena *arena, uint32_t count, const uint32_t *order,
                                  struct frame_code *out, struct jd_error *err)
{
    unsigned char section[FRAME_CIE_BYTES] = {0};
    size_t bytes = FRAME_CIE_BYTES + (size_t)count * FRAME_FDE_BYTES;
    int result = jd_arena_reserve(arena, JD_ARENA_CODE,
                                  LEGACY_UNWIND_PREFIX_BYTES + (size_t)count * FRAME_CODE_BYTES, 16,
                                  &out->code, err);
    /* The room depends on the number of entries alone: 12 bytes each and less than 16 for all. */
    if (!result)
        result = jd_arena_reserve(arena, JD_ARENA_UNWIND, bytes + (size_t)count * 12 + 16, 8,
                                  &out->frames, err);
    if (result)
        return result;
    out->frames_bytes = bytes;
    frame_code_put32(section, FRAME_CIE_BYTES - 4);
    memcpy(section + 8, frame_code_cie, sizeof frame_code_cie);
    memcpy(out->frames.write, section, sizeof section);
    for (uint32_t i = 0; i < count; i++) {
        size_t offset = FRAME_CIE_BYTES + (size_t)i * FRAME_FDE_BYTES;
        memcpy((unsigned char *)out->code.write + LEGACY_UNWIND_PREFIX_BYTES +
                   (size_t)i * FRAME_CODE_BYTES,
               frame_code_text, sizeof frame_code_text);
        frame_code_put_entry((unsigned char *)out->frames.write + offset, offset,
                             out->frames.addr + offset, frame_code_addr(out, order ? order[i] : i),
                             FRAME_CODE_BYTES);
    }
    jd_arena_commit(arena, &out->code);
    jd_arena_commit(arena, &out->frames);
    jd_arena_flush_icache(out->code.addr, out->code.size_bytes);
    return JD_OK;
}

static inline int frame_code_add(struct legacy_unwind *unwind, const struct frame_code *made,
                                 struct jd_error *err)
{
    return legacy_unwind_add(unwind, &made->code, made->frames.write, made->frames.addr,
                             made->frames_bytes, err);
}

static inline void frame_code_free(struct jd_arena *arena, const struct frame_code *made)
{
    jd_arena_free(arena, &made->code);
    jd_arena_free(arena, &made->frames);
}

#endif
