/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines, pairs and numbers of descriptors and suites; the string pool. Knows no workload.
 * Sources: ISO C strtoll/strtod; the file format is in docs/add-a-workload.md.
 */
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct workloads_pool_block {
    struct workloads_pool_block *previous;
    max_align_t bytes[];
};

void *workloads_pool_alloc(struct workloads_pool *pool, size_t bytes, struct jd_error *err)
{
    struct workloads_pool_block *block = calloc(1, sizeof *block + bytes);
    if (!block) {
        jd_fail(err, JD_E_NO_MEMORY, "workloads", "no memory for %zu bytes", bytes);
        return NULL;
    }
    block->previous = pool->last;
    pool->last = block;
    return block->bytes;
}

char *workloads_pool_copy(struct workloads_pool *pool, const char *text, size_t length,
                          struct jd_error *err)
{
    char *copy = workloads_pool_alloc(pool, length + 1, err);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *workloads_pool_format(struct workloads_pool *pool, struct jd_error *err, const char *format,
                            ...)
{
    char *text = NULL, *copy = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        jd_fail(err, JD_E_NO_MEMORY, "workloads", "no memory for a string");
        return NULL;
    }
    copy = workloads_pool_copy(pool, text, (size_t)length, err);
    free(text);
    return copy;
}

void workloads_pool_fini(struct workloads_pool *pool)
{
    while (pool->last) {
        struct workloads_pool_block *block = pool->last;
        pool->last = block->previous;
        free(block);
    }
}

int workloads_read_file(struct workloads_pool *pool, const char *path, char **out_bytes,
                        size_t *out_size_bytes, struct jd_error *err)
{
    int code = JD_OK;
    long size = 0;
    *out_bytes = NULL;
    *out_size_bytes = 0;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return jd_fail(err, JD_E_IO, path, "cannot be opened: %s", strerror(errno));
    if (fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET)) {
        code = jd_fail(err, JD_E_IO, path, "cannot be measured: %s", strerror(errno));
        goto out;
    }
    char *bytes = workloads_pool_alloc(pool, (size_t)size + 1, err);
    if (!bytes) {
        code = JD_E_NO_MEMORY;
        goto out;
    }
    if (fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        code = jd_fail(err, JD_E_IO, path, "cannot be read: %s", strerror(errno));
        goto out;
    }
    *out_bytes = bytes;
    *out_size_bytes = (size_t)size;
out:
    fclose(file);
    return code;
}

int workloads_text_open(struct workloads_text *text, struct workloads_pool *pool, const char *path,
                        struct jd_error *err)
{
    size_t size_bytes;
    *text = (struct workloads_text){.path = path};
    return workloads_read_file(pool, path, &text->next, &size_bytes, err);
}

static char *skip_blanks(char *c)
{
    while (isspace((unsigned char)*c))
        c++;
    return c;
}

static void cut_blanks(char *start)
{
    char *end = start + strlen(start);
    while (end > start && isspace((unsigned char)end[-1]))
        *--end = '\0';
}

char *workloads_text_line(struct workloads_text *text)
{
    while (*text->next) {
        char *line = text->next;
        char *end = line + strcspn(line, "\n");
        text->next = *end ? end + 1 : end;
        *end = '\0';
        text->line++;
        cut_blanks(line);
        line = skip_blanks(line);
        if (*line && *line != '#')
            return line;
    }
    return NULL;
}

int workloads_text_pair(const struct workloads_text *text, char *line, const char **out_key,
                        const char **out_value, struct jd_error *err)
{
    char *equals = strchr(line, '=');
    *out_key = *out_value = NULL;
    if (!equals || equals == line)
        return workloads_text_fail(text, err, "'%s' is not `key = value`", line);
    *equals = '\0';
    cut_blanks(line);
    *out_key = line;
    *out_value = skip_blanks(equals + 1);
    return JD_OK;
}

char *workloads_text_word(char **cursor)
{
    char *start = skip_blanks(*cursor);
    char *end = start;
    while (*end && !isspace((unsigned char)*end))
        end++;
    *cursor = *end ? end + 1 : end;
    *end = '\0';
    return *start ? start : NULL;
}

int workloads_text_int64(const struct workloads_text *text, const char *what, const char *value,
                         int64_t *out, struct jd_error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    *out = 0;
    if (errno || end == value || *end)
        return workloads_text_fail(text, err, "%s: '%s' is not a whole number", what, value);
    *out = number;
    return JD_OK;
}

int workloads_text_uint64(const struct workloads_text *text, const char *what, const char *value,
                          uint64_t max, uint64_t *out, struct jd_error *err)
{
    char *end;
    errno = 0;
    *out = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (errno || !isdigit((unsigned char)*value) || *end || number > max)
        return workloads_text_fail(text, err, "%s: '%s' is not a whole number from 0 to %llu", what,
                                   value, (unsigned long long)max);
    *out = number;
    return JD_OK;
}

int workloads_text_double(const struct workloads_text *text, const char *what, const char *value,
                          double *out, struct jd_error *err)
{
    char *end;
    errno = 0;
    double number = strtod(value, &end);
    *out = 0;
    if (errno || end == value || *end || !isfinite(number) || number < 0)
        return workloads_text_fail(text, err, "%s: '%s' is not a number from 0 up", what, value);
    *out = number;
    return JD_OK;
}

int workloads_text_levels(const struct workloads_text *text, const char *value, unsigned *out,
                          struct jd_error *err)
{
    const char *c = value;
    *out = 0;
    for (;; c += 3) {
        if (c[0] != 'O' || c[1] < '0' || c[1] > '3' || (c[2] && c[2] != ','))
            break;
        *out |= 1u << (c[1] - '0');
        if (!c[2])
            return JD_OK;
    }
    *out = 0;
    return workloads_text_fail(text, err, "levels: '%s' is not a list such as O0,O2", value);
}

int workloads_text_fail(const struct workloads_text *text, struct jd_error *err, const char *format,
                        ...)
{
    char where[JD_ERROR_WHERE_BYTES];
    size_t length = strlen(text->path), room = sizeof where - 16;
    /* Of a long path the end tells more than the start. */
    const char *path = length > room ? text->path + length - room : text->path;
    snprintf(where, sizeof where, "%s:%u", path, text->line);
    va_list args;
    va_start(args, format);
    jd_vfail(err, JD_E_BAD_FILE, where, format, args);
    va_end(args);
    return JD_E_BAD_FILE;
}
