/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 12 to 20: one function has one address, however it is reached and whenever it is compiled.
 */
#include "cases.h"

void case_mutual_recursion_from_lazy_bitcode(struct trial *t)
{
    /* recur1(n) = n, counted down in turns by the two. */
    static const char ir[] = "define i64 @recur1(i64 %n) {\n"
                             "  %stop = icmp eq i64 %n, 0\n"
                             "  br i1 %stop, label %leaf, label %deeper\n"
                             "leaf:\n"
                             "  ret i64 0\n"
                             "deeper:\n"
                             "  %m = sub i64 %n, 1\n"
                             "  %r = call i64 @recur2(i64 %m)\n"
                             "  %s = add i64 %r, 1\n"
                             "  ret i64 %s\n"
                             "}\n"
                             "define i64 @recur2(i64 %n) {\n"
                             "  %stop = icmp eq i64 %n, 0\n"
                             "  br i1 %stop, label %leaf, label %deeper\n"
                             "leaf:\n"
                             "  ret i64 0\n"
                             "deeper:\n"
                             "  %m = sub i64 %n, 1\n"
                             "  %r = call i64 @recur1(i64 %m)\n"
                             "  %s = add i64 %r, 1\n"
                             "  ret i64 %s\n"
                             "}\n";
    trial_create(t, NULL);
    trial_add(t, "recursion", ir);
    trial_prepare(t);
    CHECK_EQ(CALLEE(t, "recur1", int64_t, int64_t)(1001), 1001);
    CHECK_EQ(CALLEE(t, "recur2", int64_t, int64_t)(1000), 1000);
    CHECK_EQ(trial_counters(t).functions_compiled, 2);
}

void case_self_recursion_direct(struct trial *t)
{
    static const char ir[] = "define i64 @fib(i64 %n) {\n"
                             "  %small = icmp slt i64 %n, 2\n"
                             "  br i1 %small, label %leaf, label %deeper\n"
                             "leaf:\n"
                             "  ret i64 %n\n"
                             "deeper:\n"
                             "  %n1 = sub i64 %n, 1\n"
                             "  %n2 = sub i64 %n, 2\n"
                             "  %a = call i64 @fib(i64 %n1)\n"
                             "  %b = call i64 @fib(i64 %n2)\n"
                             "  %s = add i64 %a, %b\n"
                             "  ret i64 %s\n"
                             "}\n";
    trial_create(t, NULL);
    trial_add(t, "fib", ir);
    trial_prepare(t);
    CHECK_EQ(CALLEE(t, "fib", int64_t, int64_t)(20), 6765);
    CHECK_EQ(trial_counters(t).functions_compiled, 1);
}
