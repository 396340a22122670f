/* SPDX-License-Identifier: Apache-2.0
 *
 * Relocation of both CPUs on any host: each type at both ends of its range, against instruction
 * words that an assembler gave, and every refusal. What a type should do is stated here again, from
 * the psABIs, so that a wrong row of a table is seen.
 */
#include "expect.h"

#include <elf.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "reloc.h"

#ifndef R_AARCH64_PLT32
#define R_AARCH64_PLT32 314
#endif
#ifndef R_AARCH64_GOTPCREL32
#define R_AARCH64_GOTPCREL32 315
#endif

enum input { OF_S, OF_S_FROM_P, OF_G, OF_G_FROM_P, PAGE_OF_S, PAGE_OF_G, S_FROM_GOT, GOT_FROM_P };

static const uint64_t P = 0x500000001000; /* a page boundary, so that pages count from it */

#define UNCHECKED 0, 0

/* One type: the values it takes are [low, high) in steps; equal bounds mean that all pass. */
static const struct type {
    uint16_t machine;
    uint32_t type;
    const char *name;
    enum input input;
    uint64_t low, high; /* as two's complement */
    uint64_t step;
    unsigned bytes;
    bool is_branch;
} types[] = {
#define X86(t, ...)                                                                                \
    {                                                                                              \
        EM_X86_64, R_X86_64_##t, "R_X86_64_" #t, __VA_ARGS__                                       \
    }
#define A64(t, ...)                                                                                \
    {                                                                                              \
        EM_AARCH64, R_AARCH64_##t, "R_AARCH64_" #t, __VA_ARGS__                                    \
    }
#define S32 (uint64_t) INT32_MIN, 0x80000000
#define U32 0, 0x100000000
#define E32 (uint64_t) INT32_MIN, 0x100000000
    X86(64, OF_S, UNCHECKED, 1, 8, false),
    X86(32, OF_S, U32, 1, 4, false),
    X86(32S, OF_S, S32, 1, 4, false),
    X86(16, OF_S, (uint64_t)-0x8000, 0x10000, 1, 2, false),
    X86(8, OF_S, (uint64_t)-0x80, 0x100, 1, 1, false),
    X86(PC64, OF_S_FROM_P, UNCHECKED, 1, 8, false),
    X86(PC32, OF_S_FROM_P, S32, 1, 4, false),
    X86(PLT32, OF_S_FROM_P, S32, 1, 4, true),
    X86(PC16, OF_S_FROM_P, (uint64_t)-0x8000, 0x8000, 1, 2, false),
    X86(PC8, OF_S_FROM_P, (uint64_t)-0x80, 0x80, 1, 1, false),
    X86(GOTPCREL, OF_G_FROM_P, S32, 1, 4, false),
    X86(GOTPCRELX, OF_G_FROM_P, S32, 1, 4, false),
    X86(REX_GOTPCRELX, OF_G_FROM_P, S32, 1, 4, false),
    X86(GOTPCREL64, OF_G_FROM_P, UNCHECKED, 1, 8, false),
    X86(GOTPC32, GOT_FROM_P, S32, 1, 4, false),
    X86(GOTPC64, GOT_FROM_P, UNCHECKED, 1, 8, false),
    X86(GOTOFF64, S_FROM_GOT, UNCHECKED, 1, 8, false),
    X86(PLTOFF64, S_FROM_GOT, UNCHECKED, 1, 8, false),
    A64(ABS64, OF_S, UNCHECKED, 1, 8, false),
    A64(ABS32, OF_S, E32, 1, 4, false),
    A64(ABS16, OF_S, (uint64_t)-0x8000, 0x10000, 1, 2, false),
    A64(PREL64, OF_S_FROM_P, UNCHECKED, 1, 8, false),
    A64(PREL32, OF_S_FROM_P, E32, 1, 4, false),
    A64(PREL16, OF_S_FROM_P, (uint64_t)-0x8000, 0x10000, 1, 2, false),
    A64(PLT32, OF_S_FROM_P, S32, 1, 4, true),
    A64(GOTPCREL32, OF_G_FROM_P, S32, 1, 4, false),
    A64(CALL26, OF_S_FROM_P, (uint64_t)-0x8000000, 0x8000000, 4, 4, true),
    A64(JUMP26, OF_S_FROM_P, (uint64_t)-0x8000000, 0x8000000, 4, 4, true),
    A64(CONDBR19, OF_S_FROM_P, (uint64_t)-0x100000, 0x100000, 4, 4, true),
    A64(TSTBR14, OF_S_FROM_P, (uint64_t)-0x8000, 0x8000, 4, 4, true),
    A64(LD_PREL_LO19, OF_S_FROM_P, (uint64_t)-0x100000, 0x100000, 4, 4, false),
    A64(GOT_LD_PREL19, OF_G_FROM_P, (uint64_t)-0x100000, 0x100000, 4, 4, false),
    A64(ADR_PREL_LO21, OF_S_FROM_P, (uint64_t)-0x100000, 0x100000, 1, 4, false),
    A64(ADR_PREL_PG_HI21, PAGE_OF_S, (uint64_t)-0x100000000, 0x100000000, 0x1000, 4, false),
    A64(ADR_PREL_PG_HI21_NC, PAGE_OF_S, UNCHECKED, 0x1000, 4, false),
    A64(ADR_GOT_PAGE, PAGE_OF_G, (uint64_t)-0x100000000, 0x100000000, 0x1000, 4, false),
    A64(ADD_ABS_LO12_NC, OF_S, UNCHECKED, 1, 4, false),
    A64(LDST8_ABS_LO12_NC, OF_S, UNCHECKED, 1, 4, false),
    A64(LDST16_ABS_LO12_NC, OF_S, UNCHECKED, 2, 4, false),
    A64(LDST32_ABS_LO12_NC, OF_S, UNCHECKED, 4, 4, false),
    A64(LDST64_ABS_LO12_NC, OF_S, UNCHECKED, 8, 4, false),
    A64(LDST128_ABS_LO12_NC, OF_S, UNCHECKED, 16, 4, false),
    A64(LD64_GOT_LO12_NC, OF_G, UNCHECKED, 8, 4, false),
    A64(MOVW_UABS_G0, OF_S, 0, 0x10000, 1, 4, false),
    A64(MOVW_UABS_G0_NC, OF_S, UNCHECKED, 1, 4, false),
    A64(MOVW_UABS_G1, OF_S, 0, 0x100000000, 1, 4, false),
    A64(MOVW_UABS_G1_NC, OF_S, UNCHECKED, 1, 4, false),
    A64(MOVW_UABS_G2, OF_S, 0, 0x1000000000000, 1, 4, false),
    A64(MOVW_UABS_G2_NC, OF_S, UNCHECKED, 1, 4, false),
    A64(MOVW_UABS_G3, OF_S, UNCHECKED, 1, 4, false),
};
enum { TYPES = sizeof types / sizeof *types };

