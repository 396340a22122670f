/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 41 and 42: assembly in functions and in modules, good and bad.
 */
#include "cases.h"

#include <string.h>

#if defined(__x86_64__)
#define ADD_NINE "leaq 9($1), $0"
#define MODULE_FUNCTION                                                                            \
    "module asm \".text\"\n"                                                                       \
    "module asm \".globl asm_function\"\n"                                                         \
    "module asm \".type asm_function,@function\"\n"                                                \
    "module asm \"asm_function: leaq 100(%rdi), %rax\"\n"                                          \
    "module asm \"ret\"\n"                                                                         \
    "module asm \".size asm_function, .-asm_function\"\n"
#elif defined(__aarch64__)
#define ADD_NINE "add $0, $1, #9"
#define MODULE_FUNCTION                                                                            \
    "module asm \".text\"\n"                                                                       \
    "module asm \".globl asm_function\"\n"                                                         \
    "module asm \".type asm_function,@function\"\n"                                                \
    "module asm \"asm_function: add x0, x0, #100\"\n"                                              \
    "module asm \"ret\"\n"                                                                         \
    "module asm \".size asm_function, .-asm_function\"\n"
#endif

static const char inline_ir[] = "define i64 @inline(i64 %x) {\n"
                                "  %r = call i64 asm \"" ADD_NINE "\", \"=r,r\"(i64 %x)\n"
                                "  ret i64 %r\n"
                                "}\n";

/* The module's own function calls the symbol of its assembly too. */
static const char module_ir[] = MODULE_FUNCTION "declare i64 @asm_function(i64)\n"
                                                "define i64 @own_user(i64 %x) {\n"
                                                "  %r = call i64 @asm_function(i64 %x)\n"
                                                "  ret i64 %r\n"
                                                "}\n";

static const char user_ir[] = "declare i64 @asm_function(i64)\n"
                              "define i64 @user(i64 %x) {\n"
                              "  %r = call i64 @asm_function(i64 %x)\n"
                              "  ret i64 %r\n"
                              "}\n";

static void check_module_asm(struct trial *t, const char *const modules[2])
{
    trial_create(t, NULL);
    trial_add(t, "first", modules[0]);
    trial_add(t, "second", modules[1]);
    CHECK_EQ(CALLEE(t, "user", int64_t, int64_t)(1), 101);
    CHECK_EQ(CALLEE(t, "own_user", int64_t, int64_t)(2), 102);
    CHECK_EQ(CALLEE(t, "user", int64_t, int64_t)(3), 103);
    trial_destroy(t);
}

void case_inline_and_module_asm(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "inline", inline_ir);
    CHECK_EQ(CALLEE(t, "inline", int64_t, int64_t)(33), 42);
    trial_destroy(t);

    check_module_asm(t, (const char *const[2]){module_ir, user_ir});
    check_module_asm(t, (const char *const[2]){user_ir, module_ir});
}

static int64_t substitute(void)
{
    return -1;
}

static const char bad_inline_ir[] = "define i64 @bad() {\n"
                                    "  call void asm sideeffect \"no_such_instruction\", \"\"()\n"
                                    "  ret i64 1\n"
                                    "}\n"
                                    "define i64 @good() {\n"
                                    "  ret i64 2\n"
                                    "}\n";

/* The error comes where a caller waits for it: from add, prepare or look-up, or to the error
 * handler at the first call. Returns true when the engine got as far as that call. */
static bool check_error_reported(struct trial *t, const char *ir, const char *function)
{
    uintptr_t addr = 0;
    trial_create(t, NULL);
    int code = trial_try_add(t, "bad", ir);
    if (!code)
        code = t->ops->prepare(t->engine, &t->err);
    if (!code)
        code = t->ops->lookup(t->engine, function, &addr, &t->err);
    if (code) {
        CHECK_EQ(t->err.kind, JD_KIND_INPUT);
        CHECK(strstr(t->err.text, "no_such_instruction"));
        return false;
    }
    CHECK(trial_has(t, JD_CAP_LAZY));
    t->fault.count = 0;
    t->fault.substitute_addr = (uintptr_t)&substitute;
    CHECK_EQ(((int64_t(*)(void))addr)(), -1);
    t->fault.substitute_addr = 0;
    CHECK_EQ(t->fault.count, 1);
    CHECK_EQ(t->fault.error.kind, JD_KIND_INPUT);
    CHECK(strstr(t->fault.error.text, "no_such_instruction"));
    return true;
}

static const char bad_module_ir[] = "module asm \"no_such_instruction\"\n"
                                    "define i64 @f() {\n"
                                    "  ret i64 1\n"
                                    "}\n";

void case_inline_asm_error_reported(struct trial *t)
{
    if (check_error_reported(t, bad_inline_ir, "bad"))
        CHECK_EQ(CALLEE(t, "good", int64_t, void)(), 2);
    trial_destroy(t);
    check_error_reported(t, bad_module_ir, "f");
    trial_destroy(t);

    trial_create(t, NULL);
    trial_add(t, "inline", inline_ir);
    CHECK_EQ(CALLEE(t, "inline", int64_t, int64_t)(1), 10);
}
