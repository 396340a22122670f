/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 61 to 63 and 69 to 72: code that is replaced, removed, counted, too much, and in company.
 */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = true };
#else
enum { IS_SANITIZED = false };
#endif

/* --- 61, 62, 63 --- */

static const char one_ir[] = "define i64 @f() {\n  ret i64 1\n}\n";
static const char two_ir[] = "define i64 @f() {\n  ret i64 2\n}\n";
static const char three_ir[] = "define i64 @f() {\n  ret i64 3\n}\n";
static const char caller_ir[] = "declare i64 @f()\n"
                                "@pointer = global ptr @f\n"
                                "define i64 @call() {\n"
                                "  %r = call i64 @f()\n"
                                "  ret i64 %r\n"
                                "}\n"
                                "define i64 @call_pointer() {\n"
                                "  %p = load ptr, ptr @pointer, align 8\n"
                                "  %r = call i64 %p()\n"
                                "  ret i64 %r\n"
                                "}\n";

static void check_all_ways(struct trial *t, uintptr_t old_addr, int64_t value)
{
    CHECK_EQ(((int64_t(*)(void))old_addr)(), value);
    CHECK_EQ(CALLEE(t, "f", int64_t, void)(), value);
    CHECK_EQ(CALLEE(t, "call", int64_t, void)(), value);
    CHECK_EQ(CALLEE(t, "call_pointer", int64_t, void)(), value);
}

static void recompile(struct trial *t, const char *ir_text)
{
    struct jd_ir ir = trial_ir(t, "again", ir_text);
    CHECK_OK(t->ops->recompile(t->engine, "f", &ir, &t->err));
}

void case_recompile_relink(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "one", one_ir);
    trial_add(t, "caller", caller_ir);
    uintptr_t old_addr = trial_lookup(t, "f");
    check_all_ways(t, old_addr, 1);
    recompile(t, two_ir);
    check_all_ways(t, old_addr, 2);
    CHECK_EQ(trial_lookup(t, "f"), old_addr);
    recompile(t, three_ir);
    recompile(t, one_ir);
    check_all_ways(t, old_addr, 1);
    trial_destroy(t);

    trial_create(t, NULL); /* before the first body was ever compiled */
    trial_add(t, "one", one_ir);
    trial_add(t, "caller", caller_ir);
    recompile(t, two_ir);
    check_all_ways(t, trial_lookup(t, "f"), 2);
}

static int64_t gone(void)
{
    return -62;
}

/* Callers that were bound to the body are not any more: none runs what is left of it. */
static void check_all_gone(struct trial *t, uintptr_t old_addr)
{
    uintptr_t addr;
    t->fault.substitute_addr = (uintptr_t)&gone;
    CHECK_EQ(((int64_t(*)(void))old_addr)(), -62);
    CHECK_EQ(CALLEE(t, "call", int64_t, void)(), -62);
    CHECK_EQ(CALLEE(t, "call_pointer", int64_t, void)(), -62);
    CHECK(!strcmp(t->fault.name, "f"));
    CHECK_EQ(t->fault.error.code, JD_E_UNRESOLVED);
    t->fault.substitute_addr = 0;
    CHECK_CODE(trial_try_lookup(t, "f", &addr), JD_E_NOT_FOUND);
}

void case_redefine_after_remove(struct trial *t)
{
    trial_create(t, NULL);
    jd_module_id one = trial_add(t, "one", one_ir);
    trial_add(t, "caller", caller_ir);
    uintptr_t old_addr = trial_lookup(t, "f");
    check_all_ways(t, old_addr, 1);
    CHECK_OK(t->ops->remove_module(t->engine, one, &t->err));
    check_all_gone(t, old_addr);
    jd_module_id two = trial_add(t, "two", two_ir);
    check_all_ways(t, trial_lookup(t, "f"), 2);
    CHECK_OK(t->ops->remove_module(t->engine, two, &t->err));
    check_all_gone(t, old_addr);
    trial_add(t, "three", three_ir);
    check_all_ways(t, trial_lookup(t, "f"), 3);
}

