/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 21 to 24 and 27 to 29: values of every class travel through a first call unharmed. Each
 * callee is called cold from the host and cold from code, in an engine of its own. The types on the
 * host side are C's; where C and plain IR pass a type differently, only code calls it.
 * Sources: System V psABI for x86-64 (3.2.3), AAPCS64 (6.8).
 */
#include "cases.h"

#include <float.h>
#include <stdarg.h>
#include <string.h>

enum order { CODE_FIRST, HOST_FIRST };

/* Runs `check` twice, so that each caller finds the callee cold once. */
static void in_both_orders(struct trial *t, const char *ir, void (*from_code)(struct trial *t),
                           void (*from_host)(struct trial *t))
{
    for (enum order order = CODE_FIRST; order <= HOST_FIRST; order++) {
        trial_create(t, NULL);
        trial_add(t, "abi", ir);
        if (order == HOST_FIRST && from_host)
            from_host(t);
        from_code(t);
        if (order == CODE_FIRST && from_host)
            from_host(t);
        trial_destroy(t);
    }
}

/* --- 21 --- */

/* Every argument has a weight of its own, so that no two can be exchanged. */
static double weighed(const int64_t *integers, const double *doubles)
{
    double sum = 0;
    for (int i = 0; i < 11; i++)
        sum += (double)integers[i] * (double)(i + 1);
    for (int i = 0; i < 12; i++)
        sum += doubles[i] * (double)(100 * (i + 1));
    return sum;
}

typedef double (*many_fn)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                          double, double, double, double, double, double, double, double, double,
                          double, int64_t, double, int64_t, double, int64_t);

static void write_many(struct text *ir)
{
    text_add(ir, "define double @callee(i64 %%a0");
    for (int i = 1; i < 8; i++)
        text_add(ir, ", i64 %%a%d", i);
    for (int i = 0; i < 10; i++)
        text_add(ir, ", double %%d%d", i);
    text_add(ir, ", i64 %%a8, double %%d10, i64 %%a9, double %%d11, i64 %%a10) {\n"
                 "  %%s0 = fadd double 0.0, 0.0\n");
    for (int i = 0; i < 11; i++)
        text_add(ir,
                 "  %%c%d = sitofp i64 %%a%d to double\n"
                 "  %%m%d = fmul double %%c%d, %d.0\n"
                 "  %%s%d = fadd double %%s%d, %%m%d\n",
                 i, i, i, i, i + 1, i + 1, i, i);
    for (int i = 0; i < 12; i++)
        text_add(ir,
                 "  %%n%d = fmul double %%d%d, %d.0\n"
                 "  %%s%d = fadd double %%s%d, %%n%d\n",
                 i, i, 100 * (i + 1), i + 12, i + 11, i);
    text_add(ir, "  ret double %%s23\n}\n"
                 "define double @caller() {\n"
                 "  %%r = call double @callee(i64 11");
    for (int i = 1; i < 8; i++)
        text_add(ir, ", i64 %d", 11 + i);
    for (int i = 0; i < 10; i++)
        text_add(ir, ", double %d.5", i);
    text_add(ir, ", i64 19, double 10.5, i64 20, double 11.5, i64 21)\n"
                 "  ret double %%r\n}\n");
}

static double many_expected(void)
{
    int64_t integers[11];
    double doubles[12];
    for (int i = 0; i < 11; i++)
        integers[i] = 11 + i;
    for (int i = 0; i < 12; i++)
        doubles[i] = i + 0.5;
    return weighed(integers, doubles);
}

static void many_from_code(struct trial *t)
{
    CHECK(CALLEE(t, "caller", double, void)() == many_expected());
}

static void many_from_host(struct trial *t)
{
    many_fn callee = (many_fn)trial_lookup(t, "callee");
    CHECK(callee(11, 12, 13, 14, 15, 16, 17, 18, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5,
                 19, 10.5, 20, 11.5, 21) == many_expected());
}

void case_abi_int_fp_stack_args(struct trial *t)
{
    struct text ir = {0};
    write_many(&ir);
    in_both_orders(t, ir.chars, many_from_code, many_from_host);
    text_free(&ir);
}

/* --- 22 --- */

/* The callee hands its argument list on: LLVM's va_arg instruction does not know AAPCS64. */
static double sum_of_list(int64_t count, va_list list)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum = 2 * sum + va_arg(list, double);
    return sum;
}

