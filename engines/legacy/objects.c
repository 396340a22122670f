/* SPDX-License-Identifier: Apache-2.0
 *
 * Object files of other compilers, and archives of them. An object is placed in the arena when it
 * is added, so that what it defines has its addresses, and linked as a whole when somebody first
 * needs one of them. Members of archives are taken where the creator would be asked. Knows no IR.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "target.h"

static const char tls_prefix[] = "__emutls_v.";

/* A name that objects define; the strongest of them has it. */
struct legacy_foreign_name {
    const char *name; /* in the object, without the prefix of thread-local variables */
    struct legacy_foreign *foreign;
    const struct jd_object_symbol *symbol;
};

static bool is_tls_control(const char *name)
{
    return !strncmp(name, tls_prefix, sizeof tls_prefix - 1);
}

static const char *plain_name(const char *name)
{
    return is_tls_control(name) ? name + sizeof tls_prefix - 1 : name;
}

static bool match_name(const void *item, const void *name)
{
    return !strcmp(((const struct legacy_foreign_name *)item)->name, name);
}

static struct legacy_foreign_name *find_name(const struct legacy_engine *engine, const char *name)
{
    return legacy_table_find(&engine->foreign_names, legacy_hash_string(name), match_name, name);
}

static enum legacy_strength strength_of(const struct jd_object_symbol *symbol)
{
    return symbol->rank == JD_OBJECT_STRONG   ? LEGACY_STRONG
           : symbol->rank == JD_OBJECT_COMMON ? LEGACY_COMMON
                                              : LEGACY_WEAK;
}

/* ---- names ---- */

static bool is_better(const struct jd_object_symbol *challenger,
                      const struct jd_object_symbol *holder)
{
    if (challenger->rank != holder->rank)
        return challenger->rank > holder->rank;
    return challenger->rank == JD_OBJECT_COMMON && challenger->common_bytes > holder->common_bytes;
}

static int check_duplicates(struct legacy_engine *engine, const struct legacy_foreign *foreign,
                            struct jd_error *err)
{
    for (size_t i = 0; i < jd_object_symbol_count(foreign->object); i++) {
        const struct jd_object_symbol *symbol = jd_object_symbol_at(foreign->object, i);
        const struct legacy_foreign_name *other = find_name(engine, plain_name(symbol->name));
        struct legacy_definition definition;
        const char *first = NULL;
        if (symbol->rank != JD_OBJECT_STRONG)
            continue;
        if (other && other->symbol->rank == JD_OBJECT_STRONG)
            first = other->foreign->name;
        else if (legacy_definition_find(engine, symbol->name, &definition) &&
                 definition.strength == LEGACY_STRONG)
            first = definition.module->name;
        if (first)
            return jd_fail(err, JD_E_DUPLICATE, foreign->name, "'%s' is already defined in %s",
                           symbol->name, first);
    }
    return JD_OK;
}

/* What is known by that name and has not been compiled looks again for its definition. */
static void rebind(struct legacy_engine *engine, const struct legacy_foreign_name *entry)
{
    struct legacy_symbol *symbol = legacy_symbol_existing(engine, entry->name);
    struct legacy_definition definition;
    if (!symbol)
        return;
    if (symbol->origin == LEGACY_ORIGIN_MODULE && symbol->state == LEGACY_STATE_IDLE &&
        legacy_definition_find(engine, entry->name, &definition) &&
        definition.strength < strength_of(entry->symbol))
        legacy_symbol_undefine(symbol);
    legacy_symbol_bind(engine, symbol);
}

static int enter_name(struct legacy_engine *engine, struct legacy_foreign *foreign,
                      const struct jd_object_symbol *symbol, struct jd_error *err)
{
    const char *name = plain_name(symbol->name);
    struct legacy_foreign_name *entry = find_name(engine, name);
    if (entry && !is_better(symbol, entry->symbol))
        return JD_OK;
    if (!entry) {
        entry = malloc(sizeof *entry);
        if (entry)
            entry->name = name;
        if (!entry ||
            !legacy_table_insert(&engine->foreign_names, legacy_hash_string(name), entry)) {
            free(entry);
            return jd_fail(err, JD_E_NO_MEMORY, foreign->name, "no memory for its symbols");
        }
    }
    *entry = (struct legacy_foreign_name){name, foreign, symbol};
    rebind(engine, entry);
    return JD_OK;
}

static int enter_names(struct legacy_engine *engine, struct legacy_foreign *foreign,
                       struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < jd_object_symbol_count(foreign->object) && !result; i++) {
        const struct jd_object_symbol *symbol = jd_object_symbol_at(foreign->object, i);
        if (symbol->rank != JD_OBJECT_UNDEFINED)
            result = enter_name(engine, foreign, symbol, err);
    }
    return result;
}

