/* SPDX-License-Identifier: Apache-2.0
 *
 * The arena's dealings with the system: reservation, memfd, mappings, protections, fork.
 * Knows nothing of blocks. No mapping made here is writable and executable.
 *
 * A program that becomes a daemon closes every descriptor, and the next file that it opens may get
 * the memfd's number. So the number is trusted only while it leads to the memfd; without it the
 * alias does. Under a limit on the size of files (RLIMIT_FSIZE), which holds for a memfd too, the
 * pages are anonymous shared memory, and there is no number.
 * Sources: memfd_create(2), mmap(2), mremap(2), fallocate(2), madvise(2), pthread_atfork(3).
 */
#include "arena_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core_sync.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* linux/memfd.h since 6.3 */
#endif

enum { REMAP_TRIES = 3 };

/* Live arenas. Taken before any arena's own lock. */
static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static struct jd_arena *live;
static bool is_fork_handled;
static atomic_bool must_remap; /* this machine does not see code written through an alias */

/* A refusal by policy is one error, want of memory (descriptors, mappings) another. */
static int refused(int error, struct jd_error *err, const char *what)
{
    bool is_policy = error == EACCES || error == EPERM || error == ENOSYS || error == EINVAL;
    return jd_fail(err, is_policy ? JD_E_EXEC_DENIED : JD_E_NO_MEMORY, "arena", "%s: %s", what,
                   strerror(error));
}

/* Out of the way of the numbers that programs expect of what they open, and print: 3 is the first.
 * Where so high a number is not allowed, the low one does. */
static int raise_number(int fd)
{
    enum { NUMBER_MIN = 500 };
    int high = fcntl(fd, F_DUPFD_CLOEXEC, NUMBER_MIN);
    if (high < 0)
        return fd;
    close(fd);
    return high;
}

/* A limit on the size of files announces itself by a signal that ends the process. */
static int set_size(int fd, size_t size)
{
    const struct timespec at_once = {0, 0};
    sigset_t limit, before, pending;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, &before);
    sigpending(&pending);
    int error = ftruncate(fd, (off_t)size) ? errno : 0;
    if (error == EFBIG && !sigismember(&pending, SIGXFSZ))
        sigtimedwait(&limit, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error ? -1 : 0;
}