static const char varargs_ir[] =
    "declare void @llvm.va_start(ptr)\n"
    "declare void @llvm.va_end(ptr)\n"
    "declare double @sum_of_list(i64, ptr)\n"
    "define double @callee(i64 %count, ...) {\n"
    "  %list = alloca [32 x i8], align 16\n"
    "  call void @llvm.va_start(ptr %list)\n"
    "  %r = call double @sum_of_list(i64 %count, ptr %list)\n"
    "  call void @llvm.va_end(ptr %list)\n"
    "  ret double %r\n"
    "}\n"
    "define double @caller() {\n"
    "  %r = call double (i64, ...) @callee(i64 10, double 1.0, double 2.0, double 3.0, double 4.0,"
    " double 5.0, double 6.0, double 7.0, double 8.0, double 9.0, double 10.0)\n"
    "  ret double %r\n"
    "}\n";

enum { VARARGS_EXPECTED = 2036 }; /* sum of i * 2^(10 - i), i from 1 to 10 */

void case_abi_varargs_double(struct trial *t)
{
    for (enum order order = CODE_FIRST; order <= HOST_FIRST; order++) {
        trial_create(t, NULL);
        trial_add(t, "varargs", varargs_ir);
        trial_define(t, "sum_of_list", JD_SYMBOL_FUNCTION, (uintptr_t)&sum_of_list);
        if (order == CODE_FIRST) {
            CHECK(CALLEE(t, "caller", double, void)() == VARARGS_EXPECTED);
        } else {
            double (*callee)(int64_t, ...) = (double (*)(int64_t, ...))trial_lookup(t, "callee");
            CHECK(callee(10, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0) ==
                  VARARGS_EXPECTED);
            CHECK(callee(0) == 0);
        }
        trial_destroy(t);
    }
}

/* --- 23 --- */

struct large {
    int64_t words[5];
};

static const char structs_ir[] = "define { i64, double } @pair(i64 %x, double %y) {\n"
                                 "  %x2 = mul i64 %x, 2\n"
                                 "  %y2 = fmul double %y, 0.5\n"
                                 "  %p = insertvalue { i64, double } poison, i64 %x2, 0\n"
                                 "  %q = insertvalue { i64, double } %p, double %y2, 1\n"
                                 "  ret { i64, double } %q\n"
                                 "}\n"
                                 "define void @large(ptr sret([5 x i64]) align 8 %out, i64 %x) {\n"
                                 "  store i64 %x, ptr %out, align 8\n"
                                 "  %p1 = getelementptr i64, ptr %out, i64 1\n"
                                 "  %p4 = getelementptr i64, ptr %out, i64 4\n"
                                 "  %x1 = add i64 %x, 1\n"
                                 "  %x4 = add i64 %x, 4\n"
                                 "  store i64 %x1, ptr %p1, align 8\n"
                                 "  store i64 %x4, ptr %p4, align 8\n"
                                 "  ret void\n"
                                 "}\n"
                                 "define i64 @caller_of_pair() {\n"
                                 "  %p = call { i64, double } @pair(i64 21, double 16.0)\n"
                                 "  %x = extractvalue { i64, double } %p, 0\n"
                                 "  %y = extractvalue { i64, double } %p, 1\n"
                                 "  %yi = fptosi double %y to i64\n"
                                 "  %s = mul i64 %yi, 1000\n"
                                 "  %r = add i64 %x, %s\n"
                                 "  ret i64 %r\n"
                                 "}\n"
                                 "define i64 @caller_of_large() {\n"
                                 "  %out = alloca [5 x i64], align 8\n"
                                 "  call void @large(ptr sret([5 x i64]) align 8 %out, i64 7)\n"
                                 "  %p4 = getelementptr i64, ptr %out, i64 4\n"
                                 "  %a = load i64, ptr %out, align 8\n"
                                 "  %b = load i64, ptr %p4, align 8\n"
                                 "  %c = mul i64 %b, 100\n"
                                 "  %r = add i64 %a, %c\n"
                                 "  ret i64 %r\n"
                                 "}\n";

static void structs_from_code(struct trial *t)
{
    CHECK_EQ(CALLEE(t, "caller_of_pair", int64_t, void)(), 42 + 8 * 1000);
    CHECK_EQ(CALLEE(t, "caller_of_large", int64_t, void)(), 7 + 11 * 100);
}

