/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's plan: how many modules, which functions with which prototypes and linkage, which
 * variables; and the modules put together at the end. See generate.h for what a program promises.
 */
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate_private.h"

const char *linkage_text(enum linkage linkage)
{
    static const char *const texts[] = {"", "internal ", "weak ", "linkonce_odr ", "hidden "};
    return texts[linkage];
}

static enum linkage any_linkage(struct gen *g)
{
    static const enum linkage often[] = {LINK_EXTERNAL, LINK_EXTERNAL, LINK_INTERNAL, LINK_WEAK,
                                         LINK_HIDDEN};
    return often[below(g, 5)];
}

static const char *attribute_of(struct gen *g, enum type type)
{
    static const char *const extensions[] = {"", "zeroext", "signext"};
    static const char *const wholes[] = {"", "", "", "inreg"};
    switch (type) {
    case T_SRET:
        return "sret({ i64, [3 x i32], double }) align 16";
    case T_BYVAL:
        return "byval({ i64, [3 x i32], double }) align 16";
    case T_I1:
    case T_I7:
    case T_I8:
    case T_I16:
        return extensions[below(g, 3)];
    case T_I64:
        return wholes[below(g, 4)];
    default:
        return "";
    }
}

static void plan_prototype(struct gen *g, struct function *f)
{
    static const char *const conventions[] = {
        "", "", "", "", "fastcc ", "coldcc ", "tailcc ", "preserve_mostcc ", "swiftcc "};
    f->convention = conventions[below(g, 9)];
    if (g->cpu == DIFF_CPU_AARCH64 && !strcmp(f->convention, "coldcc "))
        f->convention = ""; /* LLVM 19 has no such convention there at level 0 */
    f->parameter_count = below(g, PARAMETERS_MAX + 1);
    for (unsigned i = 0; i < f->parameter_count; i++)
        f->parameters[i] = one_in(g, 12) && !f->convention[0] ? T_BYVAL : any_type(g);
    /* With tailcc arguments on the stack a program printed another checksum at each run, without an
     * engine too; without tailcc it did not. Whose fault that is was not traced. */
    if (!strcmp(f->convention, "tailcc ")) {
        f->parameter_count = f->parameter_count < 4 ? f->parameter_count : 4;
        for (unsigned i = 0; i < f->parameter_count; i++)
            f->parameters[i] = f->parameters[i] == T_F64 ? T_F64 : T_I64;
    }
    f->result = one_in(g, 8) ? T_VOID : any_type(g);
    if (f->result == T_VOID && f->parameter_count && one_in(g, 2))
        f->parameters[0] = T_SRET;
    /* A cold callee preserves most registers on x86-64; LLVM 19 then restores those of a result
     * too, but for RAX. */
    if (!strcmp(f->convention, "coldcc ") && f->result > T_I64 && f->result < T_COUNT)
        f->result = T_I64;
    /* LLVM 19's fast selection for x86-64 looks for each element in a register of its own. */
    if (f->result == T_V4BF16)
        f->result = T_V4I32;
    /* Too large for registers: to be returned through memory, which is what sret is for. */
    if (f->result == T_BIG)
        f->result = T_PAIR;
    for (unsigned i = 0; i < f->parameter_count; i++)
        f->attributes[i] = attribute_of(g, f->parameters[i]);
}

static void plan_function(struct gen *g, struct function *f, unsigned number)
{
    snprintf(f->name, sizeof f->name, "@jt_f%u", number);
    f->module = f->twin_module = below(g, g->module_count);
    f->linkage = any_linkage(g);
    f->result_attribute = "";
    f->convention = "";
    f->is_standard = number < 3 || one_in(g, 4);
    f->has_indirect_branch = f->linkage != LINK_WEAK && one_in(g, 3);
    if (!f->is_standard) {
        plan_prototype(g, f);
    } else {
        f->result = T_I64;
        f->parameter_count = 2;
        f->parameters[0] = T_I64;
        f->parameters[1] = T_I32;
        f->attributes[0] = f->attributes[1] = "";
        if (number < 3)
            f->linkage = LINK_EXTERNAL;
    }
    if (number >= 3 && one_in(g, 5)) {
        /* Small functions in two modules, to be merged into one. */
        f->linkage = LINK_ODR;
        f->is_leaf = true;
        f->has_indirect_branch = false;
        f->twin_module = below(g, g->module_count);
    }
    f->has_comdat = f->linkage != LINK_INTERNAL && one_in(g, f->linkage == LINK_ODR ? 2 : 8);
    /* These callees preserve registers that an unwinder does not restore: nothing throws there. */
    if (!f->is_leaf && (f->convention[0] == 'c' || f->convention[0] == 'p'))
        f->convention = "";
}

