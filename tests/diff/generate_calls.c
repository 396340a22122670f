/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's calls: direct and indirect, through tables, aliases and data structures, with all
 * kinds of arguments, guarded by landing pads, thrown out of, jumped out of, variadic.
 */
#include <stdio.h>
#include <string.h>

#include "generate_private.h"

void signature(struct gen *g, struct diff_text *out, const struct function *f, bool is_definition,
               enum linkage linkage)
{
    text_add(out, "%s %s%s%s%s %s(", is_definition ? "define" : "declare",
             is_definition ? linkage_text(linkage) : "", f->convention, f->result_attribute,
             type_text(g, f->result), f->name);
    for (unsigned i = 0; i < f->parameter_count; i++) {
        text_add(out, "%s%s %s", i ? ", " : "", type_text(g, f->parameters[i]), f->attributes[i]);
        if (is_definition)
            text_add(out, " %%v%u", i);
    }
    text_add(out, ")");
}

/* A fresh object for an argument in memory, filled when by value. */
static const char *memory_argument(struct gen *g, enum type kind)
{
    unsigned id = fresh_value(g);
    emit_entry(g, "%%v%u = alloca %s, align 16", id, type_text(g, T_BIG));
    if (kind == T_BYVAL) {
        const char *value = operand(g, T_BIG);
        emit(g, "store %s %s, ptr %%v%u", type_text(g, T_BIG), value, id);
    }
    return value_text(g, id);
}

/* "(T a, U b)" of a call. `out_returned` gets the memory of an sret argument, or NULL. */
static void arguments_of(struct gen *g, const struct function *f, struct diff_text *out,
                         const char **out_returned)
{
    *out_returned = NULL;
    text_add(out, "(");
    for (unsigned i = 0; i < f->parameter_count; i++) {
        enum type type = f->parameters[i];
        const char *value = type >= T_COUNT ? memory_argument(g, type) : operand(g, type);
        if (type == T_SRET)
            *out_returned = value;
        text_add(out, "%s%s %s %s", i ? ", " : "", type_text(g, type), f->attributes[i], value);
    }
    text_add(out, ")");
}

/* Callees that are visible here; leaves may only be called by those that must not throw. */
static bool may_call(const struct gen *g, const struct function *f)
{
    if (g->is_leaf)
        return false;
    return f->linkage != LINK_INTERNAL || f->module == g->module;
}

/* A visible function, or FUNCTIONS_MAX. */
static unsigned pick_function(struct gen *g, bool is_standard)
{
    for (unsigned attempt = 0; attempt < 16; attempt++) {
        unsigned chosen = below(g, g->function_count);
        const struct function *f = &g->functions[chosen];
        if (may_call(g, f) && (!is_standard || f->is_standard))
            return chosen;
    }
    return FUNCTIONS_MAX;
}

/* What comes back is used: some of it at once. */
static void take_result(struct gen *g, const struct function *f, unsigned id, const char *returned)
{
    enum type type = f->result;
    if (returned) {
        type = T_BIG;
        id = fresh_value(g);
        emit(g, "%%v%u = load %s, ptr %s", id, type_text(g, T_BIG), returned);
    }
    if (type == T_VOID)
        return;
    keep(g, type, id);
    if (one_in(g, 2))
        mix(g, type, value_text(g, id));
}

static void call_plainly(struct gen *g, const struct function *f, const char *callee)
{
    static const char *const tails[] = {"", "", "notail ", "tail "};
    struct diff_text arguments = {0};
    const char *returned;
    arguments_of(g, f, &arguments, &returned);
    /* A tail call must not see the caller's memory. */
    const char *tail = strstr(arguments.bytes, "ptr ") ? "" : tails[below(g, 4)];
    unsigned id = fresh_value(g);
    char target[32] = "";
    if (f->result != T_VOID)
        snprintf(target, sizeof target, "%%v%u = ", id);
    emit(g, "%s%scall %s%s%s %s%s", target, tail, f->convention, f->result_attribute,
         type_text(g, f->result), callee, arguments.bytes);
    text_fini(&arguments);
    take_result(g, f, id, returned);
}