static struct jd_error err;

/* S and G that give `value`, with an addend that must be taken into account. */
static void solve(const struct type *t, uint64_t value, uint64_t *s, uint64_t *g, int64_t *a)
{
    *s = 0x1111111111111111;
    *g = 0x2222222222222222;
    *a = -20;
    uint64_t x = value + 20;
    switch (t->input) {
    case OF_S:
        *s = x;
        break;
    case OF_S_FROM_P:
        *s = P + x;
        break;
    case OF_G:
        *g = x;
        break;
    case OF_G_FROM_P:
    case GOT_FROM_P:
        *g = P + x;
        break;
    case PAGE_OF_S:
        *s = P + x + 0xabc; /* within the page */
        break;
    case PAGE_OF_G:
        *g = P + x + 0xabc;
        break;
    case S_FROM_GOT:
        *s = *g + x;
        break;
    }
}

static int apply(const struct type *t, uint64_t value, void *write)
{
    struct jd_reloc_place place = {.write = write,
                                   .room_bytes = t->bytes,
                                   .addr = (uintptr_t)P,
                                   .section = ".text",
                                   .offset = 0x1c,
                                   .symbol = "foo"};
    uint64_t s, g;
    int64_t a;
    const struct jd_reloc_howto *howto = jd_reloc_howto(t->machine, t->type);
    solve(t, value, &s, &g, &a);
    int rc = jd_reloc_apply(howto, &place, (uintptr_t)s, a, (uintptr_t)g, &err);
    bool fits = jd_reloc_fits(howto, (uintptr_t)P, (uintptr_t)s, a, (uintptr_t)g);
    assert_int_equal(fits, rc != JD_E_RELOC_RANGE);
    return rc;
}

