/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's control flow and whole functions: branches, counted loops, switches, computed
 * goto, and the frame that bounds every call: a function returns at once when fuel or depth is used
 * up.
 */
#include <stdio.h>
#include <string.h>

#include "generate_private.h"

enum { NESTING_MAX = 2, CASES_MAX = 6 };

/* A small body in a scope of its own that leaves one value; it ends in the block g->block. */
static const char *scoped_value(struct gen *g, enum type type, unsigned statements)
{
    unsigned mark = g->pool_count;
    g->nesting++;
    emit_statements(g, statements);
    if (one_in(g, 2))
        compute(g, type);
    g->nesting--;
    const char *value = operand(g, type);
    g->pool_count = mark;
    return value;
}

struct arm {
    char value[OPERAND_BYTES], block[NAME_BYTES];
};

/* Emit an arm's body; it then goes to `next`. */
static void emit_arm(struct gen *g, unsigned label, enum type type, unsigned next, struct arm *out)
{
    begin_block(g, label);
    const char *value = scoped_value(g, type, 1 + below(g, 2));
    snprintf(out->value, sizeof out->value, "%s", value);
    snprintf(out->block, sizeof out->block, "%s", g->block);
    emit(g, "br label %%L%u", next);
}

static unsigned emit_phi(struct gen *g, enum type type, const struct arm *arms, unsigned count)
{
    struct diff_text line = {0};
    unsigned id = fresh_value(g);
    text_add(&line, "%%v%u = phi %s", id, type_text(g, type));
    for (unsigned i = 0; i < count; i++)
        text_add(&line, "%s [ %s, %%%s ]", i ? "," : "", arms[i].value, arms[i].block);
    emit(g, "%s", line.bytes);
    text_fini(&line);
    return id;
}

static void emit_if(struct gen *g)
{
    enum type type = any_type(g);
    unsigned yes = fresh_label(g), no = fresh_label(g), join = fresh_label(g);
    struct arm arms[2];
    compute(g, T_I1);
    const char *condition = operand(g, T_I1);
    emit(g, "br i1 %s, label %%L%u, label %%L%u", condition, yes, no);
    emit_arm(g, yes, type, join, &arms[0]);
    emit_arm(g, no, type, join, &arms[1]);
    begin_block(g, join);
    keep(g, type, emit_phi(g, type, arms, 2));
}

static void emit_switch(struct gen *g)
{
    static const enum type selectors[] = {T_I7, T_I8, T_I16, T_I32, T_I33, T_I64};
    enum type selector = selectors[below(g, 6)], type = any_type(g);
    unsigned count = 2 + below(g, CASES_MAX - 1), join = fresh_label(g), labels[CASES_MAX + 1];
    unsigned step = one_in(g, 3) ? 9 : 1, masked = fresh_value(g);
    struct arm arms[CASES_MAX + 1];
    const char *value = operand(g, selector), *text = type_text(g, selector);
    /* Dense ones become jump tables, sparse ones chains of comparisons. */
    emit(g, "%%v%u = and %s %s, %u", masked, text, value, step == 1 ? 7u : 63u);
    for (unsigned i = 0; i <= count; i++)
        labels[i] = fresh_label(g);
    struct diff_text line = {0};
    text_add(&line, "switch %s %%v%u, label %%L%u [", text, masked, labels[count]);
    for (unsigned i = 0; i < count; i++)
        text_add(&line, " %s %u, label %%L%u", text, i * step, labels[i]);
    emit(g, "%s ]", line.bytes);
    text_fini(&line);
    for (unsigned i = 0; i <= count; i++)
        emit_arm(g, labels[i], type, join, &arms[i]);
    begin_block(g, join);
    keep(g, type, emit_phi(g, type, arms, count + 1));
}

