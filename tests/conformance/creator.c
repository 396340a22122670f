/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 43 to 47 and 49: the lazy creator is asked for what nothing defines, by the exact name,
 * once and no earlier than the strategy needs the answer: at link where everything is linked ahead,
 * at the call where functions are lazy.
 */
#include "cases.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a test's creator was asked, and what it answers for one name. */
struct creator {
    struct trial *trial;
    const char *wanted_name;
    uintptr_t addr;
    unsigned asked_count;  /* for the wanted name */
    unsigned others_count; /* for any other */
    enum jd_symbol_kind kind;
};

static int answer(void *context, struct jd_engine *engine, const char *name,
                  enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *err)
{
    struct creator *creator = context;
    (void)err;
    if (engine != creator->trial->engine || strcmp(name, creator->wanted_name)) {
        creator->others_count++;
        return 0;
    }
    creator->asked_count++;
    creator->kind = kind;
    out->addr = creator->addr;
    return 0;
}

static void create_with(struct trial *t, struct creator *creator)
{
    trial_create(t, NULL);
    creator->trial = t;
    CHECK_OK(t->ops->set_creator(t->engine, answer, creator, &t->err));
}

static int64_t host_times_seven(int64_t x)
{
    return 7 * x;
}

static int64_t host_times_eight(int64_t x)
{
    return 8 * x;
}

/* --- 43, 44 --- */

void case_creator_function(struct trial *t)
{
    struct creator creator = {.wanted_name = "odd name$with.dots",
                              .addr = (uintptr_t)&host_times_seven};
    create_with(t, &creator);
    trial_add(t, "creator",
              "declare i64 @\"odd name$with.dots\"(i64)\n"
              "define i64 @f(i64 %x) {\n"
              "  %r = call i64 @\"odd name$with.dots\"(i64 %x)\n"
              "  ret i64 %r\n"
              "}\n"
              "define ptr @address() {\n"
              "  ret ptr @\"odd name$with.dots\"\n"
              "}\n");
    CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(6), 42);
    CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(3), 21);
    CHECK_EQ(creator.asked_count, 1);
    CHECK_EQ(creator.others_count, 0);
    CHECK_EQ(creator.kind, JD_SYMBOL_FUNCTION);
    CHECK_EQ(trial_counters(t).creator_calls, 1);
    CHECK_EQ(((int64_t(*)(int64_t))CALLEE(t, "address", uintptr_t, void)())(2), 14);
    CHECK_EQ(creator.asked_count, 1);
}

static void write_user(struct text *ir, const char *name)
{
    text_add(ir,
             "declare i64 @missing(i64)\n"
             "define i64 @%s(i64 %%x) {\n"
             "  %%go = icmp ne i64 %%x, 0\n"
             "  br i1 %%go, label %%call, label %%skip\n"
             "call:\n"
             "  %%r = call i64 @missing(i64 %%x)\n"
             "  ret i64 %%r\n"
             "skip:\n"
             "  ret i64 -5\n"
             "}\n",
             name);
}

static void add_user(struct trial *t, const char *name)
{
    struct text ir = {0};
    write_user(&ir, name);
    trial_add(t, name, ir.chars);
    text_free(&ir);
}

void case_creator_timing_and_count(struct trial *t)
{
    struct creator creator = {.wanted_name = "missing", .addr = (uintptr_t)&host_times_seven};
    create_with(t, &creator);
    add_user(t, "f");
    add_user(t, "g");
    CHECK_EQ(creator.asked_count, 0);
    trial_prepare(t);
    CHECK_EQ(creator.asked_count, trial_has(t, JD_CAP_LAZY) ? 0 : 1);
    int64_t (*f)(int64_t) = CALLEE(t, "f", int64_t, int64_t);
    int64_t (*g)(int64_t) = CALLEE(t, "g", int64_t, int64_t);
    CHECK_EQ(f(0), -5);
    CHECK_EQ(g(0), -5);
    CHECK_EQ(creator.asked_count, trial_has(t, JD_CAP_LAZY) ? 0 : 1);
    CHECK_EQ(f(1), 7);
    CHECK_EQ(creator.asked_count, 1);
    CHECK_EQ(g(2), 14);
    CHECK_EQ(f(3), 21);
    CHECK_EQ(creator.asked_count, 1);
    CHECK_EQ(creator.others_count, 0);
    CHECK_EQ(trial_counters(t).creator_calls, 1);
}

/* --- 45 --- */

void case_creator_variable(struct trial *t)
{
    int64_t variable = 11;
    struct creator creator = {.wanted_name = "variable", .addr = (uintptr_t)&variable};
    create_with(t, &creator);
    trial_add(t, "variable",
              "@variable = external global i64\n"
              "@pointer = global ptr @variable\n"
              "define i64 @exchange(i64 %x) {\n"
              "  %old = load i64, ptr @variable, align 8\n"
              "  store i64 %x, ptr @variable, align 8\n"
              "  ret i64 %old\n"
              "}\n"
              "define i64 @through_pointer() {\n"
              "  %p = load ptr, ptr @pointer, align 8\n"
              "  %r = load i64, ptr %p, align 8\n"
              "  ret i64 %r\n"
              "}\n");
    CHECK_EQ(CALLEE(t, "exchange", int64_t, int64_t)(22), 11);
    CHECK_EQ(variable, 22);
    variable = 33;
    CHECK_EQ(CALLEE(t, "through_pointer", int64_t, void)(), 33);
    CHECK_EQ(CALLEE(t, "exchange", int64_t, int64_t)(44), 33);
    CHECK_EQ(creator.asked_count, 1);
    CHECK_EQ(creator.kind, JD_SYMBOL_VARIABLE);
    CHECK_EQ(creator.others_count, 0);
}

