/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's computations: arithmetic, comparisons, vectors, intrinsics. Each is total: it has
 * one result for all operands.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "generate_private.h"

unsigned define(struct gen *g, enum type type, unsigned id, const char *format, ...)
{
    char rest[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rest, sizeof rest, format, arguments);
    va_end(arguments);
    emit(g, "%%v%u = %s", id, rest);
    return keep(g, type, id);
}

void draw(struct gen *g, enum type type, const char **out, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        out[i] = operand(g, type);
}

static unsigned element_bits(const struct gen *g, enum type type)
{
    const struct type_info *info = info_of(g, type);
    return info->kind == KIND_VECTOR ? info_of(g, info->element)->bits : info->bits;
}

static bool is_floating(const struct gen *g, enum type type)
{
    const struct type_info *info = info_of(g, type);
    return info->kind == KIND_FLOAT ||
           (info->kind == KIND_VECTOR && info_of(g, info->element)->kind == KIND_FLOAT);
}

static unsigned binary(struct gen *g, enum type type)
{
    static const char *const ints[] = {"add", "sub", "mul", "and", "or", "xor", "add", "xor"};
    static const char *const floats[] = {"fadd", "fsub", "fmul", "fdiv", "fadd", "fmul"};
    const char *name = is_floating(g, type) ? floats[below(g, 6)] : ints[below(g, 8)];
    const char *x[2];
    draw(g, type, x, 2);
    bool is_bfloat = type == T_BF16 || type == T_V4BF16;
    for (unsigned i = 0; i < 2 && is_bfloat && (name[1] == 'm' || name[1] == 'd'); i++)
        x[i] = bfloat_factor(g, type);
    return DEFINE(g, type, "%s %s %s, %s", name, type_text(g, type), x[0], x[1]);
}

static unsigned shift(struct gen *g, enum type type)
{
    static const char *const names[] = {"shl", "lshr", "ashr"};
    int bits = (int)element_bits(g, type);
    const char *text = type_text(g, type), *name = names[below(g, 3)];
    unsigned amount =
        DEFINE(g, type, "%s %s %s, %s", (bits & (bits - 1)) == 0 ? "and" : "urem", text,
               operand(g, type), splat(g, type, (bits & (bits - 1)) == 0 ? bits - 1 : bits));
    return DEFINE(g, type, "%s %s %s, %%v%u", name, text, operand(g, type), amount);
}

/* Unsigned divisors are odd; signed ones small and positive, so that nothing overflows. */
static unsigned divide(struct gen *g, enum type type)
{
    const char *text = type_text(g, type);
    bool is_signed = element_bits(g, type) >= 7 && one_in(g, 2), is_rest = one_in(g, 2);
    const char *dividend = operand(g, type), *divisor = operand(g, type);
    if (is_signed)
        divisor =
            value_text(g, DEFINE(g, type, "and %s %s, %s", text, divisor, splat(g, type, 31)));
    unsigned odd = DEFINE(g, type, "or %s %s, %s", text, divisor, splat(g, type, 1));
    const char *name = is_signed ? (is_rest ? "srem" : "sdiv") : (is_rest ? "urem" : "udiv");
    return DEFINE(g, type, "%s %s %s, %%v%u", name, text, dividend, odd);
}

static const char *any_predicate(struct gen *g, bool is_float)
{
    static const char *const ints[] = {"eq",  "ne",  "ugt", "uge", "ult",
                                       "ule", "sgt", "sge", "slt", "sle"};
    static const char *const floats[] = {"oeq", "ogt", "oge", "olt", "ole", "one", "ord",
                                         "ueq", "ugt", "uge", "ult", "ule", "une", "uno"};
    return is_float ? floats[below(g, 14)] : ints[below(g, 10)];
}

