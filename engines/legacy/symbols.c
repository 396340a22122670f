/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols: names, what defines them, and linkage rules. Knows no code generation and no objects.
 * Sources: LLVM language reference, "Linkage Types"; System V ABI, chapter 4, "Symbol Table"
 * (strong over weak, largest common).
 *
 * Nothing here costs per function of a module: symbols are made when they are first referred to. A
 * large module is looked up in LLVM's own symbol table, small ones share one index.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "process_symbols.h"

const char *legacy_value_name(LLVMValueRef value)
{
    size_t length;
    const char *name = LLVMGetValueName2(value, &length);
    return name[0] == '\1' ? name + 1 : name;
}

static bool match_symbol(const void *item, const void *name)
{
    return !strcmp(((const struct legacy_symbol *)item)->name, name);
}

static bool match_global(const void *item, const void *value)
{
    return ((const struct legacy_global *)item)->value == value;
}

static struct legacy_symbol *known_global(struct legacy_engine *engine, LLVMValueRef value)
{
    struct legacy_global *global =
        legacy_table_find(&engine->globals, legacy_hash_pointer(value), match_global, value);
    return global ? global->symbol : NULL;
}

static bool is_private(LLVMValueRef value)
{
    LLVMLinkage linkage = LLVMGetLinkage(value);
    return linkage == LLVMInternalLinkage || linkage == LLVMPrivateLinkage;
}

static enum legacy_kind kind_of(LLVMValueRef value)
{
    int64_t offset;
    LLVMValueRef target;
    switch (LLVMGetValueKind(value)) {
    case LLVMFunctionValueKind:
        return LEGACY_KIND_FUNCTION;
    case LLVMGlobalIFuncValueKind:
        return LEGACY_KIND_IFUNC;
    case LLVMGlobalAliasValueKind:
        target = legacy_alias_target(value, &offset);
        return target && !offset && kind_of(target) == LEGACY_KIND_FUNCTION ? LEGACY_KIND_FUNCTION
                                                                            : LEGACY_KIND_ALIAS;
    default:
        return LEGACY_KIND_DATA;
    }
}

bool legacy_symbol_is_code(const struct legacy_symbol *symbol)
{
    return symbol->kind == LEGACY_KIND_FUNCTION || symbol->kind == LEGACY_KIND_IFUNC;
}

static void leave_module(struct legacy_symbol *symbol)
{
    if (!symbol->module)
        return;
    if (symbol->previous)
        symbol->previous->next = symbol->next;
    else
        symbol->module->symbols = symbol->next;
    if (symbol->next)
        symbol->next->previous = symbol->previous;
    symbol->previous = symbol->next = NULL;
    symbol->module = NULL;
}

void legacy_symbol_define(struct legacy_symbol *symbol, const struct legacy_definition *definition)
{
    leave_module(symbol);
    if (symbol->value != definition->value)
        symbol->placed_addr = 0; /* another one's, of another size */
    symbol->origin = LEGACY_ORIGIN_MODULE;
    symbol->module = definition->module;
    symbol->next = symbol->module->symbols;
    if (symbol->next)
        symbol->next->previous = symbol;
    symbol->module->symbols = symbol;
    symbol->value = definition->value;
    symbol->kind = (uint8_t)(definition->value ? kind_of(definition->value) : LEGACY_KIND_ASM);
    symbol->is_extern_weak = false;
    if (definition->value && symbol->kind == LEGACY_KIND_DATA)
        symbol->is_thread_local = LLVMIsThreadLocal(definition->value);
}

void legacy_symbol_undefine(struct legacy_symbol *symbol)
{
    leave_module(symbol);
    symbol->origin = LEGACY_ORIGIN_NONE;
    symbol->state = LEGACY_STATE_IDLE;
    symbol->value = NULL;
    symbol->addr = symbol->placed_addr = 0;
    symbol->object = NULL;
    symbol->has_labels = symbol->is_known_early = false;
    symbol->asked_creator = 0;
}

void legacy_symbol_bind(struct legacy_engine *engine, struct legacy_symbol *symbol)
{
    struct legacy_definition definition;
    if (symbol->origin != LEGACY_ORIGIN_NONE || symbol->is_internal || symbol->is_dropped)
        return;
    bool is_found = legacy_definition_find(engine, symbol->name, &definition);
    if (legacy_foreign_bind(engine, symbol, is_found ? definition.strength : 0))
        return;
    if (is_found) {
        legacy_symbol_define(symbol, &definition);
        return;
    }
    if (engine->archive_count && legacy_archives_have(engine, symbol->name))
        return; /* taken when somebody needs it: legacy_symbol_create */
    if (legacy_section_bind(engine, symbol))
        return;
    if (engine->options.is_process_search_disabled && !symbol->is_runtime)
        return;
    symbol->addr = jd_process_symbol(symbol->name);
    if (symbol->addr)
        symbol->origin = LEGACY_ORIGIN_PROCESS;
}

