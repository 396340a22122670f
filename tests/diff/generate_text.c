/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's alphabet: growing text, chance, types, constants and operands. Knows nothing of
 * what a program consists of.
 */
#include <float.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate_private.h"

static const struct type_info types[T_COUNT] = {
    [T_I1] = {"i1", "i1", KIND_INT, 1, 0, 0, {0}},
    [T_I7] = {"i7", "i7", KIND_INT, 7, 0, 0, {0}},
    [T_I8] = {"i8", "i8", KIND_INT, 8, 0, 0, {0}},
    [T_I16] = {"i16", "i16", KIND_INT, 16, 0, 0, {0}},
    [T_I32] = {"i32", "i32", KIND_INT, 32, 0, 0, {0}},
    [T_I33] = {"i33", "i33", KIND_INT, 33, 0, 0, {0}},
    [T_I64] = {"i64", "i64", KIND_INT, 64, 0, 0, {0}},
    [T_I128] = {"i128", "i128", KIND_INT, 128, 0, 0, {0}},
    [T_F16] = {"half", "f16", KIND_FLOAT, 16, 0, 0, {0}},
    [T_BF16] = {"bfloat", "bf16", KIND_FLOAT, 16, 0, 0, {0}},
    [T_F32] = {"float", "f32", KIND_FLOAT, 32, 0, 0, {0}},
    [T_F64] = {"double", "f64", KIND_FLOAT, 64, 0, 0, {0}},
    [T_LONG] = {"x86_fp80", "f80", KIND_FLOAT, 80, 0, 0, {0}},
    [T_V4I32] = {"<4 x i32>", "v4i32", KIND_VECTOR, 0, 4, T_I32, {0}},
    [T_V2I64] = {"<2 x i64>", "v2i64", KIND_VECTOR, 0, 2, T_I64, {0}},
    [T_V16I8] = {"<16 x i8>", "v16i8", KIND_VECTOR, 0, 16, T_I8, {0}},
    [T_V3I16] = {"<3 x i16>", "v3i16", KIND_VECTOR, 0, 3, T_I16, {0}},
    [T_V2F64] = {"<2 x double>", "v2f64", KIND_VECTOR, 0, 2, T_F64, {0}},
    [T_V8F32] = {"<8 x float>", "v8f32", KIND_VECTOR, 0, 8, T_F32, {0}},
    [T_V8F16] = {"<8 x half>", "v8f16", KIND_VECTOR, 0, 8, T_F16, {0}},
    [T_V4BF16] = {"<4 x bfloat>", "v4bf16", KIND_VECTOR, 0, 4, T_BF16, {0}},
    [T_V4I1] = {"<4 x i1>", "v4i1", KIND_VECTOR, 0, 4, T_I1, {0}},
    [T_V16I1] = {"<16 x i1>", "v16i1", KIND_VECTOR, 0, 16, T_I1, {0}},
    [T_A3I16] = {"[3 x i16]", "a3i16", KIND_STRUCT, 0, 3, T_I16, {T_I16, T_I16, T_I16}},
    [T_A3I32] = {"[3 x i32]", "a3i32", KIND_STRUCT, 0, 3, T_I32, {T_I32, T_I32, T_I32}},
    [T_PAIR] = {"{ i64, double }", "pair", KIND_STRUCT, 0, 2, 0, {T_I64, T_F64}},
    [T_MIX] = {"{ i8, i32, float }", "mix", KIND_STRUCT, 0, 3, 0, {T_I8, T_I32, T_F32}},
    [T_PACKED] = {"<{ i8, i64, i16 }>", "packed", KIND_STRUCT, 0, 3, 0, {T_I8, T_I64, T_I16}},
    [T_BIG] = {"{ i64, [3 x i32], double }", "big", KIND_STRUCT, 0, 3, 0, {T_I64, T_A3I32, T_F64}},
};
static const struct type_info quad = {"fp128", "f128", KIND_FLOAT, 128, 0, 0, {0}};

static void text_vadd(struct diff_text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    if (size < 0)
        abort();
    size_t wanted = text->size_bytes + (size_t)size + 1;
    if (wanted > text->capacity_bytes) {
        size_t capacity = text->capacity_bytes ? text->capacity_bytes : 1024;
        while (capacity < wanted)
            capacity *= 2;
        char *bytes = realloc(text->bytes, capacity);
        if (!bytes)
            abort();
        text->bytes = bytes;
        text->capacity_bytes = capacity;
    }
    vsnprintf(text->bytes + text->size_bytes, (size_t)size + 1, format, again);
    text->size_bytes += (size_t)size;
    va_end(again);
}

void text_add(struct diff_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_vadd(text, format, arguments);
    va_end(arguments);
}