void case_module_removal_reclaims(struct trial *t)
{
    static const char ir[] = "@table = internal constant [512 x i64] [i64 9, i64 8, i64 7,"
                             " i64 6, i64 5, i64 4, i64 3, i64 2";
    struct text module = {0};
    uintptr_t addr;
    struct jd_counters early = {0}, late = {0};
    text_add(&module, "%s", ir);
    for (int i = 8; i < 512; i++)
        text_add(&module, ", i64 %d", i);
    text_add(&module, "]\n"
                      "@state = global i64 4\n"
                      "define i64 @f(i64 %%i) {\n"
                      "  %%p = getelementptr [512 x i64], ptr @table, i64 0, i64 %%i\n"
                      "  %%v = load i64, ptr %%p, align 8\n"
                      "  %%s = load i64, ptr @state, align 8\n"
                      "  %%r = add i64 %%v, %%s\n"
                      "  store i64 %%r, ptr @state, align 8\n"
                      "  ret i64 %%r\n"
                      "}\n");
    struct jd_ir shared = trial_ir(t, "module", module.chars);
    text_free(&module);
    trial_create(t, NULL);
    for (int round = 0; round < 1000; round++) {
        jd_module_id id;
        CHECK_OK(t->ops->add_module(t->engine, &shared, &id, &t->err));
        CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(1), 12);
        CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(500), 512);
        CHECK_OK(t->ops->remove_module(t->engine, id, &t->err));
        CHECK_CODE(trial_try_lookup(t, "f", &addr), JD_E_NOT_FOUND);
        late = trial_counters(t);
        if (round == 9)
            early = late;
    }
    CHECK_EQ(late.code_bytes, early.code_bytes);
    CHECK_EQ(late.rodata_bytes, early.rodata_bytes);
    CHECK_EQ(late.data_bytes, early.data_bytes);
    CHECK(late.committed_bytes <= early.committed_bytes + 65536);
    CHECK_EQ(late.mappings, early.mappings);
}

/* --- 69 --- */

enum { SMALL_COUNT = 100, STEP_COUNT = 400, TABLE_BYTES = 4096, DATA_BYTES = 8192 };

static void add_small_and_large(struct trial *t)
{
    struct text small = {0}, large = {0};
    for (int i = 0; i < SMALL_COUNT; i++)
        text_add(&small,
                 "define i64 @small%d(i64 %%x) {\n  %%r = add i64 %%x, %d\n  ret i64 %%r\n}\n", i,
                 i);
    text_add(&large, "@table = constant [1024 x i32] [i32 69");
    for (int i = 1; i < 1024; i++)
        text_add(&large, ", i32 %d", 7 * i);
    text_add(&large, "]\n"
                     "@data = global { i64, [8184 x i8] } { i64 96, [8184 x i8] zeroinitializer }\n"
                     "define i64 @large(i64 %%x, i64 %%i) {\n"
                     "  %%p = getelementptr i32, ptr @table, i64 %%i\n"
                     "  %%v = load i32, ptr %%p, align 4\n"
                     "  %%w = zext i32 %%v to i64\n"
                     "  %%d = load i64, ptr @data, align 8\n"
                     "  %%a0 = add i64 %%w, %%d\n");
    for (int i = 0; i < STEP_COUNT; i++) /* two instructions at least for each; none folds */
        text_add(&large,
                 "  %%b%d = xor i64 %%a%d, %%x\n"
                 "  %%a%d = mul i64 %%b%d, %d\n",
                 i, i, i + 1, i, 2 * i + 3);
    text_add(&large, "  ret i64 %%a%d\n}\n", STEP_COUNT);
    trial_add(t, "small", small.chars);
    trial_add(t, "large", large.chars);
    text_free(&small);
    text_free(&large);
}

static int64_t large_expected(int64_t x, int64_t i)
{
    uint64_t a = (uint64_t)(i ? 7 * i : 69) + 96;
    for (uint64_t k = 0; k < STEP_COUNT; k++)
        a = (a ^ (uint64_t)x) * (2 * k + 3);
    return (int64_t)a;
}

/* All mappings, or the executable ones only: a sanitizer's allocator adds others as it likes. */
static unsigned mapping_count(bool is_executable_only)
{
    unsigned count = 0;
    char line[512], permissions[8];
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps)
        return 0;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%*s %7s", permissions) == 1)
            count += !is_executable_only || permissions[2] == 'x';
    fclose(maps);
    return count;
}

