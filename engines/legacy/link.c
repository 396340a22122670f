/* SPDX-License-Identifier: Apache-2.0
 *
 * From an ELF object to running code: layout in the arena, symbols, relocation, unwind tables.
 * Knows no IR beyond a global's name. Sources: System V ABI, chapter 4; psABI supplements for the
 * relocation types (reloc.h).
 *
 * Order matters: what the object defines gets its address first, then foreign symbols are resolved
 * (which may compile more, even what refers back to this object, or let a creator run), then
 * relocations are applied, then what it defines becomes ready.
 */
#include "internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "link_private.h"

#define TLS_CONTROL "__emutls_v."

/* ---- layout ---- */

static enum jd_arena_kind kind_of_section(const struct legacy_link *link, uint32_t index)
{
    const Elf64_Shdr *section = &link->elf.sections[index];
    const char *name = jd_elf_section_name(&link->elf, index);
    if (section->sh_flags & SHF_EXECINSTR)
        return JD_ARENA_CODE;
    if (!strcmp(name, ".eh_frame") || !strncmp(name, ".gcc_except_table", 17))
        return JD_ARENA_UNWIND;
    return section->sh_flags & SHF_WRITE ? JD_ARENA_DATA : JD_ARENA_RODATA;
}

static bool is_frame(const struct legacy_link *link, uint32_t index)
{
    return !strcmp(jd_elf_section_name(&link->elf, index), ".eh_frame");
}

/* A body that is nothing but `unreachable` has no bytes, but an address; so has an array without
 * elements. */
static bool holds_empty_symbol(const struct legacy_link *link, uint32_t index)
{
    for (uint32_t i = 1; i < link->elf.symbol_count; i++) {
        unsigned type = ELF64_ST_TYPE(link->elf.symbols[i].st_info);
        if (jd_elf_symbol_section(&link->elf, i) == index &&
            (type == STT_FUNC || type == STT_OBJECT))
            return true;
    }
    return false;
}

static bool is_loaded(const struct legacy_link *link, uint32_t index)
{
    const Elf64_Shdr *section = &link->elf.sections[index];
    if (section->sh_type == SHT_NULL || !(section->sh_flags & SHF_ALLOC) ||
        link->places[index].is_elsewhere)
        return false;
    return section->sh_size || holds_empty_symbol(link, index);
}

static size_t room_of_section(const struct legacy_link *link, uint32_t index)
{
    size_t bytes = link->elf.sections[index].sh_size ? link->elf.sections[index].sh_size : 1;
    if (!is_frame(link, index) || !jd_elf_section_bytes(&link->elf, index))
        return bytes;
    return legacy_unwind_room(jd_elf_section_bytes(&link->elf, index), bytes);
}

static size_t align_up(size_t value, size_t align)
{
    return align > 1 ? (value + align - 1) & ~(align - 1) : value;
}

/* Room for a veneer to each foreign symbol, at the end of the object's code; what is not used goes
 * back when the object is done. */
static void make_veneer_room(struct legacy_link *link, size_t *code_bytes)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < link->elf.symbol_count; i++)
        count += jd_elf_symbol_section(&link->elf, i) == SHN_UNDEF;
    *code_bytes = align_up(*code_bytes, link->engine->stubs.arch->align_bytes);
    link->veneers_end = *code_bytes;
    *code_bytes += count * link->engine->stubs.arch->veneer_bytes;
}

/* A datum whose place was given by its section (sections.c). */
static bool is_placed(struct legacy_link *link, uint32_t index)
{
    const char *name = jd_elf_section_name(&link->elf, index);
    if (strncmp(name, LEGACY_PLACED_SECTION, sizeof LEGACY_PLACED_SECTION - 1) != 0)
        return false;
    link->places[index].addr = strtoull(name + sizeof LEGACY_PLACED_SECTION - 1, NULL, 16);
    link->places[index].write = jd_arena_writable(link->engine->arena, link->places[index].addr);
    return true;
}

