/* SPDX-License-Identifier: Apache-2.0
 *
 * The wrappers behind faults.h. Source: ld(1), --wrap.
 */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

/* One declaration for the linker's real function and one for ours. */
#define WRAPPED(result, name, ...)                                                                 \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

static atomic_ulong calls[FAULT_COUNT];
static atomic_ulong all_calls, failing_call;
static atomic_int failing_kind = -1, failing_error;
static atomic_bool has_failed;
static atomic_long live_blocks, live_mapped_bytes;

static void arm(int kind, unsigned long nth, int error)
{
    for (int i = 0; i < FAULT_COUNT; i++)
        atomic_store(&calls[i], 0);
    atomic_store(&all_calls, 0);
    atomic_store(&failing_kind, kind);
    atomic_store(&failing_error, error);
    atomic_store(&has_failed, false);
    atomic_store(&failing_call, nth);
}

void faults_arm(unsigned long nth, int error)
{
    arm(-1, nth, error);
}

void faults_arm_one(enum fault kind, unsigned long nth, int error)
{
    arm((int)kind, nth, error);
}

bool faults_disarm(void)
{
    atomic_store(&failing_call, 0);
    return atomic_load(&has_failed);
}

unsigned long faults_calls(enum fault kind)
{
    return atomic_load(&calls[kind]);
}

long faults_live_blocks(void)
{
    return atomic_load(&live_blocks);
}

long faults_live_mapped_bytes(void)
{
    return atomic_load(&live_mapped_bytes);
}

size_t faults_open_files(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static bool must_fail(enum fault kind)
{
    unsigned long of_kind = atomic_fetch_add(&calls[kind], 1) + 1;
    unsigned long of_all = atomic_fetch_add(&all_calls, 1) + 1;
    int wanted = atomic_load(&failing_kind);
    unsigned long number = wanted < 0 ? of_all : of_kind;
    if ((wanted >= 0 && wanted != (int)kind) || number != atomic_load(&failing_call))
        return false;
    atomic_store(&has_failed, true);
    errno = atomic_load(&failing_error);
    return true;
}

/* Blocks that came from here, by address: inlined C++ frees what a library has allocated. */
enum { BLOCKS_MAX = 1 << 16 };
static void *blocks[BLOCKS_MAX];
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t slot_of(const void *block)
{
    size_t at = ((uintptr_t)block >> 4) * 0x9E3779B1u % BLOCKS_MAX;
    while (blocks[at] && blocks[at] != block)
        at = (at + 1) % BLOCKS_MAX;
    return at;
}

static void *counted(void *block)
{
    if (!block)
        return NULL;
    pthread_mutex_lock(&blocks_lock);
    blocks[slot_of(block)] = block;
    atomic_fetch_add(&live_blocks, 1);
    pthread_mutex_unlock(&blocks_lock);
    return block;
}

static void close_gap(size_t gap)
{
    for (size_t at = (gap + 1) % BLOCKS_MAX; blocks[at]; at = (at + 1) % BLOCKS_MAX) {
        void *block = blocks[at];
        blocks[at] = NULL;
        blocks[slot_of(block)] = block;
    }
}

static void uncounted(const void *block)
{
    pthread_mutex_lock(&blocks_lock);
    size_t at = slot_of(block);
    if (blocks[at]) {
        blocks[at] = NULL;
        close_gap(at);
        atomic_fetch_sub(&live_blocks, 1);
    }
    pthread_mutex_unlock(&blocks_lock);
}

WRAPPED(void *, malloc, size_t size)
{
    return must_fail(FAULT_MALLOC) ? NULL : counted(__real_malloc(size));
}

WRAPPED(void *, calloc, size_t count, size_t size)
{
    return must_fail(FAULT_MALLOC) ? NULL : counted(__real_calloc(count, size));
}

WRAPPED(void *, realloc, void *old, size_t size)
{
    if (must_fail(FAULT_MALLOC))
        return NULL;
    if (old)
        uncounted(old);
    void *block = __real_realloc(old, size);
    if (!block)
        counted(old);
    return counted(block);
}

WRAPPED(void, free, void *block)
{
    if (block)
        uncounted(block);
    __real_free(block);
}

/* The C library's own calls of malloc are not seen. */
WRAPPED(char *, strdup, const char *string)
{
    return must_fail(FAULT_MALLOC) ? NULL : counted(__real_strdup(string));
}

int __wrap_asprintf(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = must_fail(FAULT_MALLOC) ? -1 : vasprintf(out, format, args);
    va_end(args);
    if (length >= 0)
        counted(*out);
    return length;
}

WRAPPED(void *, mmap, void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    if (must_fail(FAULT_MMAP))
        return MAP_FAILED;
    void *got = __real_mmap(at, size, prot, flags, fd, offset);
    if (got != MAP_FAILED && !(flags & MAP_FIXED))
        atomic_fetch_add(&live_mapped_bytes, (long)size);
    return got;
}

WRAPPED(int, munmap, void *at, size_t size)
{
    atomic_fetch_sub(&live_mapped_bytes, (long)size);
    return __real_munmap(at, size);
}

WRAPPED(int, mprotect, void *at, size_t size, int prot)
{
    return must_fail(FAULT_MPROTECT) ? -1 : __real_mprotect(at, size, prot);
}

WRAPPED(int, ftruncate, int fd, off_t size)
{
    return must_fail(FAULT_FTRUNCATE) ? -1 : __real_ftruncate(fd, size);
}

WRAPPED(int, memfd_create, const char *name, unsigned flags)
{
    return must_fail(FAULT_MEMFD_CREATE) ? -1 : __real_memfd_create(name, flags);
}

WRAPPED(int, fallocate, int fd, int mode, off_t offset, off_t size)
{
    return must_fail(FAULT_FALLOCATE) ? -1 : __real_fallocate(fd, mode, offset, size);
}

WRAPPED(int, madvise, void *at, size_t size, int advice)
{
    return must_fail(FAULT_MADVISE) ? -1 : __real_madvise(at, size, advice);
}

WRAPPED(ssize_t, pwrite, int fd, const void *bytes, size_t size, off_t offset)
{
    return must_fail(FAULT_PWRITE) ? -1 : __real_pwrite(fd, bytes, size, offset);
}

WRAPPED(int, pthread_atfork, void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return must_fail(FAULT_PTHREAD_ATFORK) ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}
