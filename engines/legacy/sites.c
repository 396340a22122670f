/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites: branches that are led to a callee's body while it has one, and to its stub while it
 * has none. Each object owns those in its code, each symbol lists those that go to it. Knows no
 * code generation. Sources: at can_rebind; branch_patch.h.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "branch_patch.h"
#include "core_sync.h"
#include "link_private.h"

static bool is_in_code(const struct legacy_link *link, uintptr_t addr)
{
    const struct jd_arena_block *code = &link->object->blocks[JD_ARENA_CODE];
    return link->object->has_block[JD_ARENA_CODE] && addr - code->addr < code->size_bytes;
}

/* Across two blocks, it takes the kernel's help (branch_patch.h). The unwind table's mark lies
 * before the first instruction of a block: there is something to read. */
static bool can_split(struct legacy_link *link, uintptr_t addr, struct legacy_site *site)
{
    struct jd_branch branch;
    if (!link->engine->can_sync_cores || !is_in_code(link, addr) ||
        !jd_branch_read(jd_arena_writable(link->engine->arena, addr), &branch))
        return false;
    site->is_split = true;
    site->is_conditional = branch.is_conditional;
    site->opcode = branch.opcode;
    return true;
}

/* Can the branch be rewritten while other threads run it, to the body and back to the stub at any
 * time? AArch64: B and BL, not the conditional ones (Arm ARM, B2.2.5), and the stub must be in
 * reach. */
static bool can_rebind(struct legacy_link *link, const struct jd_reloc_howto *howto,
                       struct legacy_symbol *symbol, struct legacy_site *site)
{
    uintptr_t stub_addr;
    if (howto->field != JD_FIELD_LE && howto->field != JD_FIELD_A64_BRANCH26)
        return false;
    if (!jd_stubs_want_veneers(&link->engine->stubs))
        return jd_branch_is_whole(site->addr) || can_split(link, site->addr, site);
    return !legacy_symbol_stub(link->engine, symbol, &stub_addr, NULL) &&
           jd_reloc_fits(howto, site->addr, stub_addr, site->addend, 0);
}

