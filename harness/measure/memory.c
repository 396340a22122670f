/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory instrument. Reads /proc with plain system calls and a buffer on the stack, so that a
 * reading does not change what it reads.
 */
#include "measure/memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Read a small file whole, NUL-terminated. */
static bool read_text(const char *path, char *out, size_t out_bytes)
{
    size_t used = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (used + 1 < out_bytes && (got = read(fd, out + used, out_bytes - 1 - used)) > 0)
        used += (size_t)got;
    close(fd);
    out[used] = '\0';
    return got >= 0 && used > 0;
}

/* The value of a line "key:   1234 kB" in bytes; `key` starts with the line end before it. */
static uint64_t kib_line(const char *text, const char *key)
{
    const char *line = strstr(text, key);
    char *end;
    if (!line)
        return JD_MEMORY_UNKNOWN;
    line += strlen(key);
    unsigned long long kib = strtoull(line, &end, 10);
    return end == line ? JD_MEMORY_UNKNOWN : (uint64_t)kib * 1024;
}

static void read_status(struct jd_memory *out)
{
    char text[4096];
    if (!read_text("/proc/self/status", text, sizeof text))
        return;
    out->rss_anon_bytes = kib_line(text, "\nRssAnon:");
    out->vm_hwm_bytes = kib_line(text, "\nVmHWM:");
}

static void read_rollup(struct jd_memory *out)
{
    char text[4096];
    if (read_text("/proc/self/smaps_rollup", text, sizeof text))
        out->private_dirty_bytes = kib_line(text, "\nPrivate_Dirty:");
}

void jd_memory_read(enum jd_memory_depth depth, struct jd_memory *out)
{
    struct rusage usage;
    *out = (struct jd_memory){JD_MEMORY_UNKNOWN, JD_MEMORY_UNKNOWN, JD_MEMORY_UNKNOWN,
                              JD_MEMORY_UNKNOWN, JD_MEMORY_UNKNOWN, JD_MEMORY_UNKNOWN};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        out->minor_faults = (uint64_t)usage.ru_minflt;
        out->major_faults = (uint64_t)usage.ru_majflt;
    }
    struct mallinfo2 heap = mallinfo2();
    out->heap_in_use_bytes = heap.uordblks + heap.hblkhd;
    read_status(out);
    if (depth == JD_MEMORY_FULL)
        read_rollup(out);
}
