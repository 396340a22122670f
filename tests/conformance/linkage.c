/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 52 to 57: linkage across modules, as a static linker does it (LLVM LangRef, "Linkage
 * Types"; System V gABI, "Symbol Table"), in every order in which modules can come.
 */
#include "cases.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- 52 --- */

enum { WEAK_COUNT = 12, STRONG_VALUE = 1000 };

static void add_weak(struct trial *t, int number)
{
    struct text ir = {0};
    text_add(&ir,
             "define weak i64 @merged() {\n"
             "  ret i64 %d\n"
             "}\n"
             "@merged_data = weak global i64 %d\n"
             "define linkonce_odr i64 @shared() {\n"
             "  ret i64 77\n"
             "}\n"
             "define i64 @caller%d() {\n"
             "  %%a = call i64 @merged()\n"
             "  %%b = load i64, ptr @merged_data, align 8\n"
             "  %%c = call i64 @shared()\n"
             "  %%d = add i64 %%a, %%b\n"
             "  %%e = add i64 %%c, %%d\n"
             "  ret i64 %%e\n"
             "}\n"
             "define ptr @address%d() {\n"
             "  ret ptr @merged\n"
             "}\n"
             "define ptr @shared_address%d() {\n"
             "  ret ptr @shared\n"
             "}\n",
             number, number, number, number, number);
    trial_add(t, "weak", ir.chars);
    text_free(&ir);
}

static uintptr_t numbered_address(struct trial *t, const char *prefix, int number)
{
    char name[64];
    snprintf(name, sizeof name, "%s%d", prefix, number);
    return CALLEE(t, name, uintptr_t, void)();
}

static void check_merged(struct trial *t, int64_t value)
{
    for (int i = 0; i < WEAK_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "caller%d", i);
        CHECK_EQ(CALLEE(t, name, int64_t, void)(), 2 * value + 77);
        CHECK_EQ(numbered_address(t, "address", i), trial_lookup(t, "merged"));
        CHECK_EQ(numbered_address(t, "shared_address", i),
                 numbered_address(t, "shared_address", 0));
    }
    CHECK_EQ(CALLEE(t, "merged", int64_t, void)(), value);
    CHECK_EQ(*(const int64_t *)trial_lookup(t, "merged_data"), value);
}

void case_weak_linkonce_merge(struct trial *t)
{
    static const char strong_ir[] = "define i64 @merged() {\n"
                                    "  ret i64 1000\n"
                                    "}\n"
                                    "@merged_data = global i64 1000\n";
    /* The strong definition comes first, in the middle, last, and not at all. */
    static const int places[] = {0, WEAK_COUNT / 2, WEAK_COUNT, -1};
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        trial_create(t, NULL);
        for (int i = 0; i <= WEAK_COUNT; i++) {
            if (i == places[k])
                trial_add(t, "strong", strong_ir);
            if (i < WEAK_COUNT)
                add_weak(t, i);
        }
        check_merged(t, places[k] < 0 ? 0 : STRONG_VALUE); /* the first weak one returns 0 */
        trial_destroy(t);
    }
}

/* --- 53 --- */

/* Two commons among as many small ones of the same size: when the small module's size is taken,
 * what goes beyond it runs into a guard, whatever the order in which a linker lays them. At most
 * one of the two can be the last. */
enum { COMMON_COUNT = 16 };

#define GUARD(name) "@" name " = common global i32 0, align 4\n"
#define GUARD_ROW(letter)                                                                          \
    GUARD(letter "0")                                                                              \
    GUARD(letter "1")                                                                              \
    GUARD(letter "2")                                                                              \
    GUARD(letter "3")
#define READ(name, number)                                                                         \
    "  %" name number " = load i32, ptr @" name number ", align 4\n"                               \
    "  call void @see(i32 %" name number ")\n"
#define READ_ROW(name) READ(name, "0") READ(name, "1") READ(name, "2") READ(name, "3")

static const char small_ir[] = GUARD_ROW("a") GUARD("c") GUARD_ROW("b") GUARD("d")
    GUARD_ROW("e") "define ptr @small_address() {\n"
                   "  ret ptr @c\n"
                   "}\n"
                   "define i32 @small_load() {\n"
                   "  %c = load i32, ptr @c, align 4\n"
                   "  %d = load i32, ptr @d, align 4\n"
                   "  %both = sub i32 %c, %d\n"
                   "  ret i32 %both\n"
                   "}\n"
                   "@seen = global i32 0\n"
                   "define void @see(i32 %guard) {\n"
                   "  %old = load i32, ptr @seen\n"
                   "  %new = or i32 %old, %guard\n"
                   "  store i32 %new, ptr @seen\n"
                   "  ret void\n"
                   "}\n"
                   "define i32 @guards() {\n" READ_ROW("a") READ_ROW("b")
                       READ_ROW("e") "  %seen = load i32, ptr @seen\n"
                                     "  ret i32 %seen\n"
                                     "}\n";