static void run_counted(struct trial *t)
{
    trial_create(t, NULL);
    add_small_and_large(t);
    trial_prepare(t);
    for (int i = 0; i < SMALL_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "small%d", i);
        CHECK_EQ(CALLEE(t, name, int64_t, int64_t)(1000), 1000 + i);
    }
    CHECK_EQ(CALLEE(t, "large", int64_t, int64_t, int64_t)(5, 0), large_expected(5, 0));
    CHECK_EQ(CALLEE(t, "large", int64_t, int64_t, int64_t)(6, 1023), large_expected(6, 1023));
}

void case_arena_counts(struct trial *t)
{
    run_counted(t);
    struct jd_counters counters = trial_counters(t);
    CHECK_EQ(counters.modules_added, 2);
    CHECK_EQ(counters.modules_compiled, 2);
    CHECK_EQ(counters.functions_defined, SMALL_COUNT + 1);
    CHECK_EQ(counters.functions_compiled, SMALL_COUNT + 1);
    /* No body is below 4 bytes and no instruction below 3; 64 for each is far too much. */
    CHECK(counters.code_bytes >= 4 * SMALL_COUNT + 3 * 2 * STEP_COUNT);
    CHECK(counters.code_bytes < 64 * (SMALL_COUNT + 2 * STEP_COUNT));
    CHECK(counters.rodata_bytes >= TABLE_BYTES && counters.rodata_bytes < 4 * TABLE_BYTES);
    CHECK(counters.data_bytes >= DATA_BYTES && counters.data_bytes < 4 * DATA_BYTES);
    uint64_t sum = counters.code_bytes + counters.rodata_bytes + counters.data_bytes +
                   counters.stub_bytes + counters.got_bytes;
    CHECK(counters.committed_bytes >= sum);
    CHECK(counters.reserved_bytes >= counters.committed_bytes);
    CHECK(counters.mappings > 0);
    trial_destroy(t);

    run_counted(t); /* what the first engines left behind in LLVM and malloc is there by now */
    trial_destroy(t);
    unsigned before = mapping_count(IS_SANITIZED), before_executable = mapping_count(true);
    for (int i = 0; i < 4; i++) {
        run_counted(t);
        trial_destroy(t);
    }
    CHECK(mapping_count(IS_SANITIZED) <= before + 3); /* malloc may keep some */
    CHECK_EQ(mapping_count(true), before_executable);
}

/* --- 70 --- */

enum { ARENA_LIMIT_BYTES = 1024 * 1024, FILLER_COUNT = 64 };

/* Each filler needs 64 KiB of data. */
static void write_filler(struct text *ir, int number)
{
    text_add(ir,
             "@data%d = global { i64, [65528 x i8] } { i64 %d, [65528 x i8] zeroinitializer }\n"
             "define i64 @filler%d() {\n"
             "  %%r = load i64, ptr @data%d, align 8\n"
             "  ret i64 %%r\n"
             "}\n",
             number, number + 1, number, number);
}

static int64_t full(void)
{
    return -70;
}

/* Adds, compiles and calls one filler; the error that ended it, or JD_OK. */
static int fill_once(struct trial *t, int number, int64_t (**out_function)(void))
{
    char name[32];
    struct text ir = {0};
    uintptr_t addr = 0;
    write_filler(&ir, number);
    int code = trial_try_add(t, "filler", ir.chars);
    text_free(&ir);
    snprintf(name, sizeof name, "filler%d", number);
    if (!code)
        code = t->ops->prepare(t->engine, &t->err);
    if (!code)
        code = t->ops->lookup(t->engine, name, &addr, &t->err);
    if (code)
        return code;
    *out_function = (int64_t(*)(void))addr;
    int64_t value = (*out_function)();
    if (t->fault.count) {
        CHECK_EQ(value, -70);
        t->err = t->fault.error;
        return t->fault.error.code;
    }
    CHECK_EQ(value, number + 1);
    return JD_OK;
}

