/* SPDX-License-Identifier: Apache-2.0
 *
 * A JSON value to a file, all or nothing.
 */
#include "json_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_memory.h"

static int io_error(struct jd_error *err, const char *path, const char *what)
{
    return jd_fail(err, JD_E_IO, path, "%s: %s", what, strerror(errno));
}

/* The folder of `path` in `out`. */
static int folder_of(const char *path, char *out, size_t out_bytes, struct jd_error *err)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof copy) {
        errno = ENAMETOOLONG;
        return io_error(err, path, "cannot be written");
    }
    strcpy(copy, path);
    snprintf(out, out_bytes, "%s", dirname(copy));
    return JD_OK;
}

static int check_place(const char *path, struct jd_error *err)
{
    struct stat status;
    char folder[PATH_MAX];
    bool exists = stat(path, &status) == 0;
    if (exists && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return io_error(err, path, "cannot be written");
    }
    if (folder_of(path, folder, sizeof folder, err) != JD_OK)
        return JD_E_IO;
    if ((exists && access(path, W_OK) != 0) ||
        (!(exists && !S_ISREG(status.st_mode)) && access(folder, W_OK | X_OK) != 0))
        return io_error(err, path, "cannot be written");
    return JD_OK;
}

int jd_json_file_check(const char *path, char **out_path, struct jd_error *err)
{
    char here[PATH_MAX];
    *out_path = NULL;
    if (!*path)
        return jd_fail(err, JD_E_IO, "output file", "its name is empty");
    if (check_place(path, err) != JD_OK)
        return JD_E_IO;
    if (*path != '/' && !getcwd(here, sizeof here))
        return io_error(err, path, "the current folder is unknown");
    if (asprintf(out_path, "%s%s%s", *path == '/' ? "" : here, *path == '/' ? "" : "/", path) < 0) {
        *out_path = NULL;
        return jd_fail(err, JD_E_NO_MEMORY, path, "no memory");
    }
    return JD_OK;
}

static int write_all(int fd, const char *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t written = write(fd, bytes, size_bytes);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            bytes += written;
            size_bytes -= (size_t)written;
        }
    }
    return 0;
}

/* Pipes and devices: no second name to rename from. */
static int write_direct(const char *path, const char *text, struct jd_error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(err, path, "cannot be written");
    int code = write_all(fd, text, strlen(text)) ? io_error(err, path, "cannot be written") : 0;
    if (close(fd) != 0 && code == JD_OK)
        code = io_error(err, path, "cannot be written");
    return code;
}

static int write_atomic(const char *path, const char *text, struct jd_error *err)
{
    char *temporary = NULL;
    int fd = -1, code = JD_OK;
    if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return jd_fail(err, JD_E_NO_MEMORY, path, "no memory");
    /* Not mkstemp: the file is to have the mode that the umask gives. */
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        code = io_error(err, path, "cannot be written");
        goto out;
    }
    if (write_all(fd, text, strlen(text)) != 0 || fsync(fd) != 0)
        code = io_error(err, path, "cannot be written");
    if (close(fd) != 0 && code == JD_OK)
        code = io_error(err, path, "cannot be written");
    if (code == JD_OK && rename(temporary, path) != 0)
        code = io_error(err, path, "cannot be replaced");
    if (code != JD_OK)
        unlink(temporary);
out:
    free(temporary);
    return code;
}

/* The text of `value` with a line end; new. NULL as well when some of it may be missing. */
static char *text_of(const json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
    size_t used = text ? strlen(text) : 0;
    char *longer = text ? realloc(text, used + 2) : NULL;
    if (!longer || jd_json_memory_is_short()) {
        free(longer ? longer : text);
        return NULL;
    }
    strcpy(longer + used, "\n");
    return longer;
}

int jd_json_file_write(const char *path, const json_t *value, struct jd_error *err)
{
    struct stat status;
    char real[PATH_MAX];
    bool exists = stat(path, &status) == 0;
    char *text = text_of(value);
    if (!text)
        return jd_fail(err, JD_E_NO_MEMORY, path, "no memory for the JSON text");
    /* A limit on the size of files is an error here, not the end of the process. */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    sigaction(SIGXFSZ, &ignore, &before);
    /* A symbolic link stays one: what it points to is replaced. */
    const char *target = exists && realpath(path, real) ? real : path;
    int code = exists && !S_ISREG(status.st_mode) ? write_direct(path, text, err)
                                                  : write_atomic(target, text, err);
    sigaction(SIGXFSZ, &before, NULL);
    free(text);
    return code;
}