static const char large_ir[] = "@c = common global [16 x i32] zeroinitializer, align 4\n"
                               "@d = common global [16 x i32] zeroinitializer, align 4\n"
                               "define ptr @large_address() {\n"
                               "  ret ptr @c\n"
                               "}\n"
                               "define void @large_store(i64 %i, i32 %x) {\n"
                               "  %p = getelementptr [16 x i32], ptr @c, i64 0, i64 %i\n"
                               "  store i32 %x, ptr %p, align 4\n"
                               "  %q = getelementptr [16 x i32], ptr @d, i64 0, i64 %i\n"
                               "  %is_first = icmp eq i64 %i, 0\n"
                               "  %beyond = select i1 %is_first, i32 0, i32 %x\n"
                               "  store i32 %beyond, ptr %q, align 4\n"
                               "  ret void\n"
                               "}\n";
static const char strong_common_ir[] =
    "@c = global { [4 x i32], [12 x i32] } {\n"
    "  [4 x i32] [i32 5, i32 6, i32 7, i32 8], [12 x i32] zeroinitializer }\n";

static void check_common(struct trial *t, const char *const *modules, int first_value)
{
    trial_create(t, NULL);
    for (; *modules; modules++)
        trial_add(t, "common", *modules);
    CHECK_EQ(CALLEE(t, "small_load", int, void)(), first_value);
    uintptr_t addr = CALLEE(t, "large_address", uintptr_t, void)();
    CHECK_EQ(CALLEE(t, "small_address", uintptr_t, void)(), addr);
    CHECK_EQ(trial_lookup(t, "c"), addr);
    CHECK_EQ(((const int32_t *)addr)[3], first_value ? 8 : 0);
    CHECK_EQ(CALLEE(t, "guards", int, void)(), 0);
    for (int64_t i = 0; i < COMMON_COUNT; i++)
        CALLEE(t, "large_store", void, int64_t, int)(i, 100 + (int)i);
    CHECK_EQ(CALLEE(t, "small_load", int, void)(), 100);
    CHECK_EQ(((const int32_t *)addr)[COMMON_COUNT - 1], 100 + COMMON_COUNT - 1);
    CHECK_EQ(CALLEE(t, "guards", int, void)(), 0);
    trial_destroy(t);
}

void case_common_merge_largest(struct trial *t)
{
    check_common(t, (const char *const[]){small_ir, large_ir, NULL}, 0);
    check_common(t, (const char *const[]){large_ir, small_ir, NULL}, 0);
    check_common(t, (const char *const[]){small_ir, large_ir, strong_common_ir, NULL}, 5);
    check_common(t, (const char *const[]){strong_common_ir, large_ir, small_ir, NULL}, 5);
    check_common(t, (const char *const[]){small_ir, strong_common_ir, large_ir, NULL}, 5);
}

/* --- 54 --- */

void case_duplicate_strong_error(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "first", "define i64 @twice_there() {\n  ret i64 1\n}\n");
    struct jd_counters before = trial_counters(t);
    CHECK_CODE(trial_try_add(t, "second",
                             "define i64 @twice_there() {\n  ret i64 2\n}\n"
                             "define i64 @newcomer() {\n  ret i64 3\n}\n"),
               JD_E_DUPLICATE);
    CHECK(strstr(t->err.where, "twice_there") || strstr(t->err.text, "twice_there"));
    CHECK_EQ(trial_counters(t).modules_added, before.modules_added);
    CHECK_EQ(trial_counters(t).functions_defined, before.functions_defined);
    CHECK_EQ(CALLEE(t, "twice_there", int64_t, void)(), 1);
    uintptr_t addr;
    CHECK_CODE(trial_try_lookup(t, "newcomer", &addr), JD_E_NOT_FOUND);
    CHECK_EQ(addr, 0);
    trial_add(t, "third", "define i64 @newcomer() {\n  ret i64 4\n}\n");
    CHECK_EQ(CALLEE(t, "newcomer", int64_t, void)(), 4);
    CHECK_CODE(trial_try_add(t, "data", "@twice_there = global i64 5\n"), JD_E_DUPLICATE);
    CHECK_EQ(CALLEE(t, "twice_there", int64_t, void)(), 1);
}

/* --- 55 --- */

