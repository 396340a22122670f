/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: a struct on the caller's stack, filled by whoever fails first.
 *
 * Every fallible function returns 0 (JD_OK) or a JD_E_ code and takes `struct jd_error *err` as its
 * last parameter. `err` may be NULL. The first error wins: a struct that already holds an error is
 * left alone. Outer layers prefix `where`. Nothing here allocates, so any thread may use it in any
 * state; one struct belongs to one thread at a time.
 */
#ifndef JITDUEL_ERROR_H
#define JITDUEL_ERROR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Result codes. 0 is success. */
enum jd_code {
    JD_OK = 0,
#define JD_ERROR(name, kind, text) JD_E_##name,
#include "jitduel/errors.def"
#undef JD_ERROR
    JD_E_COUNT
};

/** What went wrong in terms of who can mend it. "Unsupported" is never reported as "failed". */
enum jd_kind {
    JD_KIND_NONE = 0,
    JD_KIND_USAGE,       /**< the caller asked for something that makes no sense */
    JD_KIND_ENVIRONMENT, /**< the system refused: memory, files, rights */
    JD_KIND_UNSUPPORTED, /**< refused by design; nothing was done */
    JD_KIND_INPUT,       /**< the IR, or the program in it, is at fault */
    JD_KIND_ENGINE_BUG   /**< jitduel or LLVM is at fault */
};

enum { JD_ERROR_WHERE_BYTES = 256, JD_ERROR_TEXT_BYTES = 768 };

/** One error. Initialise with JD_ERROR_INIT, or zero it. */
struct jd_error {
    enum jd_code code;
    enum jd_kind kind;
    char where[JD_ERROR_WHERE_BYTES]; /**< file, symbol or option; "" when unknown */
    char text[JD_ERROR_TEXT_BYTES];   /**< one line, no full stop, no line end */
};

#define JD_ERROR_INIT                                                                              \
    {                                                                                              \
        JD_OK, JD_KIND_NONE, {0},                                                                  \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/** The kind that belongs to a code; JD_KIND_NONE for JD_OK or an unknown one. */
enum jd_kind jd_code_kind(int code);
/** "UNRESOLVED", "OK", ...; borrowed, static. */
const char *jd_code_name(int code);
/** The code's general text from errors.def; borrowed, static. */
const char *jd_code_text(int code);
/** "usage", "environment", "unsupported", "input", "engine-bug", "none"; borrowed, static. */
const char *jd_kind_name(enum jd_kind kind);

/** Record an error unless one is recorded already; returns `code` either way. `where` may be NULL.
 * Line ends in the text become "; ". */
int jd_fail(struct jd_error *err, int code, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** The same with a va_list. */
int jd_vfail(struct jd_error *err, int code, const char *where, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));
/** Put "prefix: " before `where` of a recorded error; does nothing without one. Returns the code.
 */
int jd_error_prefix(struct jd_error *err, const char *prefix);
/** Forget a recorded error. */
void jd_error_clear(struct jd_error *err);
/** Write "where: text" (or the code's general text) as one line into `out`; always terminated, with
 * '?' for control characters, a blank for a tab. Returns `out`. */
char *jd_error_line(const struct jd_error *err, char *out, unsigned long out_bytes);

#ifdef __cplusplus
}
#endif
#endif
