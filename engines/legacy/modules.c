/* SPDX-License-Identifier: Apache-2.0
 *
 * Adding modules: lazy reading, the index of definitions, duplicates. Knows no code generation.
 * Sources: llvm-c/BitWriter.h, llvm-c/Analysis.h.
 */
#include "internal.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

/* Up to this many globals a module's definitions go into the common index. A larger module is
 * looked up in its own symbol table, which costs nothing per function; so many such modules at
 * most. */
enum { INDEXED_GLOBALS_MAX = 1024, UNINDEXED_MODULES_MAX = 16 };

typedef LLVMValueRef (*first_fn)(LLVMModuleRef module);
typedef LLVMValueRef (*next_fn)(LLVMValueRef value);

static const struct {
    first_fn first;
    next_fn next;
} lists[] = {
    {LLVMGetFirstFunction, LLVMGetNextFunction},
    {LLVMGetFirstGlobal, LLVMGetNextGlobal},
    {LLVMGetFirstGlobalAlias, LLVMGetNextGlobalAlias},
    {LLVMGetFirstGlobalIFunc, LLVMGetNextGlobalIFunc},
};

enum { LIST_COUNT = sizeof lists / sizeof *lists };

/* What is known while a module is being added. */
struct addition {
    struct legacy_engine *engine;
    struct legacy_module *module;
    struct jd_error *err;
    int result;
};

typedef void (*definition_fn)(struct addition *addition,
                              const struct legacy_definition *definition);

static bool has_more_globals_than(LLVMModuleRef module, size_t limit)
{
    size_t count = 0;
    for (size_t i = 0; i < LIST_COUNT; i++)
        for (LLVMValueRef value = lists[i].first(module); value; value = lists[i].next(value))
            if (++count > limit)
                return true;
    return false;
}

static void each_definition(struct addition *addition, definition_fn callback)
{
    LLVMModuleRef module = legacy_source_module(addition->module->source);
    struct legacy_definition definition;
    for (size_t i = 0; i < LIST_COUNT; i++)
        for (LLVMValueRef value = lists[i].first(module); value && !addition->result;
             value = lists[i].next(value))
            if (legacy_definition_of(addition->engine, addition->module, value, &definition))
                callback(addition, &definition);
}

static void refuse_duplicate(struct addition *addition, const struct legacy_definition *definition)
{
    struct legacy_definition other;
    if (definition->strength != LEGACY_STRONG ||
        !legacy_definition_find(addition->engine, definition->name, &other) ||
        other.strength != LEGACY_STRONG)
        return;
    addition->result =
        jd_fail(addition->err, JD_E_DUPLICATE, addition->module->name,
                "'%s' is already defined in '%s'", definition->name, other.module->name);
}

static bool match_name(const void *item, const void *name)
{
    return !strcmp(((const struct legacy_definition *)item)->name, name);
}

static bool beats(const struct legacy_definition *challenger,
                  const struct legacy_definition *holder)
{
    return challenger->strength > holder->strength ||
           (challenger->strength == LEGACY_COMMON && holder->strength == LEGACY_COMMON &&
            challenger->common_bytes > holder->common_bytes);
}

static void index_definition(struct addition *addition, const struct legacy_definition *definition)
{
    struct legacy_table *table = &addition->engine->definitions;
    uint32_t hash = legacy_hash_string(definition->name);
    struct legacy_definition *held = legacy_table_find(table, hash, match_name, definition->name);
    if (held) {
        if (beats(definition, held)) {
            if (held->owns_name)
                free((void *)(uintptr_t)held->name);
            *held = *definition;
        }
        return;
    }
    held = malloc(sizeof *held);
    if (held)
        *held = *definition;
    if (!held || !legacy_table_insert(table, hash, held)) {
        free(held);
        addition->result = jd_fail(addition->err, JD_E_NO_MEMORY, addition->module->name,
                                   "no memory for its symbols");
    }
}

/* A symbol that is bound to a weaker definition, or to none, and not compiled: the new one takes it
 * over. What has run keeps what it has. */
static void rebind(struct addition *addition, const struct legacy_definition *definition)
{
    struct legacy_definition held;
    struct legacy_symbol *symbol = legacy_symbol_existing(addition->engine, definition->name);
    if (!symbol || symbol->state != LEGACY_STATE_IDLE)
        return;
    if (symbol->origin == LEGACY_ORIGIN_NONE) {
        legacy_symbol_define(symbol, definition);
    } else if (symbol->origin == LEGACY_ORIGIN_MODULE && symbol->value &&
               legacy_definition_of(addition->engine, symbol->module, symbol->value, &held) &&
               beats(definition, &held)) {
        legacy_symbol_define(symbol, definition);
    }
}

static void each_asm_definition(void *context, const char *name)
{
    struct addition *addition = context;
    struct legacy_definition definition = {.module = addition->module,
                                           .strength = LEGACY_STRONG,
                                           .owns_name = true,
                                           .name = strdup(name)};
    if (definition.name && !addition->result)
        index_definition(addition, &definition);
}

