/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 7 to 9: laziness by the module. Modules a, b and c call along a chain; nothing needs d.
 */
#include "cases.h"

static void create_with(struct trial *t, enum jd_granularity granularity, bool is_lazy_disabled)
{
    struct jd_engine_options options = trial_options(t);
    options.granularity = granularity;
    options.is_lazy_disabled = is_lazy_disabled;
    trial_create(t, &options);
}

void case_module_lazy_lookup_only(struct trial *t)
{
    static const char *const names[] = {"m0", "m1", "m2", "m3", "m4"};
    create_with(t, JD_GRAN_MODULE, false);
    for (int i = 0; i < 5; i++) {
        struct text ir = {0};
        text_add(&ir,
                 "define i64 @outer%d() {\n"
                 "  %%r = call i64 @inner%d()\n"
                 "  ret i64 %%r\n"
                 "}\n"
                 "define i64 @inner%d() {\n"
                 "  ret i64 %d\n"
                 "}\n"
                 "define i64 @unused%d() {\n"
                 "  ret i64 -1\n"
                 "}\n",
                 i, i, i, 100 + i, i);
        trial_add(t, names[i], ir.chars);
        text_free(&ir);
    }
    CHECK_EQ(trial_counters(t).modules_added, 5);
    CHECK_EQ(trial_counters(t).modules_compiled, 0);
    CHECK_EQ(CALLEE(t, "outer2", int64_t, void)(), 102);
    CHECK_EQ(trial_counters(t).modules_compiled, 1);
    CHECK_EQ(trial_counters(t).functions_compiled, 3);
}

/* n calls along a -> b -> c. */
static void add_chain(struct trial *t)
{
    trial_add(t, "a",
              "declare i64 @b(i64)\n"
              "define i64 @a(i64 %n) {\n"
              "  %stop = icmp eq i64 %n, 0\n"
              "  br i1 %stop, label %leaf, label %deeper\n"
              "leaf:\n"
              "  ret i64 1\n"
              "deeper:\n"
              "  %m = sub i64 %n, 1\n"
              "  %r = call i64 @b(i64 %m)\n"
              "  ret i64 %r\n"
              "}\n");
    trial_add(t, "b",
              "declare i64 @c()\n"
              "define i64 @b(i64 %n) {\n"
              "  %stop = icmp eq i64 %n, 0\n"
              "  br i1 %stop, label %leaf, label %deeper\n"
              "leaf:\n"
              "  ret i64 2\n"
              "deeper:\n"
              "  %r = call i64 @c()\n"
              "  ret i64 %r\n"
              "}\n");
    trial_add(t, "c", "define i64 @c() {\n  ret i64 3\n}\n");
    trial_add(t, "d", "define i64 @d() {\n  ret i64 4\n}\n");
}

/* What is reached by references is three modules of the four, called or not. An engine that is lazy
 * by the function compiles one function of them. */
void case_module_lazy_transitive_edge(struct trial *t)
{
    if (trial_has(t, JD_CAP_LAZY)) {
        create_with(t, JD_GRAN_DEFAULT, false);
        add_chain(t);
        CHECK_EQ(CALLEE(t, "a", int64_t, int64_t)(0), 1);
        CHECK_EQ(trial_counters(t).functions_compiled, 1);
        CHECK_EQ(trial_counters(t).modules_compiled, 1);
        trial_destroy(t);
    }
    create_with(t, JD_GRAN_MODULE, true);
    add_chain(t);
    int64_t (*a)(int64_t) = CALLEE(t, "a", int64_t, int64_t);
    CHECK_EQ(trial_counters(t).modules_compiled, 3);
    CHECK_EQ(a(0), 1);
    CHECK_EQ(a(2), 3);
    CHECK_EQ(trial_counters(t).modules_compiled, 3);
    CHECK_EQ(CALLEE(t, "d", int64_t, void)(), 4);
    CHECK_EQ(trial_counters(t).modules_compiled, 4);
}

void case_module_lazy_until_first_call(struct trial *t)
{
    create_with(t, JD_GRAN_MODULE, false);
    add_chain(t);
    trial_prepare(t);
    int64_t (*a)(int64_t) = CALLEE(t, "a", int64_t, int64_t);
    CHECK_EQ(a(0), 1);
    CHECK_EQ(trial_counters(t).modules_compiled, 1);
    CHECK_EQ(a(1), 2);
    CHECK_EQ(trial_counters(t).modules_compiled, 2);
    CHECK_EQ(a(2), 3);
    CHECK_EQ(trial_counters(t).modules_compiled, 3);
    CHECK_EQ(a(2), 3);
    CHECK_EQ(trial_counters(t).functions_compiled, 3);
}
