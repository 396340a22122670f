/* SPDX-License-Identifier: Apache-2.0
 *
 * Relocation: a const table per CPU states each type once, one generic applier computes, checks and
 * stores. Plain C, no LLVM; both CPUs work on any host. Letters: S symbol address, A addend, P
 * place as in the psABIs; G address of the symbol's GOT entry, GOT address of the GOT itself.
 *
 * The applier never sees how symbols are found or where veneers and GOT entries come from: the
 * caller asks what a type needs, provides it, and applies.
 */
#ifndef JITDUEL_COMMON_RELOC_H
#define JITDUEL_COMMON_RELOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

enum jd_reloc_formula {
    JD_RELOC_NOTHING,     /**< no field (R_*_NONE and hints) */
    JD_RELOC_ABS,         /**< S + A */
    JD_RELOC_PC,          /**< S + A - P */
    JD_RELOC_GOT_PC,      /**< G + A - P */
    JD_RELOC_PAGE_PC,     /**< Page(S + A) - Page(P), AArch64 */
    JD_RELOC_GOT_PAGE,    /**< Page(G + A) - Page(P), AArch64 */
    JD_RELOC_GOT_ABS,     /**< G + A, AArch64 low 12 bits of a GOT entry */
    JD_RELOC_GOT_REL,     /**< S + A - GOT; the caller passes GOT as got_addr */
    JD_RELOC_GOT_BASE_PC, /**< GOT + A - P; likewise, S is not used */
    JD_RELOC_UNSUPPORTED  /**< known by name only; jd_reloc_howto never returns it */
};

/** How a value is put into its field. */
enum jd_reloc_field {
    JD_FIELD_NONE,
    JD_FIELD_LE, /**< little-endian data of `bytes` bytes */
    JD_FIELD_A64_BRANCH26,
    JD_FIELD_A64_BRANCH19,
    JD_FIELD_A64_BRANCH14,
    JD_FIELD_A64_ADR21, /**< ADR and ADRP: immlo, immhi */
    JD_FIELD_A64_IMM12, /**< ADD and scaled LDR/STR */
    JD_FIELD_A64_MOVW16
};

enum jd_reloc_check { JD_CHECK_NONE, JD_CHECK_SIGNED, JD_CHECK_UNSIGNED, JD_CHECK_EITHER };

/** One relocation type. */
struct jd_reloc_howto {
    uint32_t type;
    const char *name; /**< as the psABI writes it */
    enum jd_reloc_formula formula;
    enum jd_reloc_field field;
    uint8_t bytes; /**< size of what is rewritten */
    uint8_t bits;  /**< width of the value that is range-checked, before the shift */
    uint8_t shift; /**< low bits dropped, and required to be 0 (but in MOVW fields) */
    bool is_low;   /**< the field takes the low `bits` of the value (..._NC): no range check */
    enum jd_reloc_check check;
    bool is_branch; /**< a call or jump: S may be replaced by a stub, body or veneer */
};

/** The howto of a type; NULL when the type is unknown for that ELF machine (EM_X86_64, EM_AARCH64)
 * or not supported. Static. */
const struct jd_reloc_howto *jd_reloc_howto(uint16_t machine, uint32_t type);

/** True when the type takes G: the symbol needs a GOT entry. */
bool jd_reloc_needs_got(const struct jd_reloc_howto *howto);
/** True when the type takes GOT: got_addr is then the one address that the caller has chosen for
 * the GOT of this object, the same for all its relocations. */
bool jd_reloc_needs_got_base(const struct jd_reloc_howto *howto);

/** Where a relocation applies. */
struct jd_reloc_place {
    void *write;         /**< the field's bytes, writable */
    size_t room_bytes;   /**< bytes of the section from `write` on */
    uintptr_t addr;      /**< P */
    const char *section; /**< for messages */
    uint64_t offset;     /**< for messages */
    const char *symbol;  /**< for messages */
};

/** True when the value for S (and G, ignored when not taken) would pass the range check. A branch
 * that does not fit wants a veneer. */
bool jd_reloc_fits(const struct jd_reloc_howto *howto, uintptr_t place_addr, uintptr_t s_addr,
                   int64_t addend, uintptr_t got_addr);

/** Compute, check, mask and store. Applying twice changes nothing. Errors: RELOC_RANGE with
 * "section+0x1c: R_X86_64_PC32 against 'foo': 0x... not in [lo, hi)", BAD_OBJECT when the field
 * does not lie in the section or bits that the psABI requires to be 0 are not. */
int jd_reloc_apply(const struct jd_reloc_howto *howto, const struct jd_reloc_place *place,
                   uintptr_t s_addr, int64_t addend, uintptr_t got_addr, struct jd_error *err);

/** Unknown or unsupported type: RELOC_TYPE with "section+0x1c: relocation type 99 against 'foo'",
 * or "section+0x1c: relocation type 19 (R_X86_64_TLSGD) against 'foo'"; always fails. */
int jd_reloc_unknown(uint16_t machine, uint32_t type, const struct jd_reloc_place *place,
                     struct jd_error *err);

/** R_X86_64_GOTPCRELX and R_X86_64_REX_GOTPCRELX: where S is near enough, rewrite the instruction
 * so that it does without the GOT (mov to lea; call and jmp through memory to direct ones) and
 * store the displacement. True when it did; false when nothing was written and G is needed. Twice
 * is as once. `place->offset` says how many bytes of the section lie before `place->write`. Source:
 * x86-64 psABI, "Optimize GOTPCRELX Relocations". */
bool jd_reloc_x86_64_relax(uint32_t type, const struct jd_reloc_place *place, uintptr_t s_addr,
                           int64_t addend);

#endif