/* Offsets within each kind's block are kept in place.addr until the blocks are known. */
static int lay_out(struct legacy_link *link, struct jd_error *err)
{
    size_t size[JD_ARENA_KIND_COUNT] = {0}, align[JD_ARENA_KIND_COUNT] = {0};
    for (uint32_t i = 0; i < link->elf.section_count; i++) {
        const Elf64_Shdr *section = &link->elf.sections[i];
        if (!is_loaded(link, i))
            continue;
        if (section->sh_flags & SHF_TLS)
            return jd_fail(err, JD_E_UNSUPPORTED, jd_elf_section_name(&link->elf, i),
                           "native thread-local section");
        if (is_placed(link, i))
            continue;
        enum jd_arena_kind kind = kind_of_section(link, i);
        if (kind == JD_ARENA_CODE && !size[kind])
            size[kind] = LEGACY_UNWIND_PREFIX_BYTES;
        size_t offset = align_up(size[kind], section->sh_addralign);
        link->places[i].addr = offset;
        size[kind] = offset + room_of_section(link, i);
        if (section->sh_addralign > align[kind])
            align[kind] = section->sh_addralign;
    }
    if (size[JD_ARENA_CODE] && jd_stubs_want_veneers(&link->engine->stubs))
        make_veneer_room(link, &size[JD_ARENA_CODE]);
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++) {
        if (!size[kind])
            continue;
        int result = jd_arena_reserve(link->engine->arena, (enum jd_arena_kind)kind, size[kind],
                                      align[kind], &link->object->blocks[kind], err);
        if (result)
            return result;
        link->object->has_block[kind] = true;
    }
    return JD_OK;
}

static void load_sections(struct legacy_link *link)
{
    for (uint32_t i = 0; i < link->elf.section_count; i++) {
        struct legacy_place *place = &link->places[i];
        if (!is_loaded(link, i))
            continue;
        if (!place->write) {
            const struct jd_arena_block *block = &link->object->blocks[kind_of_section(link, i)];
            place->write = (unsigned char *)block->write + place->addr;
            place->addr += block->addr;
        }
        const void *bytes = jd_elf_section_bytes(&link->elf, i);
        if (bytes)
            memcpy(place->write, bytes, link->elf.sections[i].sh_size);
    }
}

/* ---- symbols ---- */

static bool is_defined(const struct legacy_link *link, uint32_t index)
{
    uint32_t section = jd_elf_symbol_section(&link->elf, index);
    return section != SHN_UNDEF && section < link->elf.section_count && link->places[section].addr;
}

static uintptr_t defined_addr(const struct legacy_link *link, uint32_t index)
{
    return link->places[jd_elf_symbol_section(&link->elf, index)].addr +
           link->elf.symbols[index].st_value;
}

/* A name that no IR mentions: a library call of the code generator, or of inline assembly. */
static struct legacy_symbol *runtime_symbol(struct legacy_engine *engine, const char *name)
{
    struct legacy_symbol *symbol = legacy_symbol_named(engine, name);
    if (symbol && symbol->origin == LEGACY_ORIGIN_NONE && symbol->kind == LEGACY_KIND_UNKNOWN) {
        symbol->kind = LEGACY_KIND_FUNCTION;
        symbol->is_runtime = true;
        legacy_symbol_bind(engine, symbol);
    }
    return symbol;
}

/* A local symbol of module asm that IR mentions. */
static bool is_asm_local(const struct legacy_link *link, uint32_t index)
{
    const struct legacy_source *source = link->module->source;
    LLVMValueRef value = legacy_source_find(source, jd_elf_symbol_name(&link->elf, index));
    return value && legacy_source_is_asm_local(source, value);
}

/* The engine's symbol behind an ELF symbol: a global of the module by its name, or an external one
 * that code generation brought in (memcpy and the like). */