/* The end of a landing pad that took the exception: forget what was thrown through. */
static void end_catch(struct gen *g)
{
    need(g, "declare void @__cxa_end_catch()");
    emit(g, "call void @__cxa_end_catch()");
    emit(g, "store i32 %%level, ptr @jt_depth");
}

static void emit_landing_pad(struct gen *g, unsigned join, bool catches_all)
{
    unsigned pad = fresh_value(g), object = fresh_value(g);
    need(g, "declare ptr @__cxa_begin_catch(ptr)");
    need(g, "@_ZTIi = external constant ptr");
    need(g, "@_ZTIl = external constant ptr");
    const char *type = one_in(g, 2) ? "i" : "l";
    emit(g, "%%v%u = landingpad { ptr, i32 }%s%s%s", pad, one_in(g, 3) ? " cleanup" : "",
         catches_all ? " catch ptr null" : " catch ptr @_ZTI", catches_all ? "" : type);
    emit(g, "%%v%u = extractvalue { ptr, i32 } %%v%u, 0", object, pad);
    if (!catches_all) {
        unsigned selector = fresh_value(g), wanted = fresh_value(g), same = fresh_value(g);
        unsigned caught = fresh_label(g), other = fresh_label(g);
        need(g, "declare i32 @llvm.eh.typeid.for.p0(ptr)");
        emit(g, "%%v%u = extractvalue { ptr, i32 } %%v%u, 1", selector, pad);
        emit(g, "%%v%u = call i32 @llvm.eh.typeid.for.p0(ptr @_ZTI%s)", wanted, type);
        emit(g, "%%v%u = icmp eq i32 %%v%u, %%v%u", same, selector, wanted);
        emit(g, "br i1 %%v%u, label %%L%u, label %%L%u", same, caught, other);
        begin_block(g, other);
        emit(g, "resume { ptr, i32 } %%v%u", pad);
        begin_block(g, caught);
    }
    unsigned value = fresh_value(g), number = fresh_value(g);
    emit(g, "%%v%u = call ptr @__cxa_begin_catch(ptr %%v%u)", value, object);
    emit(g, "%%v%u = load i32, ptr %%v%u", number, value);
    mix(g, T_I32, value_text(g, number));
    end_catch(g);
    emit(g, "br label %%L%u", join);
}

static void call_guarded(struct gen *g, const struct function *f, const char *callee,
                         bool catches_all)
{
    struct diff_text arguments = {0};
    const char *returned, *fallback = f->result == T_VOID ? NULL : constant(g, f->result);
    unsigned id = fresh_value(g), normal = fresh_label(g), pad = fresh_label(g);
    unsigned join = fresh_label(g), merged = fresh_value(g);
    char target[32] = "", from[NAME_BYTES];
    g->has_personality = true;
    arguments_of(g, f, &arguments, &returned);
    if (f->result != T_VOID)
        snprintf(target, sizeof target, "%%v%u = ", id);
    emit(g, "%sinvoke %s%s%s %s%s to label %%L%u unwind label %%L%u", target, f->convention,
         f->result_attribute, type_text(g, f->result), callee, arguments.bytes, normal, pad);
    text_fini(&arguments);
    /* What the pad computes does not dominate the join. */
    unsigned mark = g->pool_count;
    begin_block(g, pad);
    emit_landing_pad(g, join, catches_all);
    snprintf(from, sizeof from, "%s", g->block);
    g->pool_count = mark;
    begin_block(g, normal);
    if (returned)
        take_result(g, f, id, returned);
    g->pool_count = mark;
    char back[NAME_BYTES];
    snprintf(back, sizeof back, "%s", g->block);
    emit(g, "br label %%L%u", join);
    begin_block(g, join);
    if (f->result == T_VOID)
        return;
    emit(g, "%%v%u = phi %s [ %%v%u, %%%s ], [ %s, %%%s ]", merged, type_text(g, f->result), id,
         back, fallback, from);
    keep(g, f->result, merged);
    mix(g, f->result, value_text(g, merged));
}

void emit_guarded_call(struct gen *g, unsigned function)
{
    call_guarded(g, &g->functions[function], function_name(g, function), true);
}