/* One to four rounds with a counter and an accumulator. */
static void emit_loop(struct gen *g)
{
    enum type type = any_type(g);
    unsigned head = fresh_label(g), latch = fresh_label(g), out = fresh_label(g);
    unsigned counter = fresh_value(g), sum = fresh_value(g), next = fresh_value(g);
    unsigned next_sum = fresh_value(g), more = fresh_value(g), limit = fresh_value(g);
    const char *text = type_text(g, type), *size = operand(g, T_I32), *start = operand(g, type);
    emit(g, "%%v%u = and i32 %s, 3", limit, size);
    char before[NAME_BYTES];
    snprintf(before, sizeof before, "%s", g->block);
    emit(g, "br label %%L%u", head);
    begin_block(g, head);
    emit(g, "%%v%u = phi i32 [ 0, %%%s ], [ %%v%u, %%L%u ]", counter, before, next, latch);
    emit(g, "%%v%u = phi %s [ %s, %%%s ], [ %%v%u, %%L%u ]", sum, text, start, before, next_sum,
         latch);
    unsigned mark = g->pool_count;
    keep(g, T_I32, counter);
    keep(g, type, sum);
    const char *value = scoped_value(g, type, 2 + below(g, 3));
    emit(g, "br label %%L%u", latch);
    begin_block(g, latch);
    emit(g, "%%v%u = freeze %s %s", next_sum, text, value);
    emit(g, "%%v%u = add i32 %%v%u, 1", next, counter);
    emit(g, "%%v%u = icmp ule i32 %%v%u, %%v%u", more, next, limit);
    emit(g, "br i1 %%v%u, label %%L%u, label %%L%u", more, head, out);
    begin_block(g, out);
    g->pool_count = mark;
    keep(g, type, next_sum);
}

/* A small interpreter: each state jumps to the next through a table of labels. */
static void emit_computed_goto(struct gen *g)
{
    unsigned count = 2 + below(g, 3), head = fresh_label(g), latch = fresh_label(g);
    unsigned out = fresh_label(g), labels[4], table = fresh_label(g);
    unsigned counter = fresh_value(g), state = fresh_value(g), next = fresh_value(g);
    unsigned index = fresh_value(g), slot = fresh_value(g), target = fresh_value(g);
    unsigned more = fresh_value(g);
    struct arm arms[4];
    struct diff_text *globals = &g->modules[g->module].globals;
    const char *start = operand(g, T_I64), *name = g->self->name;
    char before[NAME_BYTES];
    snprintf(before, sizeof before, "%s", g->block);
    text_add(globals, "%s.labels%u = internal %s [%u x ptr] [", name, table,
             one_in(g, 2) ? "constant" : "unnamed_addr constant", count);
    for (unsigned i = 0; i < count; i++) {
        labels[i] = fresh_label(g);
        text_add(globals, "%sptr blockaddress(%s, %%L%u)", i ? ", " : "", name, labels[i]);
    }
    text_add(globals, "]\n");
    emit(g, "br label %%L%u", head);
    begin_block(g, head);
    unsigned merged = fresh_value(g);
    emit(g, "%%v%u = phi i32 [ 0, %%%s ], [ %%v%u, %%L%u ]", counter, before, next, latch);
    emit(g, "%%v%u = phi i64 [ %s, %%%s ], [ %%v%u, %%L%u ]", state, start, before, merged, latch);
    unsigned mark = g->pool_count;
    keep(g, T_I64, state);
    emit(g, "%%v%u = urem i64 %%v%u, %u", index, state, count);
    emit(g, "%%v%u = getelementptr inbounds [%u x ptr], ptr %s.labels%u, i64 0, i64 %%v%u", slot,
         count, name, table, index);
    emit(g, "%%v%u = load ptr, ptr %%v%u", target, slot);
    struct diff_text line = {0};
    text_add(&line, "indirectbr ptr %%v%u, [", target);
    for (unsigned i = 0; i < count; i++)
        text_add(&line, "%s label %%L%u", i ? "," : "", labels[i]);
    emit(g, "%s ]", line.bytes);
    text_fini(&line);
    for (unsigned i = 0; i < count; i++)
        emit_arm(g, labels[i], T_I64, latch, &arms[i]);
    begin_block(g, latch);
    unsigned joined = emit_phi(g, T_I64, arms, count);
    emit(g, "%%v%u = add i64 %%v%u, 1", merged, joined);
    emit(g, "%%v%u = add i32 %%v%u, 1", next, counter);
    emit(g, "%%v%u = icmp ult i32 %%v%u, 4", more, next);
    emit(g, "br i1 %%v%u, label %%L%u, label %%L%u", more, head, out);
    begin_block(g, out);
    g->pool_count = mark;
    keep(g, T_I64, merged);
}

