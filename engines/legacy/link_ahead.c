/* SPDX-License-Identifier: Apache-2.0
 *
 * Data in objects that a helper made (front.c): which of them to take from the object, and where to
 * lead references to those that exist by now. Each lies in a section of its own, mergeable
 * constants aside. Knows no arena and no relocations.
 */
#include <string.h>

#include "link_private.h"

/* The engine's symbol behind a datum that the object defines; NULL with JD_OK: it is none. */
static int datum_of(struct legacy_link *link, uint32_t index, struct legacy_symbol **out,
                    struct jd_error *err)
{
    const char *name = jd_elf_symbol_name(&link->elf, index);
    uint32_t section = jd_elf_symbol_section(&link->elf, index);
    LLVMValueRef value = NULL;
    *out = NULL;
    if (ELF64_ST_BIND(link->elf.symbols[index].st_info) != STB_LOCAL && section != SHN_UNDEF &&
        section < link->elf.section_count)
        value = legacy_source_find(link->module->source, name);
    if (!value || LLVMGetValueKind(value) != LLVMGlobalVariableValueKind)
        return JD_OK;
    *out = legacy_symbol_of(link->engine, link->module, value);
    return *out ? JD_OK : jd_fail(err, JD_E_NO_MEMORY, name, "no memory for symbols");
}

/* The object brings it along and nothing else did so before. */
static bool is_fresh(const struct legacy_link *link, uint32_t index,
                     const struct legacy_symbol *symbol)
{
    return symbol->origin == LEGACY_ORIGIN_MODULE && symbol->kind == LEGACY_KIND_DATA &&
           symbol->state == LEGACY_STATE_IDLE && symbol->module == link->module &&
           !symbol->placed_addr &&
           symbol->value ==
               legacy_source_find(link->module->source, jd_elf_symbol_name(&link->elf, index));
}

/* Its section is not loaded: references to it go to where the datum is. */
static int lead_elsewhere(struct legacy_link *link, uint32_t index, uintptr_t addr,
                          struct jd_error *err)
{
    struct legacy_place *place = &link->places[jd_elf_symbol_section(&link->elf, index)];
    if (place->has_datum)
        return jd_fail(err, JD_E_STATE, jd_elf_symbol_name(&link->elf, index),
                       "shares its section with other data");
    place->has_datum = place->is_elsewhere = true;
    place->addr = addr - link->elf.symbols[index].st_value;
    return JD_OK;
}

static void take_datum(struct legacy_link *link, uint32_t index, struct legacy_symbol *symbol)
{
    link->places[jd_elf_symbol_section(&link->elf, index)].has_datum = true;
    link->claimed[index] = symbol;
    symbol->state = LEGACY_STATE_BUSY;
    symbol->busy_thread = pthread_self();
}

/* Mergeable constants, whose addresses mean nothing, lie together: an object uses its own. */
static int adopt(struct legacy_link *link, uint32_t index, struct jd_error *err)
{
    uint32_t section = jd_elf_symbol_section(&link->elf, index);
    struct legacy_symbol *symbol;
    uintptr_t addr;
    int result = datum_of(link, index, &symbol, err);
    if (result || !symbol)
        return result;
    bool is_mergeable = link->elf.sections[section].sh_flags & SHF_MERGE;
    if (is_fresh(link, index, symbol) && (is_mergeable || !link->places[section].has_datum)) {
        take_datum(link, index, symbol);
        return JD_OK;
    }
    if (is_mergeable) {
        link->is_duplicate[index] = true;
        return JD_OK;
    }
    if (symbol->origin == LEGACY_ORIGIN_MODULE && !symbol->addr)
        return jd_fail(err, JD_E_STATE, symbol->name, "is being emitted");
    result = legacy_symbol_address(link->engine, symbol, &addr, err);
    return result ? result : lead_elsewhere(link, index, addr, err);
}

/* Decide about each datum in the object. What another module defines instead may have to be
 * emitted: that goes first; from then on the lock is kept until all that is taken has its address.
 */
int legacy_link_adopt(struct legacy_link *link, struct jd_error *err)
{
    struct legacy_symbol *symbol;
    uintptr_t addr;
    int result = JD_OK;
    for (uint32_t i = 1; i < link->elf.symbol_count && !result; i++) {
        result = datum_of(link, i, &symbol, err);
        if (!result && symbol && !is_fresh(link, i, symbol))
            result = legacy_symbol_address(link->engine, symbol, &addr, err);
    }
    for (uint32_t i = 1; i < link->elf.symbol_count && !result; i++)
        result = adopt(link, i, err);
    return result;
}

void legacy_link_release(struct legacy_link *link)
{
    for (uint32_t i = 1; link->claimed && i < link->elf.symbol_count; i++)
        if (link->claimed[i] && link->claimed[i]->state == LEGACY_STATE_BUSY) {
            link->claimed[i]->state = LEGACY_STATE_IDLE;
            link->claimed[i]->addr = 0;
        }
}