static uint64_t load(const unsigned char *at, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++)
        x |= (uint64_t)at[i] << (8 * i);
    return x;
}

/* A value that passes is stored once and for all: twice is as once, and bytes around it stay. */
static void expect_stored(const struct type *t, uint64_t value)
{
    unsigned char once[10], twice[10];
    memset(once, 0xa5, sizeof once);
    expect_ok(apply(t, value, once + 1), &err);
    memcpy(twice, once, sizeof once);
    expect_ok(apply(t, value, twice + 1), &err);
    assert_memory_equal(once, twice, sizeof once);
    assert_int_equal(once[0], 0xa5);
    assert_int_equal(once[1 + t->bytes], 0xa5);
    if (t->machine == EM_X86_64 || t->bytes != 4 || t->type == R_AARCH64_ABS32 ||
        t->type == R_AARCH64_PREL32 || t->type == R_AARCH64_PLT32 ||
        t->type == R_AARCH64_GOTPCREL32) {
        uint64_t mask = t->bytes == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * t->bytes) - 1;
        assert_int_equal(load(once + 1, t->bytes), value & mask);
    }
}

static const char *hex(uint64_t x, char out[24])
{
    bool is_negative = (int64_t)x < 0;
    snprintf(out, 24, "%s0x%" PRIx64, is_negative ? "-" : "", is_negative ? 0 - x : x);
    return out;
}

static void expect_out_of_range(const struct type *t, uint64_t value)
{
    unsigned char bytes[8], before[8];
    char wanted[200], text[3][24];
    memset(bytes, 0x5a, sizeof bytes);
    memset(before, 0x5a, sizeof before);
    snprintf(wanted, sizeof wanted, ".text+0x1c: %s against 'foo': %s not in [%s, %s)", t->name,
             hex(value, text[0]), hex(t->low, text[1]), hex(t->high, text[2]));
    expect_error(apply(t, value, bytes), JD_E_RELOC_RANGE, wanted, &err);
    assert_memory_equal(bytes, before, sizeof bytes);
}

static void each_type_at_its_limits(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < TYPES; i++) {
        const struct type *t = &types[i];
        if (t->low != t->high) {
            expect_out_of_range(t, t->low - t->step);
            expect_stored(t, t->low);
            expect_stored(t, 0);
            expect_stored(t, t->high - t->step);
            expect_out_of_range(t, t->high);
            continue;
        }
        expect_stored(t, 0);
        expect_stored(t, 0 - t->step);
        expect_stored(t, 0x7fffffffffffffff / t->step * t->step);
        expect_stored(t, 0x8000000000000000);
    }
}

