/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the small text files of this room: lines, `key = value` pairs, words, numbers, and errors
 * that name file and line. Also the pool that owns every string of a catalogue.
 * Knows neither workloads nor suites. Private to workloads/.
 */
#ifndef JITDUEL_WORKLOADS_TEXT_H
#define JITDUEL_WORKLOADS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

/** Memory that is given back all at once. Zero-initialise; free with workloads_pool_fini. */
struct workloads_pool {
    struct workloads_pool_block *last;
};

/** Zeroed memory, alive until the pool goes; NULL (with NO_MEMORY in err) when there is none. */
void *workloads_pool_alloc(struct workloads_pool *pool, size_t bytes, struct jd_error *err);
/** A copy of `length` bytes and a NUL; NULL as above. */
char *workloads_pool_copy(struct workloads_pool *pool, const char *text, size_t length,
                          struct jd_error *err);
/** A string made as printf would; NULL as above. */
char *workloads_pool_format(struct workloads_pool *pool, struct jd_error *err, const char *format,
                            ...) __attribute__((format(printf, 3, 4)));
void workloads_pool_fini(struct workloads_pool *pool);

/** Read a whole file; the bytes are followed by a NUL and belong to the pool. Errors: IO. */
int workloads_read_file(struct workloads_pool *pool, const char *path, char **out_bytes,
                        size_t *out_size_bytes, struct jd_error *err);

/** A text file being read line by line. The strings handed out are parts of the file's bytes and
 * live as long as the pool. */
struct workloads_text {
    const char *path; /**< borrowed */
    char *next;       /**< first byte not read yet */
    unsigned line;    /**< number of the line handed out last, from 1 */
};

/** Errors: IO. */
int workloads_text_open(struct workloads_text *text, struct workloads_pool *pool, const char *path,
                        struct jd_error *err);
/** The next line that is neither empty nor a comment (first sign `#`), without blanks at its ends;
 * NULL at the end. */
char *workloads_text_line(struct workloads_text *text);
/** Split `key = value` in place. Errors: BAD_FILE. */
int workloads_text_pair(const struct workloads_text *text, char *line, const char **out_key,
                        const char **out_value, struct jd_error *err);
/** The next word (up to a blank) of *cursor, which moves behind it; NULL when there is none. */
char *workloads_text_word(char **cursor);
/** A whole number in decimal that uses the entire string. Errors: BAD_FILE naming `what`. */
int workloads_text_int64(const struct workloads_text *text, const char *what, const char *value,
                         int64_t *out, struct jd_error *err);
/** The same without sign, at most `max`. */
int workloads_text_uint64(const struct workloads_text *text, const char *what, const char *value,
                          uint64_t max, uint64_t *out, struct jd_error *err);
/** A finite number that is not negative. Errors: BAD_FILE. */
int workloads_text_double(const struct workloads_text *text, const char *what, const char *value,
                          double *out, struct jd_error *err);
/** `O0,O2` to bits: bit n for -On. Errors: BAD_FILE. */
int workloads_text_levels(const struct workloads_text *text, const char *value, unsigned *out,
                          struct jd_error *err);
/** Record BAD_FILE at file:line. */
int workloads_text_fail(const struct workloads_text *text, struct jd_error *err, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

#endif