unsigned compare(struct gen *g, enum type type)
{
    bool is_float = is_floating(g, type);
    unsigned id = fresh_value(g);
    const char *predicate = any_predicate(g, is_float), *x[2];
    draw(g, type, x, 2);
    emit(g, "%%v%u = %s %s %s %s, %s", id, is_float ? "fcmp" : "icmp", predicate,
         type_text(g, type), x[0], x[1]);
    return id;
}

static unsigned choose(struct gen *g, enum type type)
{
    const char *text = type_text(g, type);
    const struct type_info *info = info_of(g, type);
    bool is_by_element = info->kind == KIND_VECTOR && one_in(g, 2);
    enum type mask = mask_of(g, type);
    const char *condition = is_by_element && mask != T_VOID && one_in(g, 2)
                                ? operand(g, mask)
                                : value_text(g, compare(g, is_by_element ? type : any_scalar(g)));
    const char *x[2];
    draw(g, type, x, 2);
    if (is_by_element)
        return DEFINE(g, type, "select <%u x i1> %s, %s %s, %s %s", info->count, condition, text,
                      x[0], text, x[1]);
    return DEFINE(g, type, "select i1 %s, %s %s, %s %s", condition, text, x[0], text, x[1]);
}

static unsigned count_bits(struct gen *g, enum type type)
{
    static const char *const names[] = {"ctpop", "bitreverse", "ctlz", "cttz", "abs", "bswap"};
    const struct type_info *info = info_of(g, type);
    unsigned which = below(g, info->kind == KIND_INT && info->bits % 16 == 0 ? 6 : 5);
    if (element_bits(g, type) == 1)
        which = 0;
    bool has_flag = which >= 2 && which <= 4;
    need(g, "declare %s @llvm.%s.%s(%s%s)", info->text, names[which], info->name, info->text,
         has_flag ? ", i1" : "");
    return DEFINE(g, type, "call %s @llvm.%s.%s(%s %s%s)", info->text, names[which], info->name,
                  info->text, operand(g, type), has_flag ? ", i1 false" : "");
}

static unsigned combine(struct gen *g, enum type type)
{
    static const char *const names[] = {"smax",     "smin",     "umax",     "umin", "uadd.sat",
                                        "sadd.sat", "usub.sat", "ssub.sat", "fshl", "fshr"};
    const struct type_info *info = info_of(g, type);
    unsigned which = element_bits(g, type) == 1 ? 2 : below(g, 10);
    const char *x[3];
    draw(g, type, x, 3);
    need(g, "declare %s @llvm.%s.%s(%s, %s%s%s)", info->text, names[which], info->name, info->text,
         info->text, which >= 8 ? ", " : "", which >= 8 ? info->text : "");
    if (which >= 8)
        return DEFINE(g, type, "call %s @llvm.%s.%s(%s %s, %s %s, %s %s)", info->text, names[which],
                      info->name, info->text, x[0], info->text, x[1], info->text, x[2]);
    return DEFINE(g, type, "call %s @llvm.%s.%s(%s %s, %s %s)", info->text, names[which],
                  info->name, info->text, x[0], info->text, x[1]);
}

static unsigned with_overflow(struct gen *g, enum type type)
{
    static const char *const names[] = {"sadd", "uadd", "ssub", "usub", "smul", "umul"};
    const struct type_info *info = info_of(g, type);
    const char *name = names[below(g, 6)];
    need(g, "declare { %s, i1 } @llvm.%s.with.overflow.%s(%s, %s)", info->text, name, info->name,
         info->text, info->text);
    unsigned both = fresh_value(g);
    const char *x[2];
    draw(g, type, x, 2);
    emit(g, "%%v%u = call { %s, i1 } @llvm.%s.with.overflow.%s(%s %s, %s %s)", both, info->text,
         name, info->name, info->text, x[0], info->text, x[1]);
    DEFINE(g, T_I1, "extractvalue { %s, i1 } %%v%u, 1", info->text, both);
    return DEFINE(g, type, "extractvalue { %s, i1 } %%v%u, 0", info->text, both);
}