const char *legacy_foreign_definer(const struct legacy_engine *engine, const char *name)
{
    const struct legacy_foreign_name *entry =
        engine->foreign_names.count ? find_name(engine, name) : NULL;
    return entry && entry->symbol->rank == JD_OBJECT_STRONG ? entry->foreign->name : NULL;
}

bool legacy_foreign_bind(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         unsigned module_strength)
{
    const struct legacy_foreign_name *entry =
        engine->foreign_names.count ? find_name(engine, symbol->name) : NULL;
    if (!entry || strength_of(entry->symbol) <= module_strength)
        return false;
    symbol->origin = LEGACY_ORIGIN_OBJECT;
    symbol->foreign = entry->foreign;
    symbol->addr = entry->symbol->addr;
    symbol->kind = (uint8_t)(entry->symbol->is_function ? LEGACY_KIND_FUNCTION : LEGACY_KIND_DATA);
    symbol->is_extern_weak = false;
    symbol->is_thread_local = is_tls_control(entry->symbol->name);
    return true;
}

/* ---- adding ---- */

static int add_frames(void *context, const struct jd_arena_block *code, void *write,
                      uintptr_t frames_addr, size_t size_bytes, struct jd_error *err)
{
    struct legacy_engine *engine = context;
    return legacy_unwind_add(&engine->unwind, code, write, frames_addr, size_bytes, err);
}

static void remove_frames(void *context, const struct jd_arena_block *code)
{
    struct legacy_engine *engine = context;
    legacy_unwind_remove(&engine->unwind, code);
}

static void free_foreign(struct legacy_foreign *foreign)
{
    if (foreign)
        jd_object_close(foreign->object);
    free(foreign);
}

static int add_object(struct legacy_engine *engine, const void *bytes, size_t size_bytes,
                      const char *name, bool is_member, struct jd_error *err)
{
    const struct jd_object_host host = {.arena = engine->arena,
                                        .arch = &jd_stub_arch_native,
                                        .code_prefix_bytes = LEGACY_UNWIND_PREFIX_BYTES,
                                        .frame_room = legacy_unwind_room,
                                        .add_frames = add_frames,
                                        .remove_frames = remove_frames,
                                        .context = engine};
    struct legacy_foreign *foreign = calloc(1, sizeof *foreign);
    int result;
    if (!foreign)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no memory for an object");
    *foreign = (struct legacy_foreign){.name = name, .is_member = is_member};
    result = jd_object_open(&host, bytes, size_bytes, name, &foreign->object, err);
    if (!result)
        result = check_duplicates(engine, foreign, err);
    if (result) {
        free_foreign(foreign);
        return result;
    }
    if (engine->last_foreign)
        engine->last_foreign->next = foreign;
    else
        engine->first_foreign = foreign;
    engine->last_foreign = foreign;
    return enter_names(engine, foreign, err);
}

static int add_archive(struct legacy_engine *engine, const void *bytes, size_t size_bytes,
                       const char *name, struct jd_error *err)
{
    struct jd_archive **list =
        realloc(engine->archives, (engine->archive_count + 1) * sizeof(*list));
    int result;
    if (!list)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no memory for an archive");
    engine->archives = list;
    result = jd_archive_open(bytes, size_bytes, name, &list[engine->archive_count], err);
    if (!result)
        engine->archive_count++;
    return result;
}

int legacy_foreign_add(struct legacy_engine *engine, const void *bytes, size_t size_bytes,
                       const char *name, struct jd_error *err)
{
    return jd_archive_is(bytes, size_bytes)
               ? add_archive(engine, bytes, size_bytes, name, err)
               : add_object(engine, bytes, size_bytes, name, false, err);
}

bool legacy_archives_have(const struct legacy_engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->archive_count; i++)
        if (jd_archive_has(engine->archives[i], name))
            return true;
    return false;
}

int legacy_archives_take(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err)
{
    for (size_t i = 0; i < engine->archive_count && !symbol->is_extern_weak; i++) {
        const struct jd_archive_member *member = jd_archive_take(engine->archives[i], symbol->name);
        if (member)
            return add_object(engine, member->bytes, member->size_bytes, member->name, true, err);
    }
    return JD_OK;
}

/* ---- linking ---- */

/* Code that is not position-independent wants __dso_handle near. */
static int near_handle(struct legacy_engine *engine, uintptr_t *out_addr, struct jd_error *err)
{
    struct jd_arena_block block;
    int result = JD_OK;
    if (!engine->near_handle_addr) {
        result = jd_arena_reserve(engine->arena, JD_ARENA_DATA, sizeof(uintptr_t),
                                  sizeof(uintptr_t), &block, err);
        if (result)
            return result;
        jd_arena_commit(engine->arena, &block);
        engine->near_handle_addr = block.addr;
        jd_exit_list_alias(&engine->exits, (const void *)block.addr);
    }
    *out_addr = engine->near_handle_addr;
    return JD_OK;
}

