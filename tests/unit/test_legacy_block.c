/* SPDX-License-Identifier: Apache-2.0
 *
 * Granularity block of the legacy engine: the same results as granularity function on random
 * control flow, less code, and pieces that survive failures, freeing and compiling again. Expected
 * values come from granularity function or from the IR's arithmetic.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "emulated.h"
#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_legacy_ops;

typedef int64_t (*entry_fn)(int64_t argument);

struct text {
    char *bytes;
    size_t size, capacity;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    if (text->capacity - text->size < 512) {
        text->capacity = text->capacity * 2 + 4096;
        text->bytes = realloc(text->bytes, text->capacity);
        assert_non_null(text->bytes);
    }
    va_start(arguments, format);
    text->size += (size_t)vsnprintf(text->bytes + text->size, 512, format, arguments);
    va_end(arguments);
}

static struct jd_engine *new_engine(enum jd_granularity granularity, unsigned level,
                                    jd_error_handler_fn on_error)
{
    struct jd_engine_options options = {.struct_size = sizeof options,
                                        .granularity = granularity,
                                        .opt_level = level,
                                        .wants_verify = true,
                                        .on_error = on_error};
    struct jd_engine *engine;
    struct jd_error err = JD_ERROR_INIT;
    assert_int_equal(jd_legacy_ops.create(&options, &engine, &err), JD_OK);
    return engine;
}

static struct jd_engine *load(enum jd_granularity granularity, unsigned level, const char *ir,
                              jd_error_handler_fn on_error)
{
    struct jd_engine *engine = new_engine(granularity, level, on_error);
    struct jd_error err = JD_ERROR_INIT;
    const struct jd_ir module = {ir, strlen(ir), "block"};
    if (engine->ops->add_module(engine, &module, NULL, &err))
        fail_msg("%s: %s", err.where, err.text);
    return engine;
}

static entry_fn find(struct jd_engine *engine, const char *name)
{
    uintptr_t addr;
    struct jd_error err = JD_ERROR_INIT;
    assert_int_equal(engine->ops->lookup(engine, name, &addr, &err), JD_OK);
    return (entry_fn)addr;
}

static struct jd_counters count(struct jd_engine *engine)
{
    struct jd_counters counters = {.struct_size = sizeof counters};
    struct jd_error err = JD_ERROR_INIT;
    assert_int_equal(engine->ops->counters(engine, &counters, &err), JD_OK);
    return counters;
}

/* ---- random control flow ---- */

enum { LOCALS = 6, STEPS = 200 };

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

/* Mostly forwards and near, so that blocks dominate each other; sometimes back or anywhere. */
static unsigned target(uint64_t *seed, unsigned block, unsigned count_of_blocks)
{
    unsigned step = (unsigned)(next(seed) % 4) + 1;
    if (next(seed) % 12 == 0)
        return (unsigned)(next(seed) % count_of_blocks);
    if (next(seed) % 12 == 0)
        return block > step ? block - step : 0;
    return block + step < count_of_blocks ? block + step : count_of_blocks - 1;
}

static void add_body(struct text *text, uint64_t *seed, unsigned block)
{
    static const char *const operations[] = {"add", "sub", "mul", "xor", "and", "or"};
    unsigned length = (unsigned)(next(seed) % 30) + 1;
    unsigned last = (unsigned)(next(seed) % LOCALS);
    add(text, "  %%v%u.0 = load i64, ptr %%l%u\n", block, last);
    for (unsigned i = 1; i <= length; i++) {
        add(text, "  %%w%u.%u = load i64, ptr %%l%u\n", block, i, (unsigned)(next(seed) % LOCALS));
        add(text, "  %%v%u.%u = %s i64 %%v%u.%u, %%w%u.%u\n", block, i, operations[next(seed) % 6],
            block, i - 1, block, i);
        if (next(seed) % 4 == 0)
            add(text, "  store i64 %%v%u.%u, ptr %%l%u\n", block, i,
                (unsigned)(next(seed) % LOCALS));
        if (next(seed) % 25 == 0) {
            add(text, "  %%c%u.%u = call i64 @callee(i64 %%v%u.%u)\n", block, i, block, i);
            add(text, "  store i64 %%c%u.%u, ptr %%l0\n", block, i);
        }
    }
    add(text, "  %%last%u = add i64 %%v%u.%u, %u\n", block, block, length,
        (unsigned)(next(seed) % 100));
    add(text, "  store i64 %%last%u, ptr %%l%u\n", block, (unsigned)(next(seed) % LOCALS));
}

