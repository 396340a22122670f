/* SPDX-License-Identifier: Apache-2.0
 *
 * Granularity block on functions that are hard to cut: each runs with block and with function
 * granularity, on all paths, and must say the same.
 */
#include <stdio.h>
#include <stdlib.h>

#include "expect.h"
#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_legacy_ops;

static struct jd_error err;
static char text[1 << 16], filler[1 << 14];

/* A cold region's body: long enough to be worth a unit of its own. Continues from %<name>.0. */
static const char *work(const char *name, const char *type, const char *start, int length)
{
    char *end = filler;
    end += sprintf(end, "  %%%s.0 = add %s %s, 1\n", name, type, start);
    for (int i = 1; i < length; i++)
        end += sprintf(end, "  %%%s.%d = %s %s %%%s.%d, %d\n", name, i, i % 3 ? "add" : "mul", type,
                       name, i - 1, i * 2 + 1);
    return filler;
}

struct outcome {
    int64_t results[3];
    uint64_t compiled;
};

static struct outcome run(enum jd_granularity granularity, unsigned level)
{
    static const int64_t arguments[] = {1, 0, 1};
    struct jd_engine_options options = {.struct_size = sizeof options,
                                        .granularity = granularity,
                                        .opt_level = level,
                                        .wants_verify = true};
    struct jd_counters counters = {.struct_size = sizeof counters};
    struct jd_ir ir = {text, strlen(text), "corner"};
    struct outcome out = {{0}, 0};
    struct jd_engine *engine;
    uintptr_t addr;
    expect_ok(jd_legacy_ops.create(&options, &engine, &err), &err);
    expect_ok(engine->ops->add_module(engine, &ir, NULL, &err), &err);
    expect_ok(engine->ops->lookup(engine, "f", &addr, &err), &err);
    for (int i = 0; i < 3; i++)
        out.results[i] = ((int64_t(*)(int64_t))addr)(arguments[i]);
    expect_ok(engine->ops->counters(engine, &counters, &err), &err);
    out.compiled = counters.functions_compiled;
    engine->ops->destroy(engine);
    return out;
}

/* The text is set. `wants_cut`: some of it must have left as a unit. */
static void same_either_way(bool wants_cut)
{
    for (unsigned level = 0; level <= 2; level += 2) {
        struct outcome whole = run(JD_GRAN_FUNCTION, level), cut = run(JD_GRAN_BLOCK, level);
        for (int i = 0; i < 3; i++)
            assert_int_equal(whole.results[i], cut.results[i]);
        assert_int_equal(cut.results[0], cut.results[2]);
        if (wants_cut)
            assert_true(cut.compiled > whole.compiled);
    }
}

#define HEAD                                                                                       \
    "declare ptr @llvm.stacksave.p0()\n"                                                           \
    "declare void @llvm.va_start.p0(ptr)\ndeclare void @llvm.va_end.p0(ptr)\n"                     \
    "declare i32 @_setjmp(ptr) returns_twice\ndeclare void @longjmp(ptr, i32) noreturn\n"          \
    "declare ptr @llvm.frameaddress.p0(i32)\ndeclare ptr @llvm.returnaddress(i32)\n"

