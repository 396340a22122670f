/* SPDX-License-Identifier: Apache-2.0
 *
 * Case 73: IR that is not what it should be. Whatever the bytes, the answer is an error that names
 * the file, or a module that compiles; never the end of the process.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

static const char sound_ir[] = "@table = constant [2 x ptr] [ptr @f, ptr @g]\n"
                               "define i64 @f(i64 %x, i64 %y) {\n"
                               "  %a = add i64 %x, %y\n"
                               "  %c = icmp slt i64 %a, 9\n"
                               "  br i1 %c, label %one, label %two\n"
                               "one:\n"
                               "  %r = call i64 @g(i64 %a)\n"
                               "  br label %two\n"
                               "two:\n"
                               "  %p = phi i64 [ %r, %one ], [ %y, %0 ]\n"
                               "  ret i64 %p\n"
                               "}\n"
                               "define internal i64 @g(i64 %x) {\n"
                               "  %r = sub i64 %x, 3\n"
                               "  ret i64 %r\n"
                               "}\n";

/* Adds and compiles everything, calls nothing: what damaged code would do is nobody's promise. */
static int add_and_compile(struct trial *t, const char *name, const void *bytes, size_t size_bytes)
{
    uintptr_t addr;
    struct jd_ir ir = {bytes, size_bytes, name};
    struct jd_engine_options options = trial_options(t);
    options.is_lazy_disabled = true;
    options.wants_verify = true;
    if (!trial_has(t, JD_CAP_PEER)) /* emulators remember each address that was ever mapped */
        options.arena_limit_bytes = 16 << 20;
    trial_create(t, &options);
    jd_error_clear(&t->err);
    int code = t->ops->add_module(t->engine, &ir, NULL, &t->err);
    if (!code)
        code = t->ops->prepare(t->engine, &t->err);
    if (!code)
        code = t->ops->lookup(t->engine, "f", &addr, &t->err);
    trial_destroy(t);
    return code;
}

static void check_input_error(struct trial *t, int code, const char *name)
{
    CHECK_EQ(jd_code_kind(code), JD_KIND_INPUT);
    CHECK_EQ(t->err.code, code);
    if (!strstr(t->err.where, name))
        trial_fail(t, __FILE__, __LINE__, "the error does not name %s: %s: %s", name, t->err.where,
                   t->err.text);
    CHECK(t->err.text[0]);
}

static void check_truncated(struct trial *t, const struct jd_ir *sound)
{
    const size_t sizes[] = {4,
                            8,
                            21,
                            sound->size_bytes / 4,
                            sound->size_bytes / 2,
                            sound->size_bytes - 100,
                            sound->size_bytes - 8,
                            sound->size_bytes - 4};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *copy = malloc(sizes[i]); /* of that size, so that reading beyond it can be seen */
        CHECK(copy);
        memcpy(copy, sound->bytes, sizes[i]);
        check_input_error(t, add_and_compile(t, "truncated.bc", copy, sizes[i]), "truncated.bc");
        free(copy);
    }
}

/* The first bits are the identification block, of which every one is tried: one of them makes the
 * epoch another one, and that is what bitcode of a wrong version looks like. */
static void check_flipped(struct trial *t, const struct jd_ir *sound)
{
    enum { DENSE_BITS = 64 * 8 };
    const size_t step_bits = CONFORMANCE_IS_EMULATED ? 6 * 61 : 61;
    bool has_wrong_version = false;
    uint8_t *copy = malloc(sound->size_bytes);
    CHECK(copy);
    memcpy(copy, sound->bytes, sound->size_bytes);
    for (size_t bit = 32; bit < 8 * sound->size_bytes; bit += bit < DENSE_BITS ? 1 : step_bits) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int code = add_and_compile(t, "flipped.bc", copy, sound->size_bytes);
        if (code && jd_code_kind(code) != JD_KIND_INPUT &&
            jd_code_kind(code) != JD_KIND_UNSUPPORTED)
            trial_fail(t, __FILE__, __LINE__, "bit %zu gave %s: %s", bit, jd_code_name(code),
                       t->err.text);
        has_wrong_version |= code == JD_E_BAD_IR && strstr(t->err.text, "epoch");
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK(has_wrong_version);
    CHECK_EQ(add_and_compile(t, "restored.bc", copy, sound->size_bytes), JD_OK);
    free(copy);
}

static void check_text(struct trial *t)
{
    static const char wrong_syntax[] = "define i64 @f() {\n"
                                       "  ret i64 1\n"
                                       "}\n"
                                       "define i64 @h() {\n"
                                       "  ret i64 %nowhere\n"
                                       "}\n";
    static const char wrong_triple[] = "target triple = \"powerpc64le-unknown-linux-gnu\"\n"
                                       "define i64 @f() {\n"
                                       "  ret i64 1\n"
                                       "}\n";
    static const char wrong_order[] = "define i64 @f(i64 %x) {\n"
                                      "  %r = add i64 %x, %later\n"
                                      "  %later = add i64 %r, 1\n"
                                      "  ret i64 %later\n"
                                      "}\n";
    check_input_error(t, add_and_compile(t, "syntax.ll", wrong_syntax, strlen(wrong_syntax)),
                      "syntax.ll");
    CHECK(strstr(t->err.where, ":5") || strstr(t->err.text, "5:"));
    int code = add_and_compile(t, "triple.ll", wrong_triple, strlen(wrong_triple));
    check_input_error(t, code, "triple.ll");
    CHECK_EQ(code, JD_E_WRONG_TARGET);
    CHECK(strstr(t->err.text, "powerpc64le"));
    code = add_and_compile(t, "order.ll", wrong_order, strlen(wrong_order));
    check_input_error(t, code, "order.ll"); /* well-formed text, of a value before itself */
    CHECK(strstr(t->err.text, "dominate"));
}

void case_corrupt_ir(struct trial *t)
{
    struct jd_ir sound = trial_ir(t, "sound", sound_ir);
    if (t->form == TRIAL_BITCODE) {
        check_truncated(t, &sound);
        check_flipped(t, &sound);
    } else {
        check_text(t);
    }
    trial_create(t, NULL);
    trial_add(t, "sound", sound_ir);
    CHECK_EQ(CALLEE(t, "f", int64_t, int64_t, int64_t)(1, 2), 0);
}
