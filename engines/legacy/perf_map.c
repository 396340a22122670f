/* SPDX-License-Identifier: Apache-2.0
 *
 * The map file by which perf names addresses of generated code: lines "START SIZE NAME", numbers
 * in hexadecimal without 0x. Source: Linux, tools/perf/Documentation/jit-interface.txt. Knows no
 * engine.
 */
#include "observe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 1024 }; /* longer names are cut */

int legacy_perf_map_open(int *out_fd, struct jd_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    /* The folder is everybody's: what somebody else put there is not followed. */
    *out_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (*out_fd >= 0)
        return JD_OK;
    *out_fd = LEGACY_PERF_MAP_CLOSED;
    return jd_fail(err, JD_E_IO, path, "cannot be written: %s", strerror(errno));
}

void legacy_perf_map_add(int fd, const char *name, uintptr_t code_addr, size_t code_bytes)
{
    char line[LINE_BYTES];
    if (fd == LEGACY_PERF_MAP_CLOSED)
        return;
    int length = snprintf(line, sizeof line - 1, "%zx %zx %s", (size_t)code_addr, code_bytes, name);
    if (length < 0)
        return;
    size_t bytes = (size_t)length < sizeof line - 2 ? (size_t)length : sizeof line - 2;
    for (char *at = line; at < line + bytes; at++)
        if (*at == '\n')
            *at = '_';
    line[bytes++] = '\n';
    int saved_errno = errno;
    while (write(fd, line, bytes) < 0 && errno == EINTR)
        ;
    errno = saved_errno;
}

void legacy_perf_map_close(int fd)
{
    if (fd != LEGACY_PERF_MAP_CLOSED)
        close(fd);
}
