/* SPDX-License-Identifier: Apache-2.0
 *
 * Failing the Nth system call or allocation of the code under test, and counting what it holds.
 * Works through ld --wrap: link faults.c and give jd_unit_test WRAP ${JD_FAULT_FUNCTIONS}, all of
 * them. Calls from shared libraries are not seen. Thread-safe.
 */
#ifndef JITDUEL_TESTS_FAULTS_H
#define JITDUEL_TESTS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

enum fault {
    FAULT_MALLOC, /* malloc, calloc, realloc, strdup and asprintf */
    FAULT_MMAP,
    FAULT_MPROTECT,
    FAULT_FTRUNCATE,
    FAULT_MEMFD_CREATE,
    FAULT_FALLOCATE,
    FAULT_MADVISE,
    FAULT_PWRITE,
    FAULT_PTHREAD_ATFORK,
    FAULT_COUNT
};

/** Count from zero; the `nth` call of any kind (from 1) fails, 0 for none. `error` is its errno. */
void faults_arm(unsigned long nth, int error);
/** The same for one kind of call. */
void faults_arm_one(enum fault kind, unsigned long nth, int error);
/** Nothing fails any more. True when a call has been failed since it was armed. */
bool faults_disarm(void);
/** Calls of a kind since it was armed. */
unsigned long faults_calls(enum fault kind);
/** Blocks allocated and not freed, bytes mapped and not unmapped (fixed mappings lie within others
 * and do not count), since the program began. */
long faults_live_blocks(void);
long faults_live_mapped_bytes(void);
/** Open file descriptors of the process. */
size_t faults_open_files(void);

#endif