bool legacy_site_add(struct legacy_link *link, const struct jd_reloc_howto *howto,
                     struct legacy_symbol *callee, uintptr_t addr, const Elf64_Rela *rela)
{
    struct legacy_site site = {
        .callee = callee,
        .addr = addr,
        .type = (uint16_t)ELF64_R_TYPE(rela->r_info),
        .addend = (int32_t)rela->r_addend,
    };
    if (!can_rebind(link, howto, callee, &site))
        return false;
    if (link->site_count == link->site_capacity) {
        uint32_t capacity = link->site_capacity ? link->site_capacity * 2 : 8;
        struct legacy_site *sites = realloc(link->sites, capacity * sizeof *sites);
        if (!sites)
            return false;
        link->sites = sites;
        link->site_capacity = capacity;
    }
    link->sites[link->site_count++] = site;
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
        site->module = link->module;
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

/* The field's bytes when the branch goes to the target; false out of reach. x86-64 puts fields
 * anywhere in a cache line. */
static bool led_to(const struct legacy_engine *engine, const struct legacy_site *site,
                   uintptr_t target_addr, uint32_t *io_bytes)
{
    const struct jd_reloc_howto *howto =
        jd_reloc_howto(engine->stubs.arch->elf_machine, site->type);
    struct jd_reloc_place place = {
        .write = io_bytes, .room_bytes = sizeof *io_bytes, .addr = site->addr};
    return !jd_reloc_apply(howto, &place, target_addr, site->addend, 0, NULL);
}

static uint32_t field_of(const struct legacy_engine *engine, const struct legacy_site *site)
{
    uint32_t bytes;
    memcpy(&bytes, jd_arena_writable(engine->arena, site->addr), sizeof bytes);
    return bytes;
}

/* Running code may be at the branch. Out of reach, it stays. */
static void rewrite_whole(const struct legacy_engine *engine, const struct legacy_site *site,
                          uintptr_t target_addr)
{
    uint32_t bytes = field_of(engine, site);
    if (!led_to(engine, site, target_addr, &bytes))
        return;
    jd_branch_store(jd_arena_writable(engine->arena, site->addr), bytes);
    jd_arena_flush_icache(site->addr, sizeof bytes);
}

static struct jd_branch branch_of(const struct legacy_engine *engine,
                                  const struct legacy_site *site)
{
    return (struct jd_branch){.field = jd_arena_writable(engine->arena, site->addr),
                              .opcode = site->opcode,
                              .is_conditional = site->is_conditional};
}

static bool hold(const struct legacy_engine *engine, struct legacy_site *site,
                 uintptr_t target_addr)
{
    struct jd_branch branch = branch_of(engine, site);
    uint32_t bytes;
    site->held_byte = *branch.field;
    site->is_held = led_to(engine, site, target_addr, &bytes) && bytes != field_of(engine, site);
    if (site->is_held)
        jd_branch_hold(&branch);
    return site->is_held;
}

static void set_rest(const struct legacy_engine *engine, const struct legacy_site *site,
                     uintptr_t target_addr)
{
    struct jd_branch branch = branch_of(engine, site);
    uint32_t bytes;
    if (site->is_held && led_to(engine, site, target_addr, &bytes))
        jd_branch_set_rest(&branch, bytes);
}

/* `target_addr` 0: to where it went. */
static void release(const struct legacy_engine *engine, struct legacy_site *site,
                    uintptr_t target_addr)
{
    struct jd_branch branch = branch_of(engine, site);
    uint32_t bytes = site->held_byte;
    if (site->is_held && (!target_addr || led_to(engine, site, target_addr, &bytes)))
        jd_branch_release(&branch, bytes);
    site->is_held = false;
}

/* All steps of all split sites. A kernel that has served the first step serves the second. */
static int lead_held(const struct legacy_engine *engine, struct legacy_site *sites,
                     uintptr_t target_addr, struct jd_error *err)
{
    bool is_any = false, is_synced;
    for (struct legacy_site *site = sites; site; site = site->next)
        is_any |= site->is_split && hold(engine, site, target_addr);
    if (!is_any)
        return JD_OK;
    is_synced = jd_core_sync();
    if (is_synced) {
        for (struct legacy_site *site = sites; site; site = site->next)
            set_rest(engine, site, target_addr);
        jd_core_sync();
    }
    for (struct legacy_site *site = sites; site; site = site->next)
        release(engine, site, is_synced ? target_addr : 0);
    return is_synced ? JD_OK
                     : jd_fail(err, JD_E_LIMIT, "membarrier",
                               "the kernel no longer synchronises cores: calls stay where they go");
}

/* This thread must not run into a site that it holds itself: handlers of all signals wait. */
static int rewrite_split(const struct legacy_engine *engine, struct legacy_site *sites,
                         uintptr_t target_addr, struct jd_error *err)
{
    sigset_t all, before;
    int result;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = lead_held(engine, sites, target_addr, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static int rewrite_sites(const struct legacy_engine *engine, struct legacy_site *sites,
                         uintptr_t target_addr, struct jd_error *err)
{
    bool is_any_split = false;
    for (struct legacy_site *site = sites; site; site = site->next) {
        is_any_split |= site->is_split;
        if (!site->is_split)
            rewrite_whole(engine, site, target_addr);
    }
    return is_any_split ? rewrite_split(engine, sites, target_addr, err) : JD_OK;
}

void legacy_symbol_bind_sites(struct legacy_engine *engine, struct legacy_symbol *symbol)
{
    rewrite_sites(engine, symbol->sites, symbol->addr, NULL); /* or they go on through the stub */
}

int legacy_symbol_unbind(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err)
{
    uintptr_t stub_addr;
    if (!symbol->sites)
        return JD_OK;
    int result = legacy_symbol_stub(engine, symbol, &stub_addr, err);
    return result ? result : rewrite_sites(engine, symbol->sites, stub_addr, err);
}

bool legacy_symbol_is_called_outside(const struct legacy_symbol *symbol,
                                     const struct legacy_module *module)
{
    const struct legacy_site *site = symbol->sites;
    while (site && site->module == module)
        site = site->next;
    return site;
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