static int new_memfd(size_t size)
{
    /* The flag is about execve, not about PROT_EXEC; without it vm.memfd_noexec=2 says no. Kernels
     * before 6.3 do not know it. */
    int fd = memfd_create("jitduel", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("jitduel", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (set_size(fd, size)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return raise_number(fd);
}

/* The alias keeps the file, and with it the inode, in use when the number is gone. */
static void take_memfd(struct jd_arena *arena, int fd)
{
    struct stat status;
    arena->memfd = fd;
    if (!fstat(fd, &status)) {
        arena->memfd_device = status.st_dev;
        arena->memfd_inode = status.st_ino;
    }
}

/* Does the number still lead to the memfd? */
static bool has_memfd(const struct jd_arena *arena)
{
    int error = errno;
    struct stat status;
    bool is_there = arena->memfd >= 0 && !fstat(arena->memfd, &status) &&
                    status.st_dev == arena->memfd_device && status.st_ino == arena->memfd_inode;
    errno = error;
    return is_there;
}

static void close_memfd(struct jd_arena *arena)
{
    if (has_memfd(arena))
        close(arena->memfd);
    arena->memfd = -1;
}

static int protection(const struct jd_arena *arena, enum jd_arena_kind kind)
{
    if (arena->mode == JD_ARENA_SEAL || jd_arena_kinds[kind].is_writable)
        return PROT_READ | PROT_WRITE;
    return jd_arena_kinds[kind].prot;
}

static bool is_shared(const struct jd_arena *arena, enum jd_arena_kind kind)
{
    return arena->mode == JD_ARENA_DUAL && !jd_arena_kinds[kind].is_writable;
}

/* RLIMIT_AS (ulimit -v), mostly: whoever set it can be told what to do. */
static int no_room(const struct jd_arena *arena, const char *what, struct jd_error *err)
{
    return jd_fail(err, JD_E_NO_MEMORY, "arena",
                   "%s of %zu bytes: %s (a smaller limit asks for less)", what, arena->limit,
                   strerror(errno));
}

/* mmap gives no alignment beyond a page: ask for more and trim. */
static int reserve(struct jd_arena *arena, struct jd_error *err)
{
    size_t slack = JD_ARENA_MAX_ALIGN > arena->page ? JD_ARENA_MAX_ALIGN - arena->page : 0;
    unsigned char *all = mmap(NULL, arena->limit + slack, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return no_room(arena, "address space", err);
    uintptr_t begin_addr = (uintptr_t)all;
    arena->base_addr = jd_align_up(begin_addr, JD_ARENA_MAX_ALIGN);
    size_t head = arena->base_addr - begin_addr;
    if (head)
        munmap(all, head);
    if (slack > head)
        munmap(all + head + arena->limit, slack - head);
    return JD_OK;
}

/* Emulators translate code and must be told when it changes. QEMU 7.2 ignores the cache
 * instructions of AArch64 (IC IVAU) and watches writes at the code's own address alone, so that
 * code written through an alias over old code is never seen. Found out by trying, on the first
 * bytes of the memfd; they are zero again afterwards. */
static bool sees_new_code(const struct jd_arena *arena, const void *page)
{
    bool is_seen = true;
#if defined(__aarch64__)
    static const uint32_t movz_w0 = 0x52800000, ret = 0xd65f03c0;
    uint32_t *write = (uint32_t *)(void *)arena->alias;
    for (uint32_t i = 1; i <= 2; i++) {
        write[0] = movz_w0 | i << 5;
        write[1] = ret;
        __builtin___clear_cache((char *)(uintptr_t)page, (char *)(uintptr_t)page + 8);
        is_seen = is_seen && ((uint32_t(*)(void))(uintptr_t)page)() == i;
    }
    write[0] = write[1] = 0;
#else
    (void)arena;
    (void)page;
#endif
    return is_seen;
}

static bool is_shared_code(const struct jd_arena *arena, uintptr_t addr)
{
    if (arena->mode != JD_ARENA_DUAL || !jd_arena_contains(arena, addr))
        return false;
    unsigned kind =
        JD_PAGE_KIND &
        atomic_load_explicit(&arena->pages[(addr - arena->base_addr) >> arena->page_shift],
                             memory_order_relaxed);
    return kind && jd_arena_kinds[kind - 1].prot & PROT_EXEC;
}

/* The pages of the alias in a second place, `at`, or anywhere for NULL. Without a number: mremap of
 * no bytes makes a copy of a shared mapping. */
static void *map_view(const struct jd_arena *arena, void *at, size_t begin, size_t end, int prot)
{
    int fixed = at ? MAP_FIXED : 0;
    size_t size = end - begin;
    if (has_memfd(arena))
        return mmap(at, size, prot, MAP_SHARED | fixed, arena->memfd, (off_t)begin);
    void *view = at ? mremap(arena->alias + begin, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, at)
                    : mremap(arena->alias + begin, 0, size, MREMAP_MAYMOVE);
    if (view == MAP_FAILED || !mprotect(view, size, prot))
        return view;
    int error = errno;
    if (!at)
        munmap(view, size);
    errno = error;
    return MAP_FAILED;
}

static bool map_code_again(const struct jd_arena *arena, size_t begin, size_t end)
{
    return map_view(arena, (unsigned char *)arena->base_addr + begin, begin, end,
                    PROT_READ | PROT_EXEC) == MAP_FAILED;
}

/* mmap is what every emulator notices: put the same pages in the same place again. The mapping
 * changes hands in one step, so that other threads may run neighbouring code meanwhile; where the
 * program closed the memfd, in two. */
static void remap_code(uintptr_t addr, size_t size_bytes)
{
    pthread_mutex_lock(&live_lock);
    for (struct jd_arena *arena = live; arena; arena = arena->next) {
        if (!is_shared_code(arena, addr))
            continue;
        size_t begin = (addr - arena->base_addr) & ~(arena->page - 1);
        size_t end = jd_align_up(addr - arena->base_addr + size_bytes, arena->page);
        for (int tries = 1; map_code_again(arena, begin, end); tries++)
            if (tries == REMAP_TRIES)
                abort(); /* old code would run in place of new */
    }
    pthread_mutex_unlock(&live_lock);
}

void jd_arena_flush_icache(uintptr_t addr, size_t size_bytes)
{
    __builtin___clear_cache((char *)addr, (char *)(addr + size_bytes));
    if (size_bytes && atomic_load_explicit(&must_remap, memory_order_relaxed))
        remap_code(addr, size_bytes);
}

void jd_arena_publish_code(const struct jd_arena_block *block)
{
    jd_arena_flush_icache(block->addr, block->size_bytes);
    if (block->is_reused)
        jd_core_sync();
}

/* Find out at once, not at the first function, that the system forbids executable memory: do to one
 * page what will be done to all of them. */
static int probe_executable(const struct jd_arena *arena, struct jd_error *err)
{
    bool is_dual = arena->mode == JD_ARENA_DUAL;
    void *page = is_dual ? map_view(arena, NULL, 0, arena->page, PROT_READ | PROT_EXEC)
                         : mmap(NULL, arena->page, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return refused(errno, err, is_dual ? "mmap of a memfd with PROT_EXEC" : "mmap");
    int rc = JD_OK;
    if (is_dual && !sees_new_code(arena, page))
        atomic_store(&must_remap, true);
    if (!is_dual) {
        *(volatile unsigned char *)page = 0; /* policies differ for pages that were written */
        if (mprotect(page, arena->page, PROT_READ | PROT_EXEC))
            rc = refused(errno, err, "mprotect with PROT_EXEC");
    }
    munmap(page, arena->page);
    return rc;
}

static void *map_shared(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                0);
}

static int open_alias(struct jd_arena *arena, struct jd_error *err)
{
    int fd = new_memfd(arena->limit);
    if (fd < 0 && errno != EFBIG)
        return refused(errno, err, "memfd_create");
    if (fd >= 0)
        take_memfd(arena, fd);
    void *alias = fd < 0 ? map_shared(arena->limit)
                         : mmap(NULL, arena->limit, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (alias == MAP_FAILED)
        return errno == ENOMEM ? no_room(arena, "mmap of a memfd", err)
                               : refused(errno, err, "mmap of a memfd");
    arena->alias = alias;
    return JD_OK;
}

/* The pages of a kind that are shared through the memfd, one run after the other. Returns false
 * when there is none at or after *begin. */
static bool next_touched_run(const struct jd_arena *arena, size_t *begin, size_t *end)
{
    size_t page = *begin >> arena->page_shift, last = arena->handed_out >> arena->page_shift;
    for (; page < last; page++) {
        unsigned state = atomic_load_explicit(&arena->pages[page], memory_order_relaxed);
        if (state & JD_PAGE_TOUCHED && !jd_arena_kinds[(state & JD_PAGE_KIND) - 1].is_writable)
            break;
    }
    if (page == last)
        return false;
    *begin = page << arena->page_shift;
    unsigned first = atomic_load_explicit(&arena->pages[page], memory_order_relaxed);
    while (page < last && atomic_load_explicit(&arena->pages[page], memory_order_relaxed) == first)
        page++;
    *end = page << arena->page_shift;
    return true;
}

/* 0 or an errno. */
static int copy_run(int to, const struct jd_arena *arena, size_t begin, size_t end)
{
    while (begin < end) {
        ssize_t n = pwrite(to, arena->alias + begin, end - begin, (off_t)begin);
        if (n < 0 && errno != EINTR)
            return errno;
        if (!n)
            return EIO;
        begin += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* A memfd with the same contents, for the child. Made before the fork, while the lock keeps the
 * parent's other threads from reusing a block under the copy. A block that one of them is writing
 * is copied half-written, as fork itself would: it is reserved by a thread that the child has not.
 */
static int copy_memfd(const struct jd_arena *arena)
{
    int error = 0, fd = new_memfd(arena->limit);
    if (fd < 0)
        return -1 - errno;
    for (size_t begin = 0, end; !error && next_touched_run(arena, &begin, &end); begin = end)
        error = copy_run(fd, arena, begin, end);
    if (!error)
        return fd;
    close(fd);
    return -1 - error;
}

static void *copy_to_memory(const struct jd_arena *arena)
{
    unsigned char *copy = map_shared(arena->limit);
    if (copy == MAP_FAILED)
        return NULL;
    for (size_t begin = 0, end; next_touched_run(arena, &begin, &end); begin = end)
        memcpy(copy + begin, arena->alias + begin, end - begin);
    return copy;
}

static void before_fork(void)
{
    pthread_mutex_lock(&live_lock);
    for (struct jd_arena *arena = live; arena; arena = arena->next) {
        pthread_mutex_lock(&arena->lock);
        if (arena->mode == JD_ARENA_DUAL)
            arena->fork_memfd = copy_memfd(arena);
        if (arena->fork_memfd == -1 - EFBIG)
            arena->fork_alias = copy_to_memory(arena);
    }
}

static void after_fork_in_parent(void)
{
    for (struct jd_arena *arena = live; arena; arena = arena->next) {
        if (arena->mode == JD_ARENA_DUAL && arena->fork_memfd >= 0)
            close(arena->fork_memfd);
        if (arena->fork_alias)
            munmap(arena->fork_alias, arena->limit);
        arena->fork_alias = NULL;
        pthread_mutex_unlock(&arena->lock);
    }
    pthread_mutex_unlock(&live_lock);
}

/* A child that ran on would write into its parent's code: there is no one to return an error to. */
static _Noreturn void die_in_child(const char *what, int error)
{
    char line[128];
    int n = snprintf(line, sizeof line, "jitduel: arena: fork: %s: errno %d\n", what, error);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        _exit(126);
    _exit(127);
}

static void use_copy(struct jd_arena *arena)
{
    int fd = arena->fork_memfd;
    if (fd < 0 && !arena->fork_alias)
        die_in_child("copy of the memfd", -1 - fd);
    void *alias = fd < 0 ? mremap(arena->fork_alias, arena->limit, arena->limit,
                                  MREMAP_MAYMOVE | MREMAP_FIXED, arena->alias)
                         : mmap(arena->alias, arena->limit, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_FIXED, fd, 0);
    if (alias == MAP_FAILED)
        die_in_child("mmap", errno);
    arena->fork_alias = NULL;
    close_memfd(arena);
    if (fd >= 0)
        take_memfd(arena, fd);
    for (size_t i = 0; i < arena->extent_count; i++) {
        const struct jd_arena_extent *e = &arena->extents[i];
        void *at = (unsigned char *)arena->base_addr + e->begin;
        if (is_shared(arena, e->kind) &&
            map_view(arena, at, e->begin, e->end, protection(arena, e->kind)) == MAP_FAILED)
            die_in_child("mmap", errno);
    }
}

static void after_fork_in_child(void)
{
    for (struct jd_arena *arena = live; arena; arena = arena->next) {
        if (arena->mode == JD_ARENA_DUAL)
            use_copy(arena);
        pthread_mutex_unlock(&arena->lock);
    }
    pthread_mutex_unlock(&live_lock);
}

static int join_live(struct jd_arena *arena, struct jd_error *err)
{
    int rc = JD_OK;
    pthread_mutex_lock(&live_lock);
    if (!is_fork_handled) {
        int error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
        if (error)
            rc = jd_fail(err, JD_E_NO_MEMORY, "arena", "pthread_atfork: %s", strerror(error));
        is_fork_handled = !error;
    }
    if (rc == JD_OK) {
        arena->next = live;
        if (live)
            live->previous = arena;
        live = arena;
    }
    pthread_mutex_unlock(&live_lock);
    return rc;
}

static void leave_live(struct jd_arena *arena)
{
    pthread_mutex_lock(&live_lock);
    if (arena->next)
        arena->next->previous = arena->previous;
    if (arena->previous)
        arena->previous->next = arena->next;
    else if (live == arena)
        live = arena->next;
    arena->next = arena->previous = NULL;
    pthread_mutex_unlock(&live_lock);
}

int jd_arena_map_open(struct jd_arena *arena, struct jd_error *err)
{
    int rc = reserve(arena, err);
    if (rc == JD_OK && arena->mode == JD_ARENA_DUAL)
        rc = open_alias(arena, err);
    if (rc == JD_OK)
        rc = probe_executable(arena, err);
    if (rc == JD_OK)
        rc = join_live(arena, err);
    if (rc != JD_OK)
        jd_arena_map_close(arena);
    jd_core_sync_init();
    return rc;
}

void jd_arena_map_close(struct jd_arena *arena)
{
    leave_live(arena);
    if (arena->base_addr)
        munmap((void *)arena->base_addr, arena->limit);
    if (arena->alias)
        munmap(arena->alias, arena->limit);
    close_memfd(arena);
    arena->base_addr = 0;
    arena->alias = NULL;
}

int jd_arena_map_extend(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin, size_t end,
                        struct jd_error *err)
{
    void *at = (unsigned char *)arena->base_addr + begin;
    if (is_shared(arena, kind)
            ? map_view(arena, at, begin, end, protection(arena, kind)) != MAP_FAILED
            : !mprotect(at, end - begin, protection(arena, kind)))
        return JD_OK;
    char what[48];
    int error = errno;
    snprintf(what, sizeof what, "mapping pages for %s", jd_arena_kinds[kind].name);
    return refused(error, err, what);
}

int jd_arena_map_seal(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin, size_t end,
                      struct jd_error *err)
{
    void *at = (unsigned char *)arena->base_addr + begin;
    if (mprotect(at, end - begin, jd_arena_kinds[kind].prot))
        return refused(errno, err, "mprotect of finished code");
    return JD_OK;
}

bool jd_arena_map_release(struct jd_arena *arena, enum jd_arena_kind kind, size_t begin, size_t end)
{
    if (is_shared(arena, kind) && !has_memfd(arena))
        return !madvise(arena->alias + begin, end - begin, MADV_REMOVE);
    if (is_shared(arena, kind))
        return !fallocate(arena->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)begin,
                          (off_t)(end - begin));
    return !madvise((unsigned char *)arena->base_addr + begin, end - begin, MADV_DONTNEED);
}
