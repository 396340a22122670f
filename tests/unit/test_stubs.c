/* SPDX-License-Identifier: Apache-2.0
 *
 * Stub encodings of both CPUs on any host: against bytes that an assembler gave, and decoded again
 * at the edges of pages and at both ends of the reach. Both files are built for the test under
 * names of their own.
 */
#include "expect.h"

#include <elf.h>
#include <stdio.h>

#include "stubs.h"

extern const struct jd_stub_arch stub_arch_x86_64, stub_arch_aarch64;

enum { BUFFER_BYTES = 64, GUARD = 0xa5 };

static const uintptr_t CODE = 0x500000001000;

/* A piece of code, with guards around it. */
struct piece {
    unsigned char before[16], bytes[BUFFER_BYTES];
};

static struct piece empty(void)
{
    struct piece piece;
    memset(&piece, GUARD, sizeof piece);
    return piece;
}

static void expect_bytes(const struct piece *piece, const void *expected, size_t count,
                         size_t total)
{
    assert_memory_equal(piece->bytes, expected, count);
    for (size_t i = 0; i < sizeof piece->before; i++)
        assert_int_equal(piece->before[i], GUARD);
    for (size_t i = total; i < BUFFER_BYTES; i++)
        assert_int_equal(piece->bytes[i], GUARD);
}

static void x86_64_as_assembled(void **state)
{
    static const unsigned char entry[] = {0xff, 0x35, 0xf2, 0xff, 0xff, 0x3f, 0xff, 0x25,
                                          0xf4, 0xff, 0xff, 0x3f, 0x90, 0x90, 0x90, 0x90};
    static const unsigned char stub[] = {0xff, 0x25, 0x62, 0x46, 0x34, 0x12, 0x68, 0x05,
                                         0x00, 0x00, 0x80, 0xe9, 0xe0, 0xff, 0xff, 0xff};
    static const unsigned char thunk[] = {0xff, 0x25, 0x62, 0x46, 0x34, 0x12, 0x90, 0x90};
    const struct jd_stub_arch *arch = &stub_arch_x86_64;
    struct piece piece = empty();
    (void)state;
    arch->write_entry(piece.bytes, CODE, 0x500040000ff8);
    expect_bytes(&piece, entry, sizeof entry, arch->entry_bytes);
    piece = empty();
    arch->write_stub(piece.bytes, CODE + 16, 0x500012345678, CODE, 0x80000005);
    expect_bytes(&piece, stub, sizeof stub, arch->stub_bytes);
    assert_int_equal(arch->lazy_addr(CODE + 16, CODE), CODE + 16 + 6);
    piece = empty();
    arch->write_thunk(piece.bytes, CODE + 16, 0x500012345678);
    expect_bytes(&piece, thunk, sizeof thunk, arch->thunk_bytes);
    assert_int_equal(arch->elf_machine, EM_X86_64);
    assert_int_equal(arch->branch_reach_bytes, 0);
}

static void aarch64_as_assembled(void **state)
{
    static const uint32_t entry[] = {0xf01ffff1, 0x913fe231, 0xa9bf47f0, 0xf9400631, 0xd61f0220};
    static const uint32_t stub[] = {0x90091a30, 0xf9433e11, 0x9119e210, 0xd61f0220};
    static const uint32_t thunk[] = {0x90091a30, 0xf9433e10, 0xd61f0200, 0xd503201f};
    static const uint32_t veneer[] = {0x90891a30, 0x9119e210, 0xd61f0200, 0xd503201f};
    const struct jd_stub_arch *arch = &stub_arch_aarch64;
    struct piece piece = empty();
    (void)state;
    arch->write_entry(piece.bytes, CODE, 0x500040000ff8);
    expect_bytes(&piece, entry, sizeof entry, arch->entry_bytes);
    piece = empty();
    arch->write_stub(piece.bytes, CODE + 0x14, 0x500012345678, CODE, 7);
    expect_bytes(&piece, stub, sizeof stub, arch->stub_bytes);
    assert_int_equal(arch->lazy_addr(CODE + 0x14, CODE), CODE);
    piece = empty();
    arch->write_thunk(piece.bytes, CODE + 0x24, 0x500012345678);
    expect_bytes(&piece, thunk, sizeof thunk, arch->thunk_bytes);
    piece = empty();
    arch->write_veneer(piece.bytes, CODE + 0x34, 0x4fff12345678);
    expect_bytes(&piece, veneer, sizeof veneer, arch->veneer_bytes);
    assert_int_equal(arch->elf_machine, EM_AARCH64);
    assert_int_equal(arch->branch_reach_bytes, 128 << 20);
}

