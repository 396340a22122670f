/* SPDX-License-Identifier: Apache-2.0
 *
 * Relocation types of x86-64, and the relaxation of loads from the GOT. Knows no symbol, no LLVM.
 * Source: System V ABI, AMD64 Architecture Processor Supplement, 4.4.1 "Relocation Types" and
 * B.2 "Optimize GOTPCRELX Relocations".
 *
 * PLT32 is PC32 with leave to go through a stub. The 8- and 16-bit absolute types say nothing of
 * sign: both readings are let through. Thread-local types are refused by name: a JIT has no module
 * id and no static TLS offset to give; emulated TLS needs none of them.
 */
#include <elf.h>
#include <string.h>

#include "reloc_tables.h"

#define DATA(t, the_formula, size, the_check)                                                      \
    [t] = {.type = (t),                                                                            \
           .name = #t,                                                                             \
           .formula = JD_RELOC_##the_formula,                                                      \
           .field = JD_FIELD_LE,                                                                   \
           .bytes = (size),                                                                        \
           .bits = 8 * (size),                                                                     \
           .check = JD_CHECK_##the_check}
#define NAMED(t) [t] = JD_RELOC_NAMED(t, #t)

static const struct jd_reloc_howto rows[R_X86_64_NUM] = {
    [R_X86_64_NONE] = {.type = R_X86_64_NONE, .name = "R_X86_64_NONE", .formula = JD_RELOC_NOTHING},
    DATA(R_X86_64_64, ABS, 8, NONE),
    DATA(R_X86_64_32, ABS, 4, UNSIGNED),
    DATA(R_X86_64_32S, ABS, 4, SIGNED),
    DATA(R_X86_64_16, ABS, 2, EITHER),
    DATA(R_X86_64_8, ABS, 1, EITHER),
    DATA(R_X86_64_PC64, PC, 8, NONE),
    DATA(R_X86_64_PC32, PC, 4, SIGNED),
    DATA(R_X86_64_PC16, PC, 2, SIGNED),
    DATA(R_X86_64_PC8, PC, 1, SIGNED),
    [R_X86_64_PLT32] = {.type = R_X86_64_PLT32,
                        .name = "R_X86_64_PLT32",
                        .formula = JD_RELOC_PC,
                        .field = JD_FIELD_LE,
                        .bytes = 4,
                        .bits = 32,
                        .check = JD_CHECK_SIGNED,
                        .is_branch = true},
    DATA(R_X86_64_GOTPCREL, GOT_PC, 4, SIGNED),
    DATA(R_X86_64_GOTPCRELX, GOT_PC, 4, SIGNED),
    DATA(R_X86_64_REX_GOTPCRELX, GOT_PC, 4, SIGNED),
    DATA(R_X86_64_GOTPCREL64, GOT_PC, 8, NONE),
    DATA(R_X86_64_GOTPC32, GOT_BASE_PC, 4, SIGNED),
    DATA(R_X86_64_GOTPC64, GOT_BASE_PC, 8, NONE),
    DATA(R_X86_64_GOTOFF64, GOT_REL, 8, NONE),
    DATA(R_X86_64_PLTOFF64, GOT_REL, 8, NONE),

    NAMED(R_X86_64_GOT32),
    NAMED(R_X86_64_COPY),
    NAMED(R_X86_64_GLOB_DAT),
    NAMED(R_X86_64_JUMP_SLOT),
    NAMED(R_X86_64_RELATIVE),
    NAMED(R_X86_64_DTPMOD64),
    NAMED(R_X86_64_DTPOFF64),
    NAMED(R_X86_64_TPOFF64),
    NAMED(R_X86_64_TLSGD),
    NAMED(R_X86_64_TLSLD),
    NAMED(R_X86_64_DTPOFF32),
    NAMED(R_X86_64_GOTTPOFF),
    NAMED(R_X86_64_TPOFF32),
    NAMED(R_X86_64_GOT64),
    NAMED(R_X86_64_GOTPLT64),
    NAMED(R_X86_64_SIZE32),
    NAMED(R_X86_64_SIZE64),
    NAMED(R_X86_64_GOTPC32_TLSDESC),
    NAMED(R_X86_64_TLSDESC_CALL),
    NAMED(R_X86_64_TLSDESC),
    NAMED(R_X86_64_IRELATIVE),
    NAMED(R_X86_64_RELATIVE64),
};

const struct jd_reloc_howto *jd_reloc_x86_64_row(uint32_t type)
{
    return type < R_X86_64_NUM && rows[type].name ? &rows[type] : NULL;
}

enum {
    OP_MOV_LOAD = 0x8b, /* mov r, r/m */
    OP_LEA = 0x8d,
    OP_GROUP5 = 0xff, /* call and jmp through r/m */
    MODRM_CALL_RIP = 0x15,
    MODRM_JMP_RIP = 0x25,
    OP_ADDR32 = 0x67, /* a prefix without effect: keeps the call 6 bytes long */
    OP_CALL = 0xe8,
    OP_JMP = 0xe9,
    OP_NOP = 0x90
};

static bool fits_32(int64_t x)
{
    return x >= INT32_MIN && x <= INT32_MAX;
}

static void store_32(unsigned char *at, int64_t x)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)((uint64_t)x >> (8 * i));
}

/* jmp is one byte shorter than what it replaces: its displacement moves down, a nop follows. */
static bool relax_jmp(unsigned char *field, int64_t disp)
{
    if (!fits_32(disp + 1))
        return false;
    field[-2] = OP_JMP;
    store_32(field - 1, disp + 1);
    field[3] = OP_NOP;
    return true;
}

static bool relax_to(unsigned char *field, int first, int second, int64_t disp)
{
    if (!fits_32(disp))
        return false;
    field[-2] = (unsigned char)first;
    field[-1] = (unsigned char)second;
    store_32(field, disp);
    return true;
}

bool jd_reloc_x86_64_relax(uint32_t type, const struct jd_reloc_place *place, uintptr_t s_addr,
                           int64_t addend)
{
    bool has_rex = type == R_X86_64_REX_GOTPCRELX;
    /* The field must end the instruction, which begins within the section. */
    if ((type != R_X86_64_GOTPCRELX && !has_rex) || addend != -4 || place->room_bytes < 4 ||
        place->offset < (has_rex ? 3u : 2u))
        return false;
    unsigned char *field = place->write;
    int64_t disp = (int64_t)(s_addr + (uint64_t)addend - place->addr);
    unsigned op = field[-2], modrm = field[-1];
    bool is_rip = (modrm & 0xc7) == 0x05; /* mod 00, r/m 101 */
    if (is_rip && (op == OP_MOV_LOAD || op == OP_LEA))
        return relax_to(field, OP_LEA, (int)modrm, disp);
    if (has_rex)
        return false;
    if ((op == OP_GROUP5 && modrm == MODRM_CALL_RIP) || (op == OP_ADDR32 && modrm == OP_CALL))
        return relax_to(field, OP_ADDR32, OP_CALL, disp);
    if ((op == OP_GROUP5 && modrm == MODRM_JMP_RIP) || (op == OP_JMP && field[3] == OP_NOP))
        return relax_jmp(field, disp);
    return false;
}