static void emit_trace(struct gen *g)
{
    need(g, "declare void @jt_trace(i32)");
    emit(g, "call void @jt_trace(i32 %u)", below(g, 1000));
}

static void emit_mix(struct gen *g)
{
    enum type type = any_type(g);
    mix(g, type, operand(g, type));
}

/* What is allowed everywhere, leaves included. */
static void emit_simple(struct gen *g)
{
    unsigned choice = below(g, 10);
    if (choice < 6)
        compute(g, any_type(g));
    else if (choice < 8)
        emit_mix(g);
    else
        emit_memory(g);
}

static void emit_structured(struct gen *g)
{
    switch (below(g, g->self->has_indirect_branch && !g->is_leaf ? 7 : 6)) {
    case 0:
    case 1:
    case 2:
        emit_if(g);
        break;
    case 3:
        emit_switch(g);
        break;
    case 6:
        emit_computed_goto(g);
        break;
    default:
        emit_loop(g);
    }
}

static void emit_effect(struct gen *g)
{
    switch (below(g, 18)) {
    case 0:
        emit_trace(g);
        break;
    case 1:
        emit_throw(g);
        break;
    case 2:
        if (g->nesting == 0)
            emit_setjmp(g);
        break;
    case 3:
        emit_varargs(g);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        emit_memory(g);
        break;
    case 8:
        emit_group_call(g);
        break;
    case 9:
        emit_weak_reference(g);
        break;
    default:
        emit_call(g);
    }
}

void emit_statements(struct gen *g, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned choice = below(g, 20);
        if (choice < 2 && g->nesting < NESTING_MAX)
            emit_structured(g);
        else if (choice < 8 && !g->is_leaf)
            emit_effect(g);
        else
            emit_simple(g);
    }
}

static void emit_return(struct gen *g, enum type type, const char *value)
{
    if (type == T_VOID)
        emit(g, "ret void");
    else
        emit(g, "ret %s %s", type_text(g, type), value);
}

/* What a caller's memory receives, and the value that a result is. */
static const char *last_value(struct gen *g, const struct function *f)
{
    for (unsigned i = 0; i < f->parameter_count; i++)
        if (f->parameters[i] == T_SRET) {
            const char *value = operand(g, T_BIG);
            emit(g, "store %s %s, ptr %%v%u", type_text(g, T_BIG), value, i);
        }
    return f->result == T_VOID ? NULL : operand(g, f->result);
}

/* Standard functions and others of equal prototype may end in a call that reuses the frame. */
static bool emit_must_tail(struct gen *g, const struct function *f)
{
    if (!f->is_standard || g->is_leaf || g->has_setjmp || !one_in(g, 4))
        return false;
    for (unsigned i = 0; i < g->function_count; i++) {
        const struct function *callee = &g->functions[i];
        if (callee == f || !callee->is_standard || strcmp(callee->convention, f->convention) != 0 ||
            (callee->linkage == LINK_INTERNAL && callee->module != g->module) || one_in(g, 2))
            continue;
        unsigned id = fresh_value(g);
        const char *a = operand(g, T_I64), *b = operand(g, T_I32);
        emit(g, "%%v%u = musttail call %si64 %s(i64 %s, i32 %s)", id, f->convention,
             function_name(g, i), a, b);
        emit(g, "ret i64 %%v%u", id);
        return true;
    }
    return false;
}

