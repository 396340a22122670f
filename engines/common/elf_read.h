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
    uint32_t symbol_table; /**< section index of the symbol table, 0 without one */
    /** Section indices of symbols whose st_shndx is SHN_XINDEX; NULL when there are none. */
    const Elf64_Word *symbol_sections;
};

/** Checks header, section table, string tables, symbol table, and for every section that its bytes,
 * and for every SHT_RELA that its entries, their offsets in the target section and their symbol
 * indices, lie within bounds. Refuses relocations in another form (SHT_REL, CREL). Section counts
 * above 65279 are understood. Errors: BAD_OBJECT; USAGE for a buffer that is not aligned. */
int jd_elf_open(struct jd_elf *elf, const void *bytes, size_t size_bytes, struct jd_error *err);
/** Name of a section or symbol; "" when it has none. Borrowed. Index must be in range. */
const char *jd_elf_section_name(const struct jd_elf *elf, uint32_t section_index);
const char *jd_elf_symbol_name(const struct jd_elf *elf, uint32_t symbol_index);
/** Bytes of a section; NULL for SHT_NOBITS and SHT_NULL. */
const void *jd_elf_section_bytes(const struct jd_elf *elf, uint32_t section_index);
/** Relocations of a SHT_RELA section, which sh_info names the target of; NULL and 0 for any other.
 */
const Elf64_Rela *jd_elf_relas(const struct jd_elf *elf, uint32_t section_index, size_t *out_count);
/** True when the symbol is defined in a section, false for SHN_UNDEF, SHN_ABS and SHN_COMMON. */
bool jd_elf_symbol_has_section(const struct jd_elf *elf, uint32_t symbol_index);
/** Section index of a symbol, SHN_XINDEX resolved; SHN_UNDEF, SHN_ABS and SHN_COMMON as they are.
 * In an object of more than 65279 sections a real index may look like one of these: ask
 * jd_elf_symbol_has_section first. */
uint32_t jd_elf_symbol_section(const struct jd_elf *elf, uint32_t symbol_index);

#endif