static uint32_t word(const struct piece *piece, size_t index)
{
    uint32_t word;
    memcpy(&word, piece->bytes + 4 * index, sizeof word);
    return word;
}

/* What ADRP at `addr` gives. */
static uintptr_t page_of(uint32_t adrp, uintptr_t addr)
{
    uint64_t pages = (adrp >> 29 & 3) | (uint64_t)(adrp >> 5 & 0x7ffff) << 2;
    uint64_t sign = (uint64_t)1 << 20;
    assert_int_equal(adrp & 0x9f000000, 0x90000000);
    return (addr & ~(uintptr_t)0xfff) + (((pages ^ sign) - sign) << 12);
}

static uintptr_t low_of_add(uint32_t add)
{
    assert_int_equal(add & 0xffc00000, 0x91000000);
    return add >> 10 & 0xfff;
}

static uintptr_t low_of_load(uint32_t load)
{
    assert_int_equal(load & 0xffc00000, 0xf9400000);
    return (uintptr_t)(load >> 10 & 0xfff) * 8;
}

/* Slots are multiples of 8; what a veneer leads to, of 4. */
static void check_reach(uintptr_t addr, uintptr_t target_addr)
{
    const struct jd_stub_arch *arch = &stub_arch_aarch64;
    struct piece piece = empty();
    arch->write_veneer(piece.bytes, addr, target_addr);
    assert_int_equal(page_of(word(&piece, 0), addr) + low_of_add(word(&piece, 1)), target_addr);
    if (target_addr % 8)
        return;
    arch->write_thunk(piece.bytes, addr, target_addr);
    assert_int_equal(page_of(word(&piece, 0), addr) + low_of_load(word(&piece, 1)), target_addr);
    arch->write_stub(piece.bytes, addr, target_addr, 0, 0);
    assert_int_equal(page_of(word(&piece, 0), addr) + low_of_load(word(&piece, 1)), target_addr);
    assert_int_equal(page_of(word(&piece, 0), addr) + low_of_add(word(&piece, 2)), target_addr);
    arch->write_entry(piece.bytes, addr, target_addr);
    assert_int_equal(page_of(word(&piece, 0), addr) + low_of_add(word(&piece, 1)), target_addr);
}

static void aarch64_reaches_every_page(void **state)
{
    static const uintptr_t offsets[] = {0, 4, 8, 0x7f8, 0xff0, 0xff8, 0xffc};
    static const int64_t pages[] = {0, 1, -1, 3, 0x7ffff, -0x80000, 0xfffff, -0x100000};
    enum { OFFSET_COUNT = sizeof offsets / sizeof *offsets };
    (void)state;
    for (size_t p = 0; p < sizeof pages / sizeof *pages; p++)
        for (size_t from = 0; from < OFFSET_COUNT; from++)
            for (size_t to = 0; to < OFFSET_COUNT; to++)
                check_reach(CODE + offsets[from],
                            CODE + (uintptr_t)(pages[p] * 0x1000) + offsets[to]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(x86_64_as_assembled),
        cmocka_unit_test(aarch64_as_assembled),
        cmocka_unit_test(aarch64_reaches_every_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
