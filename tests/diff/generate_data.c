/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's data: variables of every type and linkage, function tables, nodes that point at
 * each other in a circle across modules, aliases and ifuncs, and the function that hashes what is
 * left in them at the end.
 */
#include <stdio.h>

#include "generate_private.h"

static const char *variable_linkage(const struct object *object)
{
    return object->linkage == LINK_ODR ? "weak_odr " : linkage_text(object->linkage);
}

static void emit_variable(struct gen *g, const struct object *object)
{
    static const char *const tails[] = {"",          "", "", ", align 64", ", section \".jt_data\"",
                                        ", align 16"};
    struct diff_text *out = &g->modules[object->module].globals;
    const char *text = type_text(g, object->type);
    const char *tail = tails[object->is_thread_local || object->is_constant ? 0 : below(g, 6)];
    text_add(out, "%s = %s%s%s [%u x %s] ", object->name, variable_linkage(object),
             object->is_thread_local ? "thread_local " : "",
             object->is_constant ? "constant" : "global", object->count, text);
    if (one_in(g, 3)) {
        text_add(out, "zeroinitializer%s\n", tail);
        return;
    }
    for (unsigned i = 0; i < object->count; i++)
        text_add(out, "%s%s %s", i ? ", " : "[", text, constant(g, object->type));
    text_add(out, "]%s\n", tail);
}

/* One variable that several modules define as common; the largest size is the variable's. */
static void emit_common(struct gen *g)
{
    unsigned largest = below(g, g->module_count);
    for (unsigned m = 0; m < g->module_count; m++)
        if (m == largest || one_in(g, 2))
            text_add(&g->modules[m].globals,
                     "@jt_common = common global [%u x i32] zeroinitializer, align 4\n",
                     m == largest ? 6u : 1 + below(g, 6));
        else
            text_add(&g->modules[m].globals, "@jt_common = external global [6 x i32]\n");
}

/* A standard function that module `m` can name. */
static unsigned standard_function(struct gen *g, unsigned m)
{
    for (;;) {
        unsigned chosen = below(g, g->function_count);
        const struct function *f = &g->functions[chosen];
        if (f->is_standard && (f->linkage != LINK_INTERNAL || f->module == m))
            return chosen;
    }
}

static void emit_tables(struct gen *g)
{
    g->next_table = 1 + below(g, 2);
    for (unsigned table = 0; table < g->next_table; table++) {
        unsigned m = g->module = below(g, g->module_count);
        struct diff_text *out = &g->modules[m].globals;
        text_add(out, "@jt_table%u = %s [4 x ptr] [", table, one_in(g, 2) ? "constant" : "global");
        for (unsigned i = 0; i < 4; i++) {
            unsigned chosen = standard_function(g, m);
            text_add(out, "%sptr %s", i ? ", " : "", function_name(g, chosen));
        }
        text_add(out, "]\n");
    }
}

static void emit_nodes(struct gen *g)
{
    for (unsigned i = 0; i < g->node_count; i++) {
        const struct node *node = &g->nodes[i];
        g->module = node->module;
        g->modules[node->module].uses_node[node->next] = true;
        const char *number = constant(g, T_I64), *function = function_name(g, node->function);
        text_add(&g->modules[node->module].globals,
                 "@jt_node%u = global { i64, ptr, ptr } { i64 %s, ptr @jt_node%u, ptr %s }\n", i,
                 number, node->next, function);
    }
}

static void emit_aliases(struct gen *g)
{
    for (unsigned i = 0; i < g->alias_count; i++) {
        const struct alias *alias = &g->aliases[i];
        const struct function *f = &g->functions[alias->function];
        struct module *module = &g->modules[f->module];
        if (!alias->is_ifunc) {
            text_add(&module->globals, "@jt_alias%u = alias i64 (i64, i32), ptr %s\n", i, f->name);
            continue;
        }
        text_add(&module->globals, "@jt_alias%u = ifunc i64 (i64, i32), ptr @jt_resolve%u\n", i, i);
        text_add(&module->code, "define internal ptr @jt_resolve%u() {\n  ret ptr %s\n}\n\n", i,
                 f->name);
    }
}

void emit_data(struct gen *g)
{
    for (unsigned i = 0; i < g->global_count; i++)
        emit_variable(g, &g->globals[i]);
    if (g->has_common)
        emit_common(g);
    emit_tables(g);
    emit_nodes(g);
    emit_aliases(g);
}

/* Everything that the module's variables hold in the end. */
void emit_hash_of_module(struct gen *g, unsigned module)
{
    struct function f = {.module = module,
                         .convention = "",
                         .result_attribute = "",
                         .result = T_VOID,
                         .twin_module = module,
                         .is_leaf = true};
    snprintf(f.name, sizeof f.name, "@jt_hash_module%u", module);
    begin_function(g, &f);
    begin_block(g, fresh_label(g));
    for (unsigned i = 0; i < g->global_count; i++) {
        const struct object *object = &g->globals[i];
        const char *address = object->name, *text = type_text(g, object->type);
        if (object->module != module)
            continue;
        if (object->is_thread_local) {
            unsigned id = fresh_value(g);
            need(g, "declare ptr @llvm.threadlocal.address.p0(ptr)");
            emit(g, "%%v%u = call ptr @llvm.threadlocal.address.p0(ptr %s)", id, object->name);
            address = value_text(g, id);
        }
        for (unsigned element = 0; element < object->count; element++) {
            unsigned slot = fresh_value(g), value = fresh_value(g);
            emit(g, "%%v%u = getelementptr inbounds [%u x %s], ptr %s, i64 0, i64 %u", slot,
                 object->count, text, address, element);
            emit(g, "%%v%u = load %s, ptr %%v%u", value, text, slot);
            mix(g, object->type, value_text(g, value));
        }
    }
    for (unsigned i = 0; i < 6 && g->has_common && module == 0; i++) {
        unsigned value = fresh_value(g), next = fresh_value(g);
        emit(g, "%%v%u = load i32, ptr getelementptr ([6 x i32], ptr @jt_common, i64 0, i64 %u)",
             value, i);
        mix(g, T_I32, value_text(g, value));
        emit(g, "%%v%u = add i32 %%v%u, %u", next, value, i + 1);
        emit(g, "store i32 %%v%u, ptr getelementptr ([6 x i32], ptr @jt_common, i64 0, i64 %u)",
             next, i);
    }
    emit(g, "ret void");
    emit_entry(g, "br label %%L0");
    finish_function(g, &f, module, LINK_EXTERNAL, "");
    text_fini(&g->entry);
    text_fini(&g->body);
}
