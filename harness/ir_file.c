/* SPDX-License-Identifier: Apache-2.0
 *
 * IR files as bytes. Mapped where that is possible: a lazy engine then reads only the pages of what
 * it compiles.
 */
#include "ir_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes are handed out from anonymous or file mappings alike, so that close need not know. */
enum { FIRST_BUFFER_BYTES = 1 << 20 };

static int map_file(int fd, size_t size_bytes, struct jd_ir *out, struct jd_error *err)
{
    void *bytes = mmap(NULL, size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return jd_fail(err, JD_E_IO, out->name, "cannot be mapped: %s", strerror(errno));
    out->bytes = bytes;
    out->size_bytes = size_bytes;
    return JD_OK;
}

static int grow(char **buffer, size_t *capacity)
{
    size_t wanted = *capacity ? *capacity * 2 : FIRST_BUFFER_BYTES;
    void *bigger =
        *buffer ? mremap(*buffer, *capacity, wanted, MREMAP_MAYMOVE)
                : mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bigger == MAP_FAILED)
        return -1;
    *buffer = bigger;
    *capacity = wanted;
    return 0;
}

static int read_stream(int fd, struct jd_ir *out, struct jd_error *err)
{
    char *buffer = NULL;
    size_t used = 0, capacity = 0;
    ssize_t got = 1;
    int code = JD_OK;
    while (got > 0) {
        if (used == capacity && grow(&buffer, &capacity) != 0) {
            code = jd_fail(err, JD_E_NO_MEMORY, out->name, "no memory for %zu bytes", 2 * capacity);
            goto fail;
        }
        got = read(fd, buffer + used, capacity - used);
        if (got > 0)
            used += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    if (got < 0) {
        code = jd_fail(err, JD_E_IO, out->name, "cannot be read: %s", strerror(errno));
        goto fail;
    }
    /* Trim to the pages that close will unmap. */
    mremap(buffer, capacity, used ? used : 1, 0);
    out->bytes = buffer;
    out->size_bytes = used;
    return JD_OK;
fail:
    if (buffer)
        munmap(buffer, capacity);
    return code;
}

static int fill(int fd, struct jd_ir *out, struct jd_error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return jd_fail(err, JD_E_IO, out->name, "%s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return jd_fail(err, JD_E_IO, out->name, "is a directory, not an IR file");
    if (!S_ISREG(status.st_mode))
        return read_stream(fd, out, err);
    if (status.st_size == 0)
        return JD_OK;
    return map_file(fd, (size_t)status.st_size, out, err);
}

int jd_ir_file_open(const char *path, struct jd_ir *out, struct jd_error *err)
{
    int is_stdin = !strcmp(path, "-");
    *out = (struct jd_ir){.name = is_stdin ? "<stdin>" : path};
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *out = (struct jd_ir){0};
        return jd_fail(err, JD_E_IO, *path ? path : "''", "cannot be opened: %s", strerror(errno));
    }
    int code = is_stdin ? read_stream(fd, out, err) : fill(fd, out, err);
    if (!is_stdin)
        close(fd);
    if (code == JD_OK && out->size_bytes == 0) {
        code = jd_fail(err, JD_E_BAD_IR, out->name, "is empty, not LLVM IR");
        jd_ir_file_close(out);
    }
    if (code != JD_OK)
        *out = (struct jd_ir){0};
    return code;
}

void jd_ir_file_close(struct jd_ir *ir)
{
    if (ir->bytes)
        munmap((void *)(uintptr_t)ir->bytes, ir->size_bytes ? ir->size_bytes : 1);
    *ir = (struct jd_ir){0};
}