/* Out of a vector: one element, or all of them reduced. */
static unsigned from_vector(struct gen *g, enum type type)
{
    enum type vector = type == T_I32    ? T_V4I32
                       : type == T_I64  ? T_V2I64
                       : type == T_I8   ? T_V16I8
                       : type == T_I16  ? T_V3I16
                       : type == T_F64  ? T_V2F64
                       : type == T_F16  ? T_V8F16
                       : type == T_BF16 ? T_V4BF16
                                        : T_V8F32;
    const struct type_info *info = info_of(g, vector);
    static const char *const names[] = {"add", "xor", "umax", "smin", "mul"};
    if (!is_floating(g, type) && one_in(g, 3)) {
        const char *name = names[below(g, 5)];
        need(g, "declare %s @llvm.vector.reduce.%s.%s(%s)", type_text(g, type), name, info->name,
             info->text);
        return DEFINE(g, type, "call %s @llvm.vector.reduce.%s.%s(%s %s)", type_text(g, type), name,
                      info->name, info->text, operand(g, vector));
    }
    const char *index = index_below(g, info->count);
    return DEFINE(g, type, "extractelement %s %s, i64 %s", info->text, operand(g, vector), index);
}

static unsigned inline_assembly(struct gen *g)
{
    const char *text =
        g->cpu == DIFF_CPU_X86_64 ? "leaq 5($1,$1,2), $0\", \"=r,r" : "add $0, $1, #5\", \"=r,r";
    return DEFINE(g, T_I64, "call i64 asm \"%s\"(i64 %s)", text, operand(g, T_I64));
}

static unsigned hashed(struct gen *g, enum type type)
{
    enum type from = any_type(g);
    const char *hash = hash_of(g, from, operand(g, from));
    return convert(g, T_I64, hash, type);
}

static unsigned compute_int(struct gen *g, enum type type)
{
    bool has_vector = type == T_I8 || type == T_I16 || type == T_I32 || type == T_I64;
    switch (below(g, 14)) {
    case 0:
        return shift(g, type);
    case 1:
        return divide(g, type);
    case 2:
        return choose(g, type);
    case 3:
    case 4:
        return cast(g, type);
    case 5:
        return count_bits(g, type);
    case 6:
        return combine(g, type);
    case 7:
        return has_vector ? with_overflow(g, type) : binary(g, type);
    case 8:
        return has_vector ? from_vector(g, type) : type == T_I1 ? from_mask(g) : binary(g, type);
    case 9:
        return hashed(g, type);
    case 10:
        if (type == T_I1)
            return keep(g, T_I1, compare(g, any_scalar(g)));
        return type == T_I64 && one_in(g, 3) ? inline_assembly(g) : binary(g, type);
    default:
        return type == T_I1 ? keep(g, T_I1, compare(g, any_scalar(g))) : binary(g, type);
    }
}

static unsigned float_function(struct gen *g, enum type type)
{
    static const char *const names[] = {"sqrt", "floor", "ceil", "trunc", "fabs", "nearbyint"};
    const struct type_info *info = info_of(g, type);
    const char *name = names[below(g, 6)];
    need(g, "declare %s @llvm.%s.%s(%s)", info->text, name, info->name, info->text);
    return DEFINE(g, type, "call %s @llvm.%s.%s(%s %s)", info->text, name, info->name, info->text,
                  operand(g, type));
}

static unsigned compute_float(struct gen *g, enum type type)
{
    const struct type_info *info = info_of(g, type);
    const char *x[3];
    draw(g, type, x, 3);
    switch (below(g, 10)) {
    case 0:
        return choose(g, type);
    case 1:
    case 2:
        return cast(g, type);
    case 3:
        return float_function(g, type);
    case 4:
        return DEFINE(g, type, "fneg %s %s", info->text, x[0]);
    case 5:
        return type == T_LONG ? binary(g, type) : from_vector(g, type);
    case 6:
        /* LLVM 19 rounds a half's twice, for it has no wider one: float's. */
        if (type == T_LONG || info->bits == 16 || !one_in(g, 3))
            return binary(g, type);
        need(g, "declare %s @llvm.fma.%s(%s, %s, %s)", info->text, info->name, info->text,
             info->text, info->text);
        return DEFINE(g, type, "call %s @llvm.fma.%s(%s %s, %s %s, %s %s)", info->text, info->name,
                      info->text, x[0], info->text, x[1], info->text, x[2]);
    case 7:
        return one_in(g, 4) && type != T_LONG
                   ? DEFINE(g, type, "frem %s %s, %s", info->text, x[0], x[1])
                   : binary(g, type);
    default:
        return binary(g, type);
    }
}