static int find_symbol(struct legacy_link *link, uint32_t index, struct jd_error *err)
{
    const char *name = jd_elf_symbol_name(&link->elf, index);
    bool is_control = !strncmp(name, TLS_CONTROL, sizeof TLS_CONTROL - 1);
    if (link->is_duplicate && link->is_duplicate[index])
        return JD_OK; /* for this object only */
    LLVMValueRef value =
        legacy_source_find(link->module->source, is_control ? name + sizeof TLS_CONTROL - 1 : name);
    if (value)
        link->symbols[index] = legacy_symbol_of(link->engine, link->module, value);
    else if (is_defined(link, index) && !link->module->has_asm)
        return JD_OK; /* made by code generation, for this object only */
    else
        link->symbols[index] = runtime_symbol(link->engine, name);
    if (link->symbols[index] && !value && !is_defined(link, index))
        link->symbols[index]->is_used_unnamed = true;
    if (!link->symbols[index])
        return jd_fail(err, JD_E_NO_MEMORY, name, "no memory for symbols");
    return JD_OK;
}

static int find_symbols(struct legacy_link *link, struct jd_error *err)
{
    for (uint32_t i = 1; i < link->elf.symbol_count; i++) {
        bool is_local = ELF64_ST_BIND(link->elf.symbols[i].st_info) == STB_LOCAL;
        if (!*jd_elf_symbol_name(&link->elf, i) ||
            (is_local && !(link->module->has_asm && is_asm_local(link, i))))
            continue;
        int result = find_symbol(link, i, err);
        if (result)
            return result;
    }
    return JD_OK;
}

bool legacy_link_defines(const struct legacy_link *link, uint32_t index,
                         const struct legacy_symbol *symbol)
{
    return symbol && is_defined(link, index) && symbol->origin == LEGACY_ORIGIN_MODULE &&
           symbol->module == link->module &&
           !link->places[jd_elf_symbol_section(&link->elf, index)].is_elsewhere &&
           (symbol->state == LEGACY_STATE_BUSY || symbol->kind == LEGACY_KIND_ASM);
}

static void place_definitions(struct legacy_link *link)
{
    for (uint32_t i = 1; i < link->elf.symbol_count; i++)
        if (legacy_link_defines(link, i, link->symbols[i]))
            link->symbols[i]->addr = defined_addr(link, i);
}

/* Foreign symbols may need code generation, whose buffer the object's bytes lie in. */
static int keep_bytes(struct legacy_link *link, struct jd_error *err)
{
    if (link->bytes)
        return JD_OK;
    link->bytes = malloc(link->elf.size_bytes);
    if (!link->bytes)
        return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for an object");
    memcpy(link->bytes, link->elf.bytes, link->elf.size_bytes);
    return jd_elf_open(&link->elf, link->bytes, link->elf.size_bytes, err);
}

static bool needs_work(const struct legacy_symbol *symbol)
{
    if (symbol->origin == LEGACY_ORIGIN_NONE)
        return symbol->kind == LEGACY_KIND_DATA || symbol->is_extern_weak;
    if (symbol->origin == LEGACY_ORIGIN_OBJECT)
        return !symbol->foreign->is_linked;
    if (symbol->is_thread_local && symbol->origin == LEGACY_ORIGIN_PROCESS)
        return true;
    if (symbol->origin != LEGACY_ORIGIN_MODULE)
        return false;
    return symbol->kind == LEGACY_KIND_ALIAS || (!symbol->addr && !legacy_symbol_is_code(symbol));
}

static int resolve_foreign(struct legacy_link *link, struct jd_error *err)
{
    for (uint32_t i = 1; i < link->elf.symbol_count; i++) {
        struct legacy_symbol *symbol = link->symbols[i];
        uintptr_t addr;
        if (!symbol || is_defined(link, i))
            continue;
        legacy_symbol_bind(link->engine, symbol);
        if (!needs_work(symbol))
            continue;
        int result = keep_bytes(link, err);
        if (!result)
            result = legacy_symbol_address(link->engine, symbol, &addr, err);
        if (result)
            return result;
    }
    return JD_OK;
}

/* ---- relocation ---- */