static int take_in(struct addition *addition)
{
    struct legacy_engine *engine = addition->engine;
    struct legacy_module *module = addition->module;
    LLVMModuleRef ir = legacy_source_module(module->source);
    if (engine->module_count)
        each_definition(addition, refuse_duplicate);
    if (addition->result)
        return addition->result;
    module->is_indexed = engine->unindexed_count >= UNINDEXED_MODULES_MAX ||
                         !has_more_globals_than(ir, INDEXED_GLOBALS_MAX);
    if (module->is_indexed)
        each_definition(addition, index_definition);
    else
        engine->unindexed_count++;
    if (engine->names.count)
        each_definition(addition, rebind);
    if (module->has_asm)
        legacy_source_each_asm_symbol(module->source, each_asm_definition, addition);
    return addition->result;
}

/* Text becomes bitcode, so that from here on there is one way: bodies stay in bytes until they are
 * compiled, and can be read again. The verifier must pass first: the writer trusts its input. */
static int rewrite_text(struct legacy_engine *engine, const struct jd_ir *ir,
                        struct legacy_module *module, struct jd_ir *out, struct jd_error *err)
{
    LLVMModuleRef parsed;
    char *message = NULL;
    int result = jd_target_read_ir(engine->context, &engine->diagnostics, engine->machine, ir,
                                   false, &parsed, err);
    if (result)
        return result;
    if (LLVMVerifyModule(parsed, LLVMReturnStatusAction, &message)) {
        LLVMDisposeModule(parsed);
        return jd_llvm_take_message(err, JD_E_BAD_IR, ir->name, message);
    }
    LLVMDisposeMessage(message);
    module->rewritten = LLVMWriteBitcodeToMemoryBuffer(parsed);
    LLVMDisposeModule(parsed);
    *out = (struct jd_ir){LLVMGetBufferStart(module->rewritten),
                          LLVMGetBufferSize(module->rewritten), ir->name};
    return JD_OK;
}

static void destroy_module(struct legacy_module *module)
{
    if (!module)
        return;
    if (module->source)
        legacy_source_destroy(module->source);
    if (module->rewritten)
        LLVMDisposeMemoryBuffer(module->rewritten);
    free(module);
}

static int read_module(struct legacy_engine *engine, const struct jd_ir *ir,
                       struct legacy_module *module, struct jd_error *err)
{
    struct jd_ir bitcode = *ir;
    LLVMModuleRef lazy;
    int result = JD_OK;
    if (!jd_ir_is_bitcode(ir))
        result = rewrite_text(engine, ir, module, &bitcode, err);
    if (!result)
        result = jd_target_read_ir(engine->context, &engine->diagnostics, engine->machine, &bitcode,
                                   true, &lazy, err);
    if (!result)
        module->source = legacy_source_create(lazy, &module->has_asm);
    return result;
}

struct reading {
    struct legacy_engine *engine;
    const struct jd_ir *ir;
    struct legacy_module *module;
};

static int read_guarded(void *argument, struct jd_error *err)
{
    struct reading *reading = argument;
    return read_module(reading->engine, reading->ir, reading->module, err);
}

static bool make_room(struct legacy_engine *engine)
{
    if (engine->module_count < engine->module_capacity)
        return true;
    size_t capacity = engine->module_capacity ? engine->module_capacity * 2 : 16;
    struct legacy_module **modules = realloc(engine->modules, capacity * sizeof(*modules));
    if (!modules)
        return false;
    engine->modules = modules;
    engine->module_capacity = capacity;
    return true;
}

int legacy_module_add(struct legacy_engine *engine, const struct jd_ir *ir, jd_module_id *out_id,
                      struct jd_error *err)
{
    struct legacy_module *module = calloc(1, sizeof *module);
    struct addition addition = {engine, module, err, JD_OK};
    int result;
    if (!module || !make_room(engine)) {
        free(module);
        return jd_fail(err, JD_E_NO_MEMORY, ir->name, "no memory for a module");
    }
    module->name = ir->name;
    jd_probe_begin(engine->options.probe, JD_PHASE_PARSE);
    result = jd_llvm_guard(read_guarded, &(struct reading){engine, ir, module}, ir->name, err);
    jd_probe_end(engine->options.probe, JD_PHASE_PARSE);
    if (result)
        goto out;
    jd_probe_begin(engine->options.probe, JD_PHASE_ADD);
    result = take_in(&addition);
    jd_probe_end(engine->options.probe, JD_PHASE_ADD);
    if (result)
        goto out;
    module->id = ++engine->next_module_id;
    engine->modules[engine->module_count++] = module;
    if (out_id)
        *out_id = module->id;
    return JD_OK;
out:
    destroy_module(module);
    return result;
}

struct legacy_module *legacy_module_by_id(struct legacy_engine *engine, jd_module_id id)
{
    for (size_t i = 0; i < engine->module_count; i++)
        if (engine->modules[i]->id == id)
            return engine->modules[i];
    return NULL;
}

void legacy_modules_fini(struct legacy_engine *engine)
{
    for (size_t i = 0; i < engine->module_count; i++)
        destroy_module(engine->modules[i]);
    free(engine->modules);
    engine->modules = NULL;
    engine->module_count = 0;
}
