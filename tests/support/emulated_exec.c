/* SPDX-License-Identifier: Apache-2.0
 *
 * Under qemu-user a program that starts another program of its own CPU needs a kernel that knows
 * the emulator (binfmt_misc), which a machine of CI seldom has. This library, preloaded by
 * scripts/run-aarch64 and built by scripts/setup-aarch64, puts the emulator before such programs,
 * so that nothing that is tested has to know about emulation. Programs of the host are started as
 * they are.
 *
 * It also tells at once when there is no such program: posix_spawn's child reports that through
 * memory that an emulated vfork does not share.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { MAX_ARGUMENTS = 512 };

typedef int (*spawn_fn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                        const posix_spawnattr_t *, char *const *, char *const *);
typedef int (*exec_fn)(const char *, char *const *, char *const *);

static const char *launcher;

/* Programs of the host that are started from here must not be given this library. */
__attribute__((constructor)) static void init(void)
{
    launcher = getenv("JITDUEL_LAUNCHER");
    unsetenv("LD_PRELOAD");
}

static int is_emulated(const char *path)
{
    Elf64_Ehdr header;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? 0 : read(fd, &header, sizeof header);
    if (fd >= 0)
        close(fd);
    return bytes == sizeof header && !memcmp(header.e_ident, ELFMAG, SELFMAG) &&
           header.e_machine == EM_AARCH64;
}

struct command {
    const char *path;
    char *const *argv;
    char *list[MAX_ARGUMENTS + 2];
    char self[PATH_MAX];
};

/* The emulator's own /proc/self/exe is the emulator. */
static const char *real_path(struct command *command, const char *path)
{
    ssize_t length = -1;
    if (!strcmp(path, "/proc/self/exe"))
        length = readlink(path, command->self, sizeof command->self - 1);
    if (length < 0)
        return path;
    command->self[length] = '\0';
    return command->self;
}

/* 0 or an errno. */
static int prepare(struct command *command, const char *path, char *const *argv)
{
    int count = 0;
    command->path = path;
    command->argv = argv;
    if (access(path, X_OK))
        return errno;
    if (!launcher || !is_emulated(path))
        return 0;
    command->list[count++] = (char *)launcher;
    command->list[count++] = (char *)real_path(command, path);
    for (size_t i = 1; argv[0] && argv[i]; i++) {
        if (count == MAX_ARGUMENTS)
            return E2BIG;
        command->list[count++] = argv[i];
    }
    command->path = launcher;
    command->argv = command->list;
    return 0;
}

static int spawn(const char *function, pid_t *pid, const char *path,
                 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                 char *const *argv, char *const *envp)
{
    struct command command = {0};
    spawn_fn next;
    *(void **)&next = dlsym(RTLD_NEXT, function);
    int error = prepare(&command, path, argv);
    return error ? error : next(pid, command.path, actions, attributes, command.argv, envp);
}

int posix_spawn(pid_t *restrict pid, const char *restrict path,
                const posix_spawn_file_actions_t *restrict actions,
                const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                char *const envp[restrict])
{
    return spawn("posix_spawn", pid, path, actions, attributes, argv, envp);
}

/* A name without a slash is looked for in PATH, where the host's programs are. */
int posix_spawnp(pid_t *restrict pid, const char *restrict file,
                 const posix_spawn_file_actions_t *restrict actions,
                 const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                 char *const envp[restrict])
{
    spawn_fn next;
    if (strchr(file, '/'))
        return posix_spawn(pid, file, actions, attributes, argv, envp);
    *(void **)&next = dlsym(RTLD_NEXT, "posix_spawnp");
    return next(pid, file, actions, attributes, argv, envp);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    struct command command = {0};
    exec_fn next;
    *(void **)&next = dlsym(RTLD_NEXT, "execve");
    int error = prepare(&command, path, argv);
    if (!error)
        return next(command.path, command.argv, envp);
    errno = error;
    return -1;
}

int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}