void text_fini(struct diff_text *text)
{
    free(text->bytes);
    memset(text, 0, sizeof *text);
}

const struct type_info *info_of(const struct gen *g, enum type type)
{
    return type == T_LONG && g->cpu == DIFF_CPU_AARCH64 ? &quad : &types[type];
}

const char *type_text(const struct gen *g, enum type type)
{
    if (type == T_VOID)
        return "void";
    return type > T_VOID ? "ptr" : info_of(g, type)->text;
}

bool is_scalar(const struct gen *g, enum type type)
{
    return info_of(g, type)->kind == KIND_INT || info_of(g, type)->kind == KIND_FLOAT;
}

unsigned below(struct gen *g, unsigned bound)
{
    return (unsigned)jd_rng_below(&g->rng, bound);
}

unsigned within(struct gen *g, struct span span)
{
    return span.least + below(g, span.more);
}

bool one_in(struct gen *g, unsigned n)
{
    return below(g, n) == 0;
}

/* One of the program's types before `end`. */
static enum type any_of(struct gen *g, enum type end)
{
    unsigned type;
    do
        type = below(g, end);
    while (!(g->types >> type & 1));
    return (enum type)type;
}

enum type any_scalar(struct gen *g)
{
    /* The common ones are common here too. */
    static const enum type often[] = {T_I32, T_I64, T_I64, T_F64};
    if (is_scalar(g, g->focus) && one_in(g, 4))
        return g->focus;
    return one_in(g, 2) ? often[below(g, sizeof often / sizeof *often)] : any_of(g, T_LONG + 1);
}

enum type any_type(struct gen *g)
{
    if (one_in(g, 4))
        return g->focus;
    return one_in(g, 2) ? any_scalar(g) : any_of(g, T_COUNT);
}

static char *operand_room(struct gen *g)
{
    char *room = g->operands[g->next_operand];
    g->next_operand = (g->next_operand + 1) % OPERANDS;
    return room;
}

/* A float constant with few bits: sign, exponent near 0, four bits of fraction. */
static void float_text(const struct type_info *info, bool is_negative, int exponent,
                       unsigned fraction, char *out)
{
    uint64_t sign = is_negative;
    if (info->bits <= 64)
        /* The text of a float is that of the double of the same value. */
        snprintf(out, OPERAND_BYTES, "0x%016" PRIX64,
                 sign << 63 | (uint64_t)(exponent + 1023) << 52 | (uint64_t)fraction << 48);
    else if (info->bits == 80)
        snprintf(out, OPERAND_BYTES, "0xK%04X%016" PRIX64,
                 (unsigned)(sign << 15) | (unsigned)(exponent + 16383),
                 UINT64_C(1) << 63 | (uint64_t)fraction << 59);
    else
        snprintf(out, OPERAND_BYTES, "0xL%016" PRIX64 "%016" PRIX64, UINT64_C(0),
                 sign << 63 | (uint64_t)(exponent + 16383) << 48 | (uint64_t)fraction << 44);
}

/* Power of two of a small number, as a float; other numbers lose their fraction on purpose. */
static void small_float_text(const struct type_info *info, int number, char *out)
{
    int exponent = 0;
    unsigned size = (unsigned)abs(number);
    while (size >> 1 >> exponent)
        exponent++;
    float_text(info, number < 0, exponent, 0, out);
}

static void integer_text(struct gen *g, const struct type_info *info, char *out)
{
    uint64_t bits = jd_rng_next(&g->rng);
    if (info->bits == 1) {
        snprintf(out, OPERAND_BYTES, "%s", bits & 1 ? "true" : "false");
        return;
    }
    if (info->bits == 128) {
        uint64_t high = jd_rng_next(&g->rng);
        snprintf(out, OPERAND_BYTES, "u0x%016" PRIX64 "%016" PRIX64, high, bits);
        return;
    }
    /* Corners as often as anything else: 0, 1, -1, largest, smallest, small, any. */
    int64_t top = (int64_t)(UINT64_C(1) << (info->bits - 1)), value;
    switch (below(g, 8)) {
    case 0:
        value = 0;
        break;
    case 1:
        value = 1;
        break;
    case 2:
        value = -1;
        break;
    case 3:
        value = (int64_t)((uint64_t)top - 1);
        break;
    case 4:
        value = (int64_t)(0 - (uint64_t)top);
        break;
    case 5:
        value = (int64_t)(bits % 60);
        break;
    default:
        value = (int64_t)(bits << (64 - info->bits)) >> (64 - info->bits);
    }
    snprintf(out, OPERAND_BYTES, "%" PRId64, value);
}

