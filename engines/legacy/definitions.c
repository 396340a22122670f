/* SPDX-License-Identifier: Apache-2.0
 *
 * Who defines a name: the definitions of all modules, ordered by strength, found in constant time.
 * Knows no symbols and no code generation. Sources: LLVM language reference, "Linkage Types";
 * System V ABI, chapter 4, "Symbol Table" (strong over weak, largest common).
 *
 * Nothing here costs per function of a large module: such a module is looked up in LLVM's own
 * symbol table. The definitions of small ones share one index.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* Up to this many globals a module's definitions go into the index. */
enum { INDEXED_GLOBALS_MAX = 1024 };

static const struct {
    LLVMValueRef (*first)(LLVMModuleRef module);
    LLVMValueRef (*next)(LLVMValueRef value);
} lists[] = {
    {LLVMGetFirstFunction, LLVMGetNextFunction},
    {LLVMGetFirstGlobal, LLVMGetNextGlobal},
    {LLVMGetFirstGlobalAlias, LLVMGetNextGlobalAlias},
    {LLVMGetFirstGlobalIFunc, LLVMGetNextGlobalIFunc},
};

enum { LIST_COUNT = sizeof lists / sizeof *lists };

static bool match_definition(const void *item, const void *name)
{
    return !strcmp(((const struct legacy_definition *)item)->name, name);
}

static uint64_t allocated_bytes(struct legacy_engine *engine, LLVMValueRef variable)
{
    LLVMTargetDataRef data = LLVMCreateTargetDataLayout(engine->machine);
    uint64_t bytes = LLVMABISizeOfType(data, LLVMGlobalGetValueType(variable));
    LLVMDisposeTargetData(data);
    return bytes;
}

bool legacy_definition_of(struct legacy_engine *engine, struct legacy_module *module,
                          LLVMValueRef value, struct legacy_definition *out)
{
    LLVMLinkage linkage = LLVMGetLinkage(value);
    *out = (struct legacy_definition){.module = module, .value = value};
    if (linkage == LLVMInternalLinkage || linkage == LLVMPrivateLinkage ||
        linkage == LLVMAvailableExternallyLinkage || linkage == LLVMAppendingLinkage ||
        LLVMIsDeclaration(value))
        return false;
    out->name = legacy_value_name(value);
    out->strength = LEGACY_STRONG;
    /* Damaged bitcode has functions of common linkage too; they have no size to compare. */
    if (linkage == LLVMCommonLinkage && LLVMIsAGlobalVariable(value)) {
        out->strength = LEGACY_COMMON;
        out->common_bytes = allocated_bytes(engine, value);
    } else if (linkage == LLVMWeakAnyLinkage || linkage == LLVMWeakODRLinkage ||
               linkage == LLVMLinkOnceAnyLinkage || linkage == LLVMLinkOnceODRLinkage) {
        out->strength = LEGACY_WEAK;
    }
    return true;
}

bool legacy_definition_beats(const struct legacy_definition *challenger,
                             const struct legacy_definition *holder)
{
    return challenger->strength > holder->strength ||
           (challenger->strength == LEGACY_COMMON && holder->strength == LEGACY_COMMON &&
            challenger->common_bytes > holder->common_bytes);
}

int legacy_definitions_each(struct legacy_engine *engine, struct legacy_module *module,
                            int (*callback)(void *context,
                                            const struct legacy_definition *definition),
                            void *context)
{
    LLVMModuleRef ir = legacy_source_module(module->source);
    struct legacy_definition definition;
    int result = 0;
    for (size_t i = 0; i < LIST_COUNT; i++)
        for (LLVMValueRef value = lists[i].first(ir); value && !result;
             value = lists[i].next(value))
            if (legacy_definition_of(engine, module, value, &definition))
                result = callback(context, &definition);
    return result;
}

bool legacy_definition_find(struct legacy_engine *engine, const char *name,
                            struct legacy_definition *out)
{
    struct legacy_definition candidate,
        *indexed = legacy_table_find(&engine->definitions, legacy_hash_string(name),
                                     match_definition, name);
    bool is_found = indexed != NULL;
    if (indexed)
        *out = *indexed;
    for (size_t i = 0; i < engine->large_count; i++) {
        struct legacy_module *module = engine->large[i];
        LLVMValueRef value = legacy_source_find(module->source, name);
        if (value && legacy_definition_of(engine, module, value, &candidate) &&
            (!is_found || legacy_definition_beats(&candidate, out))) {
            *out = candidate;
            is_found = true;
        }
    }
    return is_found;
}

/* The chain of a name is ordered, strongest first; its head is in the table. */
static bool insert(struct legacy_engine *engine, struct legacy_definition *added)
{
    struct legacy_table *table = &engine->definitions;
    uint32_t hash = legacy_hash_string(added->name);
    struct legacy_definition *head = legacy_table_find(table, hash, match_definition, added->name);
    if (!head)
        return legacy_table_insert(table, hash, added);
    if (legacy_definition_beats(added, head)) {
        legacy_table_replace(table, hash, head, added);
        added->next = head;
        return true;
    }
    while (head->next && !legacy_definition_beats(added, head->next))
        head = head->next;
    added->next = head->next;
    head->next = added;
    return true;
}

