/* SPDX-License-Identifier: Apache-2.0
 *
 * Stub encodings for AArch64, laid out like a procedure linkage table (ELF for the Arm 64-bit
 * Architecture, "Procedure Linkage Table"): x16 and x17 are the scratch registers between caller
 * and callee, in which no argument travels (AAPCS64, 6.1.1). Encodings: Arm ARM, C6.2.
 *
 *   entry:  adrp x17, cells
 *           add  x17, x17, :lo12:cells
 *           stp  x16, x17, [sp, #-16]!      slot and cells, for the trampoline
 *           ldr  x17, [x17, #8]             cells[1], the trampoline
 *           br   x17
 *           nops to 32
 *   stub:   adrp x16, slot
 *           ldr  x17, [x16, :lo12:slot]
 *           add  x16, x16, :lo12:slot       the lazy half needs no number: the slot's address
 *           br   x17                        is one
 *   thunk:  adrp x16, cell
 *           ldr  x16, [x16, :lo12:cell]
 *           br   x16
 *           nop to 16
 *
 * A slot that is lazy leads to the chunk's entry. Page addresses reach 4 GiB either way, further
 * than an arena is long. There are no BTI landing pads: these pages, like those of the code that is
 * generated, are not mapped with PROT_BTI; the trampoline, whose page may be, has one.
 */
#include "stubs.h"

#include <elf.h>
#include <string.h>

enum { ENTRY_BYTES = 32, STUB_BYTES = 16, THUNK_BYTES = 16, VENEER_BYTES = 16 };
enum { PAGE_SHIFT = 12, PAGE_MASK = 0xfff };

#define ADRP 0x90000000U
#define ADD_IMMEDIATE 0x91000000U    /* 64 bits */
#define LDR_UNSIGNED 0xf9400000U     /* 64 bits, offset in units of 8 */
#define STP_X16_X17_PUSH 0xa9bf47f0U /* stp x16, x17, [sp, #-16]! */
#define BR 0xd61f0000U
#define NOP 0xd503201fU

static unsigned char *put(unsigned char *write, uint32_t instruction)
{
    memcpy(write, &instruction, sizeof instruction);
    return write + sizeof instruction;
}

static unsigned char *put_nops(unsigned char *write, const unsigned char *end)
{
    while (write < end)
        write = put(write, NOP);
    return write;
}

/* The page that `target_addr` lies in, relative to the instruction at `addr`. */
static unsigned char *put_adrp(unsigned char *write, uintptr_t addr, unsigned rd,
                               uintptr_t target_addr)
{
    uint32_t pages = (uint32_t)((target_addr >> PAGE_SHIFT) - (addr >> PAGE_SHIFT));
    return put(write, ADRP | (pages & 3) << 29 | (pages >> 2 & 0x7ffff) << 5 | rd);
}

static unsigned char *put_add_low(unsigned char *write, unsigned rd, unsigned rn,
                                  uintptr_t target_addr)
{
    return put(write, ADD_IMMEDIATE | (uint32_t)(target_addr & PAGE_MASK) << 10 | rn << 5 | rd);
}

static unsigned char *put_load(unsigned char *write, unsigned rt, unsigned rn, uint32_t offset)
{
    return put(write, LDR_UNSIGNED | offset / 8 << 10 | rn << 5 | rt);
}

static unsigned char *put_branch(unsigned char *write, unsigned rn)
{
    return put(write, BR | rn << 5);
}

static void write_entry(unsigned char *write, uintptr_t addr, uintptr_t cells_addr)
{
    const unsigned char *end = write + ENTRY_BYTES;
    write = put_adrp(write, addr, 17, cells_addr);
    write = put_add_low(write, 17, 17, cells_addr);
    write = put(write, STP_X16_X17_PUSH);
    write = put_load(write, 17, 17, sizeof(uintptr_t));
    write = put_branch(write, 17);
    put_nops(write, end);
}

static void write_stub(unsigned char *write, uintptr_t addr, uintptr_t slot_addr,
                       uintptr_t entry_addr, uint32_t stub_index)
{
    (void)entry_addr, (void)stub_index;
    write = put_adrp(write, addr, 16, slot_addr);
    write = put_load(write, 17, 16, slot_addr & PAGE_MASK);
    write = put_add_low(write, 16, 16, slot_addr);
    put_branch(write, 17);
}

static uintptr_t lazy_addr(uintptr_t stub_addr, uintptr_t entry_addr)
{
    (void)stub_addr;
    return entry_addr;
}

static void write_thunk(unsigned char *write, uintptr_t addr, uintptr_t cell_addr)
{
    const unsigned char *end = write + THUNK_BYTES;
    write = put_adrp(write, addr, 16, cell_addr);
    write = put_load(write, 16, 16, cell_addr & PAGE_MASK);
    write = put_branch(write, 16);
    put_nops(write, end);
}

static void write_veneer(unsigned char *write, uintptr_t addr, uintptr_t target_addr)
{
    const unsigned char *end = write + VENEER_BYTES;
    write = put_adrp(write, addr, 16, target_addr);
    write = put_add_low(write, 16, 16, target_addr);
    write = put_branch(write, 16);
    put_nops(write, end);
}

const struct jd_stub_arch jd_stub_arch_native = {
    .elf_machine = EM_AARCH64,
    .entry_bytes = ENTRY_BYTES,
    .stub_bytes = STUB_BYTES,
    .thunk_bytes = THUNK_BYTES,
    .align_bytes = 16,
    .branch_reach_bytes = (size_t)128 << 20, /* B and BL: 26 bits of words, signed */
    .veneer_bytes = VENEER_BYTES,
    .write_entry = write_entry,
    .write_stub = write_stub,
    .lazy_addr = lazy_addr,
    .write_thunk = write_thunk,
    .write_veneer = write_veneer,
};
