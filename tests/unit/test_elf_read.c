/* SPDX-License-Identifier: Apache-2.0
 *
 * The object reader on crafted bytes: what it reads, what it refuses, and that no bytes whatever
 * make it read outside of the buffer (which ends at a page that cannot be touched; the sanitizers
 * see the rest).
 */
#include "expect.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf_read.h"
#include "elf_writer.h"

static struct jd_error err;

static void reads_the_sample(void **unused)
{
    (void)unused;
    struct sample s = sample_make(0);
    struct jd_elf elf;
    size_t count = 0;
    expect_ok(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), &err);
    assert_int_equal(elf.machine, EM_X86_64);
    assert_int_equal(elf.section_count, SAMPLE_SECTIONS);
    assert_int_equal(elf.symbol_count, SAMPLE_SYMBOLS);
    assert_int_equal(elf.symbol_table, SAMPLE_SYMTAB);
    assert_string_equal(jd_elf_section_name(&elf, SAMPLE_NULL), "");
    assert_string_equal(jd_elf_section_name(&elf, SAMPLE_TEXT), ".text");
    assert_string_equal(jd_elf_section_name(&elf, SAMPLE_SHNDX), ".symtab_shndx");
    assert_ptr_equal(jd_elf_section_bytes(&elf, SAMPLE_TEXT), s.bytes + 64);
    assert_null(jd_elf_section_bytes(&elf, SAMPLE_BSS));
    assert_null(jd_elf_section_bytes(&elf, SAMPLE_NULL));
    assert_string_equal(jd_elf_symbol_name(&elf, 0), "");
    assert_string_equal(jd_elf_symbol_name(&elf, 1), "start");
    assert_string_equal(jd_elf_symbol_name(&elf, 4), "shared");
    assert_int_equal(jd_elf_symbol_section(&elf, 1), SAMPLE_TEXT);
    assert_int_equal(jd_elf_symbol_section(&elf, 3), SHN_UNDEF);
    assert_int_equal(jd_elf_symbol_section(&elf, 4), SHN_COMMON);
    assert_true(jd_elf_symbol_has_section(&elf, 2));
    assert_false(jd_elf_symbol_has_section(&elf, 3));
    assert_false(jd_elf_symbol_has_section(&elf, 4));
    const Elf64_Rela *relas = jd_elf_relas(&elf, SAMPLE_RELA, &count);
    assert_int_equal(count, SAMPLE_RELAS);
    assert_int_equal(relas[0].r_addend, -4);
    assert_null(jd_elf_relas(&elf, SAMPLE_TEXT, &count));
    assert_int_equal(count, 0);
    free(s.bytes);
}

/* Section indices beyond 0xff00, one of them equal to SHN_ABS. */
static void reads_many_sections(void **unused)
{
    (void)unused;
    static const uint32_t counts[] = {SHN_LORESERVE - 1, SHN_LORESERVE, SHN_ABS + 1, 70000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct sample s = sample_make(counts[i] - SAMPLE_SECTIONS);
        struct jd_elf elf;
        expect_ok(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), &err);
        assert_int_equal(elf.section_count, counts[i]);
        assert_string_equal(jd_elf_section_name(&elf, SAMPLE_TEXT), ".text");
        bool is_extended = counts[i] >= SHN_LORESERVE;
        assert_int_equal(jd_elf_symbol_section(&elf, 2), is_extended ? counts[i] - 1 : SAMPLE_BSS);
        assert_true(jd_elf_symbol_has_section(&elf, 2));
        if (is_extended) {
            s.symbol_sections[2] = counts[i];
            expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT,
                         "symbol 2: section ", &err);
            s.symbol_sections[2] = 0;
            s.sections[0].sh_size = counts[i] + 1;
            expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT, "fit",
                         &err);
        }
        free(s.bytes);
    }
}

static void reads_without_symbols_or_names(void **unused)
{
    (void)unused;
    struct sample s = sample_make(0);
    struct jd_elf elf;
    for (uint32_t i = 1; i < SAMPLE_SECTIONS; i++) {
        s.sections[i].sh_name = 0;
        if (i != SAMPLE_TEXT)
            s.sections[i].sh_type = SHT_NOBITS;
    }
    s.header->e_shstrndx = SHN_UNDEF;
    expect_ok(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), &err);
    assert_null(elf.symbols);
    assert_int_equal(elf.symbol_count, 0);
    assert_string_equal(jd_elf_section_name(&elf, SAMPLE_TEXT), "");
    free(s.bytes);
}

