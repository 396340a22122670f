/* SPDX-License-Identifier: Apache-2.0
 *
 * Adding modules: lazy reading, the index of definitions, duplicates. Knows no code generation.
 * Sources: llvm-c/BitWriter.h.
 */
#include "internal.h"

#include <llvm-c/BitWriter.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

/* What is known while a module is being added. */
struct addition {
    struct legacy_engine *engine;
    struct legacy_module *module;
    struct jd_error *err;
};

static int refuse_duplicate(void *context, const struct legacy_definition *definition)
{
    struct addition *addition = context;
    struct legacy_definition other;
    const char *object = definition->strength == LEGACY_STRONG
                             ? legacy_foreign_definer(addition->engine, definition->name)
                             : NULL;
    if (object)
        return jd_fail(addition->err, JD_E_DUPLICATE, addition->module->name,
                       "'%s' is already defined in '%s'", definition->name, object);
    if (definition->strength != LEGACY_STRONG ||
        !legacy_definition_find(addition->engine, definition->name, &other) ||
        other.strength != LEGACY_STRONG)
        return JD_OK;
    return jd_fail(addition->err, JD_E_DUPLICATE, addition->module->name,
                   "'%s' is already defined in '%s'", definition->name, other.module->name);
}

/* A symbol that is bound to a weaker definition, or to none, and not compiled: the new one takes it
 * over. What has run keeps what it has. */
static int rebind(void *context, const struct legacy_definition *definition)
{
    struct addition *addition = context;
    struct legacy_definition held;
    struct legacy_symbol *symbol = legacy_symbol_existing(addition->engine, definition->name);
    if (!symbol || symbol->state != LEGACY_STATE_IDLE)
        return JD_OK;
    if (symbol->origin == LEGACY_ORIGIN_NONE ||
        (symbol->origin == LEGACY_ORIGIN_MODULE && symbol->value &&
         legacy_definition_of(addition->engine, symbol->module, symbol->value, &held) &&
         legacy_definition_beats(definition, &held)))
        legacy_symbol_define(symbol, definition);
    return JD_OK;
}

static int take_in(struct addition *addition)
{
    struct legacy_engine *engine = addition->engine;
    struct legacy_module *module = addition->module;
    int result = JD_OK;
    if (engine->module_count || engine->first_foreign)
        result = legacy_definitions_each(engine, module, refuse_duplicate, addition);
    if (!result)
        result = legacy_definitions_add(engine, module, addition->err);
    if (!result && engine->names.count)
        legacy_definitions_each(engine, module, rebind, addition);
    return result;
}

/* ---- contexts ---- */

enum { GONE_COUNT_MAX = 512 };

static struct legacy_context *open_context(struct legacy_engine *engine)
{
    struct legacy_context *context = engine->context;
    if (context && context->gone_count < GONE_COUNT_MAX)
        return context;
    context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->llvm = LLVMContextCreate();
    LLVMContextSetDiscardValueNames(context->llvm, true); /* of locals: nobody looks at them */
    jd_diagnostics_attach(&engine->diagnostics, context->llvm);
    engine->context = context;
    return context;
}

/* Partitions that wait to be taken apart are in it, too. */
static void close_context(struct legacy_engine *engine, struct legacy_context *context)
{
    legacy_spent_drop_all(engine);
    LLVMContextDispose(context->llvm);
    free(context);
    if (engine->context == context)
        engine->context = NULL;
}

static void leave_context(struct legacy_engine *engine, struct legacy_context *context)
{
    context->module_count--;
    context->gone_count++;
    if (!context->module_count && context->gone_count >= GONE_COUNT_MAX)
        close_context(engine, context);
}

/* Text becomes bitcode, so that from here on there is one way: bodies stay in bytes until they are
 * compiled, and can be read again. Text was verified as it was read: the writer trusts its input.
 */
static int rewrite_text(struct legacy_engine *engine, const struct jd_ir *ir,
                        struct legacy_module *module, struct jd_ir *out, struct jd_error *err)
{
    LLVMModuleRef parsed;
    LLVMContextRef context = module->context->llvm;
    LLVMContextSetDiscardValueNames(context, false); /* text is made of names */
    int result =
        jd_target_read_ir(context, &engine->diagnostics, engine->machine, ir, false, &parsed, err);
    LLVMContextSetDiscardValueNames(context, true);
    if (result)
        return result;
    module->rewritten = LLVMWriteBitcodeToMemoryBuffer(parsed);
    LLVMDisposeModule(parsed);
    *out = (struct jd_ir){LLVMGetBufferStart(module->rewritten),
                          LLVMGetBufferSize(module->rewritten), ir->name};
    return JD_OK;
}

