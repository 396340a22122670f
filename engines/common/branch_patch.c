/* SPDX-License-Identifier: Apache-2.0
 *
 * See branch_patch.h. Knows no arena.
 */
#include "branch_patch.h"

#include <assert.h>
#include <string.h>

enum {
    FETCH_BLOCK_BYTES = 16, /* Intel and AMD optimization guides */
    OP_CALL = 0xe8,
    OP_JMP = 0xe9,
    OP_TWO_BYTES = 0x0f,
    OP_JCC_FIRST = 0x80, /* after OP_TWO_BYTES */
    OP_JCC_LAST = 0x8f,
    OP_JMP_SHORT = 0xeb,
    TO_ITSELF = 0xfe,          /* -2: from the end of the short jump to its beginning */
    PREFIX_OPERAND_SIZE = 0x66 /* with a short jump, AMD cuts the address to 16 bits */
};

bool jd_branch_is_whole(uintptr_t field_addr)
{
    return field_addr % FETCH_BLOCK_BYTES <= FETCH_BLOCK_BYTES - sizeof(uint32_t);
}

/* A plain store is whole for others within an aligned quadword on AMD, within a cache line on Intel
 * (AMD APM volume 2, 7.3.2; Intel SDM volume 3, 9.1.1); a locked one is so anywhere. */
void jd_branch_store(void *field, uint32_t bytes)
{
#if defined(__x86_64__)
    __atomic_exchange_n((uint32_t *)field, bytes, __ATOMIC_SEQ_CST);
#else
    __atomic_store_n((uint32_t *)field, bytes, __ATOMIC_RELEASE);
#endif
}

static void store_head(unsigned char *head, unsigned char first, unsigned char second)
{
    assert(((uintptr_t)head + 1) % FETCH_BLOCK_BYTES);
    __atomic_exchange_n((uint16_t *)(void *)head, (uint16_t)(first | second << 8),
                        __ATOMIC_SEQ_CST);
}

bool jd_branch_read(unsigned char *field, struct jd_branch *out)
{
    bool is_conditional =
        field[-2] == OP_TWO_BYTES && field[-1] >= OP_JCC_FIRST && field[-1] <= OP_JCC_LAST;
    *out = (struct jd_branch){field, field[-1], is_conditional};
    if (!is_conditional && field[-1] != OP_CALL && field[-1] != OP_JMP)
        return false;
    return field[is_conditional ? -3 : -2] != PREFIX_OPERAND_SIZE;
}

static unsigned char *head_of(const struct jd_branch *branch)
{
    return branch->field - (branch->is_conditional ? 2 : 1);
}

void jd_branch_hold(const struct jd_branch *branch)
{
    store_head(head_of(branch), OP_JMP_SHORT, TO_ITSELF);
}

void jd_branch_set_rest(const struct jd_branch *branch, uint32_t displacement)
{
    unsigned char bytes[sizeof displacement];
    memcpy(bytes, &displacement, sizeof bytes);
    for (size_t i = branch->is_conditional ? 0 : 1; i < sizeof bytes; i++)
        __atomic_store_n(&branch->field[i], bytes[i], __ATOMIC_RELAXED);
}

void jd_branch_release(const struct jd_branch *branch, uint32_t displacement)
{
    if (branch->is_conditional)
        store_head(head_of(branch), OP_TWO_BYTES, branch->opcode);
    else
        store_head(head_of(branch), branch->opcode, (unsigned char)displacement);
}