static struct legacy_symbol *new_symbol(const char *name)
{
    struct legacy_symbol *symbol = calloc(1, sizeof *symbol);
    if (!symbol)
        return NULL;
    symbol->stub_index = LEGACY_NO_STUB;
    symbol->name = strdup(name);
    if (symbol->name)
        return symbol;
    free(symbol);
    return NULL;
}

static void free_symbol(struct legacy_symbol *symbol)
{
    if (symbol)
        free((void *)(uintptr_t)symbol->name);
    free(symbol);
}

struct legacy_symbol *legacy_symbol_existing(struct legacy_engine *engine, const char *name)
{
    return legacy_table_find(&engine->names, legacy_hash_string(name), match_symbol, name);
}

struct legacy_symbol *legacy_symbol_named(struct legacy_engine *engine, const char *name)
{
    struct legacy_symbol *symbol = legacy_symbol_existing(engine, name);
    if (symbol) {
        legacy_symbol_bind(engine, symbol);
        return symbol;
    }
    symbol = new_symbol(name);
    if (!symbol || !legacy_table_insert(&engine->names, legacy_hash_string(name), symbol)) {
        free_symbol(symbol);
        return NULL;
    }
    legacy_symbol_bind(engine, symbol);
    return symbol;
}

static bool remember(struct legacy_engine *engine, struct legacy_module *module, LLVMValueRef value,
                     struct legacy_symbol *symbol)
{
    struct legacy_global *global = malloc(sizeof *global);
    if (!global)
        return false;
    *global = (struct legacy_global){value, symbol, module->globals};
    if (!legacy_table_insert(&engine->globals, legacy_hash_pointer(value), global)) {
        free(global);
        return false;
    }
    module->globals = global;
    symbol->global_count++;
    return true;
}

/* What a reference tells about a symbol that nothing defines. */
static void learn(struct legacy_symbol *symbol, LLVMValueRef value, bool is_new)
{
    bool is_weak = LLVMGetLinkage(value) == LLVMExternalWeakLinkage;
    if (symbol->kind == LEGACY_KIND_UNKNOWN)
        symbol->kind = (uint8_t)kind_of(value);
    if (symbol->kind == LEGACY_KIND_DATA && LLVMIsThreadLocal(value))
        symbol->is_thread_local = true;
    symbol->is_extern_weak = is_new ? is_weak : symbol->is_extern_weak && is_weak;
}

static struct legacy_symbol *internal_symbol(struct legacy_engine *engine,
                                             struct legacy_module *module, LLVMValueRef value)
{
    LLVMValueRef owner = legacy_source_label_owner(module->source, value);
    bool is_asm = legacy_source_is_asm_local(module->source, value);
    struct legacy_definition definition = {.module = module, .value = is_asm ? NULL : value};
    struct legacy_symbol *symbol = new_symbol(legacy_value_name(value));
    if (!symbol)
        return NULL;
    symbol->is_internal = true;
    legacy_symbol_define(symbol, &definition);
    if (owner) {
        symbol->kind = LEGACY_KIND_LABEL;
        symbol->label_owner = legacy_symbol_of(engine, module, owner);
    }
    if ((owner && !symbol->label_owner) || !remember(engine, module, value, symbol)) {
        leave_module(symbol);
        free_symbol(symbol);
        return NULL;
    }
    return symbol;
}

struct legacy_symbol *legacy_symbol_of(struct legacy_engine *engine, struct legacy_module *module,
                                       LLVMValueRef value)
{
    struct legacy_symbol *symbol = known_global(engine, value);
    if (symbol) {
        legacy_symbol_bind(engine, symbol);
        return symbol;
    }
    if (is_private(value) || legacy_source_label_owner(module->source, value) ||
        legacy_source_is_asm_local(module->source, value))
        return internal_symbol(engine, module, value);
    bool is_new = !legacy_symbol_existing(engine, legacy_value_name(value));
    symbol = legacy_symbol_named(engine, legacy_value_name(value));
    if (!symbol || !remember(engine, module, value, symbol))
        return NULL;
    if (symbol->origin != LEGACY_ORIGIN_MODULE)
        learn(symbol, value, is_new);
    return symbol;
}