void case_arena_exhausted(struct trial *t)
{
    int64_t (*fillers[FILLER_COUNT])(void);
    struct jd_engine_options options = trial_options(t);
    options.arena_limit_bytes = ARENA_LIMIT_BYTES;
    trial_create(t, &options);
    t->fault.substitute_addr = (uintptr_t)&full;
    t->fault.count = 0;
    int count = 0, code = JD_OK;
    while (count < FILLER_COUNT && !code) {
        code = fill_once(t, count, &fillers[count]);
        count += !code;
    }
    CHECK_EQ(code, JD_E_ARENA_FULL);
    CHECK_EQ(t->err.code, JD_E_ARENA_FULL);
    CHECK_EQ(t->err.kind, JD_KIND_ENVIRONMENT);
    CHECK(count >= 2 && count < ARENA_LIMIT_BYTES / 65536);
    CHECK(trial_counters(t).committed_bytes <= ARENA_LIMIT_BYTES);
    for (int i = 0; i < count; i++)
        CHECK_EQ(fillers[i](), i + 1);
    t->fault.substitute_addr = 0;
}

/* --- 71 --- */

void case_two_engines_isolated(struct trial *t)
{
    static const char *const irs[] = {"@v = global i64 10\n"
                                      "define i64 @f() {\n"
                                      "  %a = call i64 @g()\n"
                                      "  %b = load i64, ptr @v, align 8\n"
                                      "  %c = add i64 %b, 1\n"
                                      "  store i64 %c, ptr @v, align 8\n"
                                      "  %r = add i64 %a, %b\n"
                                      "  ret i64 %r\n"
                                      "}\n"
                                      "define i64 @g() {\n  ret i64 100\n}\n",
                                      "@v = global i64 20\n"
                                      "define i64 @f() {\n"
                                      "  %a = call i64 @g()\n"
                                      "  %b = load i64, ptr @v, align 8\n"
                                      "  %r = sub i64 %a, %b\n"
                                      "  ret i64 %r\n"
                                      "}\n"
                                      "define i64 @g() {\n  ret i64 200\n}\n"};
    struct jd_engine *engines[2];
    int64_t (*f[2])(void);
    for (int i = 0; i < 2; i++) {
        trial_create(t, NULL);
        engines[i] = t->engine;
        trial_add(t, "same", irs[i]);
    }
    for (int i = 0; i < 2; i++) {
        t->engine = engines[i];
        f[i] = CALLEE(t, "f", int64_t, void);
    }
    CHECK(f[0] != f[1]);
    for (int64_t round = 0; round < 5; round++) {
        CHECK_EQ(f[0](), 110 + round);
        CHECK_EQ(f[1](), 180);
    }
    for (int i = 0; i < 2; i++) {
        t->engine = engines[i];
        CHECK_EQ(CALLEE(t, "g", int64_t, void)(), 100 * (i + 1));
        CHECK_EQ(trial_counters(t).functions_compiled, 2);
        CHECK_EQ(trial_counters(t).modules_added, 1);
    }
    t->engine = engines[0];
    trial_destroy(t);
    CHECK_EQ(f[1](), 180);
    t->engine = engines[1];
}

/* --- 72 --- */

/* An emulator is slow: there a part of them, which may take the same part of the limit. */
enum { MODULE_COUNT = CONFORMANCE_IS_EMULATED ? 2000 : 40000, OF_LIMIT = 40000 / MODULE_COUNT };

static uint64_t mapping_limit(void)
{
    unsigned long long limit = 65530; /* Linux's default: Documentation/admin-guide/sysctl/vm.rst */
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    if (file && fscanf(file, "%llu", &limit) != 1)
        limit = 65530;
    if (file)
        fclose(file);
    return limit;
}

void case_many_modules(struct trial *t)
{
    trial_create(t, NULL);
    int added = 0, code = JD_OK;
    for (; added < MODULE_COUNT && !code; added++) {
        struct text ir = {0};
        text_add(&ir, "define i64 @f%d() {\n  ret i64 %d\n}\n", added, added);
        code = trial_try_add(t, "one function", ir.chars);
        text_free(&ir);
    }
    if (!code)
        code = t->ops->prepare(t->engine, &t->err);
    if (code) {
        CHECK_EQ(jd_code_kind(code), JD_KIND_ENVIRONMENT);
        return;
    }
    for (int i = 0; i < MODULE_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%d", i);
        CHECK_EQ(CALLEE(t, name, int64_t, void)(), i);
    }
    CHECK_EQ(trial_counters(t).functions_compiled, MODULE_COUNT);
    CHECK(trial_counters(t).mappings < mapping_limit() / OF_LIMIT / 4);
    CHECK(mapping_count(false) < mapping_limit() / OF_LIMIT / 2);
}