/* Fuel bounds how much is called at all, depth how much is open at once. */
static void emit_entry_check(struct gen *g, unsigned body, unsigned out)
{
    need(g, "@jt_fuel = external global i32");
    need(g, "@jt_depth = external global i32");
    emit_entry(g, "%%fuel = load i32, ptr @jt_fuel");
    emit_entry(g, "%%left = sub i32 %%fuel, 1");
    emit_entry(g, "store i32 %%left, ptr @jt_fuel");
    emit_entry(g, "%%depth = load i32, ptr @jt_depth");
    emit_entry(g, "%%level = add i32 %%depth, 1");
    emit_entry(g, "%%has_fuel = icmp sgt i32 %%left, 0");
    emit_entry(g, "%%is_shallow = icmp slt i32 %%depth, 12");
    emit_entry(g, "%%goes_on = and i1 %%has_fuel, %%is_shallow");
    emit_entry(g, "br i1 %%goes_on, label %%L%u, label %%L%u", body, out);
}

/* A caller's memory is written on every way out. */
static void emit_early_return(struct gen *g, const struct function *f, unsigned label)
{
    begin_block(g, label);
    g->pool_count = 0;
    const char *value = last_value(g, f);
    emit_return(g, f->result, value);
}

void begin_function(struct gen *g, const struct function *f)
{
    g->self = f;
    g->module = f->module;
    g->pool_count = g->local_count = g->nesting = g->next_label = 0;
    g->next_value = f->parameter_count;
    g->has_personality = g->has_setjmp = false;
    g->is_leaf = f->is_leaf;
    for (unsigned i = 0; i < f->parameter_count; i++)
        if (f->parameters[i] < T_COUNT)
            keep(g, f->parameters[i], i);
}

static void load_by_value(struct gen *g, const struct function *f)
{
    for (unsigned i = 0; i < f->parameter_count; i++)
        if (f->parameters[i] == T_BYVAL) {
            unsigned id = fresh_value(g);
            emit(g, "%%v%u = load %s, ptr %%v%u", id, type_text(g, T_BIG), i);
            keep(g, T_BIG, id);
        }
}

/* Put the parts together; the personality is known only now. */
void finish_function(struct gen *g, const struct function *f, unsigned module, enum linkage linkage,
                     const char *attributes)
{
    struct diff_text *code = &g->modules[module].code;
    signature(g, code, f, true, linkage);
    text_add(code, "%s", attributes);
    if (f->has_comdat) {
        text_add(&g->modules[module].globals, "$%s = comdat any\n", f->name + 1);
        text_add(code, " comdat");
    }
    if (g->has_personality) {
        need(g, "declare i32 @__gxx_personality_v0(...)");
        text_add(code, " personality ptr @__gxx_personality_v0");
    }
    text_add(code, " {\nentry:\n%s%s}\n\n", g->entry.bytes, g->body.bytes);
}

void emit_function(struct gen *g, unsigned function)
{
    static const char *const attributes[] = {
        "", "", "", " noinline", " uwtable", " sspreq", " \"frame-pointer\"=\"all\""};
    const struct function *f = &g->functions[function];
    begin_function(g, f);
    unsigned body = fresh_label(g), out = fresh_label(g);
    for (unsigned i = 1 + below(g, LOCALS_MAX - 1); i > 0; i--)
        add_local(g);
    begin_block(g, body);
    emit(g, "store i32 %%level, ptr @jt_depth");
    load_by_value(g, f);
    emit_statements(g, within(g, g->size->statements));
    const char *value = last_value(g, f);
    emit(g, "store i32 %%depth, ptr @jt_depth");
    if (!emit_must_tail(g, f))
        emit_return(g, f->result, value);
    emit_early_return(g, f, out);
    emit_entry_check(g, body, out);
    const char *extra = attributes[below(g, 7)];
    finish_function(g, f, f->module, f->linkage, extra);
    if (f->twin_module != f->module) {
        /* The same code again where it is allowed to be merged. */
        struct module *twin = &g->modules[f->twin_module];
        unsigned own = g->module;
        g->module = f->twin_module;
        for (unsigned i = 0; i < g->modules[own].need_count; i++)
            need(g, "%s", g->modules[own].needs[i]);
        for (unsigned i = 0; i < g->global_count; i++)
            twin->uses_global[i] |= g->modules[own].uses_global[i];
        twin->hashed_types |= g->modules[own].hashed_types;
        finish_function(g, f, f->twin_module, f->linkage, extra);
        g->module = own;
    }
    text_fini(&g->entry);
    text_fini(&g->body);
}