static void names_sizes_and_needs(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < TYPES; i++) {
        const struct type *t = &types[i];
        const struct jd_reloc_howto *howto = jd_reloc_howto(t->machine, t->type);
        bool takes_g = t->input == OF_G || t->input == OF_G_FROM_P || t->input == PAGE_OF_G;
        bool takes_got = t->input == S_FROM_GOT || t->input == GOT_FROM_P;
        assert_non_null(howto);
        assert_int_equal(howto->type, t->type);
        assert_string_equal(howto->name, t->name);
        assert_int_equal(howto->bytes, t->bytes);
        assert_int_equal(howto->is_branch, t->is_branch);
        assert_int_equal(jd_reloc_needs_got(howto), takes_g);
        assert_int_equal(jd_reloc_needs_got_base(howto), takes_got);
    }
}

/* No type is supported that is not tested here; R_*_NONE stores nothing. */
static void no_type_is_untested(void **unused)
{
    (void)unused;
    static const uint16_t machines[] = {EM_X86_64, EM_AARCH64};
    size_t count = 0;
    for (size_t m = 0; m < 2; m++) {
        for (uint32_t type = 0; type < 70000; type++)
            count += jd_reloc_howto(machines[m], type) != NULL;
        const struct jd_reloc_howto *none = jd_reloc_howto(machines[m], 0);
        struct jd_reloc_place place = {0};
        assert_non_null(none);
        assert_int_equal(none->formula, JD_RELOC_NOTHING);
        expect_ok(jd_reloc_apply(none, &place, 1, 2, 3, &err), &err);
        assert_true(jd_reloc_fits(none, 1, UINTPTR_MAX / 2, 3, 4));
        assert_null(jd_reloc_howto(machines[m], UINT32_MAX));
    }
    assert_int_equal(count, TYPES + 2);
    assert_null(jd_reloc_howto(EM_ARM, 1));
}

/* Instruction words as an assembler writes them: `from` with a zero field becomes `to`. */
static void instruction_words(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t type;
        uint64_t value;
        uint32_t from, to;
    } cases[] = {
        {R_AARCH64_CALL26, 0x100, 0x94000000, 0x94000040},               /* bl */
        {R_AARCH64_JUMP26, (uint64_t)-4, 0x14000000, 0x17ffffff},        /* b */
        {R_AARCH64_CONDBR19, 8, 0x54000000, 0x54000040},                 /* b.eq */
        {R_AARCH64_CONDBR19, (uint64_t)-8, 0xb4000000, 0xb4ffffc0},      /* cbz */
        {R_AARCH64_TSTBR14, (uint64_t)-32768, 0x36000000, 0x36040000},   /* tbz */
        {R_AARCH64_ADR_PREL_LO21, (uint64_t)-1, 0x10000000, 0x70ffffe0}, /* adr */
        {R_AARCH64_ADR_PREL_LO21, 0xfffff, 0x10000000, 0x707fffe0},
        {R_AARCH64_ADR_PREL_PG_HI21, (uint64_t)-0x1000, 0x90000000, 0xf0ffffe0}, /* adrp */
        {R_AARCH64_ADR_PREL_PG_HI21, 0x12345000, 0x90000003, 0xb0091a23},
        {R_AARCH64_ADR_PREL_PG_HI21_NC, 0x12345000, 0x90000003, 0xb0091a23},
        {R_AARCH64_ADR_GOT_PAGE, 0x12345000, 0x90000003, 0xb0091a23},
        {R_AARCH64_ADD_ABS_LO12_NC, 0x12345abc, 0x91000000, 0x912af000},    /* add */
        {R_AARCH64_LDST8_ABS_LO12_NC, 0x12345abc, 0x39400020, 0x396af020},  /* ldrb */
        {R_AARCH64_LDST16_ABS_LO12_NC, 0x12345abc, 0x79400020, 0x79557820}, /* ldrh */
        {R_AARCH64_LDST32_ABS_LO12_NC, 0x12345abc, 0xb9400020, 0xb94abc20}, /* ldr w */
        {R_AARCH64_LDST64_ABS_LO12_NC, 0x12345ab8, 0xf9400020, 0xf9455c20}, /* ldr x */
        {R_AARCH64_LD64_GOT_LO12_NC, 0x12345ab8, 0xf9400020, 0xf9455c20},
        {R_AARCH64_LDST128_ABS_LO12_NC, 0x12345ab0, 0x3dc00020, 0x3dc2ac20}, /* ldr q */
        {R_AARCH64_LD_PREL_LO19, (uint64_t)-4, 0x58000000, 0x58ffffe0},      /* ldr literal */
        {R_AARCH64_GOT_LD_PREL19, (uint64_t)-4, 0x58000000, 0x58ffffe0},
        {R_AARCH64_MOVW_UABS_G0, 0x1234, 0xd2800000, 0xd2824680}, /* movz, movk */
        {R_AARCH64_MOVW_UABS_G0_NC, 0xdef09abc56781234, 0xd2800000, 0xd2824680},
        {R_AARCH64_MOVW_UABS_G1, 0x56781234, 0xf2a00000, 0xf2aacf00},
        {R_AARCH64_MOVW_UABS_G1_NC, 0xdef09abc56781234, 0xf2a00000, 0xf2aacf00},
        {R_AARCH64_MOVW_UABS_G2, 0x9abc56781234, 0xf2c00000, 0xf2d35780},
        {R_AARCH64_MOVW_UABS_G2_NC, 0xdef09abc56781234, 0xf2c00000, 0xf2d35780},
        {R_AARCH64_MOVW_UABS_G3, 0xdef09abc56781234, 0xf2e00000, 0xf2fbde00},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct type *t = types;
        while (t->machine != EM_AARCH64 || t->type != cases[i].type)
            t++;
        /* From a zero field, and over what another relocation left there. */
        uint32_t field = 0, words[2] = {cases[i].from, 0};
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
            if (cases[k].type == cases[i].type)
                field |= cases[k].from ^ cases[k].to;
        words[1] = cases[i].from | field;
        for (size_t w = 0; w < 2; w++) {
            unsigned char bytes[4];
            for (unsigned b = 0; b < 4; b++)
                bytes[b] = (unsigned char)(words[w] >> (8 * b));
            expect_ok(apply(t, cases[i].value, bytes), &err);
            assert_int_equal(load(bytes, 4), cases[i].to);
        }
    }
}

