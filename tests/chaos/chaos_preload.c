/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded into a whole process: the Nth call of one kind fails, as it does when memory, files or
 * processes run out. Knows nothing of jitduel. Calls that the C library makes to itself are not
 * seen.
 *
 * JD_CHAOS=KIND:N    which call fails; KIND as in `kinds` below, N from 1 (0: none)
 * JD_CHAOS_ROLE=WORD only in processes whose first argument is (or, with !, is not) this word
 * JD_CHAOS_COUNT=F   a file of 64-bit counters, one per kind, kept up to date while calls happen,
 * and behind them the number of the call that failed JD_CHAOS_STACKS=F  not the Nth call fails but
 * the first whose call stack is not in this file, a table of hashes, zero where it is free; the
 * stack is put there
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { MALLOC, MMAP, MPROTECT, MEMFD, FTRUNCATE, WRITE, SPAWN, OPEN, KIND_COUNT };

static const char *const kinds[KIND_COUNT] = {
    [MALLOC] = "malloc",       [MMAP] = "mmap",   [MPROTECT] = "mprotect", [MEMFD] = "memfd",
    [FTRUNCATE] = "ftruncate", [WRITE] = "write", [SPAWN] = "spawn",       [OPEN] = "open"};

enum { FAILED_CALL = KIND_COUNT, COUNTER_COUNT, STACK_FRAMES = 40, STACK_SLOTS = 1 << 16 };

static atomic_ulong own_counters[COUNTER_COUNT];
static atomic_ulong *counters = own_counters;
static atomic_ulong *stacks; /* hashes of those that have failed; NULL: calls go by number */
static _Thread_local bool is_looking; /* at the stack, which may allocate */
static unsigned long failing_call;
static enum kind failing_kind = KIND_COUNT;

/* The system's own, without going through what is replaced here. */
static void *system_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    return (void *)syscall(SYS_mmap, addr, size, protection, flags, fd, offset);
}

static bool plays_role(const char *role)
{
    char line[4096];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY);
    ssize_t size = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;
    if (fd >= 0)
        close(fd);
    line[size > 0 ? size : 0] = '\0';
    const char *first = line + strlen(line) + 1;
    bool is_meant = *role != '!';
    return (size > 0 && first < line + size && !strcmp(first, role + !is_meant)) == is_meant;
}

static atomic_ulong *share(const char *path, size_t count)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
    void *shared = fd < 0 ? MAP_FAILED
                          : system_mmap(NULL, count * sizeof(atomic_ulong), PROT_READ | PROT_WRITE,
                                        MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return shared == MAP_FAILED ? NULL : shared;
}

/* Where the process has been loaded differs from run to run: addresses count from their object's.
 * _dl_find_object takes no lock and allocates nothing. */
static unsigned long stack_hash(void)
{
    void *frames[STACK_FRAMES];
    unsigned long hash = 14695981039346656037UL; /* FNV-1a */
    int count = backtrace(frames, STACK_FRAMES);
    for (int i = 0; i < count; i++) {
        struct dl_find_object object;
        bool is_known = !_dl_find_object(frames[i], &object);
        hash ^= (unsigned long)frames[i] - (is_known ? object.dlfo_link_map->l_addr : 0);
        hash *= 1099511628211UL;
    }
    return hash ? hash : 1;
}

/* Does it enter a stack that is not in the table yet? A full table knows all. */
static bool enters_stack(unsigned long hash)
{
    for (unsigned long i = 0; i < STACK_SLOTS; i++) {
        unsigned long found = 0;
        if (atomic_compare_exchange_strong(&stacks[(hash + i) % STACK_SLOTS], &found, hash))
            return true;
        if (found == hash)
            return false;
    }
    return false;
}

static bool is_new_stack(void)
{
    if (is_looking || atomic_load(&counters[FAILED_CALL]))
        return false;
    is_looking = true;
    bool is_new = enters_stack(stack_hash());
    is_looking = false;
    return is_new;
}

__attribute__((constructor)) static void start(void)
{
    const char *chaos = getenv("JD_CHAOS"), *role = getenv("JD_CHAOS_ROLE");
    const char *file = getenv("JD_CHAOS_COUNT"), *number = chaos ? strchr(chaos, ':') : NULL;
    const char *table = getenv("JD_CHAOS_STACKS");
    void *frame;
    if (!number || (role && !plays_role(role)))
        return;
    if (file && (counters = share(file, COUNTER_COUNT)) == NULL)
        counters = own_counters;
    if (table && backtrace(&frame, 1)) /* the first loads a library */
        stacks = share(table, STACK_SLOTS);
    failing_call = strtoul(number + 1, NULL, 10);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        atomic_store(&counters[kind], 0);
        if (!strncmp(chaos, kinds[kind], (size_t)(number - chaos)))
            failing_kind = (enum kind)kind;
    }
}

static bool fails(enum kind kind, int error)
{
    if (failing_kind == KIND_COUNT)
        return false;
    unsigned long call = atomic_fetch_add(&counters[kind], 1) + 1;
    if (kind != failing_kind || !(stacks ? is_new_stack() : call == failing_call))
        return false;
    atomic_store(&counters[FAILED_CALL], call);
    errno = error;
    return true;
}

/* The next definition of the name; dlsym allocates, which is why the allocator does without. */
#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next) {                                                                                   \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                    \
        memcpy(&next, &symbol, sizeof next);                                                       \
    }

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    return fails(MALLOC, ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(MALLOC, ENOMEM) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(MALLOC, ENOMEM) ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(MALLOC, ENOMEM) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = fails(MALLOC, ENOMEM) ? NULL : __libc_memalign(alignment, size);
    if (memory)
        *out = memory;
    return memory ? 0 : ENOMEM;
}

void *mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fails(MMAP, ENOMEM))
        return MAP_FAILED;
    return system_mmap(addr, size, protection, flags, fd, offset);
}

void *mmap64(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    return mmap(addr, size, protection, flags, fd, offset);
}

int mprotect(void *addr, size_t size, int protection)
{
    return fails(MPROTECT, ENOMEM) ? -1 : (int)syscall(SYS_mprotect, addr, size, protection);
}

int memfd_create(const char *name, unsigned flags)
{
    return fails(MEMFD, EMFILE) ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

int ftruncate(int fd, off_t size)
{
    return fails(FTRUNCATE, ENOSPC) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return fails(WRITE, ENOSPC) ? -1 : syscall(SYS_write, fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return fails(WRITE, ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, bytes, size, offset);
}

pid_t fork(void)
{
    NEXT(fork)
    return fails(SPAWN, EAGAIN) ? -1 : next();
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    NEXT(posix_spawn)
    return fails(SPAWN, EAGAIN) ? EAGAIN : next(pid, path, actions, attributes, argv, envp);
}

int posix_spawnp(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    NEXT(posix_spawnp)
    return fails(SPAWN, EAGAIN) ? EAGAIN : next(pid, path, actions, attributes, argv, envp);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return fails(OPEN, EMFILE) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
