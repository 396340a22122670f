/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a relocatable object: all checks are made once, in jd_elf_open; what comes after only
 * indexes. Knows no LLVM and no engine.
 * Source: System V ABI (gABI), chapter 4: ELF header, sections, string table, symbol table,
 * relocation.
 */
#include "elf_read.h"

#include <string.h>

#ifndef SHT_CREL
#define SHT_CREL 0x40000014 /* LLVM 19's experimental compact relocations */
#endif

static int bad(struct jd_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(struct jd_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    jd_vfail(err, JD_E_BAD_OBJECT, "object", format, args);
    va_end(args);
    return JD_E_BAD_OBJECT;
}

static bool is_within(uint64_t offset, uint64_t bytes, size_t size)
{
    return offset <= size && bytes <= size - offset;
}

/* More than any process can map: sums of sizes below this bound do not wrap. */
static const uint64_t MOST_BYTES = 1ull << 47;

/* Bytes that an object asks for without having them: .bss and commons, with their alignment. */
static int ask_room(uint64_t *asked_bytes, uint64_t bytes, uint64_t align, const char *what,
                    uint32_t index, struct jd_error *err)
{
    if (bytes > MOST_BYTES || align > MOST_BYTES || *asked_bytes > MOST_BYTES - bytes ||
        *asked_bytes + bytes > MOST_BYTES - align)
        return bad(err, "%s %u: 0x%llx bytes aligned to 0x%llx are more than there are addresses",
                   what, index, (unsigned long long)bytes, (unsigned long long)align);
    *asked_bytes += bytes + align;
    return JD_OK;
}

static const void *at(const struct jd_elf *elf, uint64_t offset)
{
    return elf->bytes + offset;
}

static int check_header(const struct jd_elf *elf, struct jd_error *err)
{
    const Elf64_Ehdr *header = at(elf, 0);
    if (elf->size_bytes < sizeof *header)
        return bad(err, "%zu bytes are too few for a header", elf->size_bytes);
    if (memcmp(header->e_ident, ELFMAG, SELFMAG))
        return bad(err, "not an ELF file");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
        return bad(err, "not 64-bit little-endian");
    if (header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
        return bad(err, "unknown ELF version");
    if (header->e_type != ET_REL)
        return bad(err, "type %u is not relocatable", header->e_type);
    if (header->e_shentsize != sizeof(Elf64_Shdr))
        return bad(err, "section header of %u bytes", header->e_shentsize);
    if (header->e_shoff % 8 || !is_within(header->e_shoff, sizeof(Elf64_Shdr), elf->size_bytes) ||
        !header->e_shoff)
        return bad(err, "section table at 0x%llx in %zu bytes", (unsigned long long)header->e_shoff,
                   elf->size_bytes);
    return JD_OK;
}

/* Counts that do not fit the header stand in section 0. */
static int find_sections(struct jd_elf *elf, uint32_t *out_names, struct jd_error *err)
{
    const Elf64_Ehdr *header = at(elf, 0);
    const Elf64_Shdr *first = at(elf, header->e_shoff);
    uint64_t count = header->e_shnum ? header->e_shnum : first->sh_size;
    uint64_t room = (elf->size_bytes - header->e_shoff) / sizeof *first;
    if (!count || count > room || count > UINT32_MAX)
        return bad(err, "%llu sections where %llu fit", (unsigned long long)count,
                   (unsigned long long)room);
    elf->machine = header->e_machine;
    elf->sections = first;
    elf->section_count = (uint32_t)count;
    *out_names = header->e_shstrndx == SHN_XINDEX ? first->sh_link : header->e_shstrndx;
    return JD_OK;
}

static int check_section(const struct jd_elf *elf, uint32_t index, uint64_t *asked_bytes,
                         struct jd_error *err)
{
    const Elf64_Shdr *section = &elf->sections[index];
    uint64_t align = section->sh_addralign;
    if (section->sh_type == SHT_NULL)
        return JD_OK;
    if (align & (align - 1))
        return bad(err, "section %u: alignment %llu", index, (unsigned long long)align);
    if (section->sh_type == SHT_REL || section->sh_type == SHT_CREL)
        return bad(err, "section %u: relocations that are not SHT_RELA", index);
    if (section->sh_type != SHT_NOBITS &&
        !is_within(section->sh_offset, section->sh_size, elf->size_bytes))
        return bad(err, "section %u: 0x%llx bytes at 0x%llx in %zu bytes", index,
                   (unsigned long long)section->sh_size, (unsigned long long)section->sh_offset,
                   elf->size_bytes);
    return ask_room(asked_bytes, section->sh_type == SHT_NOBITS ? section->sh_size : 0, align,
                    "section", index, err);
}

/* A table of fixed entries that is read in place. */
static int check_table(const struct jd_elf *elf, uint32_t index, size_t entry, size_t align,
                       struct jd_error *err)
{
    const Elf64_Shdr *section = &elf->sections[index];
    if (section->sh_entsize != entry || section->sh_size % entry || section->sh_offset % align)
        return bad(err, "section %u: table of 0x%llx bytes at 0x%llx, entries of %llu", index,
                   (unsigned long long)section->sh_size, (unsigned long long)section->sh_offset,
                   (unsigned long long)section->sh_entsize);
    if (section->sh_size / entry > UINT32_MAX)
        return bad(err, "section %u: too many entries", index);
    return JD_OK;
}

/* Ends with a zero byte, so that any offset into it is a string. Index 0 is no table. */
static int open_strings(const struct jd_elf *elf, uint32_t index, const char **out_names,
                        size_t *out_bytes, struct jd_error *err)
{
    *out_names = "";
    *out_bytes = 1;
    if (index == SHN_UNDEF)
        return JD_OK;
    if (index >= elf->section_count || elf->sections[index].sh_type != SHT_STRTAB)
        return bad(err, "section %u is no string table", index);
    const Elf64_Shdr *section = &elf->sections[index];
    if (!section->sh_size)
        return JD_OK;
    *out_names = at(elf, section->sh_offset);
    *out_bytes = (size_t)section->sh_size;
    if ((*out_names)[*out_bytes - 1])
        return bad(err, "string table %u does not end in a zero byte", index);
    return JD_OK;
}

static int check_section_names(const struct jd_elf *elf, struct jd_error *err)
{
    for (uint32_t i = 0; i < elf->section_count; i++)
        if (elf->sections[i].sh_name >= elf->section_names_bytes)
            return bad(err, "section %u: name at 0x%x of 0x%zx", i, elf->sections[i].sh_name,
                       elf->section_names_bytes);
    return JD_OK;
}

static int find_symbols(struct jd_elf *elf, struct jd_error *err)
{
    for (uint32_t i = 1; i < elf->section_count; i++) {
        const Elf64_Shdr *section = &elf->sections[i];
        if (section->sh_type != SHT_SYMTAB)
            continue;
        if (elf->symbol_table)
            return bad(err, "sections %u and %u are both symbol tables", elf->symbol_table, i);
        if (check_table(elf, i, sizeof(Elf64_Sym), 8, err) ||
            open_strings(elf, section->sh_link, &elf->symbol_names, &elf->symbol_names_bytes, err))
            return JD_E_BAD_OBJECT;
        elf->symbol_table = i;
        elf->symbols = at(elf, section->sh_offset);
        elf->symbol_count = (uint32_t)(section->sh_size / sizeof(Elf64_Sym));
    }
    return JD_OK;
}

static int find_symbol_sections(struct jd_elf *elf, struct jd_error *err)
{
    for (uint32_t i = 1; i < elf->section_count; i++) {
        const Elf64_Shdr *section = &elf->sections[i];
        if (section->sh_type != SHT_SYMTAB_SHNDX)
            continue;
        if (check_table(elf, i, sizeof(Elf64_Word), 4, err))
            return JD_E_BAD_OBJECT;
        if (elf->symbol_sections || !elf->symbol_table || section->sh_link != elf->symbol_table ||
            section->sh_size / sizeof(Elf64_Word) != elf->symbol_count)
            return bad(err, "section %u: indices for another symbol table", i);
        elf->symbol_sections = at(elf, section->sh_offset);
    }
    return JD_OK;
}

static int check_common(const struct jd_elf *elf, uint32_t index, uint64_t *asked_bytes,
                        struct jd_error *err)
{
    const Elf64_Sym *symbol = &elf->symbols[index];
    if (symbol->st_value & (symbol->st_value - 1))
        return bad(err, "symbol %u: alignment %llu", index, (unsigned long long)symbol->st_value);
    return ask_room(asked_bytes, symbol->st_size, symbol->st_value, "symbol", index, err);
}

static int check_symbols(const struct jd_elf *elf, uint64_t *asked_bytes, struct jd_error *err)
{
    for (uint32_t i = 0; i < elf->symbol_count; i++) {
        const Elf64_Sym *symbol = &elf->symbols[i];
        if (symbol->st_name >= elf->symbol_names_bytes)
            return bad(err, "symbol %u: name at 0x%x of 0x%zx", i, symbol->st_name,
                       elf->symbol_names_bytes);
        if (symbol->st_shndx == SHN_COMMON && check_common(elf, i, asked_bytes, err))
            return JD_E_BAD_OBJECT;
        if (symbol->st_shndx == SHN_ABS || symbol->st_shndx == SHN_COMMON)
            continue;
        if (symbol->st_shndx == SHN_XINDEX && !elf->symbol_sections)
            return bad(err, "symbol %u: no table of section indices", i);
        if (jd_elf_symbol_section(elf, i) >= elf->section_count)
            return bad(err, "symbol %u: section %u of %u", i, jd_elf_symbol_section(elf, i),
                       elf->section_count);
    }
    return JD_OK;
}

static int check_relas(const struct jd_elf *elf, uint32_t index, struct jd_error *err)
{
    const Elf64_Shdr *section = &elf->sections[index];
    if (check_table(elf, index, sizeof(Elf64_Rela), 8, err))
        return JD_E_BAD_OBJECT;
    if (!section->sh_info || section->sh_info >= elf->section_count)
        return bad(err, "section %u: relocations for section %u of %u", index, section->sh_info,
                   elf->section_count);
    if (!elf->symbol_table || section->sh_link != elf->symbol_table)
        return bad(err, "section %u: relocations against symbol table %u", index, section->sh_link);
    const Elf64_Shdr *target = &elf->sections[section->sh_info];
    bool has_bytes = target->sh_type != SHT_NOBITS && target->sh_type != SHT_NULL;
    const Elf64_Rela *relas = at(elf, section->sh_offset);
    for (uint64_t i = 0; i < section->sh_size / sizeof *relas; i++) {
        /* An offset at the very end is right for a type without a field. */
        if (!has_bytes || relas[i].r_offset > target->sh_size)
            return bad(err, "section %u: relocation %llu at 0x%llx of section %u", index,
                       (unsigned long long)i, (unsigned long long)relas[i].r_offset,
                       section->sh_info);
        if (ELF64_R_SYM(relas[i].r_info) >= elf->symbol_count)
            return bad(err, "section %u: relocation %llu against symbol %llu of %u", index,
                       (unsigned long long)i, (unsigned long long)ELF64_R_SYM(relas[i].r_info),
                       elf->symbol_count);
    }
    return JD_OK;
}

static int open_all(struct jd_elf *elf, struct jd_error *err)
{
    uint32_t names = 0;
    uint64_t asked_bytes = 0;
    int rc = check_header(elf, err);
    if (rc == JD_OK)
        rc = find_sections(elf, &names, err);
    for (uint32_t i = 0; rc == JD_OK && i < elf->section_count; i++)
        rc = check_section(elf, i, &asked_bytes, err);
    if (rc == JD_OK)
        rc = open_strings(elf, names, &elf->section_names, &elf->section_names_bytes, err);
    if (rc == JD_OK)
        rc = check_section_names(elf, err);
    if (rc == JD_OK)
        rc = find_symbols(elf, err);
    if (rc == JD_OK)
        rc = find_symbol_sections(elf, err);
    if (rc == JD_OK)
        rc = check_symbols(elf, &asked_bytes, err);
    for (uint32_t i = 1; rc == JD_OK && i < elf->section_count; i++)
        if (elf->sections[i].sh_type == SHT_RELA)
            rc = check_relas(elf, i, err);
    return rc;
}

int jd_elf_open(struct jd_elf *elf, const void *bytes, size_t size_bytes, struct jd_error *err)
{
    memset(elf, 0, sizeof *elf);
    if ((uintptr_t)bytes % 8)
        return jd_fail(err, JD_E_USAGE, "object", "buffer is not aligned to 8 bytes");
    elf->bytes = bytes;
    elf->size_bytes = size_bytes;
    elf->section_names = elf->symbol_names = "";
    int rc = open_all(elf, err);
    if (rc != JD_OK)
        memset(elf, 0, sizeof *elf);
    return rc;
}

const char *jd_elf_section_name(const struct jd_elf *elf, uint32_t section_index)
{
    return elf->section_names + elf->sections[section_index].sh_name;
}

const char *jd_elf_symbol_name(const struct jd_elf *elf, uint32_t symbol_index)
{
    return elf->symbol_names + elf->symbols[symbol_index].st_name;
}

const void *jd_elf_section_bytes(const struct jd_elf *elf, uint32_t section_index)
{
    const Elf64_Shdr *section = &elf->sections[section_index];
    if (section->sh_type == SHT_NOBITS || section->sh_type == SHT_NULL)
        return NULL;
    return at(elf, section->sh_offset);
}

const Elf64_Rela *jd_elf_relas(const struct jd_elf *elf, uint32_t section_index, size_t *out_count)
{
    const Elf64_Shdr *section = &elf->sections[section_index];
    *out_count = 0;
    if (section->sh_type != SHT_RELA)
        return NULL;
    *out_count = (size_t)(section->sh_size / sizeof(Elf64_Rela));
    return at(elf, section->sh_offset);
}

bool jd_elf_symbol_has_section(const struct jd_elf *elf, uint32_t symbol_index)
{
    uint16_t index = elf->symbols[symbol_index].st_shndx;
    return index != SHN_UNDEF && (index < SHN_LORESERVE || index == SHN_XINDEX);
}

uint32_t jd_elf_symbol_section(const struct jd_elf *elf, uint32_t symbol_index)
{
    uint16_t index = elf->symbols[symbol_index].st_shndx;
    return index == SHN_XINDEX ? elf->symbol_sections[symbol_index] : index;
}