static int cell_for(struct legacy_link *link, uintptr_t value, uintptr_t *out_addr,
                    struct jd_error *err)
{
    struct jd_arena_block block;
    int result = jd_arena_reserve(link->engine->arena, JD_ARENA_GOT, sizeof(uintptr_t),
                                  sizeof(uintptr_t), &block, err);
    *out_addr = 0;
    if (result)
        return result;
    *(uintptr_t *)block.write = value;
    jd_arena_commit(link->engine->arena, &block);
    *out_addr = block.addr;
    return JD_OK;
}

static int got_of(struct legacy_link *link, struct legacy_symbol *symbol, struct jd_error *err)
{
    uintptr_t addr;
    int result;
    if (symbol->got_addr)
        return JD_OK;
    result = legacy_symbol_address(link->engine, symbol, &addr, err);
    return result ? result : cell_for(link, addr, &symbol->got_addr, err);
}

static int thunk_of(struct legacy_link *link, struct legacy_symbol *symbol, uintptr_t *out_addr,
                    struct jd_error *err)
{
    int result = symbol->thunk_addr ? JD_OK : got_of(link, symbol, err);
    if (!result && !symbol->thunk_addr)
        result = jd_thunk_create(&link->engine->stubs, symbol->got_addr, &symbol->thunk_addr, err);
    *out_addr = symbol->thunk_addr;
    return result;
}

static bool is_callee(const struct legacy_symbol *symbol)
{
    return symbol->origin == LEGACY_ORIGIN_MODULE
               ? symbol->kind == LEGACY_KIND_FUNCTION
               : symbol->origin == LEGACY_ORIGIN_NONE && !symbol->is_extern_weak;
}

/* Where a branch goes: the body when it is there, the stub until it is, a thunk to what may be out
 * of reach. */
static int branch_target(struct legacy_link *link, const struct jd_reloc_howto *howto,
                         struct legacy_symbol *symbol, const Elf64_Rela *rela, uintptr_t place_addr,
                         uintptr_t *out_addr, struct jd_error *err)
{
    if (is_callee(symbol) && legacy_site_add(link, howto, symbol, place_addr, rela) &&
        symbol->origin == LEGACY_ORIGIN_MODULE && symbol->state == LEGACY_STATE_READY &&
        symbol->addr && jd_reloc_fits(howto, place_addr, symbol->addr, rela->r_addend, 0)) {
        *out_addr = symbol->addr;
        return JD_OK;
    }
    if (symbol->origin == LEGACY_ORIGIN_MODULE ||
        (symbol->origin == LEGACY_ORIGIN_NONE && !symbol->is_extern_weak))
        return legacy_symbol_address(link->engine, symbol, out_addr, err);
    return thunk_of(link, symbol, out_addr, err);
}

/* A call within the object can be led elsewhere like any other, but for that of a function to
 * itself: who is in it stays in it. */
static int own_branch_target(struct legacy_link *link, const struct jd_reloc_howto *howto,
                             const Elf64_Rela *rela, uintptr_t place_addr, uintptr_t *io_addr,
                             struct jd_error *err)
{
    uint32_t index = (uint32_t)ELF64_R_SYM(rela->r_info);
    struct legacy_symbol *symbol = link->symbols[index];
    if (!legacy_link_defines(link, index, symbol) || symbol->kind != LEGACY_KIND_FUNCTION ||
        place_addr - *io_addr < link->elf.symbols[index].st_size ||
        legacy_site_add(link, howto, symbol, place_addr, rela))
        return JD_OK;
    return legacy_symbol_address(link->engine, symbol, io_addr, err);
}

