/* SPDX-License-Identifier: Apache-2.0
 *
 * Data that the program puts into a section with bounds (section_name.h): what the modules of one
 * prepare put there lies together, in the order in which they were added, as a linker would have
 * laid it out. Modules of a later prepare have theirs elsewhere, as a library that is loaded later
 * would.
 *
 * MCJIT loads object after object and asks for memory for each section: how much of it all modules
 * want together is computed from their IR first.
 */
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcjit.h"
#include "section_name.h"
#include "text.h"

struct mcjit_section {
    struct mcjit_section *next;
    char *name;
    uintptr_t start_addr;
    size_t size_bytes, align_bytes;
    struct mcjit_memory_part *parts; /* of its modules, while it is being laid out */
    size_t part_count;
    bool is_final; /* its code is linked */
};

static struct mcjit_section *find(const struct mcjit_engine *engine, const char *name)
{
    struct mcjit_section *section = engine->sections;
    while (section && strcmp(section->name, name) != 0)
        section = section->next;
    return section;
}

static bool has_section(const struct mcjit_module *module, const char *name)
{
    for (size_t i = 0; i < module->section_count; i++)
        if (!strcmp(module->sections[i], name))
            return true;
    return false;
}

/* --- Resolving -------------------------------------------------------------------------------- */

static uintptr_t bound_addr(const struct mcjit_section *section, bool is_stop)
{
    return section->start_addr + (is_stop ? section->size_bytes : 0);
}

int mcjit_section_resolve(struct mcjit_engine *engine, struct mcjit_selection *selection,
                          struct mcjit_symbol *symbol, bool *out_is_found, struct jd_error *err)
{
    bool is_stop;
    const char *name = jd_section_of_bound(symbol->name, &is_stop);
    const struct mcjit_section *section = name ? find(engine, name) : NULL;
    int result = JD_OK;
    *out_is_found = section != NULL;
    if (section)
        symbol->addr = bound_addr(section, is_stop);
    for (size_t i = engine->pending_from; name && !section && i < engine->module_count; i++) {
        struct mcjit_module *module = engine->modules[i];
        if (result || module->state != MCJIT_PENDING || !has_section(module, name))
            continue;
        *out_is_found = symbol->is_section_bound = true;
        result = mcjit_select(selection, module, err);
    }
    return result;
}

/* --- Layout ----------------------------------------------------------------------------------- */

static size_t align_up(size_t value, size_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* What one module puts into the section. */
static struct mcjit_memory_part part_of(LLVMModuleRef module, const char *name, size_t *out_align)
{
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(module);
    struct mcjit_memory_part part = {0, 0};
    *out_align = 1;
    for (LLVMValueRef v = LLVMGetFirstGlobal(module); v; v = LLVMGetNextGlobal(v)) {
        if (!mcjit_scan_has_bounds(v) || strcmp(LLVMGetSection(v), name) != 0)
            continue;
        size_t align = LLVMGetAlignment(v);
        if (!align)
            align = LLVMPreferredAlignmentOfGlobal(layout, v);
        part.size_bytes =
            align_up(part.size_bytes, align) + LLVMABISizeOfType(layout, LLVMGlobalGetValueType(v));
        if (align > *out_align)
            *out_align = align;
    }
    return part;
}

static int no_room(const char *name, struct jd_error *err)
{
    return jd_fail(err, JD_E_NO_MEMORY, name, "no room to lay the section out");
}

static int add_part(struct mcjit_section *section, LLVMModuleRef module, struct jd_error *err)
{
    size_t align;
    struct mcjit_memory_part part = part_of(module, section->name, &align);
    struct mcjit_memory_part *parts =
        mcjit_grow(section->parts, section->part_count, sizeof *section->parts);
    if (!part.size_bytes)
        return JD_OK; /* all of it lost against other modules' definitions */
    if (!parts)
        return no_room(section->name, err);
    section->parts = parts;
    part.offset = align_up(section->size_bytes, align);
    parts[section->part_count++] = part;
    section->size_bytes = part.offset + part.size_bytes;
    if (align > section->align_bytes)
        section->align_bytes = align;
    return JD_OK;
}

static int add_section(struct mcjit_engine *engine, const char *name, struct jd_error *err)
{
    struct mcjit_section *section = calloc(1, sizeof *section);
    if (section)
        section->name = mcjit_text_copy(name, strlen(name));
    if (!section || !section->name) {
        free(section);
        return no_room(name, err);
    }
    section->align_bytes = 1;
    section->next = engine->sections;
    engine->sections = section;
    return JD_OK;
}

static int measure(struct mcjit_engine *engine, const struct mcjit_module *module,
                   struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < module->section_count && !result; i++) {
        const char *name = module->sections[i];
        if (!find(engine, name))
            result = add_section(engine, name, err);
        if (!result && !find(engine, name)->is_final)
            result = add_part(find(engine, name), module->llvm, err);
    }
    return result;
}

static void set_bound(struct mcjit_engine *engine, const struct mcjit_section *section,
                      const char *prefix, uintptr_t addr)
{
    char *name = mcjit_text_join(prefix, strlen(prefix), section->name, strlen(section->name));
    struct mcjit_symbol *symbol =
        name ? mcjit_symbol_find(&engine->symbols, name, strlen(name)) : NULL;
    if (symbol && symbol->is_section_bound && !symbol->is_user_defined && !symbol->definer)
        symbol->addr = addr;
    free(name);
}

static void set_bounds(struct mcjit_engine *engine, const struct mcjit_section *section)
{
    set_bound(engine, section, "__start_", bound_addr(section, false));
    set_bound(engine, section, "__stop_", bound_addr(section, true));
}

int mcjit_sections_lay_out(struct mcjit_engine *engine, struct mcjit_memory *memory,
                           const struct mcjit_selection *selection, struct jd_error *err)
{
    int result = JD_OK;
    for (size_t i = 0; i < selection->count && !result; i++)
        result = measure(engine, selection->modules[i], err);
    for (struct mcjit_section *s = engine->sections; s && !result; s = s->next) {
        if (s->is_final)
            continue;
        result = mcjit_memory_lay_out(memory, s->name, s->parts, s->part_count, s->align_bytes,
                                      &s->start_addr, err);
        if (!result)
            set_bounds(engine, s);
    }
    return result;
}

static void free_section(struct mcjit_section *section)
{
    free(section->parts);
    free(section->name);
    free(section);
}

void mcjit_sections_end(struct mcjit_engine *engine, bool is_linked)
{
    struct mcjit_section **link = &engine->sections, *section;
    while ((section = *link)) {
        if (is_linked || section->is_final) {
            section->is_final = true;
            link = &section->next;
            continue;
        }
        set_bound(engine, section, "__start_", 0);
        set_bound(engine, section, "__stop_", 0);
        *link = section->next;
        free_section(section);
    }
}

void mcjit_sections_fini(struct mcjit_engine *engine)
{
    struct mcjit_section *section;
    while ((section = engine->sections)) {
        engine->sections = section->next;
        free_section(section);
    }
}