static void any_float_text(struct gen *g, const struct type_info *info, char *out)
{
    if (one_in(g, 8))
        snprintf(out, OPERAND_BYTES, "%s", info->bits > 64 ? "zeroinitializer" : "0.0");
    else {
        bool is_negative = one_in(g, 3);
        int exponent = (int)below(g, 24) - 8;
        float_text(info, is_negative, exponent, below(g, 16), out);
    }
}

/* Elements one after another; with `is_splat` all are `number`. */
static void composite_text(struct gen *g, enum type type, bool is_splat, int number, char *out)
{
    const struct type_info *info = info_of(g, type);
    const char *brackets = info->kind == KIND_VECTOR ? "<>"
                           : info->text[0] == '['    ? "[]"
                           : info->text[0] == '<'    ? "<{}>"
                                                     : "{}";
    size_t half = strlen(brackets) / 2, used;
    used = (size_t)snprintf(out, OPERAND_BYTES, "%.*s ", (int)half, brackets);
    for (unsigned i = 0; i < info->count; i++) {
        enum type member = info->kind == KIND_VECTOR ? info->element : info->members[i];
        unsigned mark = g->next_operand;
        used += (size_t)snprintf(out + used, OPERAND_BYTES - used, "%s%s %s", i ? ", " : "",
                                 type_text(g, member),
                                 is_splat ? splat(g, member, number) : constant(g, member));
        g->next_operand = mark;
    }
    snprintf(out + used, OPERAND_BYTES - used, " %s", brackets + half);
}

const char *splat(struct gen *g, enum type type, int number)
{
    const struct type_info *info = info_of(g, type);
    char *out = operand_room(g);
    if (info->kind == KIND_INT && info->bits == 1)
        snprintf(out, OPERAND_BYTES, "%s", number & 1 ? "true" : "false");
    else if (info->kind == KIND_INT)
        snprintf(out, OPERAND_BYTES, "%d", number);
    else if (info->kind == KIND_FLOAT)
        small_float_text(info, number, out);
    else
        composite_text(g, type, true, number, out);
    return out;
}

const char *constant(struct gen *g, enum type type)
{
    const struct type_info *info = info_of(g, type);
    char *out = operand_room(g);
    if (info->kind == KIND_INT)
        integer_text(g, info, out);
    else if (info->kind == KIND_FLOAT)
        any_float_text(g, info, out);
    else if (one_in(g, 4))
        snprintf(out, OPERAND_BYTES, "zeroinitializer");
    else
        composite_text(g, type, false, 0, out);
    return out;
}

const char *value_text(struct gen *g, unsigned id)
{
    char *out = operand_room(g);
    snprintf(out, OPERAND_BYTES, "%%v%u", id);
    return out;
}

const char *operand(struct gen *g, enum type type)
{
    unsigned found = 0, chosen = 0;
    if (one_in(g, 8))
        return constant(g, type);
    /* The younger half twice as likely, so that results of results are used. */
    for (unsigned i = 0; i < g->pool_count; i++)
        if (g->pool[i].type == type && below(g, ++found) < (i * 2 >= g->pool_count ? 2u : 1u))
            chosen = g->pool[i].id;
    return found ? value_text(g, chosen) : constant(g, type);
}

void emit(struct gen *g, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_add(&g->body, "  ");
    text_vadd(&g->body, format, arguments);
    text_add(&g->body, "\n");
    va_end(arguments);
}

void emit_entry(struct gen *g, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_add(&g->entry, "  ");
    text_vadd(&g->entry, format, arguments);
    text_add(&g->entry, "\n");
    va_end(arguments);
}

unsigned fresh_value(struct gen *g)
{
    return g->next_value++;
}

unsigned fresh_label(struct gen *g)
{
    return g->next_label++;
}

void begin_block(struct gen *g, unsigned label)
{
    text_add(&g->body, "L%u:\n", label);
    snprintf(g->block, sizeof g->block, "L%u", label);
}

unsigned keep(struct gen *g, enum type type, unsigned id)
{
    if (g->pool_count < POOL_MAX)
        g->pool[g->pool_count++] = (struct value){type, id};
    return id;
}

void need(struct gen *g, const char *format, ...)
{
    struct module *module = &g->modules[g->module];
    struct diff_text line = {0};
    va_list arguments;
    va_start(arguments, format);
    text_vadd(&line, format, arguments);
    va_end(arguments);
    for (unsigned i = 0; i < module->need_count; i++)
        if (!strcmp(module->needs[i], line.bytes)) {
            text_fini(&line);
            return;
        }
    if (module->need_count == NEEDS_MAX)
        abort();
    module->needs[module->need_count++] = line.bytes;
}

const char *function_name(struct gen *g, unsigned function)
{
    g->modules[g->module].uses_function[function] = true;
    return g->functions[function].name;
}

const char *global_name(struct gen *g, unsigned global)
{
    g->modules[g->module].uses_global[global] = true;
    return g->globals[global].name;
}