static int value_of(struct legacy_link *link, const struct jd_reloc_howto *howto,
                    const Elf64_Rela *rela, uintptr_t place_addr, uintptr_t *out_s,
                    uintptr_t *out_g, struct jd_error *err)
{
    uint32_t index = (uint32_t)ELF64_R_SYM(rela->r_info);
    struct legacy_symbol *symbol = link->symbols[index];
    int result = JD_OK;
    *out_s = *out_g = 0;
    if (jd_elf_symbol_section(&link->elf, index) == SHN_ABS) {
        *out_s = link->elf.symbols[index].st_value;
    } else if (is_defined(link, index)) {
        *out_s = defined_addr(link, index);
        /* A function that takes its own address takes the address that all others know. */
        if (symbol && legacy_symbol_is_code(symbol) && !howto->is_branch &&
            symbol->origin == LEGACY_ORIGIN_MODULE && symbol->addr == *out_s)
            result = legacy_symbol_address(link->engine, symbol, out_s, err);
        else if (howto->is_branch)
            result = own_branch_target(link, howto, rela, place_addr, out_s, err);
    } else if (!symbol) {
        *out_s = 0; /* the null symbol */
    } else if (howto->is_branch) {
        result = branch_target(link, howto, symbol, rela, place_addr, out_s, err);
    } else {
        result = legacy_symbol_address(link->engine, symbol, out_s, err);
    }
    if (result || !jd_reloc_needs_got(howto))
        return result;
    if (!symbol)
        return cell_for(link, *out_s, out_g, err);
    result = got_of(link, symbol, err);
    *out_g = symbol->got_addr;
    return result;
}

/* A branch out of reach goes to a veneer at the end of the same block. What it leads to is a stub,
 * a thunk or module asm: nothing that moves. */
static void use_veneer(struct legacy_link *link, uint32_t index, uintptr_t *io_addr)
{
    const struct jd_stub_arch *arch = link->engine->stubs.arch;
    const struct jd_arena_block *code = &link->object->blocks[JD_ARENA_CODE];
    if (jd_elf_symbol_section(&link->elf, index) != SHN_UNDEF || !link->veneers_end)
        return;
    if (!link->veneers[index]) {
        link->veneers[index] = code->addr + link->veneers_end;
        arch->write_veneer((unsigned char *)code->write + link->veneers_end, link->veneers[index],
                           *io_addr);
        link->veneers_end += arch->veneer_bytes;
    }
    *io_addr = link->veneers[index];
}

static int relocate(struct legacy_link *link, uint32_t target, const Elf64_Rela *rela,
                    struct jd_error *err)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
    const struct jd_reloc_howto *howto = jd_reloc_howto(link->elf.machine, type);
    size_t size = link->elf.sections[target].sh_size;
    struct jd_reloc_place place = {
        .section = jd_elf_section_name(&link->elf, target),
        .offset = rela->r_offset,
        .symbol = jd_elf_symbol_name(&link->elf, (uint32_t)ELF64_R_SYM(rela->r_info)),
    };
    uintptr_t s_addr, g_addr;
    int result;
    if (!howto)
        return jd_reloc_unknown(link->elf.machine, type, &place, err);
    if (rela->r_offset > size)
        return jd_fail(err, JD_E_BAD_OBJECT, place.section, "relocation beyond the section's end");
    place.write = link->places[target].write + rela->r_offset;
    place.addr = link->places[target].addr + rela->r_offset;
    place.room_bytes = size - rela->r_offset;
    result = value_of(link, howto, rela, place.addr, &s_addr, &g_addr, err);
    if (result)
        return result;
    link->engine->relocations++;
    if (howto->is_branch && !jd_reloc_fits(howto, place.addr, s_addr, rela->r_addend, g_addr))
        use_veneer(link, (uint32_t)ELF64_R_SYM(rela->r_info), &s_addr);
    return jd_reloc_apply(howto, &place, s_addr, rela->r_addend, g_addr, err);
}

static int relocate_all(struct legacy_link *link, struct jd_error *err)
{
    for (uint32_t i = 0; i < link->elf.section_count; i++) {
        const Elf64_Shdr *section = &link->elf.sections[i];
        if (section->sh_type != SHT_RELA || !link->places[section->sh_info].write)
            continue;
        size_t count;
        const Elf64_Rela *relas = jd_elf_relas(&link->elf, i, &count);
        for (size_t r = 0; r < count; r++) {
            int result = relocate(link, section->sh_info, &relas[r], err);
            if (result)
                return result;
        }
    }
    return JD_OK;
}