static void structs_from_host(struct trial *t)
{
#if defined(__x86_64__) /* AAPCS64 returns this struct of C in x0 and x1 */
    struct pair {
        int64_t x;
        double y;
    };
    struct pair pair = CALLEE(t, "pair", struct pair, int64_t, double)(50, 3.0);
    CHECK_EQ(pair.x, 100);
    CHECK(pair.y == 1.5);
#endif
    struct large large = CALLEE(t, "large", struct large, int64_t)(30);
    CHECK_EQ(large.words[0], 30);
    CHECK_EQ(large.words[1], 31);
    CHECK_EQ(large.words[4], 34);
}

void case_abi_struct_return(struct trial *t)
{
    in_both_orders(t, structs_ir, structs_from_code, structs_from_host);
}

/* --- 24 --- */

/* Returns the sum of the 64 bytes, each times its place from 1 on, or -1 when the copy is not
 * aligned. */
static const char byval_ir[] =
    "define i64 @callee(i64 %x, ptr byval([64 x i8]) align 32 %p, i64 %y) {\n"
    "entry:\n"
    "  %addr = ptrtoint ptr %p to i64\n"
    "  %low = and i64 %addr, 31\n"
    "  %aligned = icmp eq i64 %low, 0\n"
    "  br i1 %aligned, label %loop, label %bad\n"
    "loop:\n"
    "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]\n"
    "  %sum = phi i64 [ %x, %entry ], [ %sum2, %loop ]\n"
    "  %at = getelementptr i8, ptr %p, i64 %i\n"
    "  %b = load i8, ptr %at, align 1\n"
    "  store i8 0, ptr %at, align 1\n"
    "  %w = zext i8 %b to i64\n"
    "  %next = add i64 %i, 1\n"
    "  %weighed = mul i64 %w, %next\n"
    "  %sum2 = add i64 %sum, %weighed\n"
    "  %more = icmp ult i64 %next, 64\n"
    "  br i1 %more, label %loop, label %done\n"
    "done:\n"
    "  %r = add i64 %sum2, %y\n"
    "  ret i64 %r\n"
    "bad:\n"
    "  ret i64 -1\n"
    "}\n"
    "define i64 @caller(ptr %p) {\n"
    "  %r = call i64 @callee(i64 10000, ptr byval([64 x i8]) align 32 %p, i64 20000)\n"
    "  ret i64 %r\n"
    "}\n";

struct __attribute__((aligned(32))) block {
    uint8_t bytes[64];
};

static struct block block_of_bytes(void)
{
    struct block block;
    for (unsigned i = 0; i < 64; i++)
        block.bytes[i] = (uint8_t)(i + 1);
    return block;
}

enum { BLOCK_SUM = 64 * 65 * 129 / 6 }; /* of the squares from 1 to 64 */

/* The callee wrote to its copy. */
static void check_untouched(struct trial *t, const struct block *block)
{
    struct block wanted = block_of_bytes();
    CHECK(!memcmp(block->bytes, wanted.bytes, sizeof wanted.bytes));
}

static void byval_from_code(struct trial *t)
{
    struct block block = block_of_bytes();
    int64_t (*caller)(const struct block *) = CALLEE(t, "caller", int64_t, const struct block *);
    CHECK_EQ(caller(&block), 30000 + BLOCK_SUM);
    check_untouched(t, &block);
}

static void byval_from_host(struct trial *t)
{
#if defined(__x86_64__) /* AAPCS64 passes C's struct by reference, IR's byval on the stack */
    struct block block = block_of_bytes();
    CHECK_EQ(CALLEE(t, "callee", int64_t, int64_t, struct block, int64_t)(1000, block, 2000),
             3000 + BLOCK_SUM);
    check_untouched(t, &block);
#else
    (void)t;
#endif
}

void case_abi_byval(struct trial *t)
{
    in_both_orders(t, byval_ir, byval_from_code, byval_from_host);
}

/* --- 27 --- */

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 unsigned_int128;