/* The value stands for no symbol any more; the next look makes one. */
static void forget_global(struct legacy_engine *engine, struct legacy_module *module,
                          LLVMValueRef value)
{
    struct legacy_global **link = &module->globals, *global;
    while ((global = *link) && global->value != value)
        link = &global->next;
    if (!global)
        return;
    *link = global->next;
    legacy_table_remove(&engine->globals, legacy_hash_pointer(value), global);
    global->symbol->global_count--;
    free(global);
}

/* Is the module's own definition another one than that which the name stands for now? What was
 * recompiled is the same one with another body. */
static bool has_lost_name(const struct legacy_symbol *symbol, const struct legacy_module *module,
                          LLVMValueRef definition)
{
    if (symbol->is_internal || LLVMIsDeclaration(definition) ||
        (symbol->origin == LEGACY_ORIGIN_MODULE && symbol->value == definition))
        return false;
    for (const struct legacy_module *r = module->replacements; r; r = r->next_replacement)
        if (symbol->module == r)
            return false;
    return symbol->origin == LEGACY_ORIGIN_MODULE || symbol->origin == LEGACY_ORIGIN_OBJECT;
}

struct legacy_symbol *legacy_symbol_of_alias(struct legacy_engine *engine,
                                             const struct legacy_symbol *alias,
                                             int64_t *out_offset_bytes)
{
    struct legacy_module *module = alias->module;
    LLVMValueRef target = legacy_alias_target(alias->value, out_offset_bytes);
    struct legacy_symbol *symbol = target ? legacy_symbol_of(engine, module, target) : NULL;
    if (!symbol || LLVMIsAGlobalAlias(target) || LLVMIsAGlobalIFunc(target) ||
        !has_lost_name(symbol, module, target))
        return symbol;
    legacy_definitions_drop(engine, module, target);
    forget_global(engine, module, target);
    legacy_source_hide(module->source, target);
    return legacy_symbol_of(engine, module, target);
}

int legacy_symbol_unresolved(const struct legacy_symbol *symbol, struct jd_error *err)
{
    return jd_fail(err, JD_E_UNRESOLVED, symbol->name, "unresolved symbol");
}

/* Symbols that exist once per program rather than once per process. */
static const char *program_ir(struct legacy_engine *engine, const char *name)
{
    return engine->options.is_process_search_disabled ? NULL : jd_process_symbol_ir(name);
}

static int add_answer(struct legacy_engine *engine, struct legacy_symbol *symbol,
                      const struct jd_ir *ir, struct jd_error *err)
{
    jd_module_id id;
    int result = legacy_module_add(engine, ir, &id, err);
    if (result)
        return result;
    legacy_symbol_bind(engine, symbol);
    if (symbol->origin != LEGACY_ORIGIN_NONE)
        return JD_OK;
    legacy_module_remove(engine, id, NULL); /* nobody has seen it; the creator is asked again */
    return jd_fail(err, JD_E_UNRESOLVED, symbol->name,
                   "the creator's module '%s' does not define it", ir->name);
}

struct creator_call {
    struct legacy_engine *engine;
    const char *name;
    enum jd_symbol_kind kind;
    struct jd_creation answer;
    struct jd_error *err;
    int result;
};

static void call_creator(void *argument)
{
    struct creator_call *call = argument;
    struct legacy_engine *engine = call->engine;
    call->result = engine->creator(engine->creator_context, &engine->base, call->name, call->kind,
                                   &call->answer, call->err);
}

static int take_answer(struct legacy_engine *engine, struct legacy_symbol *symbol,
                       const struct jd_creation *answer, struct jd_error *err)
{
    legacy_symbol_bind(engine, symbol);
    if (symbol->origin != LEGACY_ORIGIN_NONE)
        return JD_OK; /* defined meanwhile, perhaps by the creator itself */
    if (!answer->addr && answer->ir.bytes)
        return add_answer(engine, symbol, &answer->ir, err);
    if (answer->addr) {
        symbol->addr = answer->addr;
        symbol->origin = LEGACY_ORIGIN_CREATED;
    }
    return JD_OK;
}