static void misaligned_targets_are_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < TYPES; i++) {
        const struct type *t = &types[i];
        if (t->step == 1 || t->step == 0x1000) /* pages cannot lie badly */
            continue;
        for (uint64_t off = 1; off < t->step; off++) {
            char wanted[100];
            unsigned char bytes[4] = {1, 2, 3, 4};
            snprintf(wanted, sizeof wanted,
                     ".text+0x1c: %s against 'foo': 0x%x is not a multiple of", t->name,
                     (unsigned)(64 + off));
            expect_error(apply(t, 64 + off, bytes), JD_E_BAD_OBJECT, wanted, &err);
            assert_int_equal(load(bytes, 4), 0x04030201);
        }
    }
}

static void fields_outside_of_the_section_are_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < TYPES; i++)
        for (size_t room = 0; room < types[i].bytes; room++) {
            unsigned char bytes[8] = {0};
            char wanted[100];
            struct jd_reloc_place place = {.write = bytes,
                                           .room_bytes = room,
                                           .section = ".data",
                                           .offset = 0x100,
                                           .symbol = "bar"};
            snprintf(wanted, sizeof wanted,
                     ".data+0x100: %s against 'bar': field of %u bytes where the section has %zu",
                     types[i].name, types[i].bytes, room);
            expect_error(jd_reloc_apply(jd_reloc_howto(types[i].machine, types[i].type), &place, 0,
                                        0, 0, &err),
                         JD_E_BAD_OBJECT, wanted, &err);
            assert_int_equal(load(bytes, 8), 0);
        }
}

