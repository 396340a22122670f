/* SPDX-License-Identifier: Apache-2.0
 *
 * At -O0 the legacy engine leaves out passes that find no work in an ordinary function. Here are
 * the functions in which they do: each must come out as the whole pipeline makes it, whatever was
 * compiled before. Expected values come from the IR reference.
 */
#include <string.h>

#include "expect.h"
#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_legacy_ops;

static const char text[] =
    "declare i32 @llvm.vector.reduce.add.v4i32(<4 x i32>)\n"
    "declare <4 x i32> @llvm.masked.load.v4i32.p0(ptr, i32, <4 x i1>, <4 x i32>)\n"
    "declare <4 x i32> @llvm.vp.add.v4i32(<4 x i32>, <4 x i32>, <4 x i1>, i32)\n"
    "declare i1 @llvm.is.constant.i32(i32)\n"
    "declare i64 @llvm.objectsize.i64.p0(ptr, i1, i1, i1)\n"
    "declare void @llvm.gcroot(ptr, ptr)\n"
    "declare void @llvm.experimental.stackmap(i64, i32, ...)\n"
    "@numbers = global [4 x i32] [i32 1, i32 2, i32 4, i32 8]\n"
    "@llvm_gc_root_chain = linkonce global ptr null\n"

    "define i32 @reduced() {\n"
    "  %v = load <4 x i32>, ptr @numbers, align 4\n"
    "  %r = call i32 @llvm.vector.reduce.add.v4i32(<4 x i32> %v)\n"
    "  ret i32 %r\n}\n"

    "define i32 @masked() {\n"
    "  %v = call <4 x i32> @llvm.masked.load.v4i32.p0(ptr @numbers, i32 4,\n"
    "    <4 x i1> <i1 1, i1 0, i1 1, i1 0>, <4 x i32> <i32 0, i32 16, i32 0, i32 32>)\n"
    "  %a = extractelement <4 x i32> %v, i32 1\n"
    "  %b = extractelement <4 x i32> %v, i32 2\n"
    "  %r = add i32 %a, %b\n"
    "  ret i32 %r\n}\n"

    "define i32 @predicated() {\n"
    "  %v = load <4 x i32>, ptr @numbers, align 4\n"
    "  %s = call <4 x i32> @llvm.vp.add.v4i32(<4 x i32> %v, <4 x i32> %v,\n"
    "    <4 x i1> <i1 1, i1 1, i1 1, i1 1>, i32 4)\n"
    "  %r = extractelement <4 x i32> %s, i32 3\n"
    "  ret i32 %r\n}\n"

    "define i32 @folded() {\n"
    "  %c = call i1 @llvm.is.constant.i32(i32 7)\n"
    "  %n = call i64 @llvm.objectsize.i64.p0(ptr @numbers, i1 0, i1 1, i1 0)\n"
    "  %a = zext i1 %c to i32\n"
    "  %b = trunc i64 %n to i32\n"
    "  %r = add i32 %a, %b\n"
    "  ret i32 %r\n}\n"

    "define i32 @collected() gc \"shadow-stack\" {\n"
    "  %root = alloca ptr\n"
    "  call void @llvm.gcroot(ptr %root, ptr null)\n"
    "  %chain = load ptr, ptr @llvm_gc_root_chain\n"
    "  %is = icmp ne ptr %chain, null\n"
    "  %r = zext i1 %is to i32\n"
    "  ret i32 %r\n}\n"

    "define i32 @mapped() {\n"
    "  call void (i64, i32, ...) @llvm.experimental.stackmap(i64 1, i32 8)\n"
    "  ret i32 5\n}\n"

    "define i32 @patchable() \"patchable-function-entry\"=\"4\" { ret i32 6 }\n"
    "define i32 @sledded() \"function-instrument\"=\"xray-always\" { ret i32 9 }\n"
    "define i32 @plain() { ret i32 11 }\n";

static const struct {
    const char *name;
    int expected;
} functions[] = {
    {"reduced", 15}, {"masked", 20},   {"predicated", 16}, {"folded", 17}, {"collected", 1},
    {"mapped", 5},   {"patchable", 6}, {"sledded", 9},     {"plain", 11},
};
enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

static struct jd_error err;

static int call(struct jd_engine *engine, const char *name)
{
    uintptr_t addr;
    expect_ok(engine->ops->lookup(engine, name, &addr, &err), &err);
    return ((int (*)(void))addr)();
}

/* Each function is compiled between others, in this order or the other way round. */
static void compile_all(unsigned opt_level, bool is_reversed)
{
    struct jd_engine_options options = {.struct_size = sizeof options, .opt_level = opt_level};
    struct jd_ir ir = {text, strlen(text), "passes.ll"};
    struct jd_engine *engine;
    jd_module_id id;
    expect_ok(jd_legacy_ops.create(&options, &engine, &err), &err);
    expect_ok(engine->ops->add_module(engine, &ir, &id, &err), &err);
    for (size_t i = 0; i < FUNCTION_COUNT; i++) {
        size_t at = is_reversed ? FUNCTION_COUNT - 1 - i : i;
        if (call(engine, functions[at].name) != functions[at].expected)
            fail_msg("%s at -O%u", functions[at].name, opt_level);
    }
    engine->ops->destroy(engine);
}

static void test_rare_passes_are_there(void **state)
{
    (void)state;
    compile_all(0, false);
    compile_all(0, true);
    compile_all(2, false);
}

/* Attributes that ask for bytes at the entry must get them: four one-byte nops here. */
static void test_patchable_entry_has_its_nops(void **state)
{
    (void)state;
    struct jd_engine_options options = {.struct_size = sizeof options};
    static const char *const bodies[] = {
        "define i32 @f() { ret i32 6 }\n",
        "define i32 @f() \"patchable-function-entry\"=\"4\" { ret i32 6 }\n",
    };
    uint64_t code_bytes[2];
    for (size_t i = 0; i < 2; i++) {
        struct jd_ir ir = {bodies[i], strlen(bodies[i]), "entry.ll"};
        struct jd_counters counters = {.struct_size = sizeof counters};
        struct jd_engine *engine;
        jd_module_id id;
        expect_ok(jd_legacy_ops.create(&options, &engine, &err), &err);
        expect_ok(engine->ops->add_module(engine, &ir, &id, &err), &err);
        assert_int_equal(call(engine, "f"), 6);
        expect_ok(engine->ops->counters(engine, &counters, &err), &err);
        code_bytes[i] = counters.code_bytes;
        engine->ops->destroy(engine);
    }
    assert_true(code_bytes[1] > code_bytes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rare_passes_are_there),
        cmocka_unit_test(test_patchable_entry_has_its_nops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