unsigned shuffle(struct gen *g, enum type type)
{
    const struct type_info *info = info_of(g, type);
    char mask[256];
    size_t used = 0;
    for (unsigned i = 0; i < info->count; i++)
        used += (size_t)snprintf(mask + used, sizeof mask - used, "%si32 %u", i ? ", " : "",
                                 below(g, 2 * info->count));
    const char *x[2];
    draw(g, type, x, 2);
    return DEFINE(g, type, "shufflevector %s %s, %s %s, <%u x i32> <%s>", info->text, x[0],
                  info->text, x[1], info->count, mask);
}

unsigned insert_element(struct gen *g, enum type type)
{
    const struct type_info *info = info_of(g, type);
    const char *index = index_below(g, info->count), *whole = operand(g, type);
    const char *element = operand(g, info->element);
    return DEFINE(g, type, "insertelement %s %s, %s %s, i64 %s", info->text, whole,
                  type_text(g, info->element), element, index);
}

static unsigned compute_vector(struct gen *g, enum type type)
{
    const struct type_info *info = info_of(g, type);
    bool is_float = is_floating(g, type), is_128 = type <= T_V16I8;
    if (is_mask(type))
        return compute_mask(g, type);
    switch (below(g, 11)) {
    case 0:
        return is_float ? binary(g, type) : shift(g, type);
    case 1:
        return choose(g, type);
    case 2:
        return shuffle(g, type);
    case 3:
        return insert_element(g, type);
    case 4:
        if (!is_128)
            return binary(g, type);
        enum type from = (enum type)(T_V4I32 + below(g, 3));
        if (from == type)
            return binary(g, type);
        return DEFINE(g, type, "bitcast %s %s to %s", type_text(g, from), operand(g, from),
                      info->text);
    case 5:
        return is_float ? float_function(g, type) : combine(g, type);
    case 6:
        return is_float || !one_in(g, 3) ? binary(g, type) : divide(g, type);
    case 7:
        return is_float ? binary(g, type) : count_bits(g, type);
    case 8:
    case 9:
        return cast_vector(g, type);
    default:
        return binary(g, type);
    }
}

static unsigned compute_struct(struct gen *g, enum type type)
{
    const struct type_info *info = info_of(g, type);
    unsigned index = below(g, info->count);
    if (one_in(g, 3)) /* Out of one, into the pool. */
        DEFINE(g, info->members[index], "extractvalue %s %s, %u", info->text, operand(g, type),
               index);
    const char *whole = operand(g, type), *part = operand(g, info->members[index]);
    return DEFINE(g, type, "insertvalue %s %s, %s %s, %u", info->text, whole,
                  type_text(g, info->members[index]), part, index);
}

unsigned compute(struct gen *g, enum type type)
{
    switch (info_of(g, type)->kind) {
    case KIND_INT:
        return compute_int(g, type);
    case KIND_FLOAT:
        return compute_float(g, type);
    case KIND_VECTOR:
        return compute_vector(g, type);
    default:
        return compute_struct(g, type);
    }
}

const char *index_below(struct gen *g, unsigned bound)
{
    if (one_in(g, 3))
        return splat(g, T_I64, (int)below(g, bound));
    return value_text(g, DEFINE(g, T_I64, "urem i64 %s, %u", operand(g, T_I64), bound));
}