static void unsupported_types_are_named(void **unused)
{
    (void)unused;
    static const struct {
        uint16_t machine;
        uint32_t type;
        const char *text;
    } cases[] = {
        {EM_X86_64, 19, ".text+0x1c: relocation type 19 (R_X86_64_TLSGD) against 'foo'"},
        {EM_X86_64, 16, "(R_X86_64_DTPMOD64)"},
        {EM_X86_64, 20, "(R_X86_64_TLSLD)"},
        {EM_X86_64, 22, "(R_X86_64_GOTTPOFF)"},
        {EM_X86_64, 23, "(R_X86_64_TPOFF32)"},
        {EM_X86_64, 34, "(R_X86_64_GOTPC32_TLSDESC)"},
        {EM_X86_64, 3, "(R_X86_64_GOT32)"},
        {EM_X86_64, 32, "(R_X86_64_SIZE32)"},
        {EM_X86_64, 33, "(R_X86_64_SIZE64)"},
        {EM_X86_64, 99, ".text+0x1c: relocation type 99 against 'foo'"},
        {EM_AARCH64, 99, ".text+0x1c: relocation type 99 against 'foo'"},
        {EM_AARCH64, 256, "relocation type 256 against 'foo'"},
        {EM_AARCH64, 313, "(R_AARCH64_LD64_GOTPAGE_LO15)"},
        {EM_AARCH64, 270, "(R_AARCH64_MOVW_SABS_G0)"},
        {EM_AARCH64, 513, "(R_AARCH64_TLSGD_ADR_PAGE21)"},
        {EM_AARCH64, 541, "(R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21)"},
        {EM_AARCH64, 549, "(R_AARCH64_TLSLE_ADD_TPREL_HI12)"},
        {EM_AARCH64, 569, "(R_AARCH64_TLSDESC_CALL)"},
        {EM_AARCH64, 1032, "(R_AARCH64_IRELATIVE)"},
        {EM_ARM, 2, "relocation type 2 against 'foo'"},
    };
    struct jd_reloc_place place = {.section = ".text", .offset = 0x1c, .symbol = "foo"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(jd_reloc_howto(cases[i].machine, cases[i].type));
        int rc = jd_reloc_unknown(cases[i].machine, cases[i].type, &place, &err);
        assert_int_equal(err.kind, JD_KIND_UNSUPPORTED);
        expect_error(rc, JD_E_RELOC_TYPE, cases[i].text, &err);
    }
    assert_int_equal(jd_reloc_unknown(EM_X86_64, 99, &place, NULL), JD_E_RELOC_TYPE);
}

enum { RELAX_MAX = 8 };

/* Loads from the GOT; `field` is where the displacement begins. */
static const struct relax {
    const char *what;
    uint32_t type;
    unsigned field, bytes;
    unsigned char from[RELAX_MAX];
    unsigned char to[RELAX_MAX]; /* for S = P + 0x1000 */
} relaxed[] = {
    {"mov eax", R_X86_64_GOTPCRELX, 2, 6, {0x8b, 0x05}, {0x8d, 0x05, 0xfc, 0x0f}},
    {"mov rax", R_X86_64_REX_GOTPCRELX, 3, 7, {0x48, 0x8b, 0x05}, {0x48, 0x8d, 0x05, 0xfc, 0x0f}},
    {"mov r15", R_X86_64_REX_GOTPCRELX, 3, 7, {0x4c, 0x8b, 0x3d}, {0x4c, 0x8d, 0x3d, 0xfc, 0x0f}},
    {"call", R_X86_64_GOTPCRELX, 2, 6, {0xff, 0x15}, {0x67, 0xe8, 0xfc, 0x0f}},
    {"jmp", R_X86_64_GOTPCRELX, 2, 6, {0xff, 0x25}, {0xe9, 0xfd, 0x0f, 0, 0, 0x90}},
};

