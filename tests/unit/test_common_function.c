/* SPDX-License-Identifier: Apache-2.0
 *
 * A function with common linkage, which only variables may have: text cannot say it, bitcode whose
 * linkage was damaged can. Its type has no size that a symbol table could compare. Both engines
 * take it for an ordinary definition. Source: LLVM LangRef, "Linkage Types".
 */
#include <string.h>

#include <llvm-c/BitWriter.h>
#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>

#include "expect.h"
#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_legacy_ops, jd_mcjit_ops;

static struct jd_error err;

static LLVMMemoryBufferRef damaged_bitcode(void)
{
    static const char text[] = "define i32 @f() { ret i32 7 }\n"
                               "define i32 @g() { %r = call i32 @f() ret i32 %r }\n";
    LLVMContextRef context = LLVMContextCreate();
    LLVMMemoryBufferRef source =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(text, sizeof text - 1, "damaged");
    LLVMModuleRef module;
    char *message = NULL;
    assert_false(LLVMParseIRInContext(context, source, &module, &message));
    LLVMSetLinkage(LLVMGetNamedFunction(module, "f"), LLVMCommonLinkage);
    LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(module);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    return bitcode;
}

static void counts_as_an_ordinary_definition(const struct jd_engine_ops *ops)
{
    static const char second[] = "define i32 @f() { ret i32 8 }\n";
    struct jd_ir again = {second, sizeof second - 1, "second.ll"};
    LLVMMemoryBufferRef bitcode = damaged_bitcode();
    struct jd_ir ir = {LLVMGetBufferStart(bitcode), LLVMGetBufferSize(bitcode), "damaged.bc"};
    struct jd_engine *engine;
    jd_module_id id;
    uintptr_t addr;
    jd_error_clear(&err);
    expect_ok(ops->create(NULL, &engine, &err), &err);
    expect_ok(ops->add_module(engine, &ir, &id, &err), &err);
    assert_int_equal(ops->add_module(engine, &again, &id, &err), JD_E_DUPLICATE);
    jd_error_clear(&err);
    expect_ok(ops->prepare(engine, &err), &err);
    expect_ok(ops->lookup(engine, "g", &addr, &err), &err);
    assert_int_equal(((int (*)(void))addr)(), 7);
    ops->destroy(engine);
    LLVMDisposeMemoryBuffer(bitcode);
}

static void legacy_takes_it(void **state)
{
    (void)state;
    counts_as_an_ordinary_definition(&jd_legacy_ops);
}

static void mcjit_takes_it(void **state)
{
    (void)state;
    counts_as_an_ordinary_definition(&jd_mcjit_ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legacy_takes_it),
        cmocka_unit_test(mcjit_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
