/* SPDX-License-Identifier: Apache-2.0
 *
 * A new target for an x86-64 branch that other threads may be running. CPUs fetch aligned blocks of
 * 16 bytes at least, each from one state of the cache line (docs/design.md): within a block one
 * store does it. A branch across two blocks is done in three steps, each seen by all cores before
 * the next: its first two bytes become a jump to themselves, which holds whoever arrives; the rest
 * of it changes; the first two bytes come back. Knows no objects and no symbols. Sources: Intel SDM
 * volume 2, CALL, JMP, Jcc; volume 3, 9.1.3.
 */
#ifndef JITDUEL_COMMON_BRANCH_PATCH_H
#define JITDUEL_COMMON_BRANCH_PATCH_H

#include <stdbool.h>
#include <stdint.h>

/** The first two bytes of the branch and where its displacement is: all that has to be known while
 * it is held. */
struct jd_branch {
    unsigned char *field; /* the four bytes, through a mapping that is writable */
    unsigned char opcode; /* CALL or JMP; or the second byte of Jcc */
    bool is_conditional;
};

/** Does a field of four bytes at this address lie in one block? Then jd_branch_store will do. */
bool jd_branch_is_whole(uintptr_t field_addr);
/** Replace the field, or a branch of AArch64, by one store that is whole for others. */
void jd_branch_store(void *field, uint32_t bytes);

/** Read the branch before the field, which lies across blocks; three bytes before it must be
 * readable. False: none whose first two bytes can hold a thread. */
bool jd_branch_read(unsigned char *field, struct jd_branch *out);
/** First step: whoever arrives stays. The thread itself must not arrive, in a signal handler
 * neither. jd_core_sync follows. */
void jd_branch_hold(const struct jd_branch *branch);
/** Second step: what is not held. jd_core_sync follows. */
void jd_branch_set_rest(const struct jd_branch *branch, uint32_t displacement);
/** Third step: go. With the old displacement, right after the first step, it undoes that. */
void jd_branch_release(const struct jd_branch *branch, uint32_t displacement);

#endif
