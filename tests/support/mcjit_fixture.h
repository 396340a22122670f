/* SPDX-License-Identifier: Apache-2.0
 *
 * An mcjit engine under test, driven through the public contract alone.
 */
#ifndef JITDUEL_TESTS_MCJIT_FIXTURE_H
#define JITDUEL_TESTS_MCJIT_FIXTURE_H

#include "expect.h"

#include <string.h>

#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_mcjit_ops;

/** One engine and one error; set up with fixture_open. */
struct fixture {
    struct jd_engine *engine;
    struct jd_error err;
};

static inline void fixture_open(struct fixture *f, const struct jd_engine_options *options)
{
    memset(f, 0, sizeof *f);
    expect_ok(jd_mcjit_ops.create(options, &f->engine, &f->err), &f->err);
}

static inline void fixture_close(struct fixture *f)
{
    jd_mcjit_ops.destroy(f->engine);
    f->engine = NULL;
}

/** Adds IR text; `name` and `text` must live as long as the engine. */
static inline int fixture_try_add(struct fixture *f, const char *name, const char *text)
{
    struct jd_ir ir = {.bytes = text, .size_bytes = strlen(text), .name = name};
    return jd_mcjit_ops.add_module(f->engine, &ir, NULL, &f->err);
}

static inline void fixture_add(struct fixture *f, const char *name, const char *text)
{
    expect_ok(fixture_try_add(f, name, text), &f->err);
}

static inline uintptr_t fixture_lookup(struct fixture *f, const char *name)
{
    uintptr_t addr;
    expect_ok(jd_mcjit_ops.lookup(f->engine, name, &addr, &f->err), &f->err);
    assert_int_not_equal(addr, 0);
    return addr;
}

/** Calls an `i32 ()` of that name. */
static inline int fixture_call(struct fixture *f, const char *name)
{
    return ((int (*)(void))fixture_lookup(f, name))();
}

/** Fails the test unless the look-up fails so. */
static inline void fixture_lookup_fails(struct fixture *f, const char *name, int code,
                                        const char *text)
{
    uintptr_t addr = 1;
    expect_error(jd_mcjit_ops.lookup(f->engine, name, &addr, &f->err), code, text, &f->err);
    assert_int_equal(addr, 0);
}

static inline struct jd_counters fixture_counters(struct fixture *f)
{
    struct jd_counters counters = {.struct_size = sizeof counters};
    expect_ok(jd_mcjit_ops.counters(f->engine, &counters, &f->err), &f->err);
    return counters;
}

#endif
