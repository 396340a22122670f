/* SPDX-License-Identifier: Apache-2.0
 *
 * All engines of the registry that generate code generate the same: the bytes of a function that
 * refers to nothing, at each level. What differs between engines is then never the code generator,
 * its CPU or its settings.
 */
#include "expect.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "jitduel/engine.h"

enum { CODE_BYTES_MOST = 4096 };

/* Loops, a division, a choice, floating point and memory: no calls and no constants in memory. */
static const char ir_text[] = "define i64 @subject(i64 %n, double %d) {\n"
                              "entry:\n"
                              "  %local = alloca [4 x i64], align 16\n"
                              "  %p1 = getelementptr i64, ptr %local, i64 1\n"
                              "  %p2 = getelementptr i64, ptr %local, i64 2\n"
                              "  %p3 = getelementptr i64, ptr %local, i64 3\n"
                              "  store i64 0, ptr %local, align 8\n"
                              "  store i64 0, ptr %p1, align 8\n"
                              "  store i64 0, ptr %p2, align 8\n"
                              "  store i64 0, ptr %p3, align 8\n"
                              "  br label %loop\n"
                              "loop:\n"
                              "  %i = phi i64 [ 0, %entry ], [ %next, %join ]\n"
                              "  %sum = phi i64 [ 0, %entry ], [ %more, %join ]\n"
                              "  %x = phi double [ %d, %entry ], [ %y, %join ]\n"
                              "  %slot = and i64 %i, 3\n"
                              "  %p = getelementptr [4 x i64], ptr %local, i64 0, i64 %slot\n"
                              "  %old = load i64, ptr %p, align 8\n"
                              "  %new = add i64 %old, %i\n"
                              "  store i64 %new, ptr %p, align 8\n"
                              "  %y = fadd double %x, %d\n"
                              "  %odd = trunc i64 %i to i1\n"
                              "  br i1 %odd, label %divide, label %join\n"
                              "divide:\n"
                              "  %q = udiv i64 %new, 7\n"
                              "  br label %join\n"
                              "join:\n"
                              "  %v = phi i64 [ %new, %loop ], [ %q, %divide ]\n"
                              "  %more = add i64 %sum, %v\n"
                              "  %next = add i64 %i, 1\n"
                              "  %done = icmp uge i64 %next, %n\n"
                              "  br i1 %done, label %exit, label %loop\n"
                              "exit:\n"
                              "  %t = fptosi double %y to i64\n"
                              "  %r = add i64 %more, %t\n"
                              "  ret i64 %r\n"
                              "}\n";

struct code {
    unsigned char bytes[CODE_BYTES_MOST];
    size_t size_bytes;
    uintptr_t addr;
};

/* The body, not a stub that leads to it. */
static void note_compiled(void *context, const char *name, uintptr_t code_addr, size_t code_bytes)
{
    struct code *code = context;
    if (strcmp(name, "subject"))
        return;
    code->addr = code_addr;
    code->size_bytes = code_bytes;
}

static int64_t expected(int64_t n, double d)
{
    uint64_t slots[4] = {0}, sum = 0;
    double x = d;
    for (uint64_t i = 0; i < (uint64_t)n; i++) {
        slots[i & 3] += i;
        x += d;
        sum += i & 1 ? slots[i & 3] / 7 : slots[i & 3];
    }
    return (int64_t)(sum + (uint64_t)(int64_t)x);
}

/* False: this engine generates no code. Bytes are copied, because the engine goes: `wanted_bytes`
 * where it does not know sizes. */
static bool compile(const struct jd_engine_ops *ops, unsigned level, size_t wanted_bytes,
                    struct code *code)
{
    struct jd_error err = JD_ERROR_INIT;
    const struct jd_probe probe = {
        .struct_size = sizeof probe, .context = code, .compiled = note_compiled};
    const struct jd_engine_options options = {
        .struct_size = sizeof options, .opt_level = level, .probe = &probe};
    const struct jd_ir ir = {ir_text, sizeof ir_text - 1, "subject"};
    struct jd_counters counters = {.struct_size = sizeof counters};
    struct jd_engine *engine;
    uintptr_t addr;
    *code = (struct code){.size_bytes = 0};
    expect_ok(ops->create(&options, &engine, &err), &err);
    expect_ok(ops->add_module(engine, &ir, NULL, &err), &err);
    expect_ok(ops->prepare(engine, &err), &err);
    expect_ok(ops->lookup(engine, "subject", &addr, &err), &err);
    assert_int_equal(((int64_t(*)(int64_t, double))addr)(50, 1.5), expected(50, 1.5));
    expect_ok(ops->counters(engine, &counters, &err), &err);
    if (counters.functions_compiled) {
        if (!code->addr) { /* it does not say; without stubs this is the body */
            assert_false(ops->caps & JD_CAP_LAZY);
            code->addr = addr;
        }
        assert_true(code->size_bytes <= sizeof code->bytes);
        memcpy(code->bytes, (const void *)code->addr,
               code->size_bytes ? code->size_bytes : wanted_bytes);
    }
    ops->destroy(engine);
    return counters.functions_compiled > 0;
}

static void same_code(unsigned level)
{
    static struct code first, other;
    unsigned compared = 0;
    assert_true(compile(jd_engine_registry[0], level, 0, &first));
    assert_true(first.size_bytes > 40);
    for (size_t i = 1; jd_engine_registry[i]; i++) {
        if (!compile(jd_engine_registry[i], level, first.size_bytes, &other))
            continue;
        print_message("-O%u %s: %zu bytes, %s\n", level, jd_engine_registry[i]->name,
                      first.size_bytes, other.size_bytes ? "same size" : "size not known");
        if (other.size_bytes)
            assert_int_equal(other.size_bytes, first.size_bytes);
        assert_memory_equal(other.bytes, first.bytes, first.size_bytes);
        compared++;
    }
    assert_true(compared >= 2);
}

static void same_code_at_each_level(void **state)
{
    (void)state;
    for (unsigned level = 0; level <= 3; level++)
        same_code(level);
}

/* Otherwise the comparison would compare nothing. */
static void levels_differ(void **state)
{
    static struct code none, two;
    (void)state;
    assert_true(compile(jd_engine_registry[0], 0, 0, &none));
    assert_true(compile(jd_engine_registry[0], 2, 0, &two));
    assert_true(none.size_bytes != two.size_bytes || memcmp(none.bytes, two.bytes, two.size_bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_code_at_each_level),
        cmocka_unit_test(levels_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
