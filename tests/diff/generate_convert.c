/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's conversions: integers and floats of all sizes, element by element in vectors, and
 * vectors of i1, which comparisons and truncations make. Each has one result for all operands:
 * conversions to integers saturate, and what becomes a half is never too large for one.
 */
#include <stdio.h>

#include "generate_private.h"

/* ---- scalars ---- */

static unsigned convert_float(struct gen *g, enum type from, const char *value, enum type to)
{
    const struct type_info *source = info_of(g, from), *target = info_of(g, to);
    if (from == to)
        return DEFINE(g, to, "fneg %s %s", target->text, value);
    if (target->kind == KIND_FLOAT && source->bits == target->bits) {
        /* Of half and bfloat neither holds the other. */
        unsigned both = DEFINE(g, T_F32, "fpext %s %s to float", source->text, value);
        return DEFINE(g, to, "fptrunc float %%v%u to %s", both, target->text);
    }
    if (target->kind == KIND_FLOAT)
        return DEFINE(g, to, "%s %s %s to %s", source->bits < target->bits ? "fpext" : "fptrunc",
                      source->text, value, target->text);
    const char *sign = one_in(g, 2) ? "si" : "ui";
    need(g, "declare %s @llvm.fpto%s.sat.%s.%s(%s)", target->text, sign, target->name, source->name,
         source->text);
    return DEFINE(g, to, "call %s @llvm.fpto%s.sat.%s.%s(%s %s)", target->text, sign, target->name,
                  source->name, source->text, value);
}

static unsigned to_float(struct gen *g, enum type from, const char *value, enum type to)
{
    const struct type_info *source = info_of(g, from), *target = info_of(g, to);
    /* Twelve bits fit a half and need rounding; more would be rounded to a float first. */
    if (target->bits == 16 && source->bits > 12)
        value = value_text(g, DEFINE(g, from, "and %s %s, 4095", source->text, value));
    return DEFINE(g, to, "%s %s %s to %s", one_in(g, 2) ? "sitofp" : "uitofp", source->text, value,
                  target->text);
}

unsigned convert(struct gen *g, enum type from, const char *value, enum type to)
{
    const struct type_info *source = info_of(g, from), *target = info_of(g, to);
    if (source->kind == KIND_FLOAT)
        return convert_float(g, from, value, to);
    if (target->kind == KIND_FLOAT)
        return to_float(g, from, value, to);
    if (source->bits == target->bits)
        return DEFINE(g, to, "freeze %s %s", source->text, value);
    if (source->bits > target->bits)
        return DEFINE(g, to, "trunc %s %s to %s", source->text, value, target->text);
    return DEFINE(g, to, "%s %s %s to %s", one_in(g, 2) ? "sext" : "zext", source->text, value,
                  target->text);
}

/* The largest integer does not fit the smaller floats, and 80 or 128 bits convert to common sizes.
 */
static bool converts(const struct gen *g, enum type from, enum type to)
{
    enum type other = from == T_I128 || from == T_LONG ? to : from;
    if ((from == T_I128 || to == T_I128) && (other >= T_F16 && other <= T_F32))
        return false;
    if (from == T_LONG || to == T_LONG)
        return other == T_I32 || other == T_I64 || other == T_F64 || other == T_F32 ||
               other == T_F16;
    return is_scalar(g, from) && is_scalar(g, to);
}

unsigned cast(struct gen *g, enum type to)
{
    enum type from = any_scalar(g);
    if (!converts(g, from, to))
        from = to == T_LONG ? T_F64 : T_I64;
    return convert(g, from, operand(g, from), to);
}

/* LLVM multiplies and divides bfloats as floats, and the smallest floats are not twice as precise
 * as the smallest bfloats: from small integers nothing gets there. */
const char *bfloat_factor(struct gen *g, enum type type)
{
    enum type from = type == T_BF16 ? T_I32 : T_V4I32;
    const char *value = operand(g, from);
    unsigned small =
        DEFINE(g, from, "and %s %s, %s", type_text(g, from), value, splat(g, from, 255));
    return value_text(
        g, DEFINE(g, type, "uitofp %s %%v%u to %s", type_text(g, from), small, type_text(g, type)));
}

/* ---- vectors ---- */

/* The first `count` elements of a vector of floats; not kept, for no object has the type. */
static unsigned first_floats(struct gen *g, unsigned count)
{
    unsigned id = fresh_value(g);
    const char *value = operand(g, T_V8F32);
    struct diff_text mask = {0};
    for (unsigned i = 0; i < count; i++)
        text_add(&mask, "%si32 %u", i ? ", " : "", i);
    emit(g, "%%v%u = shufflevector <8 x float> %s, <8 x float> %s, <%u x i32> <%s>", id, value,
         value, count, mask.bytes);
    text_fini(&mask);
    return id;
}

