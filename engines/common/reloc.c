/* SPDX-License-Identifier: Apache-2.0
 *
 * The generic applier: compute, check, mask, store. Knows no relocation type; a type is a row of a
 * table. Knows no symbol, no veneer, no LLVM.
 * Sources: x86-64 psABI, chapter "Relocation"; ELF for the Arm 64-bit Architecture, "Relocation";
 * Arm ARM, C4.1 for the instruction fields.
 */
#include "reloc.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "reloc_tables.h"

static const struct jd_reloc_howto *row(uint16_t machine, uint32_t type)
{
    if (machine == EM_X86_64)
        return jd_reloc_x86_64_row(type);
    if (machine == EM_AARCH64)
        return jd_reloc_aarch64_row(type);
    return NULL;
}

const struct jd_reloc_howto *jd_reloc_howto(uint16_t machine, uint32_t type)
{
    const struct jd_reloc_howto *howto = row(machine, type);
    return howto && howto->formula != JD_RELOC_UNSUPPORTED ? howto : NULL;
}

bool jd_reloc_needs_got(const struct jd_reloc_howto *howto)
{
    return howto->formula == JD_RELOC_GOT_PC || howto->formula == JD_RELOC_GOT_PAGE ||
           howto->formula == JD_RELOC_GOT_ABS;
}

bool jd_reloc_needs_got_base(const struct jd_reloc_howto *howto)
{
    return howto->formula == JD_RELOC_GOT_REL || howto->formula == JD_RELOC_GOT_BASE_PC;
}

static uint64_t page(uint64_t addr)
{
    return addr & ~(uint64_t)0xfff;
}

/* All arithmetic is modulo 2^64; the check reads the result as signed. */
static uint64_t value(const struct jd_reloc_howto *howto, uint64_t p, uint64_t s, uint64_t a,
                      uint64_t g)
{
    switch (howto->formula) {
    case JD_RELOC_ABS:
        return s + a;
    case JD_RELOC_PC:
        return s + a - p;
    case JD_RELOC_GOT_PC:
    case JD_RELOC_GOT_BASE_PC:
        return g + a - p;
    case JD_RELOC_PAGE_PC:
        return page(s + a) - page(p);
    case JD_RELOC_GOT_PAGE:
        return page(g + a) - page(p);
    case JD_RELOC_GOT_ABS:
        return g + a;
    case JD_RELOC_GOT_REL:
        return s + a - g;
    case JD_RELOC_NOTHING:
    case JD_RELOC_UNSUPPORTED:
        break;
    }
    return 0;
}

/* The half-open range of a checked type; bits is at most 63 then. */
static void range(const struct jd_reloc_howto *howto, int64_t *low, int64_t *high)
{
    bool is_signed = howto->check == JD_CHECK_SIGNED;
    *low = howto->check == JD_CHECK_UNSIGNED ? 0 : -((int64_t)1 << (howto->bits - 1));
    *high = (int64_t)1 << (is_signed ? howto->bits - 1 : howto->bits);
}

static bool is_in_range(const struct jd_reloc_howto *howto, uint64_t x)
{
    int64_t low, high;
    if (howto->check == JD_CHECK_NONE)
        return true;
    range(howto, &low, &high);
    return (int64_t)x >= low && (int64_t)x < high;
}

bool jd_reloc_fits(const struct jd_reloc_howto *howto, uintptr_t place_addr, uintptr_t s_addr,
                   int64_t addend, uintptr_t got_addr)
{
    return is_in_range(howto, value(howto, place_addr, s_addr, (uint64_t)addend, got_addr));
}

static uint64_t load_le(const unsigned char *at, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++)
        x |= (uint64_t)at[i] << (8 * i);
    return x;
}

static void store_le(unsigned char *at, unsigned bytes, uint64_t x)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (unsigned char)(x >> (8 * i));
}

static uint64_t low_bits(uint64_t x, unsigned bits)
{
    return bits >= 64 ? x : x & (((uint64_t)1 << bits) - 1);
}

/* An AArch64 immediate of `width` bits at bit `at` of an instruction word. */
static void store_bits(void *write, unsigned at, unsigned width, uint64_t x)
{
    uint64_t mask = (((uint64_t)1 << width) - 1) << at;
    store_le(write, 4, (load_le(write, 4) & ~mask) | ((x << at) & mask));
}