/* Where a pointer to a standard function may come from. NULL: this program has no such place. */
static const char *standard_pointer(struct gen *g, bool *out_is_resolved)
{
    unsigned id = fresh_value(g), chosen;
    *out_is_resolved = false;
    switch (below(g, 4)) {
    case 0:
        if (!g->next_table)
            return NULL;
        chosen = below(g, g->next_table);
        need(g, "@jt_table%u = external global [4 x ptr]", chosen);
        const char *index = index_below(g, 4);
        emit(g, "%%v%u = getelementptr inbounds [4 x ptr], ptr @jt_table%u, i64 0, i64 %s", id,
             chosen, index);
        break;
    case 1:
        if (!g->node_count)
            return NULL;
        chosen = below(g, g->node_count);
        g->modules[g->module].uses_node[chosen] = true;
        unsigned next = fresh_value(g);
        emit(g,
             "%%v%u = load ptr, ptr getelementptr inbounds ({ i64, ptr, ptr }, ptr @jt_node%u, "
             "i64 0, i32 1)",
             next, chosen);
        emit(g, "%%v%u = getelementptr inbounds { i64, ptr, ptr }, ptr %%v%u, i64 0, i32 2", id,
             next);
        break;
    case 2:
        if (!g->alias_count)
            return NULL;
        chosen = below(g, g->alias_count);
        *out_is_resolved = g->aliases[chosen].is_ifunc;
        g->modules[g->module].uses_alias[chosen] = true;
        emit(g, "%%v%u = select i1 true, ptr @jt_alias%u, ptr null", id, chosen);
        return value_text(g, id);
    default:
        chosen = pick_function(g, true);
        if (chosen == FUNCTIONS_MAX)
            return NULL;
        const char *choice = operand(g, T_I1), *first = function_name(g, chosen);
        unsigned other = pick_function(g, true);
        emit(g, "%%v%u = select i1 %s, ptr %s, ptr %s", id, choice, first,
             function_name(g, other == FUNCTIONS_MAX ? chosen : other));
        return value_text(g, id);
    }
    unsigned pointer = fresh_value(g);
    emit(g, "%%v%u = load ptr, ptr %%v%u", pointer, id);
    return value_text(g, pointer);
}

/* One function has one address, wherever it is asked for. */
static void compare_pointers(struct gen *g, const char *pointer)
{
    unsigned chosen = pick_function(g, true), id = fresh_value(g);
    if (chosen == FUNCTIONS_MAX)
        return;
    emit(g, "%%v%u = icmp eq ptr %s, %s", id, pointer, function_name(g, chosen));
    mix(g, T_I1, value_text(g, keep(g, T_I1, id)));
}

static void call_indirectly(struct gen *g)
{
    static const struct function standard = {.convention = "",
                                             .result_attribute = "",
                                             .result = T_I64,
                                             .parameter_count = 2,
                                             .parameters = {T_I64, T_I32},
                                             .attributes = {"", ""}};
    bool is_resolved;
    const char *pointer = standard_pointer(g, &is_resolved);
    char callee[NAME_BYTES];
    if (!pointer)
        return;
    snprintf(callee, sizeof callee, "%s", pointer);
    /* An ifunc's address is that of its PLT entry or of what it resolved to, as the linker likes.
     */
    if (!is_resolved && one_in(g, 3))
        compare_pointers(g, callee);
    if (one_in(g, 4))
        call_guarded(g, &standard, callee, one_in(g, 2));
    else
        call_plainly(g, &standard, callee);
}

void emit_call(struct gen *g)
{
    if (one_in(g, 3)) {
        call_indirectly(g);
        return;
    }
    unsigned chosen = pick_function(g, false);
    if (chosen == FUNCTIONS_MAX)
        return;
    const struct function *f = &g->functions[chosen];
    const char *name = function_name(g, chosen);
    if (!f->is_leaf && one_in(g, 4))
        call_guarded(g, f, name, one_in(g, 2));
    else
        call_plainly(g, f, name);
}

