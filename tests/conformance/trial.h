/* SPDX-License-Identifier: Apache-2.0
 *
 * A trial: one run of one conformance case on one engine at one level with one form of IR.
 *
 * A case creates engines, adds IR, calls the code and checks; the first failed check prints one
 * line (file, expression, engine, level, form) and ends the process with status 1. A case never
 * asks for the engine's name: what differs between engines it derives from capability bits. It must
 * not know how engines work inside.
 */
#ifndef JD_TESTS_CONFORMANCE_TRIAL_H
#define JD_TESTS_CONFORMANCE_TRIAL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/engine.h"

enum trial_form { TRIAL_TEXT = 0, TRIAL_BITCODE = 1 };

/** Exit status of the child that runs a case. */
enum trial_exit {
    TRIAL_EXIT_PASS = 0,
    TRIAL_EXIT_FAIL = 1,
    TRIAL_EXIT_REFUSED = 10, /**< refused exactly as a refusal must be */
    TRIAL_EXIT_SKIP = 77
};

enum { TRIAL_NAME_BYTES = 256 };

/** What the engine's error handler saw and what it is to do. */
struct trial_fault {
    unsigned count;
    char name[TRIAL_NAME_BYTES]; /**< of the last fault */
    struct jd_error error;       /**< of the last fault */
    uintptr_t substitute_addr;   /**< not 0: return it */
    jmp_buf *landing;            /**< not NULL: leave through it */
};

struct trial_buffer;

struct trial {
    const struct jd_engine_ops *ops;
    const char *case_name;
    unsigned opt_level;
    enum trial_form form;
    struct jd_engine *engine; /**< the one that trial_create made last */
    struct jd_error err;      /**< of the last engine call */
    struct trial_fault fault;
    struct trial_buffer *buffers; /**< IR that engines borrow */
};

/** Growing text, for IR that a case generates. Zero is empty; text_free gives it back. */
struct text {
    char *chars;
    size_t used_bytes, room_bytes;
};
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *text);

/** Options of this trial: its level, an error handler that ends the case unless `fault` says what
 * to do, everything else default. */
struct jd_engine_options trial_options(struct trial *t);
/** New engine in t->engine; NULL options: trial_options. A failure ends the case. */
void trial_create(struct trial *t, const struct jd_engine_options *options);
/** Destroys t->engine. */
void trial_destroy(struct trial *t);
/** Destroys t->engine and frees every IR buffer. */
void trial_end(struct trial *t);

/** IR text in the trial's form, owned by the trial. */
struct jd_ir trial_ir(struct trial *t, const char *name, const char *ir_text);
/** The same in a chosen form. */
struct jd_ir trial_ir_as(struct trial *t, enum trial_form form, const char *name,
                         const char *ir_text);
/** Adds IR text; a failure ends the case. */
jd_module_id trial_add(struct trial *t, const char *name, const char *ir_text);
/** Adds IR text; returns the code, the error in t->err. */
int trial_try_add(struct trial *t, const char *name, const char *ir_text);
void trial_prepare(struct trial *t);
/** Address; a failure ends the case. */
uintptr_t trial_lookup(struct trial *t, const char *name);
int trial_try_lookup(struct trial *t, const char *name, uintptr_t *out_addr);
void trial_define(struct trial *t, const char *name, enum jd_symbol_kind kind, uintptr_t addr);
struct jd_counters trial_counters(struct trial *t);

static inline bool trial_has(const struct trial *t, uint32_t caps)
{
    return (t->ops->caps & caps) == caps;
}

/** Looks a function up and gives it a type: CALLEE(t, "f", int64_t, int64_t)(3). */
#define CALLEE(t, name, result, ...) ((result(*)(__VA_ARGS__))trial_lookup(t, name))

/** Asks for what `cap` (one bit) stands for and checks that the engine refuses exactly: kind
 * unsupported, counters unchanged, and it compiles and runs another function afterwards. */
void trial_check_refusal(struct trial *t, uint32_t cap);

/** Checks that `entry`, i64 (i64), cannot be had or called because nothing defines `symbol`, and
 * that the error names it. Where functions are lazy the error has no caller before the call. */
void trial_check_unresolved(struct trial *t, const char *entry, const char *symbol);

/** Ends the case as skipped; destroys the engine first. */
_Noreturn void trial_skip(struct trial *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void trial_fail(const struct trial *t, const char *file, int line, const char *format,
                          ...) __attribute__((format(printf, 4, 5)));
void trial_check_equal(const struct trial *t, const char *file, int line, const char *expression,
                       int64_t actual, int64_t expected);
/** `code` is what the call returned; `expected` -1 means any failure. */
void trial_check_code(const struct trial *t, const char *file, int line, const char *expression,
                      int code, int expected);
void trial_check_kind(const struct trial *t, const char *file, int line, const char *expression,
                      int code, enum jd_kind expected);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            trial_fail(t, __FILE__, __LINE__, "%s", #condition);                                   \
    } while (0)
#define CHECK_EQ(actual, expected)                                                                 \
    trial_check_equal(t, __FILE__, __LINE__, #actual, (int64_t)(actual), (int64_t)(expected))
/** The call must fill t->err. */
#define CHECK_CODE(call, expected)                                                                 \
    do {                                                                                           \
        jd_error_clear(&t->err);                                                                   \
        trial_check_code(t, __FILE__, __LINE__, #call, (call), (expected));                        \
    } while (0)
#define CHECK_OK(call) CHECK_CODE(call, JD_OK)
#define CHECK_KIND(call, expected)                                                                 \
    do {                                                                                           \
        jd_error_clear(&t->err);                                                                   \
        trial_check_kind(t, __FILE__, __LINE__, #call, (call), (expected));                        \
    } while (0)
#define SKIP(...) trial_skip(t, __VA_ARGS__)

#endif
