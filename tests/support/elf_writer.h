/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes small relocatable objects for tests of the reader, byte by byte from the System V ABI; it
 * shares no code with the reader. Plain C.
 */
#ifndef JITDUEL_TESTS_ELF_WRITER_H
#define JITDUEL_TESTS_ELF_WRITER_H

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Sections of the sample object, in this order. */
enum {
    SAMPLE_NULL,
    SAMPLE_TEXT,
    SAMPLE_BSS,
    SAMPLE_RELA,
    SAMPLE_SYMTAB,
    SAMPLE_STRTAB,
    SAMPLE_SHSTRTAB,
    SAMPLE_SHNDX, /* last, so that an object without it is one section shorter */
    SAMPLE_SECTIONS
};

enum { SAMPLE_SYMBOLS = 5, SAMPLE_RELAS = 2, SAMPLE_TEXT_BYTES = 24 };

/** The sample as it lies in memory; pointers into `bytes`. */
struct sample {
    unsigned char *bytes; /**< from malloc */
    size_t size_bytes;
    Elf64_Ehdr *header;
    Elf64_Shdr *sections;
    Elf64_Sym *symbols;
    Elf64_Rela *relas;
    char *strings, *section_strings;
    Elf64_Word *symbol_sections;
};

#define SAMPLE_STRINGS "\0start\0twin\0outside\0shared"
#define SAMPLE_SECTION_STRINGS                                                                     \
    "\0.text\0.bss\0.rela.text\0.symtab\0.strtab\0.shstrtab\0.symtab_shndx"

static inline void *sample_place(struct sample *s, uint32_t index, uint32_t name, uint32_t type,
                                 size_t offset, size_t bytes, size_t entry)
{
    s->sections[index] = (Elf64_Shdr){.sh_name = name,
                                      .sh_type = type,
                                      .sh_offset = offset,
                                      .sh_size = bytes,
                                      .sh_addralign = 8,
                                      .sh_entsize = entry};
    return s->bytes + offset;
}

/** The sample with `extra` empty sections at its end and so a section table as long as wanted. With
 * more than 65279 sections the counts move to section 0 and the symbol `twin` is in the last
 * section by way of the index table. Free `bytes`. The section table comes last, as LLVM writes it.
 */
static inline struct sample sample_make(uint32_t extra)
{
    uint32_t count = SAMPLE_SECTIONS + extra;
    size_t table = 512;
    struct sample s = {.size_bytes = table + count * sizeof(Elf64_Shdr)};
    s.bytes = calloc(1, s.size_bytes);
    s.header = (void *)s.bytes;
    s.sections = (void *)(s.bytes + table);
    memcpy(s.header->e_ident, ELFMAG, SELFMAG);
    s.header->e_ident[EI_CLASS] = ELFCLASS64;
    s.header->e_ident[EI_DATA] = ELFDATA2LSB;
    s.header->e_ident[EI_VERSION] = EV_CURRENT;
    s.header->e_type = ET_REL;
    s.header->e_machine = EM_X86_64;
    s.header->e_version = EV_CURRENT;
    s.header->e_shoff = table;
    s.header->e_ehsize = sizeof(Elf64_Ehdr);
    s.header->e_shentsize = sizeof(Elf64_Shdr);
    s.header->e_shnum = (Elf64_Half)count;
    s.header->e_shstrndx = SAMPLE_SHSTRTAB;

    unsigned char *text = sample_place(&s, SAMPLE_TEXT, 1, SHT_PROGBITS, 64, SAMPLE_TEXT_BYTES, 0);
    memset(text, 0x90, SAMPLE_TEXT_BYTES);
    sample_place(&s, SAMPLE_BSS, 7, SHT_NOBITS, 88, 1u << 20, 0);
    s.relas = sample_place(&s, SAMPLE_RELA, 12, SHT_RELA, 88, SAMPLE_RELAS * sizeof(Elf64_Rela),
                           sizeof(Elf64_Rela));
    s.symbols = sample_place(&s, SAMPLE_SYMTAB, 23, SHT_SYMTAB, 136,
                             SAMPLE_SYMBOLS * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
    s.strings = sample_place(&s, SAMPLE_STRTAB, 31, SHT_STRTAB, 256, sizeof SAMPLE_STRINGS, 0);
    memcpy(s.strings, SAMPLE_STRINGS, sizeof SAMPLE_STRINGS);
    s.section_strings =
        sample_place(&s, SAMPLE_SHSTRTAB, 39, SHT_STRTAB, 288, sizeof SAMPLE_SECTION_STRINGS, 0);
    memcpy(s.section_strings, SAMPLE_SECTION_STRINGS, sizeof SAMPLE_SECTION_STRINGS);
    s.symbol_sections = sample_place(&s, SAMPLE_SHNDX, 49, SHT_SYMTAB_SHNDX, 360,
                                     SAMPLE_SYMBOLS * sizeof(Elf64_Word), sizeof(Elf64_Word));

    s.sections[SAMPLE_RELA].sh_link = SAMPLE_SYMTAB;
    s.sections[SAMPLE_RELA].sh_info = SAMPLE_TEXT;
    s.sections[SAMPLE_SYMTAB].sh_link = SAMPLE_STRTAB;
    s.sections[SAMPLE_SHNDX].sh_link = SAMPLE_SYMTAB;
    s.symbols[1] = (Elf64_Sym){.st_name = 1, .st_shndx = SAMPLE_TEXT, .st_size = 24};
    s.symbols[2] = (Elf64_Sym){.st_name = 7, .st_shndx = SAMPLE_BSS, .st_value = 16};
    s.symbols[3] = (Elf64_Sym){.st_name = 12, .st_shndx = SHN_UNDEF};
    s.symbols[4] = (Elf64_Sym){.st_name = 20, .st_shndx = SHN_COMMON, .st_size = 8};
    s.relas[0] =
        (Elf64_Rela){.r_offset = 4, .r_info = ELF64_R_INFO(3ull, R_X86_64_PLT32), .r_addend = -4};
    s.relas[1] = (Elf64_Rela){.r_offset = SAMPLE_TEXT_BYTES, .r_info = R_X86_64_NONE};
    if (count >= SHN_LORESERVE) {
        s.header->e_shnum = 0;
        s.header->e_shstrndx = SHN_XINDEX;
        s.sections[0].sh_size = count;
        s.sections[0].sh_link = SAMPLE_SHSTRTAB;
        s.symbols[2].st_shndx = SHN_XINDEX;
        s.symbol_sections[2] = count - 1;
        for (uint32_t i = SAMPLE_SECTIONS; i < count; i++)
            s.sections[i] = (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_offset = 64, .sh_size = 8};
    }
    return s;
}

#endif