void emit_throw(struct gen *g)
{
    unsigned condition = fresh_value(g), masked = fresh_value(g), object = fresh_value(g);
    unsigned thrown = fresh_label(g), on = fresh_label(g);
    bool is_long = one_in(g, 2);
    need(g, "declare ptr @__cxa_allocate_exception(i64)");
    need(g, "declare void @__cxa_throw(ptr, ptr, ptr)");
    need(g, "@_ZTIi = external constant ptr");
    need(g, "@_ZTIl = external constant ptr");
    const char *chance = operand(g, T_I64), *value = operand(g, T_I64);
    emit(g, "%%v%u = and i64 %s, 3", masked, chance);
    emit(g, "%%v%u = icmp eq i64 %%v%u, 1", condition, masked);
    emit(g, "br i1 %%v%u, label %%L%u, label %%L%u", condition, thrown, on);
    begin_block(g, thrown);
    emit(g, "%%v%u = call ptr @__cxa_allocate_exception(i64 8)", object);
    emit(g, "store i64 %s, ptr %%v%u", value, object);
    emit(g, "call void @__cxa_throw(ptr %%v%u, ptr @_ZTI%s, ptr null)", object,
         is_long ? "l" : "i");
    emit(g, "unreachable");
    begin_block(g, on);
}

/* Out of a callee by longjmp. Nothing that is computed in between is used afterwards. */
void emit_setjmp(struct gen *g)
{
    unsigned chosen = pick_function(g, true), buffer = fresh_value(g), result = fresh_value(g);
    unsigned is_first = fresh_value(g), first = fresh_label(g), second = fresh_label(g);
    if (chosen == FUNCTIONS_MAX || g->has_setjmp)
        return;
    g->has_setjmp = true;
    need(g, "declare i32 @_setjmp(ptr) returns_twice");
    need(g, "declare void @jt_jump(ptr, i32)");
    emit_entry(g, "%%v%u = alloca [64 x i64], align 16", buffer);
    const char *code = operand(g, T_I32);
    emit(g, "%%v%u = call i32 @_setjmp(ptr %%v%u) returns_twice", result, buffer);
    emit(g, "%%v%u = icmp eq i32 %%v%u, 0", is_first, result);
    emit(g, "br i1 %%v%u, label %%L%u, label %%L%u", is_first, first, second);
    unsigned mark = g->pool_count;
    begin_block(g, first);
    call_plainly(g, &g->functions[chosen], function_name(g, chosen));
    emit(g, "call void @jt_jump(ptr %%v%u, i32 %s)", buffer, code);
    emit(g, "br label %%L%u", second);
    g->pool_count = mark;
    begin_block(g, second);
    emit(g, "store i32 %%level, ptr @jt_depth");
    mix(g, T_I32, value_text(g, keep(g, T_I32, result)));
}

/* Variadic callees: the C library's through a va_list, and where IR can say it, our own. */
void emit_varargs(struct gen *g)
{
    unsigned id = fresh_value(g);
    const char *a = operand(g, T_I32), *b = operand(g, T_I64), *c = operand(g, T_I64);
    if (g->cpu == DIFF_CPU_X86_64 && one_in(g, 2)) {
        const char *x = operand(g, T_F64), *y = operand(g, T_F64);
        need(g, "declare i64 @jt_sum_of(i32, ...)");
        emit(g,
             "%%v%u = call i64 (i32, ...) @jt_sum_of(i32 %u, i64 %s, double %s, i64 %s, double %s, "
             "i64 7, double 0x4000000000000000, i64 %s, double %s)",
             id, below(g, 5), b, x, c, y, b, y);
    } else {
        need(g, "declare i64 @jt_format(ptr, ...)");
        need(g, "@.format = private unnamed_addr constant [16 x i8] c\"%%d %%lx %%.3f %%lu\\00\"");
        emit(g,
             "%%v%u = call i64 (ptr, ...) @jt_format(ptr @.format, i32 %s, i64 %s, double "
             "0x3FF8000000000000, i64 %s)",
             id, a, b, c);
    }
    keep(g, T_I64, id);
    mix(g, T_I64, value_text(g, id));
}
