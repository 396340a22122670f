/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusals: how each capability is asked for, and what an engine without it must do then: answer
 * with kind `unsupported`, change nothing, and go on working.
 */
#include "trial.h"

#include <string.h>

static const char first_ir[] = "define i64 @first() {\n  ret i64 41\n}\n";
static const char again_ir[] = "define i64 @first() {\n  ret i64 43\n}\n";
static const char second_ir[] = "define i64 @second() {\n  ret i64 42\n}\n";

static int ask_set_lazy(struct trial *t, jd_module_id id)
{
    (void)id;
    return t->ops->set_lazy(t->engine, true, &t->err);
}

static int ask_remove_module(struct trial *t, jd_module_id id)
{
    return t->ops->remove_module(t->engine, id, &t->err);
}

static int ask_recompile(struct trial *t, jd_module_id id)
{
    struct jd_ir ir = trial_ir(t, "again", again_ir);
    (void)id;
    return t->ops->recompile(t->engine, "first", &ir, &t->err);
}

static int ask_free_function(struct trial *t, jd_module_id id)
{
    (void)id;
    return t->ops->free_function(t->engine, "first", &t->err);
}

/* The granularities are refused by create: no engine comes of it. */
static int ask_granularity(struct trial *t, enum jd_granularity granularity)
{
    struct jd_engine *unwanted = NULL;
    struct jd_engine_options options = trial_options(t);
    options.granularity = granularity;
    int code = t->ops->create(&options, &unwanted, &t->err);
    CHECK(!unwanted);
    return code;
}

static int ask_block(struct trial *t, jd_module_id id)
{
    (void)id;
    return ask_granularity(t, JD_GRAN_BLOCK);
}

static int ask_module(struct trial *t, jd_module_id id)
{
    (void)id;
    return ask_granularity(t, JD_GRAN_MODULE);
}

/* Functions compiled at their first call, and data emitted when first referenced, are the strategy
 * of the engine and not a request; the request that stands for both is to make it lazy. */
static const struct {
    uint32_t cap;
    int (*ask)(struct trial *t, jd_module_id id);
} requests[] = {
    {JD_CAP_LAZY, ask_set_lazy},       {JD_CAP_LAZY_DATA, ask_set_lazy},
    {JD_CAP_SET_LAZY, ask_set_lazy},   {JD_CAP_REMOVE_MODULE, ask_remove_module},
    {JD_CAP_RECOMPILE, ask_recompile}, {JD_CAP_FREE_FUNCTION, ask_free_function},
    {JD_CAP_GRAN_MODULE, ask_module},  {JD_CAP_GRAN_BLOCK, ask_block},
};

static void check_unchanged(struct trial *t, const struct jd_counters *before)
{
    struct jd_counters after = trial_counters(t);
    CHECK(!memcmp(&after, before, sizeof after));
}

void trial_check_refusal(struct trial *t, uint32_t cap)
{
    size_t i = 0;
    while (i < sizeof requests / sizeof requests[0] && requests[i].cap != cap)
        i++;
    CHECK(i < sizeof requests / sizeof requests[0]);

    trial_create(t, NULL);
    jd_module_id id = trial_add(t, "first", first_ir);
    CHECK_EQ(CALLEE(t, "first", int64_t, void)(), 41);
    struct jd_counters before = trial_counters(t);

    CHECK_KIND(requests[i].ask(t, id), JD_KIND_UNSUPPORTED);
    check_unchanged(t, &before);

    CHECK_EQ(CALLEE(t, "first", int64_t, void)(), 41);
    trial_add(t, "second", second_ir);
    CHECK_EQ(CALLEE(t, "second", int64_t, void)(), 42);
}