/* ---- publication ---- */

/* The table of label addresses that a function with labels brings along. First it is made sure that
 * they have symbols: once they have addresses nothing may fail any more. */
static int publish_labels(struct legacy_link *link, uint32_t index, bool is_sure,
                          struct jd_error *err)
{
    const char *owner_name = jd_elf_symbol_name(&link->elf, index) + sizeof LEGACY_LABEL_TABLE - 1;
    LLVMValueRef marker, owner = legacy_source_find(link->module->source, owner_name);
    const struct legacy_place *place = &link->places[jd_elf_symbol_section(&link->elf, index)];
    const unsigned char *table = place->write + link->elf.symbols[index].st_value;
    for (unsigned i = 0; (marker = legacy_source_label(link->module->source, owner, i)); i++) {
        struct legacy_symbol *symbol = legacy_symbol_of(link->engine, link->module, marker);
        if (!symbol)
            return jd_fail(err, JD_E_NO_MEMORY, owner_name, "no memory for symbols");
        if (!is_sure)
            continue;
        memcpy(&symbol->addr, table + i * sizeof symbol->addr, sizeof symbol->addr);
        symbol->state = LEGACY_STATE_READY;
        symbol->label_owner->has_labels = true;
    }
    return JD_OK;
}

static void publish_symbol(struct legacy_link *link, uint32_t index)
{
    struct legacy_symbol *symbol = link->symbols[index];
    if (!legacy_link_defines(link, index, symbol))
        return;
    symbol->state = LEGACY_STATE_READY;
    symbol->object = link->object;
    if (symbol->got_addr && symbol->kind == LEGACY_KIND_DATA) /* of an earlier definition */
        __atomic_store_n((uintptr_t *)symbol->got_addr, symbol->addr, __ATOMIC_RELEASE);
    if (symbol->kind != LEGACY_KIND_FUNCTION)
        return;
    link->object->function_count++;
    if (symbol->stub_index != LEGACY_NO_STUB)
        jd_stub_publish(&link->engine->stubs, symbol->stub_index, symbol->addr);
    legacy_symbol_bind_sites(link->engine, symbol);
    legacy_perf_map_add(link->engine->perf_map, symbol->name, symbol->addr,
                        link->elf.symbols[index].st_size);
    jd_probe_compiled(link->engine->options.probe, symbol->name, symbol->addr,
                      link->elf.symbols[index].st_size);
}

static void commit_blocks(struct legacy_link *link)
{
    struct legacy_object *object = link->object;
    struct jd_arena_block *code = &object->blocks[JD_ARENA_CODE];
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++)
        if (object->has_block[kind])
            jd_arena_commit(link->engine->arena, &object->blocks[kind]);
    if (link->veneers_end && code->size_bytes > link->veneers_end) {
        struct jd_arena_block unused = *code;
        unused.addr += link->veneers_end;
        unused.write = (unsigned char *)unused.write + link->veneers_end;
        unused.size_bytes -= link->veneers_end;
        jd_arena_free(link->engine->arena, &unused);
        code->size_bytes = link->veneers_end;
    }
}

static int add_unwind_tables(struct legacy_link *link, struct jd_error *err)
{
    uint32_t frame = 0;
    if (!link->object->has_block[JD_ARENA_CODE])
        return JD_OK;
    for (uint32_t i = 0; i < link->elf.section_count; i++) {
        if (!is_loaded(link, i) || !is_frame(link, i))
            continue;
        if (frame)
            return jd_fail(err, JD_E_UNSUPPORTED, ".eh_frame", "more than one in an object");
        frame = i;
    }
    return legacy_unwind_add(&link->engine->unwind, &link->object->blocks[JD_ARENA_CODE],
                             link->places[frame].write, link->places[frame].addr,
                             link->elf.sections[frame].sh_size, err);
}