static void wide_values_live_across(void **state)
{
    static const char *const types[] = {"i128", "<4 x i32>", "x86_fp80", "<8 x float>", "i17"};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *t = types[i];
        bool is_float = strstr(t, "fp80") || strstr(t, "float");
#if !defined(__x86_64__)
        if (strstr(t, "fp80"))
            continue;
#endif
        char keep[256];
        snprintf(keep, sizeof keep, "  store %s %%v, ptr %%p\n  %%h.b = load i64, ptr %%p\n", t);
        snprintf(text, sizeof text,
                 "define %s @make(i64 %%x) noinline {\n  %%p = alloca %s, align 32\n"
                 "  store %s %s, ptr %%p\n  store i32 77, ptr %%p\n"
                 "  %%v = load %s, ptr %%p\n  ret %s %%v\n}\n"
                 "define i64 @f(i64 %%x) {\n  %%p = alloca [64 x i8], align 32\n"
                 "  store [64 x i8] zeroinitializer, ptr %%p\n"
                 "  %%v0 = call %s @make(i64 %%x)\n"
                 "  %%c = icmp eq i64 %%x, 0\n  br i1 %%c, label %%cold, label %%hot, !prof !0\n"
                 "cold:\n%s"
                 "  %%w = %s %s %%v0, %%v0\n  store %s %%w, ptr %%p\n  br label %%hot\n"
                 "hot:\n  %%v = phi %s [ %%v0, %%0 ], [ %%w, %%cold ]\n"
                 "  %%k = phi i64 [ 3, %%0 ], [ %%n.39, %%cold ]\n%s"
                 "  %%r = add i64 %%h.b, %%k\n  ret i64 %%r\n}\n"
                 "!0 = !{!\"branch_weights\", i32 1, i32 100000}\n",
                 t, t, t, is_float && t[0] == 'x' ? "0xK3FFF8000000000000000" : "zeroinitializer",
                 t, t, t, work("n", "i64", "%x", 40), is_float ? "fadd" : "add", t, t, t, keep);
        same_either_way(true);
    }
}

#if defined(__x86_64__) /* LLVM knows the instruction va_arg there, and on AArch64 not for Linux   \
                         */
static void variable_arguments_in_the_cold_part(void **state)
{
    (void)state;
    snprintf(text, sizeof text,
             HEAD "define i64 @g(i64 %%x, ...) {\n  %%l = alloca [4 x i64], align 16\n"
                  "  call void @llvm.va_start.p0(ptr %%l)\n"
                  "  %%c = icmp eq i64 %%x, 0\n  br i1 %%c, label %%cold, label %%hot, !prof !0\n"
                  "cold:\n%s  %%a = va_arg ptr %%l, i64\n  %%b = va_arg ptr %%l, i64\n"
                  "  %%s = add i64 %%a, %%b\n  %%t = add i64 %%s, %%n.39\n  br label %%hot\n"
                  "hot:\n  %%r = phi i64 [ 5, %%0 ], [ %%t, %%cold ]\n"
                  "  call void @llvm.va_end.p0(ptr %%l)\n  ret i64 %%r\n}\n"
                  "define i64 @f(i64 %%x) {\n"
                  "  %%r = call i64 (i64, ...) @g(i64 %%x, i64 10, i64 20)\n  ret i64 %%r\n}\n"
                  "!0 = !{!\"branch_weights\", i32 1, i32 100000}\n",
             work("n", "i64", "%x", 40));
    same_either_way(true);
}

#endif

static void setjmp_stays_whole(void **state)
{
    (void)state;
    snprintf(text, sizeof text,
             HEAD "@buf = global [64 x i64] zeroinitializer\n"
                  "define i64 @f(i64 %%x) {\n  %%p = alloca i64\n  store volatile i64 4, ptr %%p\n"
                  "  %%j = call i32 @_setjmp(ptr @buf) returns_twice\n"
                  "  %%again = icmp ne i32 %%j, 0\n  br i1 %%again, label %%back, label %%first\n"
                  "first:\n  %%c = icmp eq i64 %%x, 0\n"
                  "  br i1 %%c, label %%cold, label %%hot, !prof !0\n"
                  "cold:\n%s  store volatile i64 %%n.39, ptr %%p\n"
                  "  call void @longjmp(ptr @buf, i32 9)\n  unreachable\n"
                  "hot:\n  ret i64 1\n"
                  "back:\n  %%v = load volatile i64, ptr %%p\n  ret i64 %%v\n}\n"
                  "!0 = !{!\"branch_weights\", i32 1, i32 100000}\n",
             work("n", "i64", "%x", 40));
    same_either_way(false);
}