static struct jd_reloc_place relax_place(unsigned char *code, const struct relax *r)
{
    return (struct jd_reloc_place){.write = code + r->field,
                                   .room_bytes = r->bytes - r->field,
                                   .addr = (uintptr_t)P,
                                   .section = ".text",
                                   .offset = r->field};
}

static void got_loads_are_relaxed(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof relaxed / sizeof *relaxed; i++) {
        const struct relax *r = &relaxed[i];
        unsigned char code[RELAX_MAX];
        memcpy(code, r->from, sizeof code);
        struct jd_reloc_place place = relax_place(code, r);
        for (int times = 0; times < 2; times++) {
            assert_true(jd_reloc_x86_64_relax(r->type, &place, (uintptr_t)P + 0x1000, -4));
            assert_memory_equal(code, r->to, r->bytes);
        }
    }
}

static void far_or_odd_got_loads_are_left(void **unused)
{
    (void)unused;
    static const struct relax odd[] = {
        {"cmp", R_X86_64_REX_GOTPCRELX, 3, 7, {0x48, 0x3b, 0x05}, {0}},
        {"test", R_X86_64_REX_GOTPCRELX, 3, 7, {0x48, 0x85, 0x05}, {0}},
        {"mov not rip", R_X86_64_REX_GOTPCRELX, 3, 7, {0x48, 0x8b, 0x80}, {0}},
        {"push", R_X86_64_GOTPCRELX, 2, 6, {0xff, 0x35}, {0}},
        {"rex call", R_X86_64_REX_GOTPCRELX, 3, 7, {0x41, 0xff, 0x15}, {0}},
        {"old type", R_X86_64_GOTPCREL, 2, 6, {0x8b, 0x05}, {0}},
        {"begins before the section", R_X86_64_GOTPCRELX, 1, 5, {0x05}, {0}},
        {"ends behind the section", R_X86_64_GOTPCRELX, 2, 5, {0x8b, 0x05}, {0}},
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        unsigned char code[RELAX_MAX];
        memcpy(code, odd[i].from, sizeof code);
        struct jd_reloc_place place = relax_place(code, &odd[i]);
        assert_false(jd_reloc_x86_64_relax(odd[i].type, &place, (uintptr_t)P + 0x1000, -4));
        assert_memory_equal(code, odd[i].from, sizeof code);
    }
    for (size_t i = 0; i < sizeof relaxed / sizeof *relaxed; i++) {
        const struct relax *r = &relaxed[i];
        unsigned char code[RELAX_MAX];
        memcpy(code, r->from, sizeof code);
        struct jd_reloc_place place = relax_place(code, r);
        /* jmp counts from one byte further down. */
        uint64_t is_jmp = r->from[1] == 0x25;
        uint64_t last = P + 4 + 0x7fffffff - is_jmp, first = P + 4 - 0x80000000 - is_jmp;
        assert_false(jd_reloc_x86_64_relax(r->type, &place, (uintptr_t)(last + 1), -4));
        assert_false(jd_reloc_x86_64_relax(r->type, &place, (uintptr_t)(first - 1), -4));
        assert_false(jd_reloc_x86_64_relax(r->type, &place, (uintptr_t)P, 0));
        assert_memory_equal(code, r->from, sizeof code);
        assert_true(jd_reloc_x86_64_relax(r->type, &place, (uintptr_t)last, -4));
        assert_true(jd_reloc_x86_64_relax(r->type, &place, (uintptr_t)first, -4));
        assert_int_equal(load(code + r->field - is_jmp, 4), 0x80000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_at_its_limits),
        cmocka_unit_test(names_sizes_and_needs),
        cmocka_unit_test(no_type_is_untested),
        cmocka_unit_test(instruction_words),
        cmocka_unit_test(misaligned_targets_are_refused),
        cmocka_unit_test(fields_outside_of_the_section_are_refused),
        cmocka_unit_test(unsupported_types_are_named),
        cmocka_unit_test(got_loads_are_relaxed),
        cmocka_unit_test(far_or_odd_got_loads_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