static void destroy_module(struct legacy_engine *engine, struct legacy_module *module)
{
    if (module->source)
        legacy_source_destroy(module->source);
    if (module->rewritten)
        LLVMDisposeMemoryBuffer(module->rewritten);
    if (module->context)
        leave_context(engine, module->context);
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
        result = jd_target_read_ir(module->context->llvm, &engine->diagnostics, engine->machine,
                                   &bitcode, true, &lazy, err);
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

static bool match_id(const void *item, const void *id)
{
    return ((const struct legacy_module *)item)->id == *(const jd_module_id *)id;
}

static uint32_t hash_id(jd_module_id id)
{
    return (uint32_t)(id * 0x9E3779B97F4A7C15u >> 32);
}

static bool enlist(struct legacy_engine *engine, struct legacy_module *module)
{
    module->id = ++engine->next_module_id;
    if (!legacy_table_insert(&engine->modules, hash_id(module->id), module))
        return false;
    module->previous = engine->last_module;
    if (module->previous)
        module->previous->next = module;
    else
        engine->first_module = module;
    engine->last_module = module;
    engine->module_count++;
    return true;
}

static void delist(struct legacy_engine *engine, struct legacy_module *module)
{
    legacy_table_remove(&engine->modules, hash_id(module->id), module);
    if (module->previous)
        module->previous->next = module->next;
    else
        engine->first_module = module->next;
    if (module->next)
        module->next->previous = module->previous;
    else
        engine->last_module = module->previous;
    engine->module_count--;
}

/* A module that is read and nothing more; NULL with an error. */
static struct legacy_module *open_module(struct legacy_engine *engine, const struct jd_ir *ir,
                                         struct jd_error *err)
{
    struct legacy_module *module = calloc(1, sizeof *module);
    if (module)
        module->context = open_context(engine);
    if (!module || !module->context) {
        free(module);
        jd_fail(err, JD_E_NO_MEMORY, ir->name, "no memory for a module");
        return NULL;
    }
    module->context->module_count++;
    module->name = ir->name;
    jd_probe_begin(engine->options.probe, JD_PHASE_PARSE);
    int result = jd_llvm_guard(read_guarded, &(struct reading){engine, ir, module}, ir->name, err);
    jd_probe_end(engine->options.probe, JD_PHASE_PARSE);
    if (!result)
        return module;
    destroy_module(engine, module);
    return NULL;
}

static void announce(struct legacy_engine *engine, const struct legacy_module *module,
                     const struct jd_ir *ir)
{
    struct jd_ir bitcode = *ir;
    if (module->rewritten)
        bitcode = (struct jd_ir){LLVMGetBufferStart(module->rewritten),
                                 LLVMGetBufferSize(module->rewritten), ir->name};
    legacy_speculation_add(engine->speculation, module->id, &bitcode);
}

int legacy_module_add(struct legacy_engine *engine, const struct jd_ir *ir, jd_module_id *out_id,
                      struct jd_error *err)
{
    struct jd_error local = JD_ERROR_INIT;
    struct legacy_module *module = open_module(engine, ir, &local);
    if (!module)
        return jd_fail(err, local.code, local.where, "%s", local.text);
    jd_probe_begin(engine->options.probe, JD_PHASE_ADD);
    int result = take_in(&(struct addition){engine, module, err});
    jd_probe_end(engine->options.probe, JD_PHASE_ADD);
    if (!result && !enlist(engine, module)) {
        legacy_definitions_remove(engine, module);
        result = jd_fail(err, JD_E_NO_MEMORY, ir->name, "no memory for a module");
    }
    if (result) {
        destroy_module(engine, module);
        return result;
    }
    announce(engine, module, ir);
    if (out_id)
        *out_id = module->id;
    return JD_OK;
}

static void free_objects(struct legacy_engine *engine, struct legacy_module *module)
{
    struct legacy_object *next;
    for (struct legacy_object *object = module->objects; object; object = next) {
        next = object->next;
        legacy_object_free(engine, object);
    }
    module->objects = NULL;
}

struct legacy_module *legacy_module_find(struct legacy_engine *engine, jd_module_id id)
{
    return legacy_table_find(&engine->modules, hash_id(id), match_id, &id);
}

/* Does some thread have the module, or one that goes with it, in hand? */
static bool find_owner(const struct legacy_module *module, pthread_t *out_owner)
{
    *out_owner = module->asm_thread;
    if (module->is_asm_linking)
        return true;
    for (const struct legacy_symbol *symbol = module->symbols; symbol; symbol = symbol->next)
        if (symbol->state == LEGACY_STATE_BUSY) {
            *out_owner = symbol->busy_thread;
            return true;
        }
    for (const struct legacy_module *r = module->replacements; r; r = r->next_replacement)
        if (find_owner(r, out_owner))
            return true;
    return false;
}

/* The module, once nobody has it in hand. */
static int obtain_idle(struct legacy_engine *engine, jd_module_id id, struct legacy_module **out,
                       struct jd_error *err)
{
    pthread_t owner;
    while ((*out = legacy_module_find(engine, id)) && find_owner(*out, &owner)) {
        if (!legacy_may_wait_for(engine, owner))
            return jd_fail(err, JD_E_STATE, (*out)->name,
                           "needed by foreign code that its compilation waits for");
        legacy_wait_for(engine, owner);
    }
    return *out ? JD_OK : jd_fail(err, JD_E_NOT_FOUND, "remove_module", "no module has this id");
}

static int unbind_all(struct legacy_engine *engine, struct legacy_module *module,
                      struct jd_error *err)
{
    int result = JD_OK;
    for (struct legacy_symbol *symbol = module->symbols; symbol && !result; symbol = symbol->next)
        if (legacy_symbol_is_called_outside(symbol, module))
            result = legacy_symbol_unbind(engine, symbol, err);
    for (struct legacy_module *r = module->replacements; r && !result; r = r->next_replacement)
        result = unbind_all(engine, r, err);
    return result;
}

struct leaving {
    struct legacy_engine *engine;
    const struct legacy_module *module;
};

static bool is_of_module(void *context, uintptr_t function_addr)
{
    const struct leaving *leaving = context;
    const struct jd_arena_block *code;
    uint32_t stub;
    for (const struct legacy_object *o = leaving->module->objects; o; o = o->next) {
        code = &o->blocks[JD_ARENA_CODE];
        if (o->has_block[JD_ARENA_CODE] && function_addr - code->addr < code->size_bytes)
            return true;
    }
    return jd_stub_find(&leaving->engine->stubs, function_addr, &stub) &&
           legacy_stub_symbol(leaving->engine, stub)->module == leaving->module;
}

static void free_module(struct legacy_engine *engine, struct legacy_module *module)
{
    struct legacy_module *replacement;
    while ((replacement = module->replacements)) {
        module->replacements = replacement->next_replacement;
        free_module(engine, replacement);
    }
    jd_exit_list_forget(&engine->exits, is_of_module, &(struct leaving){engine, module});
    legacy_definitions_remove(engine, module);
    free_objects(engine, module);
    legacy_sections_forget(engine, module);
    legacy_symbols_forget(engine, module);
    delist(engine, module);
    legacy_speculation_remove(engine->speculation, module->id);
    destroy_module(engine, module);
}

int legacy_module_remove(struct legacy_engine *engine, jd_module_id id, struct jd_error *err)
{
    struct legacy_module *module;
    int result = obtain_idle(engine, id, &module, err);
    if (!result)
        result = unbind_all(engine, module, err);
    if (!result)
        free_module(engine, module);
    return result;
}

/* What a symbol needs to go back to the body that it has. */
struct present {
    jd_module_id module; /* may go while its function is being replaced */
    struct legacy_definition definition;
    uintptr_t addr;
    struct legacy_object *object;
    uint8_t state;
    bool has_labels;
};

static void go_back(struct legacy_engine *engine, struct legacy_symbol *symbol,
                    const struct present *present)
{
    if (!legacy_module_find(engine, present->module)) {
        legacy_symbol_undefine(symbol);
        if (symbol->stub_index != LEGACY_NO_STUB)
            jd_stub_reset(&engine->stubs, symbol->stub_index);
        return;
    }
    legacy_symbol_define(symbol, &present->definition);
    symbol->addr = present->addr;
    symbol->object = present->object;
    symbol->state = present->state;
    symbol->has_labels = present->has_labels;
    if (symbol->state == LEGACY_STATE_READY && symbol->kind == LEGACY_KIND_FUNCTION)
        legacy_symbol_bind_sites(engine, symbol);
}

static int compile_replacement(struct legacy_engine *engine, struct legacy_symbol *symbol,
                               const struct legacy_definition *definition, struct jd_error *err)
{
    struct present present = {
        .module = symbol->module->id,
        .definition = {.module = symbol->module, .value = symbol->value},
        .addr = symbol->addr,
        .object = symbol->object,
        .state = symbol->state,
        .has_labels = symbol->has_labels,
    };
    int result = legacy_symbol_unbind(engine, symbol, err);
    if (result)
        return result;
    legacy_symbol_define(symbol, definition);
    symbol->state = LEGACY_STATE_IDLE;
    symbol->addr = 0;
    symbol->has_labels = false;
    result = legacy_compile_function(engine, symbol, err);
    if (result)
        go_back(engine, symbol, &present);
    return result;
}

/* The function of a module, once nobody has it in hand. */
static int obtain_function(struct legacy_engine *engine, const char *name,
                           struct legacy_symbol **out, struct jd_error *err)
{
    int result = JD_OK;
    do {
        *out = legacy_symbol_named(engine, name);
        if (!*out || (*out)->origin != LEGACY_ORIGIN_MODULE || (*out)->kind != LEGACY_KIND_FUNCTION)
            return jd_fail(err, JD_E_NOT_FOUND, name, "no module defines such a function");
        if ((*out)->state != LEGACY_STATE_BUSY)
            return JD_OK;
        result = legacy_symbol_wait(engine, *out, err);
    } while (!result);
    return result;
}

/* A replacement is known to nobody by its id: it goes when what it replaced does. */
static void go_along(struct legacy_module *replacement, struct legacy_module *replaced)
{
    if (!replaced)
        return;
    replacement->next_replacement = replaced->replacements;
    replaced->replacements = replacement;
}

int legacy_module_replace(struct legacy_engine *engine, const char *name, const struct jd_ir *ir,
                          struct jd_error *err)
{
    struct jd_error local = JD_ERROR_INIT;
    struct legacy_symbol *symbol;
    struct legacy_definition definition;
    struct legacy_module *module;
    LLVMValueRef value;
    int result = obtain_function(engine, name, &symbol, err);
    if (result)
        return result;
    jd_module_id replaced = symbol->module->id;
    module = open_module(engine, ir, &local);
    if (!module)
        return jd_fail(err, local.code, local.where, "%s", local.text);
    value = legacy_source_find(module->source, name);
    if (!value || !legacy_definition_of(engine, module, value, &definition) ||
        LLVMGetValueKind(value) != LLVMFunctionValueKind)
        result = jd_fail(err, JD_E_NOT_FOUND, ir->name, "does not define '%s'", name);
    else if (!enlist(engine, module))
        result = jd_fail(err, JD_E_NO_MEMORY, ir->name, "no memory for a module");
    if (result) {
        destroy_module(engine, module);
        return result;
    }
    result = compile_replacement(engine, symbol, &definition, err);
    if (result)
        legacy_module_remove(engine, module->id, NULL);
    else
        go_along(module, legacy_module_find(engine, replaced));
    return result;
}

void legacy_modules_fini(struct legacy_engine *engine)
{
    struct legacy_module *next;
    /* Latest first: libgcc looks for a table to deregister from the latest on. */
    for (struct legacy_module *module = engine->last_module; module; module = next) {
        next = module->previous;
        free_objects(engine, module);
        legacy_definitions_remove(engine, module);
        destroy_module(engine, module);
    }
    legacy_sections_fini(engine);
    legacy_table_fini(&engine->modules);
    legacy_table_fini(&engine->definitions);
}

void legacy_context_fini(struct legacy_engine *engine)
{
    if (engine->context)
        close_context(engine, engine->context);
}