/* What nothing defines so far: a function gets a stub that asks at the first call. */
static void learn(struct legacy_symbol *symbol, const struct jd_object_symbol *wanted)
{
    if (symbol->origin != LEGACY_ORIGIN_NONE)
        return;
    if (symbol->kind == LEGACY_KIND_UNKNOWN)
        symbol->kind = (uint8_t)(wanted->is_function ? LEGACY_KIND_FUNCTION : LEGACY_KIND_DATA);
    symbol->is_extern_weak = wanted->is_weak;
    symbol->is_thread_local = is_tls_control(wanted->name);
}

static int resolve(void *context, const struct jd_object_symbol *wanted, uintptr_t *out_addr,
                   struct jd_error *err)
{
    struct legacy_engine *engine = context;
    struct legacy_symbol *symbol;
    *out_addr = 0;
    if (!strcmp(wanted->name, "__dso_handle"))
        return near_handle(engine, out_addr, err);
    symbol = legacy_symbol_named(engine, plain_name(wanted->name));
    if (!symbol)
        return jd_fail(err, JD_E_NO_MEMORY, wanted->name, "no memory for symbols");
    learn(symbol, wanted);
    return legacy_symbol_address(engine, symbol, out_addr, err);
}

struct constructing {
    const struct legacy_engine *engine;
    const struct legacy_foreign *foreign;
};

static void run_constructors(void *argument)
{
    const struct constructing *constructing = argument;
    const struct legacy_foreign *foreign = constructing->foreign;
    for (size_t i = 0; i < jd_object_structor_count(foreign->object); i++) {
        struct jd_object_structor structor = jd_object_structor_at(foreign->object, i);
        if (!structor.is_destructor && structor.addr)
            jd_target_call_constructor(structor.addr, &constructing->engine->options);
    }
}

static int link_one(struct legacy_engine *engine, struct legacy_foreign *foreign,
                    struct jd_error *err)
{
    int result = jd_object_link(foreign->object, resolve, engine, err);
    if (!result)
        result = jd_object_publish(foreign->object, err);
    if (result)
        return result;
    engine->relocations += jd_object_relocation_count(foreign->object);
    foreign->is_linked = true;
    if (!foreign->is_member || !engine->has_run_constructors || foreign->has_run_constructors)
        return JD_OK;
    foreign->has_run_constructors = true; /* nobody will ask for them any more */
    struct constructing constructing = {engine, foreign};
    return legacy_call_out(engine, run_constructors, &constructing, err);
}

int legacy_foreign_link(struct legacy_engine *engine, struct legacy_foreign *foreign,
                        struct jd_error *err)
{
    /* One thread links objects at a time: what they refer to among each other is then linked, too,
     * when anybody else gets an address. */
    while (engine->foreign_depth && !pthread_equal(engine->foreign_thread, pthread_self())) {
        if (!legacy_may_wait_for(engine, engine->foreign_thread))
            return jd_fail(err, JD_E_STATE, foreign->name,
                           "the thread that links objects waits for this one");
        legacy_wait_for(engine, engine->foreign_thread);
    }
    if (foreign->is_linked || foreign->is_linking)
        return JD_OK;
    engine->foreign_thread = pthread_self();
    engine->foreign_depth++;
    foreign->is_linking = true;
    int result = link_one(engine, foreign, err);
    foreign->is_linking = false;
    if (!--engine->foreign_depth)
        pthread_cond_broadcast(&engine->changed);
    return result;
}

int legacy_foreign_address(struct legacy_engine *engine, struct legacy_symbol *symbol,
                           uintptr_t *out_addr, struct jd_error *err)
{
    int result = legacy_foreign_link(engine, symbol->foreign, err);
    if (result)
        return result;
    /* Who had the address before the definition was known has that of a stub. */
    *out_addr = symbol->stub_index == LEGACY_NO_STUB
                    ? symbol->addr
                    : jd_stub_addr(&engine->stubs, symbol->stub_index);
    return JD_OK;
}

void legacy_foreigns_fini(struct legacy_engine *engine)
{
    struct legacy_foreign *next;
    for (struct legacy_foreign *foreign = engine->first_foreign; foreign; foreign = next) {
        next = foreign->next;
        free_foreign(foreign);
    }
    for (uint32_t i = 0; i < engine->foreign_names.capacity; i++)
        free(engine->foreign_names.slots[i].item);
    legacy_table_fini(&engine->foreign_names);
    for (size_t i = 0; i < engine->archive_count; i++)
        jd_archive_close(engine->archives[i]);
    free(engine->archives);
}
