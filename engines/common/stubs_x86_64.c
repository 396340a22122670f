/* SPDX-License-Identifier: Apache-2.0
 *
 * Stub encodings for x86-64, laid out like a procedure linkage table (System V ABI, AMD64
 * supplement, 5.2.4): the number and the engine go over the stack, because any register may hold an
 * argument. Instruction encodings: Intel SDM volume 2.
 *
 *   entry:  ff 35 d32   push cells[0](%rip)      the struct jd_stubs
 *           ff 25 d32   jmp *cells[1](%rip)      the trampoline
 *           nops to 16
 *   stub:   ff 25 d32   jmp *slot(%rip)
 *   lazy:   68 i32      push $index              (sign-extended; the low 32 bits count)
 *           e9 d32      jmp entry
 *   thunk:  ff 25 d32   jmp *cell(%rip)
 *           nops to 8
 */
#include "stubs.h"

#include <elf.h>
#include <string.h>

enum { ENTRY_BYTES = 16, STUB_BYTES = 16, THUNK_BYTES = 8, JMP_BYTES = 6, PUSH_BYTES = 5 };

static unsigned char *put_displaced(unsigned char *write, unsigned opcode, unsigned modrm,
                                    uintptr_t next_addr, uintptr_t target_addr)
{
    int32_t displacement = (int32_t)(intptr_t)(target_addr - next_addr);
    *write++ = (unsigned char)opcode;
    if (modrm)
        *write++ = (unsigned char)modrm;
    memcpy(write, &displacement, sizeof displacement);
    return write + sizeof displacement;
}

static void write_entry(unsigned char *write, uintptr_t addr, uintptr_t cells_addr)
{
    write = put_displaced(write, 0xFF, 0x35, addr + 6, cells_addr);
    write = put_displaced(write, 0xFF, 0x25, addr + 12, cells_addr + 8);
    memset(write, 0x90, ENTRY_BYTES - 12);
}

static void write_stub(unsigned char *write, uintptr_t addr, uintptr_t slot_addr,
                       uintptr_t entry_addr, uint32_t stub_index)
{
    write = put_displaced(write, 0xFF, 0x25, addr + JMP_BYTES, slot_addr);
    *write++ = 0x68;
    memcpy(write, &stub_index, sizeof stub_index);
    write += sizeof stub_index;
    put_displaced(write, 0xE9, 0, addr + STUB_BYTES, entry_addr);
}

static uintptr_t lazy_addr(uintptr_t stub_addr, uintptr_t entry_addr)
{
    (void)entry_addr;
    return stub_addr + JMP_BYTES;
}

static void write_thunk(unsigned char *write, uintptr_t addr, uintptr_t cell_addr)
{
    write = put_displaced(write, 0xFF, 0x25, addr + JMP_BYTES, cell_addr);
    memset(write, 0x90, THUNK_BYTES - JMP_BYTES);
}

const struct jd_stub_arch jd_stub_arch_native = {
    .elf_machine = EM_X86_64,
    .entry_bytes = ENTRY_BYTES,
    .stub_bytes = STUB_BYTES,
    .thunk_bytes = THUNK_BYTES,
    .align_bytes = 16,
    .write_entry = write_entry,
    .write_stub = write_stub,
    .lazy_addr = lazy_addr,
    .write_thunk = write_thunk,
};
