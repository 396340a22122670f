/* SPDX-License-Identifier: Apache-2.0
 *
 * Relocation types of AArch64. Knows no symbol, no LLVM.
 * Source: ELF for the Arm 64-bit Architecture (AAELF64), "Static Data relocations", "Static AArch64
 * relocations", "Call and Jump relocations", "Group relocations".
 *
 * `bits` counts the bytes' distance before the shift: a call of 26 bits in words reaches 28 bits.
 * PREL32 and PREL16 may be read signed or unsigned, as the ABI has it.
 */
#include <elf.h>
#include <string.h>

#include "reloc_tables.h"

#ifndef R_AARCH64_PLT32
#define R_AARCH64_PLT32 314
#endif
#ifndef R_AARCH64_GOTPCREL32
#define R_AARCH64_GOTPCREL32 315
#endif

enum {
    FIRST = R_AARCH64_ABS64,
    LAST = R_AARCH64_GOTPCREL32,
    FIRST_TLS = R_AARCH64_TLSGD_ADR_PREL21,
    LAST_TLS = R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC,
    FIRST_DYNAMIC = R_AARCH64_COPY,
    LAST_DYNAMIC = R_AARCH64_IRELATIVE
};

#define DATA(t, the_formula, size, the_check)                                                      \
    [t - FIRST] = {.type = (t),                                                                    \
                   .name = #t,                                                                     \
                   .formula = JD_RELOC_##the_formula,                                              \
                   .field = JD_FIELD_LE,                                                           \
                   .bytes = (size),                                                                \
                   .bits = 8 * (size),                                                             \
                   .check = JD_CHECK_##the_check}
/* An immediate that is range-checked. */
#define CODE(t, the_formula, the_field, the_bits, the_shift, the_check)                            \
    [t - FIRST] = {.type = (t),                                                                    \
                   .name = #t,                                                                     \
                   .formula = JD_RELOC_##the_formula,                                              \
                   .field = JD_FIELD_A64_##the_field,                                              \
                   .bytes = 4,                                                                     \
                   .bits = (the_bits),                                                             \
                   .shift = (the_shift),                                                           \
                   .check = JD_CHECK_##the_check}
/* An immediate that takes the low bits and lets the others go. */
#define LOW(t, the_formula, the_field, the_bits, the_shift)                                        \
    [t - FIRST] = {.type = (t),                                                                    \
                   .name = #t,                                                                     \
                   .formula = JD_RELOC_##the_formula,                                              \
                   .field = JD_FIELD_A64_##the_field,                                              \
                   .bytes = 4,                                                                     \
                   .bits = (the_bits),                                                             \
                   .shift = (the_shift),                                                           \
                   .is_low = true}
#define BRANCH(t, the_field, the_bits)                                                             \
    [t - FIRST] = {.type = (t),                                                                    \
                   .name = #t,                                                                     \
                   .formula = JD_RELOC_PC,                                                         \
                   .field = JD_FIELD_A64_##the_field,                                              \
                   .bytes = 4,                                                                     \
                   .bits = (the_bits),                                                             \
                   .shift = 2,                                                                     \
                   .check = JD_CHECK_SIGNED,                                                       \
                   .is_branch = true}
#define NAMED(t) [t - FIRST] = JD_RELOC_NAMED(t, #t)
#define TLS(t) [t - FIRST_TLS] = JD_RELOC_NAMED(t, #t)
#define DYNAMIC(t) [t - FIRST_DYNAMIC] = JD_RELOC_NAMED(t, #t)

static const struct jd_reloc_howto none = {
    .type = R_AARCH64_NONE, .name = "R_AARCH64_NONE", .formula = JD_RELOC_NOTHING};

static const struct jd_reloc_howto rows[LAST - FIRST + 1] = {
    DATA(R_AARCH64_ABS64, ABS, 8, NONE),
    DATA(R_AARCH64_ABS32, ABS, 4, EITHER),
    DATA(R_AARCH64_ABS16, ABS, 2, EITHER),
    DATA(R_AARCH64_PREL64, PC, 8, NONE),
    DATA(R_AARCH64_PREL32, PC, 4, EITHER),
    DATA(R_AARCH64_PREL16, PC, 2, EITHER),
    [R_AARCH64_PLT32 - FIRST] = {.type = R_AARCH64_PLT32,
                                 .name = "R_AARCH64_PLT32",
                                 .formula = JD_RELOC_PC,
                                 .field = JD_FIELD_LE,
                                 .bytes = 4,
                                 .bits = 32,
                                 .check = JD_CHECK_SIGNED,
                                 .is_branch = true},
    DATA(R_AARCH64_GOTPCREL32, GOT_PC, 4, SIGNED),

    BRANCH(R_AARCH64_CALL26, BRANCH26, 28),
    BRANCH(R_AARCH64_JUMP26, BRANCH26, 28),
    BRANCH(R_AARCH64_CONDBR19, BRANCH19, 21),
    BRANCH(R_AARCH64_TSTBR14, BRANCH14, 16),

    CODE(R_AARCH64_LD_PREL_LO19, PC, BRANCH19, 21, 2, SIGNED),
    CODE(R_AARCH64_ADR_PREL_LO21, PC, ADR21, 21, 0, SIGNED),
    CODE(R_AARCH64_ADR_PREL_PG_HI21, PAGE_PC, ADR21, 33, 12, SIGNED),
    LOW(R_AARCH64_ADR_PREL_PG_HI21_NC, PAGE_PC, ADR21, 33, 12),
    LOW(R_AARCH64_ADD_ABS_LO12_NC, ABS, IMM12, 12, 0),
    LOW(R_AARCH64_LDST8_ABS_LO12_NC, ABS, IMM12, 12, 0),
    LOW(R_AARCH64_LDST16_ABS_LO12_NC, ABS, IMM12, 12, 1),
    LOW(R_AARCH64_LDST32_ABS_LO12_NC, ABS, IMM12, 12, 2),
    LOW(R_AARCH64_LDST64_ABS_LO12_NC, ABS, IMM12, 12, 3),
    LOW(R_AARCH64_LDST128_ABS_LO12_NC, ABS, IMM12, 12, 4),
    CODE(R_AARCH64_GOT_LD_PREL19, GOT_PC, BRANCH19, 21, 2, SIGNED),
    CODE(R_AARCH64_ADR_GOT_PAGE, GOT_PAGE, ADR21, 33, 12, SIGNED),
    LOW(R_AARCH64_LD64_GOT_LO12_NC, GOT_ABS, IMM12, 12, 3),

    CODE(R_AARCH64_MOVW_UABS_G0, ABS, MOVW16, 16, 0, UNSIGNED),
    LOW(R_AARCH64_MOVW_UABS_G0_NC, ABS, MOVW16, 16, 0),
    CODE(R_AARCH64_MOVW_UABS_G1, ABS, MOVW16, 32, 16, UNSIGNED),
    LOW(R_AARCH64_MOVW_UABS_G1_NC, ABS, MOVW16, 32, 16),
    CODE(R_AARCH64_MOVW_UABS_G2, ABS, MOVW16, 48, 32, UNSIGNED),
    LOW(R_AARCH64_MOVW_UABS_G2_NC, ABS, MOVW16, 48, 32),
    CODE(R_AARCH64_MOVW_UABS_G3, ABS, MOVW16, 64, 48, NONE),

    NAMED(R_AARCH64_MOVW_SABS_G0),
    NAMED(R_AARCH64_MOVW_SABS_G1),
    NAMED(R_AARCH64_MOVW_SABS_G2),
    NAMED(R_AARCH64_MOVW_PREL_G0),
    NAMED(R_AARCH64_MOVW_PREL_G0_NC),
    NAMED(R_AARCH64_MOVW_PREL_G1),
    NAMED(R_AARCH64_MOVW_PREL_G1_NC),
    NAMED(R_AARCH64_MOVW_PREL_G2),
    NAMED(R_AARCH64_MOVW_PREL_G2_NC),
    NAMED(R_AARCH64_MOVW_PREL_G3),
    NAMED(R_AARCH64_MOVW_GOTOFF_G0),
    NAMED(R_AARCH64_MOVW_GOTOFF_G0_NC),
    NAMED(R_AARCH64_MOVW_GOTOFF_G1),
    NAMED(R_AARCH64_MOVW_GOTOFF_G1_NC),
    NAMED(R_AARCH64_MOVW_GOTOFF_G2),
    NAMED(R_AARCH64_MOVW_GOTOFF_G2_NC),
    NAMED(R_AARCH64_MOVW_GOTOFF_G3),
    NAMED(R_AARCH64_GOTREL64),
    NAMED(R_AARCH64_GOTREL32),
    NAMED(R_AARCH64_LD64_GOTOFF_LO15),
    NAMED(R_AARCH64_LD64_GOTPAGE_LO15),
};

/* Refused by name, as on x86-64. */
static const struct jd_reloc_howto tls_rows[LAST_TLS - FIRST_TLS + 1] = {
    TLS(R_AARCH64_TLSGD_ADR_PREL21),
    TLS(R_AARCH64_TLSGD_ADR_PAGE21),
    TLS(R_AARCH64_TLSGD_ADD_LO12_NC),
    TLS(R_AARCH64_TLSGD_MOVW_G1),
    TLS(R_AARCH64_TLSGD_MOVW_G0_NC),
    TLS(R_AARCH64_TLSLD_ADR_PREL21),
    TLS(R_AARCH64_TLSLD_ADR_PAGE21),
    TLS(R_AARCH64_TLSLD_ADD_LO12_NC),
    TLS(R_AARCH64_TLSLD_MOVW_G1),
    TLS(R_AARCH64_TLSLD_MOVW_G0_NC),
    TLS(R_AARCH64_TLSLD_LD_PREL19),
    TLS(R_AARCH64_TLSLD_MOVW_DTPREL_G2),
    TLS(R_AARCH64_TLSLD_MOVW_DTPREL_G1),
    TLS(R_AARCH64_TLSLD_MOVW_DTPREL_G1_NC),
    TLS(R_AARCH64_TLSLD_MOVW_DTPREL_G0),
    TLS(R_AARCH64_TLSLD_MOVW_DTPREL_G0_NC),
    TLS(R_AARCH64_TLSLD_ADD_DTPREL_HI12),
    TLS(R_AARCH64_TLSLD_ADD_DTPREL_LO12),
    TLS(R_AARCH64_TLSLD_ADD_DTPREL_LO12_NC),
    TLS(R_AARCH64_TLSLD_LDST8_DTPREL_LO12),
    TLS(R_AARCH64_TLSLD_LDST8_DTPREL_LO12_NC),
    TLS(R_AARCH64_TLSLD_LDST16_DTPREL_LO12),
    TLS(R_AARCH64_TLSLD_LDST16_DTPREL_LO12_NC),
    TLS(R_AARCH64_TLSLD_LDST32_DTPREL_LO12),
    TLS(R_AARCH64_TLSLD_LDST32_DTPREL_LO12_NC),
    TLS(R_AARCH64_TLSLD_LDST64_DTPREL_LO12),
    TLS(R_AARCH64_TLSLD_LDST64_DTPREL_LO12_NC),
    TLS(R_AARCH64_TLSIE_MOVW_GOTTPREL_G1),
    TLS(R_AARCH64_TLSIE_MOVW_GOTTPREL_G0_NC),
    TLS(R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21),
    TLS(R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC),
    TLS(R_AARCH64_TLSIE_LD_GOTTPREL_PREL19),
    TLS(R_AARCH64_TLSLE_MOVW_TPREL_G2),
    TLS(R_AARCH64_TLSLE_MOVW_TPREL_G1),
    TLS(R_AARCH64_TLSLE_MOVW_TPREL_G1_NC),
    TLS(R_AARCH64_TLSLE_MOVW_TPREL_G0),
    TLS(R_AARCH64_TLSLE_MOVW_TPREL_G0_NC),
    TLS(R_AARCH64_TLSLE_ADD_TPREL_HI12),
    TLS(R_AARCH64_TLSLE_ADD_TPREL_LO12),
    TLS(R_AARCH64_TLSLE_ADD_TPREL_LO12_NC),
    TLS(R_AARCH64_TLSLE_LDST8_TPREL_LO12),
    TLS(R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC),
    TLS(R_AARCH64_TLSLE_LDST16_TPREL_LO12),
    TLS(R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC),
    TLS(R_AARCH64_TLSLE_LDST32_TPREL_LO12),
    TLS(R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC),
    TLS(R_AARCH64_TLSLE_LDST64_TPREL_LO12),
    TLS(R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC),
    TLS(R_AARCH64_TLSDESC_LD_PREL19),
    TLS(R_AARCH64_TLSDESC_ADR_PREL21),
    TLS(R_AARCH64_TLSDESC_ADR_PAGE21),
    TLS(R_AARCH64_TLSDESC_LD64_LO12),
    TLS(R_AARCH64_TLSDESC_ADD_LO12),
    TLS(R_AARCH64_TLSDESC_OFF_G1),
    TLS(R_AARCH64_TLSDESC_OFF_G0_NC),
    TLS(R_AARCH64_TLSDESC_LDR),
    TLS(R_AARCH64_TLSDESC_ADD),
    TLS(R_AARCH64_TLSDESC_CALL),
    TLS(R_AARCH64_TLSLE_LDST128_TPREL_LO12),
    TLS(R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC),
    TLS(R_AARCH64_TLSLD_LDST128_DTPREL_LO12),
    TLS(R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC),
};

static const struct jd_reloc_howto dynamic_rows[LAST_DYNAMIC - FIRST_DYNAMIC + 1] = {
    DYNAMIC(R_AARCH64_COPY),      DYNAMIC(R_AARCH64_GLOB_DAT),   DYNAMIC(R_AARCH64_JUMP_SLOT),
    DYNAMIC(R_AARCH64_RELATIVE),  DYNAMIC(R_AARCH64_TLS_DTPMOD), DYNAMIC(R_AARCH64_TLS_DTPREL),
    DYNAMIC(R_AARCH64_TLS_TPREL), DYNAMIC(R_AARCH64_TLSDESC),    DYNAMIC(R_AARCH64_IRELATIVE),
};

static const struct jd_reloc_howto *pick(const struct jd_reloc_howto *table, uint32_t index)
{
    return table[index].name ? &table[index] : NULL;
}

const struct jd_reloc_howto *jd_reloc_aarch64_row(uint32_t type)
{
    if (type == R_AARCH64_NONE)
        return &none;
    if (type >= FIRST && type <= LAST)
        return pick(rows, type - FIRST);
    if (type >= FIRST_TLS && type <= LAST_TLS)
        return pick(tls_rows, type - FIRST_TLS);
    if (type >= FIRST_DYNAMIC && type <= LAST_DYNAMIC)
        return pick(dynamic_rows, type - FIRST_DYNAMIC);
    return NULL;
}
