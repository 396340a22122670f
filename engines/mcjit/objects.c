/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects of other compilers, archives of them, and modules that come out of the object cache:
 * modules without IR. MCJIT's C API has no door for objects, so that they are linked by
 * engines/common/object.c, into an arena of their own whose pages can be written at any time. Knows
 * no LLVM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcjit.h"
#include "process_symbols.h"

static const char tls_prefix[] = "__emutls_v.";

static bool is_tls_control(const char *name)
{
    return !strncmp(name, tls_prefix, sizeof tls_prefix - 1);
}

/* The symbol that an object's name stands for: a thread-local variable by its own name. */
static int symbol_of(struct mcjit_engine *engine, const char *name, struct mcjit_symbol **out,
                     struct jd_error *err)
{
    const char *plain = is_tls_control(name) ? name + sizeof tls_prefix - 1 : name;
    return mcjit_symbol_intern(&engine->symbols, plain, strlen(plain), out, err);
}

/* --- The arena -------------------------------------------------------------------------------- */

/* Code that is not position-independent wants __dso_handle near. */
static int make_handle(struct mcjit_engine *engine, struct jd_error *err)
{
    struct jd_arena_block block;
    int result = jd_arena_reserve(engine->object_arena, JD_ARENA_DATA, sizeof(uintptr_t),
                                  sizeof(uintptr_t), &block, err);
    if (result)
        return result;
    jd_arena_commit(engine->object_arena, &block);
    engine->near_handle_addr = block.addr;
    jd_exit_list_alias(&engine->exits, (const void *)block.addr);
    return JD_OK;
}

static int get_arena(struct mcjit_engine *engine, struct jd_error *err)
{
    int result;
    if (engine->object_arena)
        return JD_OK;
    result = jd_arena_create(JD_ARENA_DUAL, engine->arena_limit_bytes, &engine->object_arena, err);
    return result ? result : make_handle(engine, err);
}

/* --- Scan ------------------------------------------------------------------------------------- */

static enum mcjit_rank rank_of(enum jd_object_rank rank)
{
    static const enum mcjit_rank ranks[] = {[JD_OBJECT_WEAK] = MCJIT_RANK_WEAK,
                                            [JD_OBJECT_COMMON] = MCJIT_RANK_COMMON,
                                            [JD_OBJECT_STRONG] = MCJIT_RANK_STRONG};
    return ranks[rank];
}

static int scan_symbol(struct mcjit_engine *engine, struct mcjit_module *module,
                       const struct jd_object_symbol *symbol, struct jd_error *err)
{
    bool is_tls = is_tls_control(symbol->name);
    struct mcjit_symbol *known;
    int result = symbol_of(engine, symbol->name, &known, err);
    if (result)
        return result;
    if (symbol->rank == JD_OBJECT_UNDEFINED) {
        module->references[module->reference_count++] = (struct mcjit_reference){
            .symbol = known,
            .kind = symbol->is_function ? JD_SYMBOL_FUNCTION : JD_SYMBOL_VARIABLE,
            .is_weak = symbol->is_weak,
            .is_tls = is_tls};
        return JD_OK;
    }
    module->definitions[module->definition_count++] =
        (struct mcjit_definition){.symbol = known,
                                  .rank = rank_of(symbol->rank),
                                  .common_bytes = symbol->common_bytes,
                                  .align_bytes = symbol->align_bytes,
                                  .object_addr = symbol->addr,
                                  .is_function = symbol->is_function,
                                  .is_tls = is_tls};
    return JD_OK;
}

static int scan_structors(struct mcjit_module *module, struct jd_error *err)
{
    size_t count = jd_object_structor_count(module->object);
    module->structors = calloc(count ? count : 1, sizeof *module->structors);
    if (!module->structors)
        return jd_fail(err, JD_E_NO_MEMORY, module->ir.name, "no room for its constructors");
    for (size_t i = 0; i < count; i++) {
        struct jd_object_structor structor = jd_object_structor_at(module->object, i);
        module->structors[i].priority = structor.priority;
        module->structors[i].is_destructor = structor.is_destructor;
    }
    module->structor_count = count;
    return JD_OK;
}

static int scan(struct mcjit_engine *engine, struct mcjit_module *module, struct jd_error *err)
{
    size_t count = jd_object_symbol_count(module->object);
    int result = scan_structors(module, err);
    module->references = calloc(count + 1, sizeof *module->references);
    module->definitions = calloc(count + 1, sizeof *module->definitions);
    if (!result && (!module->references || !module->definitions))
        result = jd_fail(err, JD_E_NO_MEMORY, module->ir.name, "no room for its symbols");
    for (size_t i = 0; i < count && !result; i++)
        result = scan_symbol(engine, module, jd_object_symbol_at(module->object, i), err);
    module->scanned_reference_count = module->reference_count;
    return result;
}