static void write_private(struct text *ir, char module, int value)
{
    text_add(ir,
             "@hidden_data = internal global i64 %d\n"
             "define internal i64 @foo() {\n"
             "  %%r = load i64, ptr @hidden_data, align 8\n"
             "  ret i64 %%r\n"
             "}\n"
             "define internal i32 @getpid() {\n"
             "  ret i32 -%d\n"
             "}\n"
             "define i64 @user_%c() {\n"
             "  %%a = call i64 @foo()\n"
             "  ret i64 %%a\n"
             "}\n"
             "define i32 @pid_%c() {\n"
             "  %%a = call i32 @getpid()\n"
             "  ret i32 %%a\n"
             "}\n"
             "define private i64 @bar() {\n"
             "  ret i64 %d\n"
             "}\n"
             "define i64 @bar_user_%c() {\n"
             "  %%a = call i64 @bar()\n"
             "  ret i64 %%a\n"
             "}\n",
             value, value, module, module, 10 * value, module);
}

static int64_t host_foo(void)
{
    return 555;
}

static const char declarer_ir[] = "declare i64 @foo()\n"
                                  "define i64 @foo_outside(i64 %x) {\n"
                                  "  %r = call i64 @foo()\n"
                                  "  ret i64 %r\n"
                                  "}\n";

/* Another module's @foo is none of A's: nobody's, or the host's. */
static void check_declarer(struct trial *t, const char *private_ir, bool is_defined)
{
    trial_create(t, NULL);
    trial_add(t, "a", private_ir);
    if (is_defined)
        trial_define(t, "foo", JD_SYMBOL_FUNCTION, (uintptr_t)&host_foo);
    trial_add(t, "declarer", declarer_ir);
    if (!is_defined) {
        trial_check_unresolved(t, "foo_outside", "foo");
    } else {
        CHECK_EQ(CALLEE(t, "foo_outside", int64_t, int64_t)(0), 555);
        CHECK_EQ(CALLEE(t, "user_a", int64_t, void)(), 1);
    }
    trial_destroy(t);
}

void case_internal_symbols_are_private(struct trial *t)
{
    static const char outsider_ir[] = "declare i32 @getpid()\n"
                                      "define i32 @pid_outside() {\n"
                                      "  %r = call i32 @getpid()\n"
                                      "  ret i32 %r\n"
                                      "}\n";
    struct text a = {0}, b = {0};
    uintptr_t addr = 0;
    write_private(&a, 'a', 1);
    write_private(&b, 'b', 2);
    trial_create(t, NULL);
    trial_add(t, "a", a.chars);
    trial_add(t, "outsider", outsider_ir);
    trial_add(t, "b", b.chars);
    CHECK_EQ(CALLEE(t, "user_a", int64_t, void)(), 1);
    CHECK_EQ(CALLEE(t, "user_b", int64_t, void)(), 2);
    CHECK_EQ(CALLEE(t, "pid_a", int, void)(), -1);
    CHECK_EQ(CALLEE(t, "pid_b", int, void)(), -2);
    CHECK_EQ(CALLEE(t, "bar_user_a", int64_t, void)(), 10);
    CHECK_EQ(CALLEE(t, "bar_user_b", int64_t, void)(), 20);
    CHECK_EQ(CALLEE(t, "pid_outside", int, void)(), getpid());
    CHECK_CODE(trial_try_lookup(t, "foo", &addr), JD_E_NOT_FOUND);
    CHECK_CODE(trial_try_lookup(t, "hidden_data", &addr), JD_E_NOT_FOUND);
    trial_destroy(t);

    check_declarer(t, a.chars, false);
    check_declarer(t, a.chars, true);
    text_free(&a);
    text_free(&b);
}

/* --- 56 --- */

static unsigned resolver_count;

static void note_resolver(void)
{
    resolver_count++;
}

static const char alias_ir[] =
    "declare void @note_resolver()\n"
    "@data = global [2 x i64] [i64 1, i64 2]\n"
    "@second = alias i64, getelementptr ([2 x i64], ptr @data, i64 0, i64 1)\n"
    "@alias_of_f = alias i64 (i64), ptr @f\n"
    "@chosen = ifunc i64 (i64), ptr @choose\n"
    "define i64 @f(i64 %x) {\n"
    "  %r = add i64 %x, 100\n"
    "  ret i64 %r\n"
    "}\n"
    "define internal ptr @choose() {\n"
    "  call void @note_resolver()\n"
    "  ret ptr @implementation\n"
    "}\n"
    "define internal i64 @implementation(i64 %x) {\n"
    "  %r = mul i64 %x, 6\n"
    "  ret i64 %r\n"
    "}\n"
    "define i64 @inside(i64 %x) {\n"
    "  %a = call i64 @alias_of_f(i64 %x)\n"
    "  %b = call i64 @chosen(i64 %x)\n"
    "  %r = add i64 %a, %b\n"
    "  ret i64 %r\n"
    "}\n";

