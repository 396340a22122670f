/* SPDX-License-Identifier: Apache-2.0
 *
 * Data that the program puts into a section with bounds (section_name.h): all of it lies together,
 * as a linker would have laid it out, although each datum is emitted when it is first needed. When
 * the first one is, places are given to all that the modules define so far; the bounds emit the
 * rest. What modules that are added later put there lies elsewhere, as that of a library that is
 * loaded later would. Functions in such sections have no bounds here: their addresses are stubs'.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "section_name.h"

struct legacy_section {
    struct legacy_section *next;
    char *name;
    struct jd_arena_block block;
    size_t size_bytes; /* 0 while it is being laid out */
    size_t member_count;
};

static bool is_in(LLVMValueRef variable, const char *section)
{
    const char *name = LLVMGetSection(variable);
    return name && !strcmp(name, section) && !LLVMIsDeclaration(variable) &&
           !LLVMIsThreadLocal(variable);
}

/* The symbol of a variable that has no place in memory yet; NULL when it has, or does not count. */
static struct legacy_symbol *homeless(struct legacy_engine *engine, struct legacy_module *module,
                                      LLVMValueRef variable)
{
    struct legacy_symbol *symbol = legacy_symbol_of(engine, module, variable);
    return symbol && symbol->origin == LEGACY_ORIGIN_MODULE && symbol->value == variable &&
                   symbol->kind == LEGACY_KIND_DATA && symbol->state == LEGACY_STATE_IDLE &&
                   !symbol->placed_addr
               ? symbol
               : NULL;
}

static size_t align_of(LLVMTargetDataRef layout, LLVMValueRef variable)
{
    unsigned align = LLVMGetAlignment(variable);
    return align ? align : LLVMPreferredAlignmentOfGlobal(layout, variable);
}

/* The strictest alignment of a module's members: that of its part of the section. 0: no member. */
static size_t module_align(struct legacy_engine *engine, struct legacy_module *module,
                           const char *section)
{
    LLVMModuleRef ir = legacy_source_module(module->source);
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(ir);
    size_t strictest = 0;
    for (LLVMValueRef v = LLVMGetFirstGlobal(ir); v; v = LLVMGetNextGlobal(v))
        if (is_in(v, section) && homeless(engine, module, v) && align_of(layout, v) > strictest)
            strictest = align_of(layout, v);
    return strictest;
}