int mcjit_object_open(struct mcjit_engine *engine, struct mcjit_module *module, const void *bytes,
                      size_t size_bytes, struct jd_error *err)
{
    struct jd_object_host host = {.arch = &jd_stub_arch_native};
    int result = get_arena(engine, err);
    host.arena = engine->object_arena;
    if (!result)
        result = jd_object_open(&host, bytes, size_bytes, module->ir.name, &module->object, err);
    if (!result)
        result = scan(engine, module, err);
    return result;
}

void mcjit_object_abandon(struct mcjit_module *module)
{
    jd_object_close(module->object);
    free(module->structors);
    free(module->references);
    free(module->definitions);
    module->object = NULL;
    module->structors = NULL;
    module->references = NULL;
    module->definitions = NULL;
    module->structor_count = module->reference_count = module->definition_count = 0;
    module->scanned_reference_count = 0;
}

int mcjit_object_add(struct mcjit_engine *engine, const void *bytes, size_t size_bytes,
                     const char *name, bool is_member, struct jd_error *err)
{
    struct mcjit_module *module = calloc(1, sizeof *module);
    int result;
    if (!module)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room for the object");
    module->ir.name = name;
    module->is_helper = true;
    module->is_member = is_member;
    module->number = (uint32_t)engine->module_count + 1;
    result = mcjit_object_open(engine, module, bytes, size_bytes, err);
    if (!result)
        result = mcjit_module_admit(engine, module, err);
    if (result)
        mcjit_module_free(module);
    return result;
}

/* --- Archives --------------------------------------------------------------------------------- */

int mcjit_archive_add(struct mcjit_engine *engine, const void *bytes, size_t size_bytes,
                      const char *name, struct jd_error *err)
{
    struct jd_archive **list =
        mcjit_grow(engine->archives, engine->archive_count, sizeof *engine->archives);
    int result;
    if (!list)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room for the archive");
    engine->archives = list;
    result = jd_archive_open(bytes, size_bytes, name, &list[engine->archive_count], err);
    if (!result)
        engine->archive_count++;
    return result;
}

int mcjit_archives_search(struct mcjit_engine *engine, const struct mcjit_symbol *symbol,
                          bool is_tls, struct jd_error *err)
{
    char control[512];
    const char *name = symbol->name;
    if (symbol->addr || symbol->definer)
        return JD_OK;
    if (is_tls) {
        snprintf(control, sizeof control, "%s%s", tls_prefix, name);
        name = control;
    }
    for (size_t i = 0; i < engine->archive_count; i++) {
        const struct jd_archive_member *member = jd_archive_take(engine->archives[i], name);
        if (member)
            return mcjit_object_add(engine, member->bytes, member->size_bytes, member->name, true,
                                    err);
    }
    return JD_OK;
}

/* --- Link ------------------------------------------------------------------------------------- */

void mcjit_object_place(const struct mcjit_module *module)
{
    for (size_t i = 0; i < module->definition_count; i++) {
        struct mcjit_symbol *symbol = module->definitions[i].symbol;
        if (symbol->definer != module->number || symbol->is_user_defined)
            continue;
        if (mcjit_has_stub(symbol))
            symbol->body_addr = module->definitions[i].object_addr;
        else
            symbol->addr = module->definitions[i].object_addr;
    }
}

/* What the code generator calls by itself is found whatever the options say, as by MCJIT. */
static int resolve(void *context, const struct jd_object_symbol *wanted, uintptr_t *out_addr,
                   struct jd_error *err)
{
    struct mcjit_engine *engine = context;
    struct mcjit_symbol *symbol;
    int result = symbol_of(engine, wanted->name, &symbol, err);
    *out_addr = 0;
    if (result)
        return result;
    *out_addr = symbol->addr;
    if (symbol->addr == (uintptr_t)&engine->exits)
        *out_addr = engine->near_handle_addr;
    if (!*out_addr && !wanted->is_weak)
        return jd_fail(err, JD_E_UNRESOLVED, wanted->name, "unresolved symbol");
    symbol->is_bound = true;
    return JD_OK;
}

int mcjit_object_link(struct mcjit_engine *engine, struct mcjit_module *module,
                      struct jd_error *err)
{
    return jd_object_link(module->object, resolve, engine, err);
}

int mcjit_object_publish(struct mcjit_engine *engine, struct mcjit_module *module,
                         struct jd_error *err)
{
    int result = jd_object_publish(module->object, err);
    if (result)
        return result;
    engine->relocations += jd_object_relocation_count(module->object);
    for (size_t i = 0; i < module->structor_count; i++)
        module->structors[i].addr = jd_object_structor_at(module->object, i).addr;
    return JD_OK;
}

void mcjit_objects_fini(struct mcjit_engine *engine)
{
    for (size_t i = 0; i < engine->archive_count; i++)
        jd_archive_close(engine->archives[i]);
    free(engine->archives);
    jd_arena_destroy(engine->object_arena);
}