static void withdraw(struct legacy_engine *engine, struct legacy_definition *gone)
{
    struct legacy_table *table = &engine->definitions;
    uint32_t hash = legacy_hash_string(gone->name);
    struct legacy_definition *at = legacy_table_find(table, hash, match_definition, gone->name);
    if (at == gone) {
        if (gone->next)
            legacy_table_replace(table, hash, gone, gone->next);
        else
            legacy_table_remove(table, hash, gone);
        return;
    }
    while (at && at->next != gone)
        at = at->next;
    if (at)
        at->next = gone->next;
}

static void free_definition(struct legacy_definition *definition)
{
    if (definition->owns_name)
        free((void *)(uintptr_t)definition->name);
    free(definition);
}

struct indexing {
    struct legacy_engine *engine;
    struct legacy_module *module;
    int result;
    struct jd_error *err;
};

static int index_one(void *context, const struct legacy_definition *definition)
{
    struct indexing *indexing = context;
    struct legacy_definition *added = malloc(sizeof *added);
    if (added)
        *added = *definition;
    if (!added || !insert(indexing->engine, added)) {
        free(added);
        return indexing->result = jd_fail(indexing->err, JD_E_NO_MEMORY, indexing->module->name,
                                          "no memory for its symbols");
    }
    added->next_in_module = indexing->module->definitions;
    indexing->module->definitions = added;
    return JD_OK;
}

/* IR is compared with what is there before any of it is indexed; asm is only read now. */
static bool is_duplicate(struct indexing *indexing, const char *name)
{
    struct legacy_definition other;
    const char *where = legacy_foreign_definer(indexing->engine, name);
    if (!where && legacy_definition_find(indexing->engine, name, &other) &&
        other.strength == LEGACY_STRONG && other.module != indexing->module)
        where = other.module->name;
    if (where)
        indexing->result = jd_fail(indexing->err, JD_E_DUPLICATE, indexing->module->name,
                                   "'%s' is already defined in '%s'", name, where);
    return where;
}

static void index_asm_symbol(void *context, const char *name, bool is_weak)
{
    struct indexing *indexing = context;
    struct legacy_definition definition = {.module = indexing->module,
                                           .strength = is_weak ? LEGACY_WEAK : LEGACY_STRONG,
                                           .owns_name = true};
    if (indexing->result || (!is_weak && is_duplicate(indexing, name)))
        return;
    definition.name = strdup(name);
    if (!definition.name)
        indexing->result = jd_fail(indexing->err, JD_E_NO_MEMORY, indexing->module->name,
                                   "no memory for its symbols");
    else if (index_one(context, &definition))
        free((void *)(uintptr_t)definition.name);
}

static bool has_many_globals(LLVMModuleRef module)
{
    size_t count = 0;
    for (size_t i = 0; i < LIST_COUNT; i++)
        for (LLVMValueRef value = lists[i].first(module); value; value = lists[i].next(value))
            if (++count > INDEXED_GLOBALS_MAX)
                return true;
    return false;
}

int legacy_definitions_add(struct legacy_engine *engine, struct legacy_module *module,
                           struct jd_error *err)
{
    struct indexing indexing = {engine, module, JD_OK, err};
    if (engine->large_count < LEGACY_LARGE_MODULES_MAX &&
        has_many_globals(legacy_source_module(module->source)))
        engine->large[engine->large_count++] = module;
    else
        legacy_definitions_each(engine, module, index_one, &indexing);
    if (module->has_asm && !indexing.result)
        legacy_source_each_asm_symbol(module->source, index_asm_symbol, &indexing);
    if (indexing.result)
        legacy_definitions_remove(engine, module);
    return indexing.result;
}

void legacy_definitions_drop(struct legacy_engine *engine, struct legacy_module *module,
                             LLVMValueRef value)
{
    struct legacy_definition **link = &module->definitions, *gone;
    while ((gone = *link) && gone->value != value)
        link = &gone->next_in_module;
    if (!gone)
        return;
    *link = gone->next_in_module;
    withdraw(engine, gone);
    free_definition(gone);
}

void legacy_definitions_remove(struct legacy_engine *engine, struct legacy_module *module)
{
    struct legacy_definition *next;
    for (struct legacy_definition *gone = module->definitions; gone; gone = next) {
        next = gone->next_in_module;
        withdraw(engine, gone);
        free_definition(gone);
    }
    module->definitions = NULL;
    for (size_t i = 0; i < engine->large_count; i++)
        if (engine->large[i] == module)
            engine->large[i--] = engine->large[--engine->large_count];
}
