/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 12 to 20: one function has one address, however it is reached and whenever it is compiled.
 */
#include "cases.h"

#include <dlfcn.h>
#include <unistd.h>

/* The address of f, as code sees it, and f called through a pointer that is given. */
static const char pointer_ir[] = "define i64 @f(i64 %x) {\n"
                                 "  %r = mul i64 %x, 3\n"
                                 "  ret i64 %r\n"
                                 "}\n"
                                 "define ptr @address_of_f() {\n"
                                 "  ret ptr @f\n"
                                 "}\n"
                                 "define i64 @is_f(ptr %p) {\n"
                                 "  %same = icmp eq ptr %p, @f\n"
                                 "  %r = zext i1 %same to i64\n"
                                 "  ret i64 %r\n"
                                 "}\n"
                                 "define i64 @call_f(i64 %x) {\n"
                                 "  %r = call i64 @f(i64 %x)\n"
                                 "  ret i64 %r\n"
                                 "}\n";

static const char other_ir[] = "declare i64 @f(i64)\n"
                               "define ptr @other_address_of_f() {\n"
                               "  ret ptr @f\n"
                               "}\n"
                               "define i64 @other_call_f(i64 %x) {\n"
                               "  %r = call i64 @f(i64 %x)\n"
                               "  ret i64 %r\n"
                               "}\n";

/* Each fact holds at an engine's own granularity, and where whole modules wait for a first call. */
static void at_each_granularity(struct trial *t,
                                void (*check)(struct trial *, const struct jd_engine_options *))
{
    struct jd_engine_options options = trial_options(t);
    check(t, &options);
    options.granularity = JD_GRAN_MODULE;
    if (trial_has(t, JD_CAP_GRAN_MODULE))
        check(t, &options);
}

static uintptr_t address_from(struct trial *t, const char *function)
{
    return CALLEE(t, function, uintptr_t, void)();
}

static void check_stable(struct trial *t, const struct jd_engine_options *options)
{
    trial_create(t, options);
    trial_add(t, "pointer", pointer_ir);
    uintptr_t before = trial_lookup(t, "f");
    uintptr_t before_in_code = address_from(t, "address_of_f");
    CHECK_EQ(((int64_t(*)(int64_t))before)(5), 15);
    CHECK_EQ(trial_lookup(t, "f"), before);
    CHECK_EQ(CALLEE(t, "call_f", int64_t, int64_t)(6), 18);
    CHECK_EQ(trial_lookup(t, "f"), before);
    CHECK_EQ(before_in_code, before);
    CHECK_EQ(address_from(t, "address_of_f"), before);
    trial_destroy(t);
}

void case_stub_address_stable_across_compile(struct trial *t)
{
    at_each_granularity(t, check_stable);
}

static void check_host_equal(struct trial *t, const struct jd_engine_options *options)
{
    trial_create(t, options);
    trial_add(t, "pointer", pointer_ir);
    uintptr_t in_code = address_from(t, "address_of_f");
    CHECK_EQ(in_code, trial_lookup(t, "f"));
    CHECK_EQ(CALLEE(t, "is_f", int64_t, uintptr_t)(trial_lookup(t, "f")), 1);
    CHECK_EQ(((int64_t(*)(int64_t))in_code)(7), 21);
    CHECK_EQ(address_from(t, "address_of_f"), in_code);
    CHECK_EQ(CALLEE(t, "is_f", int64_t, uintptr_t)(trial_lookup(t, "f")), 1);
    trial_destroy(t);
}

void case_host_and_jit_function_pointer_equal(struct trial *t)
{
    at_each_granularity(t, check_host_equal);
}

static void check_one_address(struct trial *t, const struct jd_engine_options *options,
                              const char *first, const char *first_ir, const char *second,
                              const char *second_ir)
{
    trial_create(t, options);
    trial_add(t, first, first_ir);
    trial_add(t, second, second_ir);
    uintptr_t from_other = address_from(t, "other_address_of_f");
    CHECK_EQ(from_other, address_from(t, "address_of_f"));
    CHECK_EQ(from_other, trial_lookup(t, "f"));
    CHECK_EQ(CALLEE(t, "other_call_f", int64_t, int64_t)(2), 6);
    CHECK_EQ(CALLEE(t, "is_f", int64_t, uintptr_t)(from_other), 1);
    CHECK_EQ(address_from(t, "other_address_of_f"), from_other);
    trial_destroy(t);
}

static void check_equal_across(struct trial *t, const struct jd_engine_options *options)
{
    check_one_address(t, options, "pointer", pointer_ir, "other", other_ir);
    check_one_address(t, options, "other", other_ir, "pointer", pointer_ir);
}

void case_function_pointer_equal_across_modules(struct trial *t)
{
    at_each_granularity(t, check_equal_across);
}