/* One wrong field each; `at` is its offset in the sample. */
struct mutation {
    size_t at, bytes;
    uint64_t value;
    const char *text;
};

#define IN_HEADER(field) offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define IN_SECTION(i, field)                                                                       \
    512 + (i) * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, field), sizeof(((Elf64_Shdr *)0)->field)
#define IN_SYMBOL(i, field)                                                                        \
    136 + (i) * sizeof(Elf64_Sym) + offsetof(Elf64_Sym, field), sizeof(((Elf64_Sym *)0)->field)
#define IN_RELA(i, field)                                                                          \
    88 + (i) * sizeof(Elf64_Rela) + offsetof(Elf64_Rela, field), sizeof(((Elf64_Rela *)0)->field)

static const struct mutation mutations[] = {
    {0, 1, 0, "not an ELF file"},
    {EI_CLASS, 1, ELFCLASS32, "not 64-bit little-endian"},
    {EI_DATA, 1, ELFDATA2MSB, "not 64-bit little-endian"},
    {EI_VERSION, 1, 0, "unknown ELF version"},
    {IN_HEADER(e_version), 2, "unknown ELF version"},
    {IN_HEADER(e_type), ET_DYN, "type 3 is not relocatable"},
    {IN_HEADER(e_shentsize), 40, "section header of 40 bytes"},
    {IN_HEADER(e_shoff), 0, "section table at 0x0"},
    {IN_HEADER(e_shoff), 513, "section table at 0x201"},
    {IN_HEADER(e_shoff), UINT64_MAX - 7, "section table at 0xfffffffffffffff8"},
    {IN_HEADER(e_shnum), SAMPLE_SECTIONS + 1, "9 sections where 8 fit"},
    {IN_HEADER(e_shnum), 0, "0 sections"},
    {IN_HEADER(e_shstrndx), SAMPLE_TEXT, "section 1 is no string table"},
    {IN_HEADER(e_shstrndx), SAMPLE_SECTIONS, "section 8 is no string table"},
    {IN_SECTION(SAMPLE_TEXT, sh_offset), UINT64_MAX, "section 1: 0x18 bytes at 0xffffffffffffffff"},
    {IN_SECTION(SAMPLE_TEXT, sh_size), UINT64_MAX, "section 1: 0xffffffffffffffff bytes at 0x40"},
    {IN_SECTION(SAMPLE_TEXT, sh_size), 961, "section 1: 0x3c1 bytes at 0x40"},
    {IN_SECTION(SAMPLE_TEXT, sh_addralign), 24, "section 1: alignment 24"},
    {IN_SECTION(SAMPLE_TEXT, sh_name), sizeof SAMPLE_SECTION_STRINGS, "section 1: name at 0x"},
    {IN_SECTION(SAMPLE_TEXT, sh_type), SHT_REL, "section 1: relocations that are not SHT_RELA"},
    {IN_SECTION(SAMPLE_TEXT, sh_type), 0x40000014, "section 1: relocations that are not"},
    {IN_SECTION(SAMPLE_TEXT, sh_type), SHT_NOBITS, "relocation 0 at 0x4 of section 1"},
    {IN_SECTION(SAMPLE_TEXT, sh_type), SHT_SYMTAB, "section 1: table of"},
    {IN_SECTION(SAMPLE_RELA, sh_type), SHT_SYMTAB, "section 4 is no string table"},
    {IN_SECTION(SAMPLE_RELA, sh_entsize), 0, "section 3: table of"},
    {IN_SECTION(SAMPLE_RELA, sh_size), 47, "section 3: table of"},
    {IN_SECTION(SAMPLE_RELA, sh_offset), 92, "section 3: table of"},
    {IN_SECTION(SAMPLE_RELA, sh_info), 0, "relocations for section 0 of 8"},
    {IN_SECTION(SAMPLE_RELA, sh_info), 8, "relocations for section 8 of 8"},
    {IN_SECTION(SAMPLE_RELA, sh_link), SAMPLE_STRTAB, "against symbol table 5"},
    {IN_RELA(0, r_offset), SAMPLE_TEXT_BYTES + 1, "relocation 0 at 0x19 of section 1"},
    {IN_RELA(1, r_offset), UINT64_MAX, "relocation 1 at 0xffffffffffffffff of section 1"},
    {IN_RELA(0, r_info), ELF64_R_INFO(5ull, 2), "relocation 0 against symbol 5 of 5"},
    {IN_SECTION(SAMPLE_SYMTAB, sh_entsize), 16, "section 4: table of"},
    {IN_SECTION(SAMPLE_SYMTAB, sh_link), SAMPLE_TEXT, "section 1 is no string table"},
    {IN_SECTION(SAMPLE_SYMTAB, sh_type), SHT_PROGBITS, "indices for another symbol table"},
    {IN_SECTION(SAMPLE_SHNDX, sh_link), SAMPLE_TEXT, "indices for another symbol table"},
    {IN_SECTION(SAMPLE_SHNDX, sh_size), 16, "indices for another symbol table"},
    {IN_SECTION(SAMPLE_SHNDX, sh_offset), 362, "section 7: table of"},
    {IN_SECTION(SAMPLE_STRTAB, sh_size), 7, "symbol 2: name at 0x7 of 0x7"},
    {IN_SECTION(SAMPLE_STRTAB, sh_size), 9, "string table 5 does not end in a zero byte"},
    {IN_SECTION(SAMPLE_SHSTRTAB, sh_size), 3, "string table 6 does not end in a zero byte"},
    {IN_SECTION(SAMPLE_SHSTRTAB, sh_size), 0, "name at 0x1 of 0x1"},
    {IN_SYMBOL(1, st_name), 1000, "symbol 1: name at 0x3e8"},
    {IN_SYMBOL(1, st_shndx), SAMPLE_SECTIONS, "symbol 1: section 8 of 8"},
    {IN_SYMBOL(1, st_shndx), SHN_LORESERVE + 2, "symbol 1: section 65282 of 8"},
};