static size_t align_up(size_t value, size_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* The module's members from `offset` on; places them when the block is there. Returns their end. */
static size_t walk_module(struct legacy_engine *engine, struct legacy_module *module,
                          struct legacy_section *section, size_t offset)
{
    LLVMModuleRef ir = legacy_source_module(module->source);
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(ir);
    for (LLVMValueRef v = LLVMGetFirstGlobal(ir); v; v = LLVMGetNextGlobal(v)) {
        struct legacy_symbol *symbol = is_in(v, section->name) ? homeless(engine, module, v) : NULL;
        if (!symbol)
            continue;
        offset = align_up(offset, align_of(layout, v));
        if (section->block.addr) {
            symbol->placed_addr = section->block.addr + offset;
            section->member_count++;
        }
        offset += LLVMABISizeOfType(layout, LLVMGlobalGetValueType(v));
    }
    return offset;
}

/* One walk over all members: sizes alone, or places too once the block is there. */
static void walk(struct legacy_engine *engine, struct legacy_section *section, size_t *out_align)
{
    size_t offset = 0;
    *out_align = 1;
    for (struct legacy_module *module = engine->first_module; module; module = module->next) {
        size_t align = module_align(engine, module, section->name);
        if (!align)
            continue;
        offset = walk_module(engine, module, section, align_up(offset, align));
        if (align > *out_align)
            *out_align = align;
    }
    section->size_bytes = offset;
}

static int lay_out(struct legacy_engine *engine, struct legacy_section *section,
                   struct jd_error *err)
{
    size_t align;
    int result;
    walk(engine, section, &align);
    result = jd_arena_reserve(engine->arena, JD_ARENA_DATA, section->size_bytes, align,
                              &section->block, err);
    if (result)
        return result;
    walk(engine, section, &align);
    jd_arena_commit(engine->arena, &section->block);
    section->next = engine->sections;
    engine->sections = section;
    return JD_OK;
}

static struct legacy_section *find(const struct legacy_engine *engine, const char *name)
{
    struct legacy_section *section = engine->sections;
    while (section && strcmp(section->name, name) != 0)
        section = section->next;
    return section;
}

static void free_section(struct legacy_section *section)
{
    if (section)
        free(section->name);
    free(section);
}

/* The section, laid out now if it is new. NULL with an error. */
static struct legacy_section *obtain(struct legacy_engine *engine, const char *name,
                                     struct jd_error *err)
{
    struct legacy_section *section = find(engine, name);
    if (section)
        return section;
    section = calloc(1, sizeof *section);
    if (section)
        section->name = strdup(name);
    if (!section || !section->name)
        jd_fail(err, JD_E_NO_MEMORY, name, "no memory for a section");
    else if (!lay_out(engine, section, err))
        return section;
    free_section(section);
    return NULL;
}

int legacy_section_place(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err)
{
    const char *name = LLVMGetSection(symbol->value);
    if (symbol->placed_addr || symbol->is_thread_local || !jd_section_has_bounds(name))
        return JD_OK;
    return obtain(engine, name, err) ? JD_OK : JD_E_NO_MEMORY;
}

static bool has_member(struct legacy_module *module, const char *section)
{
    LLVMModuleRef ir = legacy_source_module(module->source);
    for (LLVMValueRef v = LLVMGetFirstGlobal(ir); v; v = LLVMGetNextGlobal(v))
        if (is_in(v, section))
            return true;
    return false;
}

bool legacy_section_bind(struct legacy_engine *engine, struct legacy_symbol *symbol)
{
    bool is_stop, is_there;
    const char *name = jd_section_of_bound(symbol->name, &is_stop);
    if (!name)
        return false;
    is_there = find(engine, name) != NULL;
    for (struct legacy_module *m = engine->first_module; m && !is_there; m = m->next)
        is_there = has_member(m, name);
    if (!is_there)
        return false;
    symbol->origin = LEGACY_ORIGIN_MODULE;
    symbol->kind = LEGACY_KIND_BOUND;
    symbol->state = LEGACY_STATE_IDLE;
    symbol->is_extern_weak = false;
    return true;
}

static int emit_members(struct legacy_engine *engine, struct legacy_module *module,
                        const struct legacy_section *section, struct jd_error *err)
{
    LLVMModuleRef ir = legacy_source_module(module->source);
    uintptr_t addr;
    int result = JD_OK;
    for (LLVMValueRef v = LLVMGetFirstGlobal(ir); v && !result; v = LLVMGetNextGlobal(v)) {
        struct legacy_symbol *symbol =
            is_in(v, section->name) ? legacy_symbol_of(engine, module, v) : NULL;
        if (symbol && symbol->placed_addr && symbol->value == v)
            result = legacy_symbol_address(engine, symbol, &addr, err);
    }
    return result;
}

/* While the members are being emitted, this thread may meet the bound again, in an initialiser. */
int legacy_section_emit(struct legacy_engine *engine, struct legacy_symbol *bound,
                        struct jd_error *err)
{
    bool is_stop;
    const char *name = jd_section_of_bound(bound->name, &is_stop);
    struct legacy_section *section = obtain(engine, name, err);
    int result = JD_OK;
    if (!section)
        return JD_E_NO_MEMORY;
    if (bound->state == LEGACY_STATE_BUSY && legacy_may_wait_for(engine, bound->busy_thread))
        result = legacy_symbol_wait(engine, bound, err);
    if (result || bound->state != LEGACY_STATE_IDLE)
        return result;
    bound->state = LEGACY_STATE_BUSY;
    bound->busy_thread = pthread_self();
    bound->addr = section->block.addr + (is_stop ? section->size_bytes : 0);
    for (struct legacy_module *m = engine->first_module; m && !result; m = m->next)
        result = emit_members(engine, m, section, err);
    bound->state = result ? LEGACY_STATE_IDLE : LEGACY_STATE_READY;
    if (result)
        bound->addr = 0;
    pthread_cond_broadcast(&engine->changed);
    return result;
}

static void unbind(struct legacy_engine *engine, const char *prefix, const char *section)
{
    char *name;
    if (asprintf(&name, "%s%s", prefix, section) < 0)
        return;
    struct legacy_symbol *symbol = legacy_symbol_existing(engine, name);
    if (symbol && symbol->kind == LEGACY_KIND_BOUND) {
        legacy_symbol_undefine(symbol);
        symbol->kind = LEGACY_KIND_DATA;
    }
    free(name);
}

void legacy_sections_forget(struct legacy_engine *engine, struct legacy_module *module)
{
    struct legacy_section **link = &engine->sections, *section;
    while ((section = *link)) {
        for (struct legacy_symbol *s = module->symbols; s; s = s->next)
            if (s->placed_addr && is_in(s->value, section->name)) {
                s->placed_addr = 0;
                section->member_count--;
            }
        if (section->member_count) {
            link = &section->next;
            continue;
        }
        *link = section->next;
        unbind(engine, "__start_", section->name);
        unbind(engine, "__stop_", section->name);
        jd_arena_free(engine->arena, &section->block);
        free_section(section);
    }
}

void legacy_sections_fini(struct legacy_engine *engine)
{
    struct legacy_section *section;
    while ((section = engine->sections)) {
        engine->sections = section->next;
        free_section(section);
    }
}

void legacy_section_mark(struct legacy_symbol *symbol, LLVMModuleRef partition)
{
    char section[sizeof LEGACY_PLACED_SECTION + 2 * sizeof(uintptr_t)];
    size_t length;
    LLVMValueRef copy = LLVMGetNamedGlobal(partition, LLVMGetValueName2(symbol->value, &length));
    if (!symbol->placed_addr || !copy)
        return;
    snprintf(section, sizeof section, LEGACY_PLACED_SECTION "%" PRIxPTR, symbol->placed_addr);
    LLVMSetSection(copy, section);
}
