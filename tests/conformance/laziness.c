/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 1 to 6, 10 and 11: what is compiled, and when. Counts are exact: a lazy engine compiles
 * what was called, an eager one what was added. How an engine gets there is none of this file's
 * business.
 */
#include "cases.h"

static bool is_lazy(const struct trial *t)
{
    return trial_has(t, JD_CAP_LAZY);
}

/* n calls down the chain f -> g -> h; each adds its own weight. */
static const char chain_ir[] = "define i64 @f(i64 %n) {\n"
                               "  %stop = icmp eq i64 %n, 0\n"
                               "  br i1 %stop, label %leaf, label %deeper\n"
                               "leaf:\n"
                               "  ret i64 1\n"
                               "deeper:\n"
                               "  %m = sub i64 %n, 1\n"
                               "  %r = call i64 @g(i64 %m)\n"
                               "  %s = add i64 %r, 1\n"
                               "  ret i64 %s\n"
                               "}\n"
                               "define i64 @g(i64 %n) {\n"
                               "  %stop = icmp eq i64 %n, 0\n"
                               "  br i1 %stop, label %leaf, label %deeper\n"
                               "leaf:\n"
                               "  ret i64 10\n"
                               "deeper:\n"
                               "  %m = sub i64 %n, 1\n"
                               "  %r = call i64 @h(i64 %m)\n"
                               "  %s = add i64 %r, 10\n"
                               "  ret i64 %s\n"
                               "}\n"
                               "define i64 @h(i64 %n) {\n"
                               "  %s = add i64 %n, 100\n"
                               "  ret i64 %s\n"
                               "}\n";

void case_lazy_only_entry_compiled(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "chain", chain_ir);
    CHECK_EQ(trial_counters(t).functions_compiled, 0);
    trial_prepare(t);
    int64_t (*f)(int64_t) = CALLEE(t, "f", int64_t, int64_t);
    CHECK_EQ(f(0), 1);
    CHECK_EQ(trial_counters(t).functions_compiled, is_lazy(t) ? 1 : 3);
    CHECK_EQ(trial_counters(t).functions_defined, 3);
    CHECK_EQ(f(2), 111);
    CHECK_EQ(trial_counters(t).functions_compiled, 3);
}

void case_lazy_untaken_call_never_compiled(struct trial *t)
{
    static const char ir[] = "define i64 @f(i64 %taken) {\n"
                             "  %go = icmp ne i64 %taken, 0\n"
                             "  br i1 %go, label %call, label %skip\n"
                             "call:\n"
                             "  %r = call i64 @g()\n"
                             "  ret i64 %r\n"
                             "skip:\n"
                             "  ret i64 7\n"
                             "}\n"
                             "define i64 @g() {\n"
                             "  ret i64 8\n"
                             "}\n";
    trial_create(t, NULL);
    trial_add(t, "untaken", ir);
    trial_prepare(t);
    int64_t (*f)(int64_t) = CALLEE(t, "f", int64_t, int64_t);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(f(0), 7);
    CHECK_EQ(trial_counters(t).functions_compiled, is_lazy(t) ? 1 : 2);
    CHECK_EQ(f(1), 8);
    CHECK_EQ(trial_counters(t).functions_compiled, 2);
}