static void refuses_each_wrong_field(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
        const struct mutation *m = &mutations[i];
        struct sample s = sample_make(0);
        struct jd_elf elf;
        for (unsigned b = 0; b < m->bytes; b++)
            s.bytes[m->at + b] = (unsigned char)(m->value >> (8 * b));
        expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT, m->text,
                     &err);
        assert_null(elf.bytes);
        assert_int_equal(elf.section_count, 0);
        free(s.bytes);
    }
}

/* Sizes without contents cost the file nothing; their sums must not wrap. */
static void refuses_more_than_there_are_addresses(void **unused)
{
    (void)unused;
    struct sample s = sample_make(1);
    struct jd_elf elf;
    Elf64_Shdr *bss = &s.sections[SAMPLE_BSS], *more = &s.sections[SAMPLE_SECTIONS];
    Elf64_Sym *common = &s.symbols[4];
    const Elf64_Shdr sane = *bss;
    *more = *bss;
    bss->sh_size = UINT64_MAX - 7;
    more->sh_size = 64;
    expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT,
                 "section 2: 0xfffffffffffffff8 bytes aligned to", &err);
    bss->sh_size = more->sh_size = 3ull << 45;
    expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT, "section 8: 0x",
                 &err);
    more->sh_size = 64;
    expect_ok(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), &err);
    common->st_size = 3ull << 45;
    expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT, "symbol 4: 0x",
                 &err);
    *bss = sane;
    bss->sh_addralign = 1ull << 63;
    expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT,
                 "aligned to 0x8000000000000000", &err);
    *bss = sane;
    expect_ok(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), &err);
    common->st_value = 24;
    expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT,
                 "symbol 4: alignment 24", &err);
    free(s.bytes);
}

static void refuses_second_tables(void **unused)
{
    (void)unused;
    struct sample s = sample_make(1);
    struct jd_elf elf;
    s.sections[SAMPLE_SECTIONS] = s.sections[SAMPLE_SYMTAB];
    expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT,
                 "sections 4 and 8 are both symbol tables", &err);
    s.sections[SAMPLE_SECTIONS] = s.sections[SAMPLE_SHNDX];
    expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT,
                 "section 8: ", &err);
    s.sections[SAMPLE_SECTIONS] = s.sections[SAMPLE_NULL];
    s.sections[SAMPLE_SHNDX].sh_type = SHT_PROGBITS;
    s.symbols[1].st_shndx = SHN_XINDEX;
    expect_error(jd_elf_open(&elf, s.bytes, s.size_bytes, &err), JD_E_BAD_OBJECT,
                 "symbol 1: no table of section indices", &err);
    free(s.bytes);
}

static void refuses_unaligned_buffer(void **unused)
{
    (void)unused;
    struct sample s = sample_make(0);
    struct jd_elf elf;
    expect_error(jd_elf_open(&elf, s.bytes + 4, s.size_bytes - 4, &err), JD_E_USAGE, "aligned",
                 &err);
    free(s.bytes);
}

/* Memory that ends where the next page faults. */
struct fence {
    unsigned char *all;
    size_t bytes, page;
};