/* "call <saturating conversion>", as a value that is not kept. */
static unsigned saturate(struct gen *g, unsigned count, unsigned bits, const char *element,
                         const char *name, const char *value)
{
    unsigned id = fresh_value(g);
    const char *sign = one_in(g, 2) ? "si" : "ui";
    need(g, "declare <%u x i%u> @llvm.fpto%s.sat.v%ui%u.v%u%s(<%u x %s>)", count, bits, sign, count,
         bits, count, name, count, element);
    emit(g, "%%v%u = call <%u x i%u> @llvm.fpto%s.sat.v%ui%u.v%u%s(<%u x %s> %s)", id, count, bits,
         sign, count, bits, count, name, count, element, value);
    return id;
}

/* Four, of which three stay: three at once make LLVM 19 for AArch64 run out of memory at level 0.
 */
static unsigned shorts_of(struct gen *g)
{
    unsigned four = saturate(g, 4, 16, "float", "f32", value_text(g, first_floats(g, 4)));
    return DEFINE(g, T_V3I16,
                  "shufflevector <4 x i16> %%v%u, <4 x i16> %%v%u, <3 x i32> <i32 0, i32 1, i32 2>",
                  four, four);
}

static unsigned bytes_of(struct gen *g)
{
    if (one_in(g, 2))
        return DEFINE(g, T_V16I8, "%s <16 x i1> %s to <16 x i8>", one_in(g, 2) ? "sext" : "zext",
                      operand(g, T_V16I1));
    unsigned shorts = saturate(g, 8, 16, "half", "f16", operand(g, T_V8F16));
    return DEFINE(g, T_V16I8, "bitcast <8 x i16> %%v%u to <16 x i8>", shorts);
}

static unsigned words_of(struct gen *g)
{
    if (one_in(g, 2))
        return DEFINE(g, T_V4I32, "%s <4 x i1> %s to <4 x i32>", one_in(g, 2) ? "sext" : "zext",
                      operand(g, T_V4I1));
    const char *value = value_text(g, first_floats(g, 4));
    return keep(g, T_V4I32, saturate(g, 4, 32, "float", "f32", value));
}

unsigned cast_vector(struct gen *g, enum type to)
{
    const char *sign = one_in(g, 2) ? "si" : "ui";
    switch (to) {
    case T_V4I32:
        return words_of(g);
    case T_V2I64:
        return keep(g, to, saturate(g, 2, 64, "double", "f64", operand(g, T_V2F64)));
    case T_V16I8:
        return bytes_of(g);
    case T_V3I16:
        return shorts_of(g);
    case T_V2F64:
        return DEFINE(g, to, "%stofp <2 x i64> %s to <2 x double>", sign, operand(g, T_V2I64));
    case T_V8F32:
        return DEFINE(g, to, "fpext <8 x half> %s to <8 x float>", operand(g, T_V8F16));
    case T_V8F16:
        return DEFINE(g, to, "fptrunc <8 x float> %s to <8 x half>", operand(g, T_V8F32));
    default:
        return DEFINE(g, T_V4BF16, "fptrunc <4 x float> %%v%u to <4 x bfloat>", first_floats(g, 4));
    }
}

/* ---- vectors of i1 ---- */

bool is_mask(enum type type)
{
    return type == T_V4I1 || type == T_V16I1;
}

enum type mask_of(const struct gen *g, enum type type)
{
    unsigned count = info_of(g, type)->count;
    return count == 4 ? T_V4I1 : count == 16 ? T_V16I1 : T_VOID;
}

unsigned compute_mask(struct gen *g, enum type type)
{
    static const char *const names[] = {"and", "or", "xor"};
    const struct type_info *info = info_of(g, type);
    enum type source = type == T_V16I1 ? T_V16I8 : one_in(g, 3) ? T_V4BF16 : T_V4I32;
    const char *x[2];
    switch (below(g, 6)) {
    case 0:
    case 1:
        return keep(g, type, compare(g, source));
    case 2:
        return shuffle(g, type);
    case 3:
        return insert_element(g, type);
    case 4:
        if (type == T_V16I1 && one_in(g, 2))
            return DEFINE(g, type, "bitcast i16 %s to <16 x i1>", operand(g, T_I16));
        source = type == T_V16I1 ? T_V16I8 : T_V4I32;
        return DEFINE(g, type, "trunc %s %s to %s", type_text(g, source), operand(g, source),
                      info->text);
    default:
        draw(g, type, x, 2);
        return DEFINE(g, type, "%s %s %s, %s", names[below(g, 3)], info->text, x[0], x[1]);
    }
}

unsigned from_mask(struct gen *g)
{
    static const char *const names[] = {"and", "or", "xor"};
    enum type type = one_in(g, 2) ? T_V4I1 : T_V16I1;
    const struct type_info *info = info_of(g, type);
    if (one_in(g, 2)) {
        const char *index = index_below(g, info->count);
        return DEFINE(g, T_I1, "extractelement %s %s, i64 %s", info->text, operand(g, type), index);
    }
    const char *name = names[below(g, 3)];
    need(g, "declare i1 @llvm.vector.reduce.%s.%s(%s)", name, info->name, info->text);
    return DEFINE(g, T_I1, "call i1 @llvm.vector.reduce.%s.%s(%s %s)", name, info->name, info->text,
                  operand(g, type));
}