static void dynamic_allocas_on_both_sides(void **state)
{
    (void)state;
    snprintf(text, sizeof text,
             HEAD "define i64 @f(i64 %%x) {\n  %%m = add i64 %%x, 8\n"
                  "  %%d = alloca i64, i64 %%m\n  store i64 31, ptr %%d\n"
                  "  %%c = icmp eq i64 %%x, 0\n  br i1 %%c, label %%cold, label %%hot, !prof !0\n"
                  "cold:\n%s  %%e = alloca i64, i64 %%m\n  store i64 %%n.39, ptr %%e\n"
                  "  %%o = load i64, ptr %%d\n  %%q = load i64, ptr %%e\n"
                  "  %%t = add i64 %%o, %%q\n  br label %%hot\n"
                  "hot:\n  %%r = phi i64 [ 5, %%0 ], [ %%t, %%cold ]\n"
                  "  %%u = load i64, ptr %%d\n  %%s = add i64 %%r, %%u\n  ret i64 %%s\n}\n"
                  "!0 = !{!\"branch_weights\", i32 1, i32 100000}\n",
             work("n", "i64", "%x", 40));
    same_either_way(false);
}

static void labels_and_asm_goto(void **state)
{
    (void)state;
    snprintf(text, sizeof text,
             HEAD
             "define i64 @f(i64 %%x) {\n"
             "  %%c = icmp eq i64 %%x, 0\n"
             "  %%to = select i1 %%c, ptr blockaddress(@f, %%cold), ptr blockaddress(@f, %%hot)\n"
             "  indirectbr ptr %%to, [label %%cold, label %%hot]\n"
             "cold:\n%s"
             "  callbr void asm sideeffect \"\", \"!i\"() to label %%plain [label %%hot]\n"
             "plain:\n  ret i64 %%n.39\n"
             "hot:\n  ret i64 2\n}\n",
             work("n", "i64", "%x", 40));
    same_either_way(false);
}

static void musttail_sret_and_byval(void **state)
{
    (void)state;
    snprintf(
        text, sizeof text,
        HEAD
        "%%big = type { [5 x i64] }\n"
        "define void @fill(ptr sret(%%big) %%o, ptr byval(%%big) align 16 %%b, i64 %%x) {\n"
        "  %%c = icmp eq i64 %%x, 0\n  br i1 %%c, label %%cold, label %%hot, !prof !0\n"
        "cold:\n%s  %%v = load i64, ptr %%b\n  %%w = add i64 %%v, %%n.39\n"
        "  store i64 %%w, ptr %%o\n  br label %%hot\n"
        "hot:\n  %%q = getelementptr i64, ptr %%o, i64 1\n  store i64 6, ptr %%q\n  ret void\n}\n"
        "define i64 @last(i64 %%x) {\n"
        "  %%c = icmp eq i64 %%x, 0\n  br i1 %%c, label %%cold, label %%hot\n"
        "cold:\n  %%y = musttail call i64 @end(i64 %%x)\n  ret i64 %%y\n"
        "hot:\n  ret i64 12\n}\n"
        "define i64 @end(i64 %%x) {\n  ret i64 13\n}\n"
        "define i64 @f(i64 %%x) {\n  %%b = alloca %%big, align 16\n  %%o = alloca %%big\n"
        "  store i64 50, ptr %%b\n  store i64 70, ptr %%o\n"
        "  call void @fill(ptr sret(%%big) %%o, ptr byval(%%big) align 16 %%b, i64 %%x)\n"
        "  %%r = load i64, ptr %%o\n  %%l = call i64 @last(i64 %%x)\n"
        "  %%s = add i64 %%r, %%l\n  ret i64 %%s\n}\n"
        "!0 = !{!\"branch_weights\", i32 1, i32 100000}\n",
        work("n", "i64", "%x", 40));
    same_either_way(true);
}