static struct fence fence_make(size_t bytes)
{
    struct fence fence = {.page = (size_t)sysconf(_SC_PAGESIZE)};
    fence.bytes = (bytes + 2 * fence.page - 1) / fence.page * fence.page;
    fence.all = mmap(NULL, fence.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(fence.all != MAP_FAILED);
    assert_int_equal(mprotect(fence.all + fence.bytes - fence.page, fence.page, PROT_NONE), 0);
    return fence;
}

/* As near to the fence as the alignment of 8 allows. */
static unsigned char *fence_put(const struct fence *fence, const void *bytes, size_t size)
{
    unsigned char *at = fence->all + fence->bytes - fence->page - (size + 7) / 8 * 8;
    memcpy(at, bytes, size);
    return at;
}

/* Use everything that a view offers. The sum keeps the reads alive. */
static uint64_t read_all(const struct jd_elf *elf)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < elf->section_count; i++) {
        size_t count;
        const unsigned char *bytes = jd_elf_section_bytes(elf, i);
        const Elf64_Rela *relas = jd_elf_relas(elf, i, &count);
        sum += strlen(jd_elf_section_name(elf, i));
        for (uint64_t b = 0; bytes && b < elf->sections[i].sh_size; b++)
            sum += bytes[b];
        for (size_t r = 0; r < count; r++)
            sum += strlen(jd_elf_symbol_name(elf, (uint32_t)ELF64_R_SYM(relas[r].r_info)));
    }
    for (uint32_t i = 0; i < elf->symbol_count; i++) {
        sum += strlen(jd_elf_symbol_name(elf, i));
        if (jd_elf_symbol_has_section(elf, i))
            sum += elf->sections[jd_elf_symbol_section(elf, i)].sh_size;
    }
    return sum;
}

static volatile uint64_t sink;

/* Every prefix is refused: the section table is at the end. */
static void refuses_every_truncation(void **unused)
{
    (void)unused;
    struct sample s = sample_make(0);
    struct fence fence = fence_make(s.size_bytes);
    struct jd_elf elf;
    for (size_t size = 0; size < s.size_bytes; size++) {
        void *exact = malloc(size ? size : 1); /* its end is known to the sanitizer */
        memcpy(exact, s.bytes, size);
        assert_int_equal(jd_elf_open(&elf, exact, size, NULL), JD_E_BAD_OBJECT);
        free(exact);
        const void *at = fence_put(&fence, s.bytes, size);
        assert_int_equal(jd_elf_open(&elf, at, size, NULL), JD_E_BAD_OBJECT);
    }
    const void *whole = fence_put(&fence, s.bytes, s.size_bytes);
    expect_ok(jd_elf_open(&elf, whole, s.size_bytes, &err), &err);
    munmap(fence.all, fence.bytes);
    free(s.bytes);
}

/* Each bit of the object, then random bytes in several places at once. */
static void survives_flipped_bits(void **unused)
{
    (void)unused;
    struct sample s = sample_make(0);
    struct fence fence = fence_make(s.size_bytes);
    unsigned char *at = fence_put(&fence, s.bytes, s.size_bytes);
    struct jd_elf elf;
    size_t opened = 0, refused = 0;
    for (size_t bit = 0; bit < s.size_bytes * 8; bit++) {
        at[bit / 8] ^= (unsigned char)(1u << bit % 8);
        int rc = jd_elf_open(&elf, at, s.size_bytes, NULL);
        if (rc == JD_OK)
            sink += read_all(&elf);
        else
            assert_int_equal(rc, JD_E_BAD_OBJECT);
        opened += rc == JD_OK;
        refused += rc != JD_OK;
        at[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(opened > 1000);
    assert_true(refused > 1000);
    uint32_t state = 99;
    for (int round = 0; round < 200000; round++) {
        memcpy(at, s.bytes, s.size_bytes);
        for (int i = 0; i < 3; i++) {
            state = state * 1664525u + 1013904223u;
            at[(state >> 8) % s.size_bytes] = (unsigned char)(state >> 24);
        }
        if (jd_elf_open(&elf, at, s.size_bytes, NULL) == JD_OK)
            sink += read_all(&elf);
    }
    munmap(fence.all, fence.bytes);
    free(s.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_sample),
        cmocka_unit_test(reads_many_sections),
        cmocka_unit_test(reads_without_symbols_or_names),
        cmocka_unit_test(refuses_each_wrong_field),
        cmocka_unit_test(refuses_more_than_there_are_addresses),
        cmocka_unit_test(refuses_second_tables),
        cmocka_unit_test(refuses_unaligned_buffer),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(survives_flipped_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
