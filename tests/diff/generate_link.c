/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's matters of linking: groups (comdat) of a function and its own variable that
 * several modules define alike, so that all must end up with one of them, and weak references to
 * what is there or is not, in the program or in the process.
 */
#include <inttypes.h>
#include <stdio.h>

#include "generate_private.h"

void plan_linking(struct gen *g)
{
    g->group_count = below(g, GROUPS_MAX + 1);
    for (unsigned i = 0; i < g->group_count; i++) {
        struct group *group = &g->groups[i];
        group->modules = 1u << below(g, g->module_count) | 1u << below(g, g->module_count);
        group->is_variable_internal = one_in(g, 2);
        group->start = below(g, 1000);
    }
    g->weak_count = below(g, WEAK_MAX + 1);
    for (unsigned i = 0; i < g->weak_count; i++) {
        g->weaks[i].definer = below(g, g->module_count + 1);
        g->weaks[i].is_data = one_in(g, 2);
    }
}

/* A counter that only one copy of the function may have. */
static void emit_group(struct gen *g, unsigned number, unsigned m)
{
    const struct group *group = &g->groups[number];
    text_add(&g->modules[m].globals,
             "$jt_group%u = comdat any\n"
             "@jt_group%u.count = %s global i64 %" PRIu64 ", comdat($jt_group%u)\n",
             number, number, group->is_variable_internal ? "internal" : "linkonce_odr",
             group->start, number);
    text_add(&g->modules[m].code,
             "define linkonce_odr i64 @jt_group%u(i64 %%x) comdat {\n"
             "  %%old = load i64, ptr @jt_group%u.count\n"
             "  %%new = add i64 %%old, %%x\n"
             "  store i64 %%new, ptr @jt_group%u.count\n"
             "  %%r = mul i64 %%new, 1000003\n"
             "  ret i64 %%r\n"
             "}\n\n",
             number, number, number);
}

static void emit_weak(struct gen *g, unsigned number)
{
    const struct weak *weak = &g->weaks[number];
    if (weak->definer == g->module_count)
        return;
    struct module *module = &g->modules[weak->definer];
    if (weak->is_data)
        text_add(&module->globals, "@jt_weak%u = global i64 %u\n", number, below(g, 1000));
    else
        text_add(&module->code,
                 "define i64 @jt_weak%u(i64 %%x) {\n  %%r = mul i64 %%x, %u\n  ret i64 %%r\n}\n\n",
                 number, 3 + below(g, 1000));
}

void emit_groups_and_weak(struct gen *g)
{
    for (unsigned i = 0; i < g->group_count; i++)
        for (unsigned m = 0; m < g->module_count; m++)
            if (g->groups[i].modules >> m & 1)
                emit_group(g, i, m);
    for (unsigned i = 0; i < g->weak_count; i++)
        emit_weak(g, i);
}

void emit_group_call(struct gen *g)
{
    if (!g->group_count)
        return;
    unsigned chosen = below(g, g->group_count), id = fresh_value(g);
    const char *value = operand(g, T_I64);
    if (!g->groups[chosen].is_variable_internal && one_in(g, 3)) {
        need(g, "@jt_group%u.count = external global i64", chosen);
        emit(g, "%%v%u = load i64, ptr @jt_group%u.count", id, chosen);
    } else {
        need(g, "declare i64 @jt_group%u(i64)", chosen);
        emit(g, "%%v%u = call i64 @jt_group%u(i64 %s)", id, chosen, value);
    }
    mix(g, T_I64, value_text(g, keep(g, T_I64, id)));
}

/* What the program may have, or the C library's labs, which is there, always through a function of
 * the same prototype. */
static bool declare_weak(struct gen *g, char *out_name)
{
    unsigned chosen = below(g, g->weak_count + 1);
    bool is_data = chosen < g->weak_count && g->weaks[chosen].is_data;
    if (chosen < g->weak_count)
        snprintf(out_name, NAME_BYTES, "@jt_weak%u", chosen);
    else
        snprintf(out_name, NAME_BYTES, "@labs");
    if (is_data)
        need(g, "%s = extern_weak global i64", out_name);
    else
        need(g, "declare extern_weak i64 %s(i64)", out_name);
    return is_data;
}

void emit_weak_reference(struct gen *g)
{
    unsigned is_there = fresh_value(g), masked = fresh_value(g), got = fresh_value(g);
    unsigned merged = fresh_value(g), there = fresh_label(g), join = fresh_label(g);
    char name[NAME_BYTES], before[NAME_BYTES];
    const char *value = operand(g, T_I64);
    bool is_data = declare_weak(g, name);
    emit(g, "%%v%u = icmp ne ptr %s, null", is_there, name);
    emit(g, "%%v%u = and i64 %s, 65535", masked, value);
    snprintf(before, sizeof before, "%s", g->block);
    emit(g, "br i1 %%v%u, label %%L%u, label %%L%u", is_there, there, join);
    begin_block(g, there);
    if (is_data)
        emit(g, "%%v%u = load i64, ptr %s", got, name);
    else
        emit(g, "%%v%u = call i64 %s(i64 %%v%u)", got, name, masked);
    emit(g, "br label %%L%u", join);
    begin_block(g, join);
    emit(g, "%%v%u = phi i64 [ -1, %%%s ], [ %%v%u, %%L%u ]", merged, before, got, there);
    keep(g, T_I64, masked);
    mix(g, T_I64, value_text(g, keep(g, T_I64, merged)));
}
