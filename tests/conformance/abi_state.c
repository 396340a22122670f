/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 25, 26, 30 and 31: full vector registers, errno, the floating-point environment and the
 * stack pointer survive a first call. A probe destroys every vector register that the CPU has while
 * the engine is at work, so that saving too little cannot go unseen.
 */
#include "cases.h"

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* --- clobbering --- */

#if defined(__x86_64__)
/* VZEROALL clears 256 bits of registers 0 to 15; EVEX forms reach the rest (SDM volume 2). */
static void clobber_vectors(void *context, enum jd_phase phase)
{
    (void)context;
    (void)phase;
    if (__builtin_cpu_supports("avx512f"))
        __asm__ volatile("vzeroall\n\t"
                         "vpternlogd $0xff, %%zmm0, %%zmm0, %%zmm0\n\t"
                         "vmovdqa64 %%zmm0, %%zmm1\n\tvmovdqa64 %%zmm0, %%zmm2\n\t"
                         "vmovdqa64 %%zmm0, %%zmm3\n\tvmovdqa64 %%zmm0, %%zmm4\n\t"
                         "vmovdqa64 %%zmm0, %%zmm5\n\tvmovdqa64 %%zmm0, %%zmm6\n\t"
                         "vmovdqa64 %%zmm0, %%zmm7\n\tvmovdqa64 %%zmm0, %%zmm16\n\t"
                         "vmovdqa64 %%zmm0, %%zmm31" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                               "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                               "xmm15");
    else if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroall" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                               "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                               "xmm15");
    else
        __asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\t"
                         "pxor %%xmm3, %%xmm3\n\tpxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
                         "pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
}
#elif defined(__aarch64__)
static void clobber_vectors(void *context, enum jd_phase phase)
{
    (void)context;
    (void)phase;
    __asm__ volatile("movi v0.2d, #0\n\tmovi v1.2d, #0\n\tmovi v2.2d, #0\n\tmovi v3.2d, #0\n\t"
                     "movi v4.2d, #0\n\tmovi v5.2d, #0\n\tmovi v6.2d, #0\n\tmovi v7.2d, #0" ::
                         : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7");
}
#endif

static const struct jd_probe clobbering_probe = {
    .struct_size = sizeof clobbering_probe,
    .begin = clobber_vectors,
    .end = clobber_vectors,
};

static void create_clobbering(struct trial *t, const char *features)
{
    struct jd_engine_options options = trial_options(t);
    options.probe = &clobbering_probe;
    options.features = features;
    trial_create(t, &options);
}

/* --- vectors --- */

/* @callee adds eight vectors, each times four before the next (r = 4 r + v), so that every lane of
 * every argument shows; @caller loads them from memory and stores the result. */
static void write_vector_ir(struct text *ir, unsigned lanes, const char *attributes)
{
    text_add(ir, "define <%u x float> @callee(<%u x float> %%v0", lanes, lanes);
    for (int i = 1; i < 8; i++)
        text_add(ir, ", <%u x float> %%v%d", lanes, i);
    text_add(ir, ") %s {\n", attributes);
    text_add(ir, "  %%four0 = insertelement <%u x float> poison, float 4.0, i64 0\n", lanes);
    text_add(ir,
             "  %%four = shufflevector <%u x float> %%four0, <%u x float> poison,"
             " <%u x i32> zeroinitializer\n",
             lanes, lanes, lanes);
    for (int i = 0; i < 8; i++)
        text_add(ir,
                 "  %%m%d = fmul <%u x float> %%%s%d, %%four\n"
                 "  %%r%d = fadd <%u x float> %%m%d, %%v%d\n",
                 i, lanes, i ? "r" : "v", i ? i - 1 : 0, i, lanes, i, i);
    text_add(ir, "  ret <%u x float> %%r7\n}\n", lanes);
    text_add(ir, "define void @caller(ptr %%in, ptr %%out) %s {\n", attributes);
    for (int i = 0; i < 8; i++)
        text_add(ir,
                 "  %%p%d = getelementptr <%u x float>, ptr %%in, i64 %d\n"
                 "  %%v%d = load <%u x float>, ptr %%p%d, align 4\n",
                 i, lanes, i, i, lanes, i);
    text_add(ir, "  %%r = call <%u x float> @callee(<%u x float> %%v0", lanes, lanes);
    for (int i = 1; i < 8; i++)
        text_add(ir, ", <%u x float> %%v%d", lanes, i);
    text_add(ir, ")\n  store <%u x float> %%r, ptr %%out, align 4\n  ret void\n}\n", lanes);
}

enum { MAX_LANES = 16 };

/* Integers from 0 to 3: the sums are below 4^9 and exact in a float. */
static void fill_vectors(float *in, unsigned lanes)
{
    for (unsigned i = 0; i < 8 * lanes; i++)
        in[i] = (float)((i / lanes + i % lanes) % 7 % 4);
}

static void check_lanes(struct trial *t, const float *in, const float *out, unsigned lanes)
{
    for (unsigned lane = 0; lane < lanes; lane++) {
        float expected = in[lane];
        for (unsigned i = 0; i < 8; i++)
            expected = expected * 4 + in[i * lanes + lane];
        if (out[lane] != expected)
            trial_fail(t, __FILE__, __LINE__, "lane %u of %u is %g, expected %g", lane, lanes,
                       (double)out[lane], (double)expected);
    }
}

typedef void (*vector_host_fn)(uintptr_t callee_addr, const float *in, float *out);

static void check_vectors(struct trial *t, unsigned lanes, const char *features,
                          const char *attributes, vector_host_fn from_host)
{
    float in[8 * MAX_LANES], out[MAX_LANES];
    struct text ir = {0};
    write_vector_ir(&ir, lanes, attributes);
    fill_vectors(in, lanes);

    create_clobbering(t, features);
    trial_add(t, "vectors", ir.chars);
    memset(out, 0, sizeof out);
    CALLEE(t, "caller", void, const float *, float *)(in, out);
    check_lanes(t, in, out, lanes);
    trial_destroy(t);

    create_clobbering(t, features);
    trial_add(t, "vectors", ir.chars);
    memset(out, 0, sizeof out);
    from_host(trial_lookup(t, "callee"), in, out);
    check_lanes(t, in, out, lanes);
    trial_destroy(t);
    text_free(&ir);
}

#define DEFINE_VECTOR_HOST(name, bytes, target_attribute)                                          \
    typedef float name##_vector __attribute__((vector_size(bytes)));                               \
    target_attribute static void name(uintptr_t callee_addr, const float *in, float *out)          \
    {                                                                                              \
        name##_vector v[8], r;                                                                     \
        name##_vector (*callee)(name##_vector, name##_vector, name##_vector, name##_vector,        \
                                name##_vector, name##_vector, name##_vector, name##_vector) =      \
            (name##_vector(*)(name##_vector, name##_vector, name##_vector, name##_vector,          \
                              name##_vector, name##_vector, name##_vector,                         \
                              name##_vector))callee_addr;                                          \
        memcpy(v, in, sizeof v);                                                                   \
        r = callee(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]);                                \
        memcpy(out, &r, sizeof r);                                                                 \
    }

DEFINE_VECTOR_HOST(host_128, 16, )

void case_abi_vector_128(struct trial *t)
{
    check_vectors(t, 4, NULL, "", host_128);
}

#if defined(__x86_64__)
DEFINE_VECTOR_HOST(host_256, 32, __attribute__((target("avx"))))
DEFINE_VECTOR_HOST(host_512, 64, __attribute__((target("avx512f"))))

void case_abi_vector_256_512(struct trial *t)
{
    if (!__builtin_cpu_supports("avx"))
        SKIP("the CPU has no AVX");
    check_vectors(t, 8, "+avx", "", host_256);
    if (!__builtin_cpu_supports("avx512f"))
        SKIP("256-bit vectors pass; the CPU has no AVX-512");
    check_vectors(t, 16, "+avx512f", "\"min-legal-vector-width\"=\"512\"", host_512);
}
#elif defined(__aarch64__)
/* Scalable vectors: z0 to z7 at the width of the CPU; the sum of all lanes comes back. */
static const char sve_ir[] =
    "define <vscale x 4 x float> @callee(<vscale x 4 x float> %a, <vscale x 4 x float> %b) {\n"
    "  %r = fadd <vscale x 4 x float> %a, %b\n"
    "  ret <vscale x 4 x float> %r\n"
    "}\n"
    "declare float @llvm.vector.reduce.fadd.nxv4f32(float, <vscale x 4 x float>)\n"
    "declare i64 @llvm.vscale.i64()\n"
    "define i64 @caller(i64 %x) {\n"
    "  %f = sitofp i64 %x to float\n"
    "  %i = insertelement <vscale x 4 x float> poison, float %f, i64 0\n"
    "  %v = shufflevector <vscale x 4 x float> %i, <vscale x 4 x float> poison,"
    " <vscale x 4 x i32> zeroinitializer\n"
    "  %r = call <vscale x 4 x float> @callee(<vscale x 4 x float> %v, <vscale x 4 x float> %v)\n"
    "  %s = call float @llvm.vector.reduce.fadd.nxv4f32(float 0.0, <vscale x 4 x float> %r)\n"
    "  %n = fptosi float %s to i64\n"
    "  %k = call i64 @llvm.vscale.i64()\n"
    "  %e = sdiv i64 %n, %k\n" /* four lanes of 2x for each unit of vscale */
    "  ret i64 %e\n"
    "}\n";

void case_abi_vector_256_512(struct trial *t)
{
    check_vectors(t, 4, NULL, "", host_128);
    if (!(getauxval(AT_HWCAP) & HWCAP_SVE))
        SKIP("NEON passes; the CPU has no SVE");
    create_clobbering(t, "+sve");
    trial_add(t, "scalable", sve_ir);
    CHECK_EQ(CALLEE(t, "caller", int64_t, int64_t)(3), 24);
}
#endif

/* --- 30 --- */

struct state {
    int error_number, rounding;
    double third; /* as the CPU divides: on x86-64 fegetround asks the x87 unit only */
};

#define THIRD_UPWARD 0x1.5555555555556p-2

static struct state seen;

static struct state read_state(void)
{
    volatile double one = 1, three = 3;
    return (struct state){errno, fegetround(), one / three};
}

static void note_state(void)
{
    seen = read_state();
}

static const char state_ir[] = "declare void @note_state()\n"
                               "define void @callee() {\n"
                               "  call void @note_state()\n"
                               "  ret void\n"
                               "}\n"
                               "define void @caller() {\n"
                               "  call void @callee()\n"
                               "  ret void\n"
                               "}\n";

static void spoil_state(void *context, enum jd_phase phase)
{
    (void)context;
    (void)phase;
    errno = 78;
    fesetround(FE_DOWNWARD);
}

static void check_state(struct trial *t, const char *entry)
{
    static const struct jd_probe spoiling_probe = {
        .struct_size = sizeof spoiling_probe, .begin = spoil_state, .end = spoil_state};
    struct jd_engine_options options = trial_options(t);
    options.probe = &spoiling_probe;
    trial_create(t, &options);
    trial_add(t, "state", state_ir);
    trial_define(t, "note_state", JD_SYMBOL_FUNCTION, (uintptr_t)&note_state);
    void (*function)(void) = CALLEE(t, entry, void, void);
    seen = (struct state){-1, -1, 0};
    fesetround(FE_UPWARD);
    errno = 77;
    function();
    struct state after = read_state();
    CHECK_EQ(seen.error_number, 77);
    CHECK_EQ(seen.rounding, FE_UPWARD);
    CHECK(seen.third == THIRD_UPWARD);
    CHECK_EQ(after.error_number, 77);
    CHECK_EQ(after.rounding, FE_UPWARD);
    CHECK(after.third == THIRD_UPWARD);
    trial_destroy(t);
    fesetround(FE_TONEAREST);
}

void case_abi_errno_and_fp_control(struct trial *t)
{
    check_state(t, "callee");
    check_state(t, "caller");
}

/* --- 31 --- */

static struct {
    uintptr_t first_addr, last_addr;
} frames;

static void note_first_frame(void)
{
    frames.first_addr = (uintptr_t)__builtin_frame_address(0);
}

static void note_last_frame(void)
{
    frames.last_addr = (uintptr_t)__builtin_frame_address(0);
}

static const char tail_ir[] = "declare void @note_first_frame()\n"
                              "declare void @note_last_frame()\n"
                              "define i64 @start(i64 %n, i64 %sum) {\n"
                              "  call void @note_first_frame()\n"
                              "  %r = musttail call i64 @ping(i64 %n, i64 %sum)\n"
                              "  ret i64 %r\n"
                              "}\n"
                              "define i64 @ping(i64 %n, i64 %sum) {\n"
                              "  %m = sub i64 %n, 1\n"
                              "  %s = add i64 %sum, 1\n"
                              "  %r = musttail call i64 @pong(i64 %m, i64 %s)\n"
                              "  ret i64 %r\n"
                              "}\n"
                              "define i64 @pong(i64 %n, i64 %sum) {\n"
                              "  %stop = icmp sle i64 %n, 0\n"
                              "  br i1 %stop, label %last, label %again\n"
                              "again:\n"
                              "  %m = sub i64 %n, 1\n"
                              "  %s = add i64 %sum, 1\n"
                              "  %r = musttail call i64 @ping(i64 %m, i64 %s)\n"
                              "  ret i64 %r\n"
                              "last:\n"
                              "  call void @note_last_frame()\n"
                              "  ret i64 %sum\n"
                              "}\n";

void case_tail_call_into_stub(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "tail", tail_ir);
    trial_define(t, "note_first_frame", JD_SYMBOL_FUNCTION, (uintptr_t)&note_first_frame);
    trial_define(t, "note_last_frame", JD_SYMBOL_FUNCTION, (uintptr_t)&note_last_frame);
    int64_t (*start)(int64_t, int64_t) = CALLEE(t, "start", int64_t, int64_t, int64_t);
    CHECK_EQ(start(999999, 0), 999999);
    /* The two frames differ by what their functions save, and by nothing that grows. */
    CHECK(frames.first_addr - frames.last_addr + 256 < 512);
    CHECK_EQ(start(999999, 1), 1000000);
}