static void plan_global(struct gen *g, struct object *object, unsigned number)
{
    snprintf(object->name, sizeof object->name, "@jt_g%u", number);
    object->type = any_type(g);
    object->count = 1 + below(g, one_in(g, 3) ? OBJECT_ELEMENTS_MAX : 2);
    object->module = below(g, g->module_count);
    object->linkage = any_linkage(g);
    object->is_global = true;
    object->is_thread_local = one_in(g, 8);
    object->is_constant = !object->is_thread_local && one_in(g, 6);
    if (object->is_thread_local && object->linkage == LINK_WEAK)
        object->linkage = LINK_EXTERNAL;
}

static unsigned named_standard_function(struct gen *g)
{
    for (;;) {
        unsigned chosen = below(g, g->function_count);
        if (g->functions[chosen].is_standard && g->functions[chosen].linkage != LINK_INTERNAL)
            return chosen;
    }
}

/* Most programs are small: ten of them differ more from each other than one large one does within
 * itself, and cost as much. Some are large, for what many functions in one place bring about. */
static const struct size *any_size(struct gen *g)
{
    static const struct size sizes[] = {
        {{3, 3}, {1, 4}, {2, 5}}, {{4, 4}, {2, 6}, {3, 7}}, {{6, 9}, {4, 12}, {4, 12}}};
    unsigned chance = below(g, 16);
    return &sizes[chance < 9 ? 0 : chance < 15 ? 1 : 2];
}

/* A program has a part of the types, so that the rarer ones meet: with all of them in every
 * program, two that matter together would seldom do so. The common scalars are always there. */
static uint32_t any_types(struct gen *g)
{
    uint32_t types = 1u << T_I1 | 1u << T_I32 | 1u << T_I64 | 1u << T_F64;
    unsigned rarity = 1 + below(g, 5);
    for (unsigned type = 0; type < T_COUNT; type++)
        types |= (uint32_t)one_in(g, rarity) << type;
    return types;
}

static void plan_program(struct gen *g)
{
    static const unsigned often[] = {1, 2, 2, 3, DIFF_MODULES_MAX};
    g->size = any_size(g);
    g->types = any_types(g);
    do
        g->focus = below(g, T_COUNT);
    while (!(g->types >> g->focus & 1));
    g->has_common = one_in(g, 3);
    g->shares_hashes = one_in(g, 2);
    g->module_count = often[below(g, 5)];
    g->function_count = within(g, g->size->functions);
    g->global_count = within(g, g->size->globals);
    g->node_count = below(g, NODES_MAX + 1);
    for (unsigned i = 0; i < g->function_count; i++)
        plan_function(g, &g->functions[i], i);
    for (unsigned i = 0; i < g->global_count; i++)
        plan_global(g, &g->globals[i], i);
    for (unsigned i = 0; i < g->node_count; i++) {
        g->nodes[i].module = below(g, g->module_count);
        g->nodes[i].next = below(g, g->node_count);
        g->nodes[i].function = named_standard_function(g);
    }
    g->alias_count = below(g, ALIASES_MAX + 1);
    for (unsigned i = 0; i < g->alias_count; i++) {
        /* One of the first three: defined once, strong. */
        g->aliases[i].function = below(g, 3);
        g->aliases[i].is_ifunc = one_in(g, 3) && g->cpu == DIFF_CPU_X86_64;
    }
    plan_linking(g);
}

static bool defines_function(const struct function *f, unsigned module)
{
    return f->module == module || f->twin_module == module;
}