/* Each block burns a unit of fuel and goes to the exit when none is left. */
static void add_block(struct text *text, uint64_t *seed, unsigned block, unsigned blocks)
{
    add(text, "b%u:\n  %%fuel%u = load i64, ptr %%fuel\n", block, block);
    add(text, "  %%left%u = sub i64 %%fuel%u, 1\n  store i64 %%left%u, ptr %%fuel\n", block, block,
        block);
    add(text, "  %%is_out%u = icmp sle i64 %%left%u, 0\n", block, block);
    add(text, "  br i1 %%is_out%u, label %%exit, label %%go%u\ngo%u:\n", block, block, block);
    add_body(text, seed, block);
    unsigned a = target(seed, block, blocks), b = target(seed, block, blocks);
    if (next(seed) % 6 == 0) {
        add(text, "  %%s%u = and i64 %%last%u, 7\n", block, block);
        add(text, "  switch i64 %%s%u, label %%b%u [ i64 1, label %%b%u i64 2, label %%b%u ]\n",
            block, a, b, target(seed, block, blocks));
    } else {
        add(text, "  %%k%u = icmp %s i64 %%last%u, %u\n", block, next(seed) % 2 ? "slt" : "ugt",
            block, (unsigned)(next(seed) % 1000));
        add(text, "  br i1 %%k%u, label %%b%u, label %%b%u%s\n", block, a, b,
            next(seed) % 5 == 0 ? ", !prof !0" : "");
    }
}

static void add_random(struct text *text, uint64_t seed, unsigned index)
{
    unsigned blocks = (unsigned)(next(&seed) % 40) + 3;
    add(text, "define i64 @f%u(i64 %%n) {\nentry:\n  %%fuel = alloca i64\n", index);
    for (unsigned i = 0; i < LOCALS; i++)
        add(text, "  %%l%u = alloca i64\n", i);
    for (unsigned i = 0; i < LOCALS; i++)
        add(text, "  store i64 %s, ptr %%l%u\n", i % 2 ? "%n" : "77", i);
    add(text, "  store i64 %d, ptr %%fuel\n  br label %%b0\n", STEPS);
    for (unsigned i = 0; i < blocks; i++)
        add_block(text, &seed, i, blocks);
    add(text, "exit:\n  %%r0 = load i64, ptr %%l0\n");
    for (unsigned i = 1; i < LOCALS; i++)
        add(text,
            "  %%x%u = load i64, ptr %%l%u\n  %%y%u = mul i64 %%r%u, 31\n"
            "  %%r%u = add i64 %%y%u, %%x%u\n",
            i, i, i, i - 1, i, i, i);
    add(text, "  ret i64 %%r%u\n}\n", LOCALS - 1);
}

/* The module's text after a pass pipeline; with mem2reg values cross blocks in phis. */
static char *run_passes(const char *ir, const char *passes)
{
    LLVMContextRef context = LLVMContextCreate();
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(ir, strlen(ir), "random");
    LLVMModuleRef module;
    char *message = NULL;
    if (LLVMParseIRInContext(context, buffer, &module, &message))
        fail_msg("%s", message);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module, passes, NULL, options);
    assert_null(error);
    LLVMDisposePassBuilderOptions(options);
    char *text = LLVMPrintModuleToString(module);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    return text;
}

static void compare(const char *ir, unsigned functions, unsigned level)
{
    struct jd_engine *whole = load(JD_GRAN_FUNCTION, level, ir, NULL);
    struct jd_engine *split = load(JD_GRAN_BLOCK, level, ir, NULL);
    for (unsigned i = 0; i < functions; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        entry_fn expected = find(whole, name), actual = find(split, name);
        for (int64_t n = -3; n < 12; n++)
            assert_int_equal(actual(n * n * n * 17), expected(n * n * n * 17));
    }
    assert_true(count(split).functions_compiled > functions * 3 / 2);
    assert_int_equal(count(split).functions_defined, count(whole).functions_defined);
    jd_legacy_ops.destroy(split);
    jd_legacy_ops.destroy(whole);
}

static void test_random_control_flow(void **state)
{
    const unsigned functions = is_emulated() ? 30 : 120; /* compiled five times over */
    struct text text = {0};
    (void)state;
    add(&text, "define i64 @callee(i64 %%x) {\n  %%y = mul i64 %%x, 3\n  ret i64 %%y\n}\n");
    for (unsigned i = 0; i < functions; i++)
        add_random(&text, 0x9E3779B97F4A7C15u + i * 0x1234567u, i);
    add(&text, "!0 = !{!\"branch_weights\", i32 1, i32 5000}\n");
    char *promoted = run_passes(text.bytes, "mem2reg");
    compare(text.bytes, functions, 0);
    compare(promoted, functions, 0);
    compare(promoted, functions, 2);
    LLVMDisposeMessage(promoted);
    free(text.bytes);
}