/* --- 46 --- */

enum { MADE_COUNT = 60 };

struct module_maker {
    struct trial *trial;
    unsigned made_count;
};

/* made0 calls made1, which does not exist until it is asked for, and so on. */
static int make_module(void *context, struct jd_engine *engine, const char *name,
                       enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *err)
{
    struct module_maker *maker = context;
    struct text ir = {0};
    int number;
    (void)engine;
    if (kind != JD_SYMBOL_FUNCTION || sscanf(name, "made%d", &number) != 1)
        return jd_fail(err, JD_E_UNRESOLVED, name, "no such module can be made");
    if (number + 1 < MADE_COUNT)
        text_add(&ir,
                 "declare i64 @made%d(i64)\n"
                 "define i64 @made%d(i64 %%x) {\n"
                 "  %%y = add i64 %%x, 1\n"
                 "  %%r = call i64 @made%d(i64 %%y)\n"
                 "  ret i64 %%r\n"
                 "}\n",
                 number + 1, number, number + 1);
    else
        text_add(&ir, "define i64 @made%d(i64 %%x) {\n  ret i64 %%x\n}\n", number);
    out->ir = trial_ir(maker->trial, "made", ir.chars);
    text_free(&ir);
    maker->made_count++;
    return 0;
}

void case_creator_module(struct trial *t)
{
    struct module_maker maker = {.trial = t};
    trial_create(t, NULL);
    CHECK_OK(t->ops->set_creator(t->engine, make_module, &maker, &t->err));
    trial_add(t, "user",
              "declare i64 @made0(i64)\n"
              "define i64 @f(i64 %x) {\n"
              "  %r = call i64 @made0(i64 %x)\n"
              "  ret i64 %r\n"
              "}\n");
    CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(1000), 1000 + MADE_COUNT - 1);
    CHECK_EQ(maker.made_count, MADE_COUNT);
    CHECK_EQ(CALLEE(t, "made30", int64_t, int64_t)(0), MADE_COUNT - 31);
    CHECK_EQ(maker.made_count, MADE_COUNT);
    CHECK_EQ(trial_counters(t).modules_added, MADE_COUNT + 1);
}

/* --- 47 --- */

void case_creator_null_is_error(struct trial *t)
{
    struct creator creator = {.wanted_name = "something_else"};
    create_with(t, &creator);
    add_user(t, "f");
    trial_check_unresolved(t, "f", "missing");
    CHECK(creator.others_count >= 1);
    trial_define(t, "missing", JD_SYMBOL_FUNCTION, (uintptr_t)&host_times_seven);
    trial_prepare(t);
    CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(2), 14);
    trial_destroy(t);

    trial_create(t, NULL); /* the same without a creator */
    add_user(t, "f");
    trial_check_unresolved(t, "f", "missing");
    trial_define(t, "missing", JD_SYMBOL_FUNCTION, (uintptr_t)&host_times_eight);
    CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(2), 16);
}

/* --- 49 --- */

static int host_getpid(void)
{
    return -49;
}

static void create_without_process(struct trial *t, struct creator *creator)
{
    struct jd_engine_options options = trial_options(t);
    options.is_process_search_disabled = true;
    trial_create(t, &options);
    creator->trial = t;
    CHECK_OK(t->ops->set_creator(t->engine, answer, creator, &t->err));
}

void case_process_search_disabled(struct trial *t)
{
    static const char function_ir[] = "declare i32 @getpid()\n"
                                      "define i64 @f(i64 %x) {\n"
                                      "  %p = call i32 @getpid()\n"
                                      "  %r = sext i32 %p to i64\n"
                                      "  ret i64 %r\n"
                                      "}\n";
    static const char variable_ir[] = "@environ = external global i64\n"
                                      "define i64 @f(i64 %x) {\n"
                                      "  %r = load i64, ptr @environ, align 8\n"
                                      "  ret i64 %r\n"
                                      "}\n";
    static const char *const irs[] = {function_ir, variable_ir};
    static int64_t own_environ = 490;
    struct creator creators[] = {{.wanted_name = "getpid", .addr = (uintptr_t)&host_getpid},
                                 {.wanted_name = "environ", .addr = (uintptr_t)&own_environ}};
    static const int64_t expected[] = {-49, 490};
    for (int i = 0; i < 2; i++) {
        CHECK(dlsym(RTLD_DEFAULT, creators[i].wanted_name));
        create_without_process(t, &creators[i]);
        trial_add(t, "process", irs[i]);
        CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(0), expected[i]);
        CHECK_EQ(creators[i].asked_count, 1);
        trial_destroy(t);

        struct creator silent = {.wanted_name = "nothing"};
        create_without_process(t, &silent);
        trial_add(t, "process", irs[i]);
        trial_check_unresolved(t, "f", creators[i].wanted_name);
        trial_destroy(t);
    }
}