static void frame_is_looked_at(void **state)
{
    (void)state;
    snprintf(text, sizeof text,
             HEAD "define i64 @f(i64 %%x) {\n  %%a = call ptr @llvm.frameaddress.p0(i32 0)\n"
                  "  %%s = call ptr @llvm.returnaddress(i32 0)\n"
                  "  %%c = icmp eq i64 %%x, 0\n  br i1 %%c, label %%cold, label %%hot, !prof !0\n"
                  "cold:\n%s  %%b = call ptr @llvm.frameaddress.p0(i32 0)\n"
                  "  %%t = call ptr @llvm.returnaddress(i32 0)\n"
                  "  %%same = icmp eq ptr %%a, %%b\n  %%also = icmp eq ptr %%s, %%t\n"
                  "  %%i = select i1 %%same, i64 %%n.39, i64 0\n"
                  "  %%j = select i1 %%also, i64 %%i, i64 1\n  br label %%hot\n"
                  "hot:\n  %%r = phi i64 [ 5, %%0 ], [ %%j, %%cold ]\n  ret i64 %%r\n}\n"
                  "!0 = !{!\"branch_weights\", i32 1, i32 100000}\n",
             work("n", "i64", "%x", 40));
    same_either_way(false);
}

/* 10,000 instructions in branches that are not taken. */
static void long_function_compiles_its_hot_path(void **state)
{
    static char all[1 << 20];
    char name[16];
    char *end = all;
    uint64_t bytes[2];
    (void)state;
    end += sprintf(end, "@kept = global i64 0\ndefine i64 @f(i64 %%x) {\n  br label %%b0\n");
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        end += sprintf(end,
                       "b%d:\n  %%c%d = icmp eq i64 %%x, %d\n"
                       "  br i1 %%c%d, label %%cold%d, label %%b%d, !prof !0\ncold%d:\n%s"
                       "  store volatile i64 %%%s.99, ptr @kept\n  br label %%b%d\n",
                       i, i, i + 100, i, i, i + 1, i, work(name, "i64", "%x", 100), name, i + 1);
    }
    sprintf(end, "b100:\n  ret i64 %%x\n}\n!0 = !{!\"branch_weights\", i32 1, i32 100000}\n");
    for (int g = 0; g < 2; g++) {
        struct jd_engine_options options = {.struct_size = sizeof options,
                                            .granularity = g ? JD_GRAN_BLOCK : JD_GRAN_FUNCTION};
        struct jd_counters counters = {.struct_size = sizeof counters};
        struct jd_ir ir = {all, strlen(all), "long"};
        struct jd_engine *engine;
        uintptr_t addr;
        expect_ok(jd_legacy_ops.create(&options, &engine, &err), &err);
        expect_ok(engine->ops->add_module(engine, &ir, NULL, &err), &err);
        expect_ok(engine->ops->lookup(engine, "f", &addr, &err), &err);
        assert_int_equal(((int64_t(*)(int64_t))addr)(7), 7);
        expect_ok(engine->ops->counters(engine, &counters, &err), &err);
        bytes[g] = counters.code_bytes;
        assert_int_equal(((int64_t(*)(int64_t))addr)(150), 150);
        engine->ops->destroy(engine);
    }
    print_message("code: %llu bytes whole, %llu cut\n", (unsigned long long)bytes[0],
                  (unsigned long long)bytes[1]);
    assert_true(bytes[1] < bytes[0] / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_values_live_across),
#if defined(__x86_64__)
        cmocka_unit_test(variable_arguments_in_the_cold_part),
#endif
        cmocka_unit_test(setjmp_stays_whole),
        cmocka_unit_test(dynamic_allocas_on_both_sides),
        cmocka_unit_test(labels_and_asm_goto),
        cmocka_unit_test(musttail_sret_and_byval),
        cmocka_unit_test(frame_is_looked_at),
        cmocka_unit_test(long_function_compiles_its_hot_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
