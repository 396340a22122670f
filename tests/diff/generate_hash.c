/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's checksum of any value: an extension, or a function per type that the modules
 * have each for themselves or share. Padding and the bits of a NaN do not count.
 */
#include "generate_private.h"

/* Needs no function. */
static bool is_small_int(const struct gen *g, enum type type)
{
    return info_of(g, type)->kind == KIND_INT && info_of(g, type)->bits < 64;
}

const char *hash_of(struct gen *g, enum type type, const char *text)
{
    if (type == T_I64)
        return text;
    unsigned id = fresh_value(g);
    if (is_small_int(g, type)) {
        emit(g, "%%v%u = zext %s %s to i64", id, type_text(g, type), text);
    } else {
        g->modules[g->module].hashed_types |= UINT32_C(1) << type;
        emit(g, "%%v%u = call i64 @hash.%s(%s %s)", id, info_of(g, type)->name, type_text(g, type),
             text);
    }
    return value_text(g, keep(g, T_I64, id));
}

void mix(struct gen *g, enum type type, const char *text)
{
    const char *hash = hash_of(g, type, text);
    need(g, "declare void @jt_mix(i64)");
    emit(g, "call void @jt_mix(i64 %s)", hash);
}

/* Bits of a float, every NaN alike. */
static void emit_float_hash(const struct type_info *info, struct diff_text *out)
{
    text_add(out, "  %%n = fcmp uno %s %%x, %%x\n  %%b = bitcast %s %%x to i%u\n", info->text,
             info->text, info->bits);
    if (info->bits < 64)
        text_add(out, "  %%h = zext i%u %%b to i64\n", info->bits);
    else if (info->bits == 64)
        text_add(out, "  %%h = xor i64 %%b, 0\n");
    else
        text_add(out,
                 "  %%s = lshr i%u %%b, 64\n  %%t = trunc i%u %%s to i64\n"
                 "  %%l = trunc i%u %%b to i64\n  %%m = mul i64 %%t, 1000003\n"
                 "  %%h = xor i64 %%m, %%l\n",
                 info->bits, info->bits, info->bits);
    text_add(out, "  %%r = select i1 %%n, i64 77, i64 %%h\n  ret i64 %%r\n");
}

static const char large_int_hash[] = "  %s = lshr i128 %x, 64\n  %t = trunc i128 %s to i64\n"
                                     "  %l = trunc i128 %x to i64\n  %m = mul i64 %t, 1000003\n"
                                     "  %r = xor i64 %m, %l\n  ret i64 %r\n";

static void emit_parts_hash(struct gen *g, struct module *module, const struct type_info *info)
{
    struct diff_text *out = &module->code;
    text_add(out, "  %%r0 = add i64 0, %u\n", info->count);
    for (unsigned i = 0; i < info->count; i++) {
        enum type part = info->kind == KIND_VECTOR ? info->element : info->members[i];
        text_add(out, "  %%p%u = %s %s %%x, %s%u\n", i,
                 info->kind == KIND_VECTOR ? "extractelement" : "extractvalue", info->text,
                 info->kind == KIND_VECTOR ? "i32 " : "", i);
        if (part == T_I64) {
            text_add(out, "  %%h%u = xor i64 %%p%u, 0\n", i, i);
        } else if (is_small_int(g, part)) {
            text_add(out, "  %%h%u = zext %s %%p%u to i64\n", i, type_text(g, part), i);
        } else {
            module->hashed_types |= UINT32_C(1) << part;
            text_add(out, "  %%h%u = call i64 @hash.%s(%s %%p%u)\n", i, info_of(g, part)->name,
                     type_text(g, part), i);
        }
        text_add(out, "  %%m%u = mul i64 %%r%u, 31\n  %%r%u = add i64 %%m%u, %%h%u\n", i, i, i + 1,
                 i, i);
    }
    text_add(out, "  ret i64 %%r%u\n", info->count);
}

static void emit_hash_functions_of(struct gen *g, struct module *module)
{
    /* Parts come before the whole in the list of types. */
    for (unsigned type = T_COUNT; type-- > 0;) {
        const struct type_info *info = info_of(g, (enum type)type);
        if (!(module->hashed_types >> type & 1) || type == T_I64)
            continue;
        text_add(&module->code, "define %si64 @hash.%s(%s %%x) {\n",
                 g->shares_hashes ? "" : "internal ", info->name, info->text);
        if (info->kind == KIND_INT)
            text_add(&module->code, "%s", large_int_hash);
        else if (info->kind == KIND_FLOAT)
            emit_float_hash(info, &module->code);
        else
            emit_parts_hash(g, module, info);
        text_add(&module->code, "}\n\n");
    }
}

static void declare_hash_functions(struct gen *g, struct module *module)
{
    for (unsigned type = 0; type < T_COUNT; type++) {
        const struct type_info *info = info_of(g, (enum type)type);
        if (module->hashed_types >> type & 1)
            text_add(&module->code, "declare i64 @hash.%s(%s)\n", info->name, info->text);
    }
}

void emit_hash_functions(struct gen *g)
{
    for (unsigned m = 1; m < g->module_count; m++) {
        if (!g->shares_hashes) {
            emit_hash_functions_of(g, &g->modules[m]);
            continue;
        }
        g->modules[0].hashed_types |= g->modules[m].hashed_types;
        declare_hash_functions(g, &g->modules[m]);
    }
    emit_hash_functions_of(g, &g->modules[0]);
}
