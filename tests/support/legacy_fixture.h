/* SPDX-License-Identifier: Apache-2.0
 *
 * A legacy engine under test, driven through the public contract alone: one engine and one error
 * per test program. What it answers to a failed call is each test's own.
 */
#ifndef JITDUEL_TESTS_LEGACY_FIXTURE_H
#define JITDUEL_TESTS_LEGACY_FIXTURE_H

#include "expect.h"

#include <string.h>

#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_legacy_ops;

static struct jd_error err;
static struct jd_engine *engine;

static inline void create(struct jd_engine_options options)
{
    options.struct_size = sizeof options;
    jd_error_clear(&err);
    expect_ok(jd_legacy_ops.create(&options, &engine, &err), &err);
}

static inline int destroy(void **state)
{
    (void)state;
    engine->ops->destroy(engine);
    return 0;
}

/** Adds IR text; `name` and `text` must live as long as the engine. */
static inline jd_module_id add(const char *name, const char *text)
{
    struct jd_ir ir = {text, strlen(text), name};
    jd_module_id id;
    expect_ok(engine->ops->add_module(engine, &ir, &id, &err), &err);
    return id;
}

static inline uintptr_t find(const char *name)
{
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, name, &addr, &err), &err);
    return addr;
}

static inline int call(const char *name)
{
    return ((int (*)(void))find(name))();
}

static inline struct jd_counters count(void)
{
    struct jd_counters counters = {.struct_size = sizeof counters};
    expect_ok(engine->ops->counters(engine, &counters, &err), &err);
    return counters;
}

#endif
