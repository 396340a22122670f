/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites: branches that are led to a callee's body while it has one, and to its stub while it
 * has none. Each object owns those in its code, each symbol lists those that go to it. Knows no
 * code generation. Sources: at can_rebind and store.
 */
#include <stdlib.h>
#include <string.h>

#include "link_private.h"

/* x86-64: no manual says how a CPU fetches an instruction that is being overwritten. All fetch
 * aligned blocks of at least this size at once, so that the four bytes come from one of them (Intel
 * and AMD optimization guides; docs/design.md has what was measured). */
enum { FETCH_BLOCK_BYTES = 16 };

/* Can the branch be rewritten while other threads run it, to the body and back to the stub at any
 * time? x86-64: a field that does not cross blocks. AArch64: B and BL, not the conditional ones
 * (Arm ARM, B2.2.5), and the stub must be in reach. */
static bool can_rebind(struct legacy_link *link, const struct jd_reloc_howto *howto,
                       struct legacy_symbol *symbol, uintptr_t addr, int64_t addend)
{
    uintptr_t stub_addr;
    if (howto->field != JD_FIELD_LE && howto->field != JD_FIELD_A64_BRANCH26)
        return false;
    if (!jd_stubs_want_veneers(&link->engine->stubs))
        return addr % FETCH_BLOCK_BYTES <= FETCH_BLOCK_BYTES - sizeof(uint32_t);
    return !legacy_symbol_stub(link->engine, symbol, &stub_addr, NULL) &&
           jd_reloc_fits(howto, addr, stub_addr, addend, 0);
}

bool legacy_site_add(struct legacy_link *link, const struct jd_reloc_howto *howto,
                     struct legacy_symbol *callee, uintptr_t addr, const Elf64_Rela *rela)
{
    if (!can_rebind(link, howto, callee, addr, rela->r_addend))
        return false;
    if (link->site_count == link->site_capacity) {
        uint32_t capacity = link->site_capacity ? link->site_capacity * 2 : 8;
        struct legacy_site *sites = realloc(link->sites, capacity * sizeof *sites);
        if (!sites)
            return false;
        link->sites = sites;
        link->site_capacity = capacity;
    }
    link->sites[link->site_count++] = (struct legacy_site){
        .callee = callee,
        .addr = addr,
        .type = (uint32_t)ELF64_R_TYPE(rela->r_info),
        .addend = (int32_t)rela->r_addend,
    };
    return true;
}

void legacy_sites_publish(struct legacy_link *link)
{
    struct legacy_object *object = link->object;
    object->sites = link->sites;
    object->site_count = link->site_count;
    link->sites = NULL;
    for (uint32_t i = 0; i < object->site_count; i++) {
        struct legacy_site *site = &object->sites[i];
        site->next = site->callee->sites;
        if (site->next)
            site->next->previous = site;
        site->callee->sites = site;
    }
}

static void unlink_site(struct legacy_site *site)
{
    if (site->previous)
        site->previous->next = site->next;
    else if (site->callee->sites == site)
        site->callee->sites = site->next;
    if (site->next)
        site->next->previous = site->previous;
    site->previous = site->next = NULL;
}

void legacy_sites_free(struct legacy_object *object)
{
    for (uint32_t i = 0; i < object->site_count; i++)
        unlink_site(&object->sites[i]);
    free(object->sites);
    object->sites = NULL;
    object->site_count = 0;
}

/* A plain store is whole for others within an aligned quadword on AMD, within a cache line on Intel
 * (AMD APM volume 2, 7.3.2; Intel SDM volume 3, 9.1.1); a locked one is so anywhere. */
static void store(uint32_t *field, uint32_t bytes)
{
#if defined(__x86_64__)
    __atomic_exchange_n(field, bytes, __ATOMIC_RELEASE);
#else
    __atomic_store_n(field, bytes, __ATOMIC_RELEASE);
#endif
}

/* Running code may be at the branch: the field is replaced by one store. Out of reach, it stays. */
static void rewrite_site(const struct legacy_engine *engine, const struct legacy_site *site,
                         uintptr_t target_addr)
{
    const struct jd_reloc_howto *howto =
        jd_reloc_howto(engine->stubs.arch->elf_machine, site->type);
    uint32_t *field = jd_arena_writable(engine->arena, site->addr), bytes;
    memcpy(&bytes, field, sizeof bytes); /* x86-64 puts it anywhere in a cache line */
    struct jd_reloc_place place = {.write = &bytes, .room_bytes = sizeof bytes, .addr = site->addr};
    if (jd_reloc_apply(howto, &place, target_addr, site->addend, 0, NULL))
        return;
    store(field, bytes);
    jd_arena_flush_icache(site->addr, sizeof *field);
}

void legacy_symbol_bind_sites(struct legacy_engine *engine, struct legacy_symbol *symbol)
{
    for (struct legacy_site *site = symbol->sites; site; site = site->next)
        rewrite_site(engine, site, symbol->addr);
}

int legacy_symbol_unbind(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err)
{
    uintptr_t stub_addr;
    int result;
    if (!symbol->sites)
        return JD_OK;
    result = legacy_symbol_stub(engine, symbol, &stub_addr, err);
    for (struct legacy_site *site = symbol->sites; site && !result; site = site->next)
        rewrite_site(engine, site, stub_addr); /* in reach, or it would be no site */
    return result;
}

int legacy_symbol_detach(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err)
{
    int result = legacy_symbol_unbind(engine, symbol, err);
    struct legacy_site *next;
    if (result)
        return result;
    for (struct legacy_site *site = symbol->sites; site; site = next) {
        next = site->next;
        site->previous = site->next = NULL;
    }
    symbol->sites = NULL;
    return JD_OK;
}