/* ---- a big function ---- */

/* 40 arms of 250 instructions behind a switch; each call takes one. They begin with a value that no
 * compiler knows, and no two do the same: what arms share, code generation may join into one. */
static char *big_function(void)
{
    static const char *const operations[] = {"mul", "add", "xor"};
    struct text text = {0};
    add(&text, "@seed = global i64 7\ndefine i64 @big(i64 %%n) {\nentry:\n"
               "  %%seed = load volatile i64, ptr @seed\n"
               "  switch i64 %%n, label %%arm0 [\n");
    for (int arm = 1; arm < 40; arm++)
        add(&text, "    i64 %d, label %%arm%d\n", arm, arm);
    add(&text, "  ]\n");
    for (int arm = 0; arm < 40; arm++) {
        add(&text, "arm%d:\n  %%v%d.0 = add i64 %%seed, %d\n", arm, arm, arm);
        for (int i = 1; i < 250; i++)
            add(&text, "  %%v%d.%d = %s i64 %%v%d.%d, %d\n", arm, i,
                operations[(i + (arm >> i % 6)) % 3], arm, i - 1, (i * 37 + arm * 11) | 1);
        add(&text, "  br label %%join\n");
    }
    add(&text, "join:\n  %%r = phi i64 ");
    for (int arm = 0; arm < 40; arm++)
        add(&text, "%s[ %%v%d.249, %%arm%d ]", arm ? ", " : "", arm, arm);
    add(&text, "\n  ret i64 %%r\n}\n");
    return text.bytes;
}

static void test_one_path_of_a_big_function(void **state)
{
    char *ir = big_function();
    (void)state;
    for (unsigned level = 0; level <= 2; level += 2) {
        struct jd_engine *whole = load(JD_GRAN_FUNCTION, level, ir, NULL);
        struct jd_engine *split = load(JD_GRAN_BLOCK, level, ir, NULL);
        entry_fn expected = find(whole, "big"), actual = find(split, "big");
        assert_int_equal(actual(17), expected(17));
        struct jd_counters all = count(whole), one = count(split);
        print_message("level %u: %" PRIu64 " bytes of code, whole %" PRIu64 "\n", level,
                      one.code_bytes, all.code_bytes);
        assert_true(one.code_bytes * 3 < all.code_bytes);
        for (int64_t n = -1; n < 41; n++)
            assert_int_equal(actual(n), expected(n));
        jd_legacy_ops.destroy(split);
        jd_legacy_ops.destroy(whole);
    }
    free(ir);
}

/* ---- failures, freeing ---- */

/* Two regions, the one within the other, cold by profile; the inner one needs @missing. */
static const char nested_ir[] = "@missing = external global i64\n"
                                "define i64 @nested(i64 %n) {\n"
                                "entry:\n"
                                "  %is_outer = icmp sgt i64 %n, 10\n"
                                "  br i1 %is_outer, label %outer, label %join, !prof !0\n"
                                "outer:\n"
                                "  %a = mul i64 %n, 3\n"
                                "  %b = add i64 %a, 5\n"
                                "  %is_inner = icmp sgt i64 %n, 20\n"
                                "  br i1 %is_inner, label %inner, label %back, !prof !0\n"
                                "inner:\n"
                                "  %m = load i64, ptr @missing\n"
                                "  %c = mul i64 %b, %m\n"
                                "  %d = add i64 %c, %a\n"
                                "  %e = xor i64 %d, 1\n"
                                "  br label %back\n"
                                "back:\n"
                                "  %f = phi i64 [ %b, %outer ], [ %e, %inner ]\n"
                                "  %g = add i64 %f, 1\n"
                                "  br label %join\n"
                                "join:\n"
                                "  %r = phi i64 [ %n, %entry ], [ %g, %back ]\n"
                                "  ret i64 %r\n"
                                "}\n"
                                "!0 = !{!\"branch_weights\", i32 1, i32 1000000}\n";

static int64_t nested(int64_t n, int64_t missing)
{
    int64_t a = n * 3, b = a + 5;
    return n <= 10 ? n : n <= 20 ? b + 1 : ((b * missing + a) ^ 1) + 1;
}

static unsigned faults;

static int64_t substitute(void)
{
    return 0;
}

