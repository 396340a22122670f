/* SPDX-License-Identifier: Apache-2.0
 *
 * A read-only view of a relocatable ELF64 little-endian object in memory, as LLVM's code generator
 * writes it. Plain C, no LLVM: every field is range-checked against the buffer, so that any bytes
 * whatever give a view or JD_E_BAD_OBJECT, never a wild read.
 * Source: System V ABI, chapters 4 and 5; psABI supplements for e_machine.
 */
#ifndef JITDUEL_COMMON_ELF_READ_H
#define JITDUEL_COMMON_ELF_READ_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

/** Borrowed view; the buffer must outlive it and be aligned to 8 bytes. */
struct jd_elf {
    const unsigned char *bytes;
    size_t size_bytes;
    uint16_t machine; /**< EM_X86_64, EM_AARCH64, ... */
    const Elf64_Shdr *sections;
    uint32_t section_count;
    const char *section_names;
    size_t section_names_bytes;
    const Elf64_Sym *symbols; /**< NULL without a symbol table */
    uint32_t symbol_count;
    const char *symbol_names;
    size_t symbol_names_bytes;
};

/** Checks header, section table, string tables, symbol table, and for every section that its bytes,
 * and for every SHT_RELA that its entries, target section and symbol indices, lie within bounds. */
int jd_elf_open(struct jd_elf *elf, const void *bytes, size_t size_bytes, struct jd_error *err);
/** Name of a section or symbol; "" when it has none. Borrowed. Index must be in range. */
const char *jd_elf_section_name(const struct jd_elf *elf, uint32_t section_index);
const char *jd_elf_symbol_name(const struct jd_elf *elf, uint32_t symbol_index);
/** Bytes of a section; NULL for SHT_NOBITS. */
const void *jd_elf_section_bytes(const struct jd_elf *elf, uint32_t section_index);
/** Relocations of a SHT_RELA section. */
const Elf64_Rela *jd_elf_relas(const struct jd_elf *elf, uint32_t section_index, size_t *out_count);
/** Section index of a symbol, SHN_XINDEX resolved; SHN_UNDEF, SHN_ABS and SHN_COMMON as they are.
 */
uint32_t jd_elf_symbol_section(const struct jd_elf *elf, uint32_t symbol_index);

#endif