static const char alias_user_ir[] = "@second = external global i64\n"
                                    "declare i64 @alias_of_f(i64)\n"
                                    "declare i64 @chosen(i64)\n"
                                    "define i64 @outside(i64 %x) {\n"
                                    "  %a = call i64 @alias_of_f(i64 %x)\n"
                                    "  %b = call i64 @chosen(i64 %x)\n"
                                    "  %c = load i64, ptr @second, align 8\n"
                                    "  %d = add i64 %a, %b\n"
                                    "  %r = add i64 %c, %d\n"
                                    "  ret i64 %r\n"
                                    "}\n"
                                    "define ptr @address_of_alias() {\n"
                                    "  ret ptr @alias_of_f\n"
                                    "}\n"
                                    "define ptr @address_of_chosen() {\n"
                                    "  ret ptr @chosen\n"
                                    "}\n";

static void check_aliases(struct trial *t, const char *const modules[2])
{
    resolver_count = 0;
    trial_create(t, NULL);
    trial_define(t, "note_resolver", JD_SYMBOL_FUNCTION, (uintptr_t)&note_resolver);
    trial_add(t, "first", modules[0]);
    trial_add(t, "second", modules[1]);
    CHECK_EQ(CALLEE(t, "outside", int64_t, int64_t)(10), 110 + 60 + 2);
    CHECK_EQ(CALLEE(t, "inside", int64_t, int64_t)(20), 120 + 120);
    CHECK_EQ(CALLEE(t, "chosen", int64_t, int64_t)(7), 42);
    CHECK_EQ(CALLEE(t, "alias_of_f", int64_t, int64_t)(7), 107);
    CHECK_EQ(CALLEE(t, "address_of_alias", uintptr_t, void)(), trial_lookup(t, "alias_of_f"));
    CHECK_EQ(trial_lookup(t, "alias_of_f"), trial_lookup(t, "f"));
    CHECK_EQ(CALLEE(t, "address_of_chosen", uintptr_t, void)(), trial_lookup(t, "chosen"));
    CHECK_EQ(trial_lookup(t, "second"), trial_lookup(t, "data") + 8);
    CHECK_EQ(resolver_count, 1);
    trial_destroy(t);
}

void case_alias_and_ifunc(struct trial *t)
{
    check_aliases(t, (const char *const[2]){alias_ir, alias_user_ir});
    check_aliases(t, (const char *const[2]){alias_user_ir, alias_ir});
}

/* --- 57 --- */

static int64_t host_external(void)
{
    return 2;
}

void case_available_externally_not_emitted(struct trial *t)
{
    static const char ir[] = "@table = available_externally global i64 1\n"
                             "define available_externally i64 @external() {\n"
                             "  ret i64 1\n"
                             "}\n"
                             "define i64 @call() {\n"
                             "  %r = call i64 @external()\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define i64 @load() {\n"
                             "  %r = load i64, ptr @table, align 8\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define ptr @address() {\n"
                             "  ret ptr @external\n"
                             "}\n";
    static const char alone_ir[] = "define available_externally i64 @external() noinline {\n"
                                   "  ret i64 1\n"
                                   "}\n"
                                   "define i64 @call_alone(i64 %x) {\n"
                                   "  %r = call i64 @external()\n"
                                   "  ret i64 %r\n"
                                   "}\n";
    static const int64_t host_table = 20;
    trial_create(t, NULL);
    trial_define(t, "external", JD_SYMBOL_FUNCTION, (uintptr_t)&host_external);
    trial_define(t, "table", JD_SYMBOL_VARIABLE, (uintptr_t)&host_table);
    trial_add(t, "available", ir);
    CHECK_EQ(CALLEE(t, "call", int64_t, void)(), 2);
    CHECK_EQ(CALLEE(t, "load", int64_t, void)(), 20);
    CHECK_EQ(((int64_t(*)(void))CALLEE(t, "address", uintptr_t, void)())(), 2);
    trial_destroy(t);

    trial_create(t, NULL); /* a definition in a module serves as well */
    trial_add(t, "available", ir);
    trial_add(t, "definition",
              "@table = global i64 30\n"
              "define i64 @external() {\n"
              "  ret i64 3\n"
              "}\n");
    CHECK_EQ(CALLEE(t, "call", int64_t, void)(), 3);
    CHECK_EQ(CALLEE(t, "load", int64_t, void)(), 30);
    CHECK_EQ(CALLEE(t, "address", uintptr_t, void)(), trial_lookup(t, "external"));
    trial_destroy(t);

    trial_create(t, NULL); /* by itself it is none */
    trial_add(t, "alone", alone_ir);
    trial_check_unresolved(t, "call_alone", "external");
}