/* `x` is what goes into the field, already shifted and cut. */
static void store(const struct jd_reloc_howto *howto, void *write, uint64_t x)
{
    switch (howto->field) {
    case JD_FIELD_NONE:
        break;
    case JD_FIELD_LE:
        store_le(write, howto->bytes, x);
        break;
    case JD_FIELD_A64_BRANCH26:
        store_bits(write, 0, 26, x);
        break;
    case JD_FIELD_A64_BRANCH19:
        store_bits(write, 5, 19, x);
        break;
    case JD_FIELD_A64_BRANCH14:
        store_bits(write, 5, 14, x);
        break;
    case JD_FIELD_A64_ADR21:
        store_bits(write, 29, 2, x);
        store_bits(write, 5, 19, x >> 2);
        break;
    case JD_FIELD_A64_IMM12:
        store_bits(write, 10, 12, x);
        break;
    case JD_FIELD_A64_MOVW16:
        store_bits(write, 5, 16, x);
        break;
    }
}

/* "text+0x1c", for the error's where. */
static const char *locate(const struct jd_reloc_place *place, char out[JD_ERROR_WHERE_BYTES])
{
    snprintf(out, JD_ERROR_WHERE_BYTES, "%s+0x%llx", place->section ? place->section : "?",
             (unsigned long long)place->offset);
    return out;
}

static const char *symbol_of(const struct jd_reloc_place *place)
{
    return place->symbol ? place->symbol : "";
}

/* Signed hexadecimal: printf has none. */
static const char *hex(int64_t x, char out[24])
{
    uint64_t magnitude = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    snprintf(out, 24, "%s0x%llx", x < 0 ? "-" : "", (unsigned long long)magnitude);
    return out;
}

static int out_of_range(const struct jd_reloc_howto *howto, const struct jd_reloc_place *place,
                        uint64_t x, struct jd_error *err)
{
    char where[JD_ERROR_WHERE_BYTES], text[3][24];
    int64_t low, high;
    range(howto, &low, &high);
    return jd_fail(err, JD_E_RELOC_RANGE, locate(place, where),
                   "%s against '%s': %s not in [%s, %s)", howto->name, symbol_of(place),
                   hex((int64_t)x, text[0]), hex(low, text[1]), hex(high, text[2]));
}

static int misaligned(const struct jd_reloc_howto *howto, const struct jd_reloc_place *place,
                      uint64_t x, struct jd_error *err)
{
    char where[JD_ERROR_WHERE_BYTES], text[24];
    return jd_fail(err, JD_E_BAD_OBJECT, locate(place, where),
                   "%s against '%s': %s is not a multiple of %u", howto->name, symbol_of(place),
                   hex((int64_t)x, text), 1u << howto->shift);
}

int jd_reloc_apply(const struct jd_reloc_howto *howto, const struct jd_reloc_place *place,
                   uintptr_t s_addr, int64_t addend, uintptr_t got_addr, struct jd_error *err)
{
    char where[JD_ERROR_WHERE_BYTES];
    if (howto->formula == JD_RELOC_NOTHING)
        return JD_OK;
    if (place->room_bytes < howto->bytes)
        return jd_fail(err, JD_E_BAD_OBJECT, locate(place, where),
                       "%s against '%s': field of %u bytes where the section has %zu", howto->name,
                       symbol_of(place), howto->bytes, place->room_bytes);
    uint64_t x = value(howto, place->addr, s_addr, (uint64_t)addend, got_addr);
    if (!is_in_range(howto, x))
        return out_of_range(howto, place, x, err);
    if (howto->field != JD_FIELD_A64_MOVW16 && low_bits(x, howto->shift))
        return misaligned(howto, place, x, err);
    store(howto, place->write, low_bits(x, howto->bits) >> howto->shift);
    return JD_OK;
}

int jd_reloc_unknown(uint16_t machine, uint32_t type, const struct jd_reloc_place *place,
                     struct jd_error *err)
{
    char where[JD_ERROR_WHERE_BYTES];
    const struct jd_reloc_howto *known = row(machine, type);
    if (known)
        return jd_fail(err, JD_E_RELOC_TYPE, locate(place, where),
                       "relocation type %u (%s) against '%s'", type, known->name, symbol_of(place));
    return jd_fail(err, JD_E_RELOC_TYPE, locate(place, where), "relocation type %u against '%s'",
                   type, symbol_of(place));
}