static const char i128_ir[] =
    "define i128 @callee(i128 %a, i128 %b, i128 %c) {\n"
    "  %ab = mul i128 %a, %b\n"
    "  %abc = mul i128 %ab, %c\n"
    "  ret i128 %abc\n"
    "}\n"
    "define i128 @caller() {\n" /* 2^70 + 1, -3, 2^65 + 7: both halves of each count */
    "  %r = call i128 @callee(i128 1180591620717411303425, i128 -3, i128 36893488147419103239)\n"
    "  ret i128 %r\n"
    "}\n";

static void i128_from_code(struct trial *t)
{
    int128 a = ((int128)1 << 70) + 1, b = -3, c = ((int128)1 << 65) + 7;
    /* Unsigned, for the product is cut to 128 bits. */
    CHECK((unsigned_int128)CALLEE(t, "caller", int128, void)() ==
          (unsigned_int128)a * (unsigned_int128)b * (unsigned_int128)c);
}

static void i128_from_host(struct trial *t)
{
    int128 a = ((int128)1 << 70) + 1, b = -3, c = 12345678901;
    CHECK(CALLEE(t, "callee", int128, int128, int128, int128)(a, b, c) == a * b * c);
}

void case_abi_i128(struct trial *t)
{
    in_both_orders(t, i128_ir, i128_from_code, i128_from_host);
}

/* --- 28 --- */

#if defined(__x86_64__)
#define LONG_DOUBLE "x86_fp80"
#define ONE_AND_A_BIT "0xK3FFF8000000000000001" /* 1 + LDBL_EPSILON */
#define THREE "0xK4000C000000000000000"
#else
#define LONG_DOUBLE "fp128"
#define ONE_AND_A_BIT "0xL00000000000000013FFF000000000000"
#define THREE "0xL00000000000000004000800000000000"
#endif

static const char long_double_ir[] =
    "define " LONG_DOUBLE " @callee(" LONG_DOUBLE " %a, " LONG_DOUBLE " %b, double %c) {\n"
    "  %w = fpext double %c to " LONG_DOUBLE "\n"
    "  %ab = fsub " LONG_DOUBLE " %a, %b\n"
    "  %r = fmul " LONG_DOUBLE " %ab, %w\n"
    "  ret " LONG_DOUBLE " %r\n"
    "}\n"
    "define " LONG_DOUBLE " @caller() {\n"
    "  %r = call " LONG_DOUBLE " @callee(" LONG_DOUBLE " " ONE_AND_A_BIT ", " LONG_DOUBLE " " THREE
    ", double 8.0)\n"
    "  ret " LONG_DOUBLE " %r\n"
    "}\n";

static void long_double_from_code(struct trial *t)
{
    CHECK(CALLEE(t, "caller", long double, void)() == (1 + LDBL_EPSILON - 3) * 8);
}

static void long_double_from_host(struct trial *t)
{
    /* The difference needs more bits than a double has. */
    long double small = 1.0L / 4611686018427387904.0L;
    long double got =
        CALLEE(t, "callee", long double, long double, long double, double)(1, small, 4);
    CHECK(got == (1 - small) * 4);
    CHECK(got != 4);
}

void case_abi_long_double(struct trial *t)
{
    in_both_orders(t, long_double_ir, long_double_from_code, long_double_from_host);
}

/* --- 29 --- */

static const char nest_ir[] = "define i64 @callee(ptr nest %frame, i64 %x) {\n"
                              "  %y = load i64, ptr %frame, align 8\n"
                              "  %r = add i64 %x, %y\n"
                              "  ret i64 %r\n"
                              "}\n"
                              "define i64 @caller(ptr %frame) {\n"
                              "  %r = call i64 @callee(ptr nest %frame, i64 1)\n"
                              "  ret i64 %r\n"
                              "}\n";

static void nest_from_code(struct trial *t)
{
    int64_t outer = 41;
    CHECK_EQ(CALLEE(t, "caller", int64_t, int64_t *)(&outer), 42);
}

#if defined(__x86_64__) /* the two compilers keep the static chain in R10 there */
static void nest_from_host(struct trial *t)
{
    int64_t outer = 600;
    int64_t (*callee)(int64_t) = CALLEE(t, "callee", int64_t, int64_t);
    CHECK_EQ(__builtin_call_with_static_chain(callee(66), &outer), 666);
}
#else
static void (*const nest_from_host)(struct trial *t) = NULL;
#endif

void case_abi_nest(struct trial *t)
{
    in_both_orders(t, nest_ir, nest_from_code, nest_from_host);
}