static void check_table(struct trial *t, const struct jd_engine_options *options)
{
    static const char ir[] = "@table = global [2 x ptr] [ptr @f, ptr @g]\n"
                             "@fixed = internal constant [2 x ptr] [ptr @g, ptr @f]\n"
                             "define i64 @f(i64 %x) {\n"
                             "  %r = add i64 %x, 1\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define i64 @g(i64 %x) {\n"
                             "  %r = add i64 %x, 2\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define i64 @call_table(i64 %i, i64 %x) {\n"
                             "  %slot = getelementptr [2 x ptr], ptr @table, i64 0, i64 %i\n"
                             "  %p = load ptr, ptr %slot, align 8\n"
                             "  %r = call i64 %p(i64 %x)\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define ptr @fixed_at(i64 %i) {\n"
                             "  %slot = getelementptr [2 x ptr], ptr @fixed, i64 0, i64 %i\n"
                             "  %p = load ptr, ptr %slot, align 8\n"
                             "  ret ptr %p\n"
                             "}\n";
    trial_create(t, options);
    trial_add(t, "table", ir);
    int64_t (*call_table)(int64_t, int64_t) = CALLEE(t, "call_table", int64_t, int64_t, int64_t);
    CHECK_EQ(call_table(0, 10), 11);
    CHECK_EQ(call_table(1, 10), 12);
    const uintptr_t *table = (const uintptr_t *)trial_lookup(t, "table");
    CHECK_EQ(table[0], trial_lookup(t, "f"));
    CHECK_EQ(table[1], trial_lookup(t, "g"));
    CHECK_EQ(CALLEE(t, "fixed_at", uintptr_t, int64_t)(0), table[1]);
    CHECK_EQ(CALLEE(t, "fixed_at", uintptr_t, int64_t)(1), table[0]);
    CHECK_EQ(((int64_t(*)(int64_t))table[1])(20), 22);
    trial_destroy(t);
}

void case_function_table_initialiser_identity(struct trial *t)
{
    at_each_granularity(t, check_table);
}

void case_libc_pointer_equals_dlsym(struct trial *t)
{
    static const char ir[] = "declare i32 @getpid()\n"
                             "define ptr @address_of_getpid() {\n"
                             "  ret ptr @getpid\n"
                             "}\n"
                             "define i32 @call_getpid() {\n"
                             "  %r = call i32 @getpid()\n"
                             "  ret i32 %r\n"
                             "}\n";
    trial_create(t, NULL);
    trial_add(t, "libc", ir);
    CHECK_EQ(CALLEE(t, "call_getpid", int, void)(), getpid());
    CHECK_EQ(address_from(t, "address_of_getpid"), (uintptr_t)dlsym(RTLD_DEFAULT, "getpid"));
}

void case_escaped_stub_outlives_free(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "pointer", pointer_ir);
    uintptr_t kept = address_from(t, "address_of_f");
    int64_t (*f)(int64_t) = (int64_t(*)(int64_t))kept;
    CHECK_EQ(f(4), 12);
    CHECK_EQ(CALLEE(t, "call_f", int64_t, int64_t)(4), 12);
    uint64_t compiled = trial_counters(t).functions_compiled;
    uint64_t code_bytes = trial_counters(t).code_bytes;
    CHECK_OK(t->ops->free_function(t->engine, "f", &t->err));
    CHECK_EQ(trial_counters(t).functions_compiled, compiled);
    CHECK(trial_counters(t).code_bytes < code_bytes);
    CHECK_EQ(f(5), 15);
    CHECK_EQ(trial_counters(t).functions_compiled, compiled + 1);
    CHECK_EQ(trial_counters(t).code_bytes, code_bytes);
    CHECK_EQ(trial_lookup(t, "f"), kept);

    CHECK_OK(t->ops->free_function(t->engine, "f", &t->err));
    CHECK_EQ(CALLEE(t, "call_f", int64_t, int64_t)(6), 18);
    CHECK_EQ(trial_counters(t).functions_compiled, compiled + 2);
    CHECK_EQ(f(7), 21);
}

void case_stub_count_not_growing(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "pointer", pointer_ir);
    trial_add(t, "other", other_ir);
    struct jd_counters first = {0}, last = {0};
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(CALLEE(t, "call_f", int64_t, int64_t)(i), 3 * i);
        CHECK_EQ(CALLEE(t, "other_call_f", int64_t, int64_t)(i), 3 * i);
        CHECK_EQ(address_from(t, "address_of_f"), address_from(t, "other_address_of_f"));
        last = trial_counters(t);
        if (!i)
            first = last;
    }
    CHECK(first.stubs_live > 0);
    CHECK_EQ(last.stubs_live, first.stubs_live);
    CHECK_EQ(last.stub_bytes, first.stub_bytes);
}

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