static int ask_creator(struct legacy_engine *engine, struct legacy_symbol *symbol,
                       enum jd_symbol_kind kind, struct jd_error *err)
{
    struct creator_call call = {.engine = engine, .name = symbol->name, .kind = kind, .err = err};
    uint32_t number = engine->creator_number;
    symbol->is_being_asked = true;
    symbol->asking_thread = pthread_self();
    engine->creator_calls++;
    int result = legacy_call_out(engine, call_creator, &call, err);
    if (!result)
        result = call.result;
    if (!result)
        result = take_answer(engine, symbol, &call.answer, err);
    symbol->asked_creator = result ? 0 : number; /* it may do better next time */
    symbol->is_being_asked = false;
    pthread_cond_broadcast(&engine->changed);
    return result;
}

/* Another thread's question is as good as one's own. A creator that needs what it is being asked
 * for, perhaps through another thread's question, has no answer. */
static int await_answer(struct legacy_engine *engine, struct legacy_symbol *symbol,
                        struct jd_error *err)
{
    while (symbol->is_being_asked && !pthread_equal(symbol->asking_thread, pthread_self())) {
        if (!legacy_may_wait_for(engine, symbol->asking_thread))
            return jd_fail(err, JD_E_STATE, symbol->name,
                           "needed by a creator while another waits for that one's answer");
        legacy_wait_for(engine, symbol->asking_thread);
    }
    legacy_symbol_bind(engine, symbol);
    return JD_OK;
}

int legacy_symbol_create(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         enum jd_symbol_kind kind, struct jd_error *err)
{
    const char *text = program_ir(engine, symbol->name);
    int result = legacy_archives_take(engine, symbol, err);
    legacy_symbol_bind(engine, symbol);
    if (result || symbol->origin != LEGACY_ORIGIN_NONE)
        return result;
    if (text)
        return add_answer(engine, symbol, &(struct jd_ir){text, strlen(text), "(program start-up)"},
                          err);
    result = await_answer(engine, symbol, err);
    if (result || symbol->origin != LEGACY_ORIGIN_NONE || symbol->is_dropped ||
        symbol->is_being_asked || !engine->creator ||
        symbol->asked_creator == engine->creator_number)
        return result;
    return ask_creator(engine, symbol, kind, err);
}

static void free_dropped(struct legacy_engine *engine)
{
    struct legacy_symbol *symbol;
    while ((symbol = engine->dropped)) {
        engine->dropped = symbol->next;
        free_symbol(symbol);
    }
}

/* A symbol that no module mentions any more. Its stub may be in the hands of the host: that is the
 * host's risk, as the contract says. */
static void drop_symbol(struct legacy_engine *engine, struct legacy_symbol *symbol)
{
    if (!symbol->is_internal)
        legacy_table_remove(&engine->names, legacy_hash_string(symbol->name), symbol);
    legacy_symbol_free_stub(engine, symbol);
    symbol->is_dropped = true;
    symbol->next = engine->dropped;
    engine->dropped = symbol;
    if (!engine->away_count)
        free_dropped(engine);
}

static bool is_droppable(const struct legacy_symbol *symbol)
{
    return !symbol->global_count && !symbol->sites && !symbol->is_used_unnamed &&
           !symbol->is_being_asked &&
           (symbol->origin == LEGACY_ORIGIN_NONE || symbol->origin == LEGACY_ORIGIN_PROCESS);
}

void legacy_symbols_forget(struct legacy_engine *engine, struct legacy_module *module)
{
    struct legacy_global *next;
    struct legacy_symbol *symbol;
    while ((symbol = module->symbols)) {
        if (symbol->stub_index != LEGACY_NO_STUB)
            jd_stub_reset(&engine->stubs, symbol->stub_index);
        legacy_symbol_undefine(symbol);
        if (is_droppable(symbol)) /* known by name only */
            drop_symbol(engine, symbol);
    }
    for (struct legacy_global *global = module->globals; global; global = next) {
        next = global->next;
        symbol = global->symbol;
        legacy_table_remove(&engine->globals, legacy_hash_pointer(global->value), global);
        free(global);
        symbol->global_count--;
        if (is_droppable(symbol))
            drop_symbol(engine, symbol);
    }
    module->globals = NULL;
}

void legacy_symbols_fini(struct legacy_engine *engine)
{
    free_dropped(engine);
    for (uint32_t i = 0; i < engine->globals.capacity; i++) {
        struct legacy_global *global = engine->globals.slots[i].item;
        if (global && global->symbol->is_internal)
            free_symbol(global->symbol);
        free(global);
    }
    for (uint32_t i = 0; i < engine->names.capacity; i++)
        free_symbol(engine->names.slots[i].item);
    legacy_table_fini(&engine->names);
    legacy_table_fini(&engine->globals);
}