static uintptr_t on_error(void *context, const char *name, const struct jd_error *err)
{
    (void)context;
    assert_non_null(strstr(name, "nested.cold"));
    assert_string_equal(err->where, "missing");
    faults++;
    return (uintptr_t)substitute;
}

static void test_piece_that_failed_is_tried_again(void **state)
{
    static int64_t missing = 7;
    struct jd_engine *engine = load(JD_GRAN_BLOCK, 0, nested_ir, on_error);
    entry_fn f = find(engine, "nested");
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    assert_int_equal(f(4), 4);
    assert_int_equal(count(engine).functions_compiled, 1);
    assert_int_equal(f(12), nested(12, 0));
    assert_int_equal(count(engine).functions_compiled, 2);
    faults = 0;
    f(30);
    f(30);
    assert_int_equal(faults, 2);
    assert_int_equal(engine->ops->define_symbol(engine, "missing", JD_SYMBOL_VARIABLE,
                                                (uintptr_t)&missing, &err),
                     JD_OK);
    assert_int_equal(f(30), nested(30, 7));
    assert_int_equal(faults, 2);
    assert_int_equal(count(engine).functions_compiled, 3);
    jd_legacy_ops.destroy(engine);
}

static void test_freed_function_gives_its_pieces_back(void **state)
{
    static int64_t missing = 7;
    struct jd_engine *engine = load(JD_GRAN_BLOCK, 0, nested_ir, on_error);
    struct jd_error err = JD_ERROR_INIT;
    struct jd_counters first = {0};
    (void)state;
    assert_int_equal(engine->ops->define_symbol(engine, "missing", JD_SYMBOL_VARIABLE,
                                                (uintptr_t)&missing, &err),
                     JD_OK);
    entry_fn f = find(engine, "nested");
    for (int round = 0; round < 300; round++) {
        assert_int_equal(f(4), 4);
        if (round % 3)
            assert_int_equal(f(12), nested(12, 7));
        if (round % 3 != 1)
            assert_int_equal(f(25), nested(25, 7));
        if (round == 2)
            first = count(engine);
        if (round > 2 && round % 3 == 2) {
            assert_int_equal(count(engine).code_bytes, first.code_bytes);
            assert_int_equal(count(engine).stubs_live, first.stubs_live);
            assert_int_equal(count(engine).functions_defined, 1);
        }
        assert_int_equal(engine->ops->free_function(engine, "nested", &err), JD_OK);
        assert_int_equal(count(engine).code_bytes, 0);
    }
    jd_legacy_ops.destroy(engine);
}

static void test_recompiled_and_removed(void **state)
{
    static const char other[] = "define i64 @nested(i64 %n) {\n  ret i64 1000\n}\n";
    static int64_t missing = 7;
    struct jd_engine *engine = new_engine(JD_GRAN_BLOCK, 0, on_error);
    const struct jd_ir ir = {nested_ir, sizeof nested_ir - 1, "first"};
    const struct jd_ir simple = {other, sizeof other - 1, "second"};
    const struct jd_ir again = {nested_ir, sizeof nested_ir - 1, "third"};
    jd_module_id id;
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    assert_int_equal(engine->ops->define_symbol(engine, "missing", JD_SYMBOL_VARIABLE,
                                                (uintptr_t)&missing, &err),
                     JD_OK);
    for (int round = 0; round < 20; round++) {
        assert_int_equal(engine->ops->add_module(engine, &ir, &id, &err), JD_OK);
        assert_int_equal(find(engine, "nested")(30), nested(30, 7));
        assert_int_equal(engine->ops->remove_module(engine, id, &err), JD_OK);
        assert_int_equal(count(engine).code_bytes, 0);
    }
    assert_int_equal(engine->ops->add_module(engine, &ir, &id, &err), JD_OK);
    entry_fn f = find(engine, "nested");
    assert_int_equal(f(30), nested(30, 7));
    assert_int_equal(engine->ops->recompile(engine, "nested", &simple, &err), JD_OK);
    assert_int_equal(f(30), 1000);
    assert_int_equal(engine->ops->recompile(engine, "nested", &again, &err), JD_OK);
    assert_int_equal(f(30), nested(30, 7));
    assert_int_equal(f(3), 3);
    jd_legacy_ops.destroy(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_control_flow),
        cmocka_unit_test(test_one_path_of_a_big_function),
        cmocka_unit_test(test_piece_that_failed_is_tried_again),
        cmocka_unit_test(test_freed_function_gives_its_pieces_back),
        cmocka_unit_test(test_recompiled_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
