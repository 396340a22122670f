/* SPDX-License-Identifier: Apache-2.0
 *
 * How to unwind from stubs, entries and thunks, where a signal may interrupt them. All that differs
 * is how many bytes lie on the stack above the return address (x86-64) or the caller's frame
 * (AArch64), and the instruction tells. Sources: DWARF 5, 6.4; LSB core 5.0, 10.6 ("zR"); the
 * encodings are those of stubs_x86_64.c and stubs_aarch64.c.
 */
#include "unwind_tables.h"

/* An entry that holds for any code: its range is not used. */
struct entry {
    uint32_t bytes, cie_distance;
    int32_t begin;
    uint32_t range_bytes;
    unsigned char augmentation_bytes, cfa[3];
};

struct frames {
    uint32_t cie_bytes, cie_id;
    unsigned char cie[16];
    struct entry entries[3];
    uint32_t end;
};

enum { DW_EH_PE_PCREL_SDATA4 = 0x1b, DW_CFA_DEF_CFA = 0x0c, DW_CFA_DEF_CFA_OFFSET = 0x0e };
enum { DW_CFA_OFFSET = 0x80 };

#define CIE_DISTANCE(index) (offsetof(struct frames, entries[index]) + sizeof(uint32_t))
#define ENTRY(index, offset)                                                                       \
    {                                                                                              \
        .bytes = sizeof(struct entry) - sizeof(uint32_t), .cie_distance = CIE_DISTANCE(index),     \
        .cfa = {                                                                                   \
            DW_CFA_DEF_CFA_OFFSET,                                                                 \
            (offset)                                                                               \
        }                                                                                          \
    }

#if defined(__x86_64__)
static const struct frames frames = {
    .cie_bytes = offsetof(struct frames, entries) - sizeof(uint32_t),
    .cie = {1, 'z', 'R', 0, 1, 0x78, 16, /* version; factors 1 and -8; the return address is rip */
            1, DW_EH_PE_PCREL_SDATA4,    /* augmentation */
            DW_CFA_DEF_CFA, 7, 8, DW_CFA_OFFSET | 16, 1}, /* CFA = rsp + 8; rip at CFA - 8 */
    .entries = {ENTRY(0, 8), ENTRY(1, 16), ENTRY(2, 24)},
};

/* Words pushed when the instruction at `pc` is to run. All blocks begin at multiples of 16. */
static unsigned words_pushed(uintptr_t pc)
{
    const unsigned char *instruction = (const unsigned char *)pc;
    switch (pc % 16) {
    case 0: /* stub, thunk: jmp ff 25; entry: push ff 35, after the stub's number */
        return instruction[1] == 0x35;
    case 6: /* stub: push 68; entry: jmp ff 25, after the engine */
        return instruction[0] == 0xff ? 2 : 0;
    default: /* stub: jmp at 11 */
        return 1;
    }
}
#elif defined(__aarch64__)
static const struct frames frames = {
    .cie_bytes = offsetof(struct frames, entries) - sizeof(uint32_t),
    .cie = {1, 'z', 'R', 0, 4, 0x78, 30, /* version; factors 4 and -8; the return address is x30 */
            1, DW_EH_PE_PCREL_SDATA4,    /* augmentation */
            DW_CFA_DEF_CFA, 31, 0},      /* CFA = sp; x30 as it is */
    .entries = {ENTRY(0, 0), ENTRY(1, 16)},
};

/* Pairs pushed when the instruction at `pc` is to run: one in the entry, behind its stp. */
static unsigned words_pushed(uintptr_t pc)
{
    const uint32_t *instruction = (const uint32_t *)pc;
    const uint32_t ldr_x17_x17_8 = 0xf9400631, br_x17 = 0xd61f0220;
    return instruction[0] == ldr_x17_x17_8 ||
           (instruction[0] == br_x17 && instruction[-1] == ldr_x17_x17_8);
}
#else
#error "no stubs for this CPU"
#endif

const void *legacy_unwind_stub_entry(uintptr_t pc)
{
    return &frames.entries[words_pushed(pc)];
}