static uintptr_t section_addr(void *context, uint32_t index)
{
    const struct legacy_link *link = context;
    return link->places[index].addr;
}

static int publish_all_labels(struct legacy_link *link, bool is_sure, struct jd_error *err)
{
    int result = JD_OK;
    for (uint32_t i = 1; i < link->elf.symbol_count && !result; i++)
        if (!strncmp(jd_elf_symbol_name(&link->elf, i), LEGACY_LABEL_TABLE,
                     sizeof LEGACY_LABEL_TABLE - 1))
            result = publish_labels(link, i, is_sure, err);
    return result;
}

static int publish(struct legacy_link *link, struct jd_error *err)
{
    struct legacy_object *object = link->object;
    int result = publish_all_labels(link, false, err);
    if (!result)
        result = add_unwind_tables(link, err);
    if (!result && link->engine->options.wants_gdb)
        result = legacy_gdb_register(link->elf.bytes, link->elf.size_bytes, section_addr, link,
                                     &object->gdb, err);
    if (result)
        return result;
    publish_all_labels(link, true, NULL);
    commit_blocks(link);
    if (object->has_block[JD_ARENA_CODE])
        jd_arena_publish_code(&object->blocks[JD_ARENA_CODE]);
    legacy_sites_publish(link);
    object->module = link->module;
    object->next = link->module->objects;
    link->module->objects = object;
    for (uint32_t i = 1; i < link->elf.symbol_count; i++)
        publish_symbol(link, i);
    return JD_OK;
}

static int link_object(struct legacy_link *link, struct jd_error *err)
{
    int result = link->claimed ? legacy_link_adopt(link, err) : JD_OK;
    if (!result)
        result = lay_out(link, err);
    if (!result) {
        load_sections(link);
        result = find_symbols(link, err);
    }
    if (result)
        return result;
    place_definitions(link);
    result = resolve_foreign(link, err);
    if (!result)
        result = relocate_all(link, err);
    return result ? result : publish(link, err);
}

static int link_bytes(struct legacy_engine *engine, struct legacy_module *module, const void *bytes,
                      size_t size_bytes, bool is_made_ahead, struct jd_error *err)
{
    struct legacy_link link = {.engine = engine, .module = module};
    int result = jd_elf_open(&link.elf, bytes, size_bytes, err);
    if (result)
        return result;
    jd_probe_begin(engine->options.probe, JD_PHASE_LINK);
    link.object = calloc(1, sizeof *link.object);
    link.places = calloc(link.elf.section_count + 1, sizeof *link.places);
    link.symbols = calloc((size_t)link.elf.symbol_count + 1, sizeof(*link.symbols));
    link.veneers = calloc((size_t)link.elf.symbol_count + 1, sizeof *link.veneers);
    if (is_made_ahead) {
        link.claimed = calloc((size_t)link.elf.symbol_count + 1, sizeof(*link.claimed));
        link.is_duplicate = calloc((size_t)link.elf.symbol_count + 1, sizeof *link.is_duplicate);
    }
    if (!link.object || !link.places || !link.symbols || !link.veneers ||
        (is_made_ahead && (!link.claimed || !link.is_duplicate)))
        result = jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory to link an object");
    else
        result = link_object(&link, err);
    if (result && link.object)
        legacy_link_give_up(&link);
    legacy_link_release(&link);
    free(link.claimed);
    free(link.is_duplicate);
    free(link.places);
    free(link.symbols);
    free(link.veneers);
    free(link.sites);
    free(link.bytes);
    jd_probe_end(engine->options.probe, JD_PHASE_LINK);
    return result;
}

int legacy_link(struct legacy_engine *engine, struct legacy_module *module, const void *bytes,
                size_t size_bytes, struct jd_error *err)
{
    return link_bytes(engine, module, bytes, size_bytes, false, err);
}

int legacy_link_ahead(struct legacy_engine *engine, struct legacy_module *module, const void *bytes,
                      size_t size_bytes, struct jd_error *err)
{
    return link_bytes(engine, module, bytes, size_bytes, true, err);
}