static void declare_functions(struct gen *g, unsigned m)
{
    struct module *module = &g->modules[m];
    for (unsigned i = 0; i < g->function_count; i++) {
        if (!module->uses_function[i] || defines_function(&g->functions[i], m))
            continue;
        signature(g, &module->globals, &g->functions[i], false, LINK_EXTERNAL);
        text_add(&module->globals, "\n");
    }
    for (unsigned i = 0; i < g->alias_count; i++)
        if (module->uses_alias[i] && g->functions[g->aliases[i].function].module != m)
            text_add(&module->globals, "declare i64 @jt_alias%u(i64, i32)\n", i);
}

static void declare_data(struct gen *g, unsigned m)
{
    struct module *module = &g->modules[m];
    for (unsigned i = 0; i < g->global_count; i++) {
        const struct object *object = &g->globals[i];
        if (module->uses_global[i] && object->module != m)
            text_add(&module->globals, "%s = external %s%s [%u x %s]\n", object->name,
                     object->is_thread_local ? "thread_local " : "",
                     object->is_constant ? "constant" : "global", object->count,
                     type_text(g, object->type));
    }
    for (unsigned i = 0; i < g->node_count; i++)
        if (module->uses_node[i] && g->nodes[i].module != m)
            text_add(&module->globals, "@jt_node%u = external global { i64, ptr, ptr }\n", i);
}

/* A name that a line of declarations introduces, up to what follows it. */
static bool defines_name(const struct module *module, const char *line)
{
    const char *name = strchr(line, '@');
    size_t length = 1 + strspn(name + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789_.");
    char wanted[128];
    bool is_function = line[0] == 'd';
    snprintf(wanted, sizeof wanted, is_function ? "%.*s(" : "\n%.*s = ", (int)length, name);
    if (!is_function)
        return strstr(module->globals.bytes, wanted) || strstr(module->code.bytes, wanted);
    for (const char *at = module->code.bytes; (at = strstr(at, wanted)); at++) {
        const char *start = at;
        while (start > module->code.bytes && start[-1] != '\n')
            start--;
        if (!strncmp(start, "define", 6) || !strncmp(start, "declare", 7))
            return true;
    }
    return false;
}

/* Order: what was declared, data, code; text IR does not mind. */
static void assemble(struct gen *g, unsigned m, struct diff_text *out)
{
    struct module *module = &g->modules[m];
    declare_functions(g, m);
    declare_data(g, m);
    text_add(out, "; module %u\n", m);
    for (unsigned i = 0; i < module->need_count; i++)
        if (!defines_name(module, module->needs[i]))
            text_add(out, "%s\n", module->needs[i]);
    text_add(out, "%s\n%s", module->globals.bytes, module->code.bytes);
}

static void module_fini(struct module *module)
{
    for (unsigned i = 0; i < module->need_count; i++)
        free((void *)(uintptr_t)module->needs[i]);
    text_fini(&module->globals);
    text_fini(&module->code);
    text_fini(&module->constructor_list);
    text_fini(&module->destructor_list);
}

void diff_generate(uint64_t seed, enum diff_cpu cpu, struct diff_program *out)
{
    struct gen *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    memset(out, 0, sizeof *out);
    jd_rng_init(&g->rng, seed);
    g->cpu = cpu;
    plan_program(g);
    for (unsigned m = 0; m < g->module_count; m++) {
        text_add(&g->modules[m].globals, "\n");
        text_add(&g->modules[m].code, "\n");
    }
    emit_data(g);
    emit_groups_and_weak(g);
    emit_structors(g);
    emit_runtime(g);
    for (unsigned i = 0; i < g->function_count; i++)
        emit_function(g, i);
    for (unsigned m = 0; m < g->module_count; m++)
        emit_hash_of_module(g, m);
    emit_main(g);
    emit_helpers(g);
    out->module_count = g->module_count;
    emit_hash_functions(g);
    for (unsigned m = 0; m < g->module_count; m++) {
        assemble(g, m, &out->modules[m]);
        module_fini(&g->modules[m]);
    }
    free(g);
}

void diff_program_fini(struct diff_program *program)
{
    for (size_t i = 0; i < program->module_count; i++)
        text_fini(&program->modules[i]);
    memset(program, 0, sizeof *program);
}
