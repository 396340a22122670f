/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects: relocation. Every branch to a global name may go through a thunk at the end of the
 * object's own code, every load from the GOT uses a cell of the object's own; both are used where
 * the direct way does not reach. Sources: reloc.h.
 */
#include <string.h>

#include "object_private.h"
#include "reloc.h"

extern void __register_frame(void *begin);

static bool is_applied(const struct jd_object *object, uint32_t section)
{
    return object->elf.sections[section].sh_type == SHT_RELA &&
           object->elf.sections[object->elf.sections[section].sh_info].sh_flags & SHF_ALLOC;
}

static struct jd_reloc_place place_of(const struct jd_object *object, uint32_t target,
                                      const Elf64_Rela *rela)
{
    const struct jd_object_place *place = &object->places[target];
    return (struct jd_reloc_place){
        .write = place->write ? place->write + rela->r_offset : NULL,
        .room_bytes = (size_t)(object->elf.sections[target].sh_size - rela->r_offset),
        .addr = place->addr + rela->r_offset,
        .section = jd_elf_section_name(&object->elf, target),
        .offset = rela->r_offset,
        .symbol = jd_elf_symbol_name(&object->elf, (uint32_t)ELF64_R_SYM(rela->r_info)),
    };
}

/* --- What is needed --------------------------------------------------------------------------- */

static int survey_one(struct jd_object *object, uint32_t target, const Elf64_Rela *rela,
                      struct jd_error *err)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
    struct jd_object_use *use = &object->uses[ELF64_R_SYM(rela->r_info)];
    const struct jd_reloc_howto *howto = jd_reloc_howto(object->elf.machine, type);
    if (!howto) {
        struct jd_reloc_place place = place_of(object, target, rela);
        int result = jd_reloc_unknown(object->elf.machine, type, &place, err);
        jd_error_prefix(err, object->name);
        return result;
    }
    object->needs_got_base |= jd_reloc_needs_got_base(howto);
    if (use->global &&
        ELF64_ST_BIND(object->elf.symbols[ELF64_R_SYM(rela->r_info)].st_info) != STB_WEAK)
        object->globals[use->global - 1].is_weak = false;
    if (howto->is_branch && use->global) {
        object->globals[use->global - 1].is_function = true;
        if (!use->thunk)
            use->thunk = ++object->thunk_count;
    }
    if ((jd_reloc_needs_got(howto) || use->thunk) && !use->cell)
        use->cell = ++object->cell_count;
    return JD_OK;
}

typedef int (*relocation_fn)(struct jd_object *object, uint32_t target, const Elf64_Rela *rela,
                             struct jd_error *err);

static int each_relocation(struct jd_object *object, relocation_fn visit, struct jd_error *err)
{
    for (uint32_t i = 1; i < object->elf.section_count; i++) {
        size_t count;
        if (!is_applied(object, i))
            continue;
        const Elf64_Rela *relas = jd_elf_relas(&object->elf, i, &count);
        for (size_t j = 0; j < count; j++) {
            int result = visit(object, object->elf.sections[i].sh_info, &relas[j], err);
            if (result)
                return result;
        }
    }
    return JD_OK;
}

int jd_object_survey(struct jd_object *object, struct jd_error *err)
{
    return each_relocation(object, survey_one, err);
}

/* --- Addresses -------------------------------------------------------------------------------- */

static int resolve_all(struct jd_object *object, jd_object_resolve_fn resolve, void *context,
                       struct jd_error *err)
{
    for (uint32_t i = 1; i < object->elf.symbol_count; i++) {
        struct jd_object_use *use = &object->uses[i];
        if (!use->global)
            continue;
        int result = resolve(context, &object->globals[use->global - 1], &use->s_addr, err);
        if (result) {
            jd_error_prefix(err, object->name);
            return result;
        }
    }
    return JD_OK;
}

static uintptr_t cell_addr(const struct jd_object *object, const struct jd_object_use *use)
{
    return object->blocks[JD_ARENA_GOT].addr + sizeof(uintptr_t) * use->cell;
}

static uintptr_t thunk_addr(const struct jd_object *object, const struct jd_object_use *use)
{
    return object->blocks[JD_ARENA_CODE].addr + object->thunks_offset +
           object->host.arch->thunk_bytes * (use->thunk - 1);
}

/* Cell 0 is nobody's: the GOT's own address. */
static void fill_cells_and_thunks(struct jd_object *object)
{
    uintptr_t *cells = object->blocks[JD_ARENA_GOT].write;
    unsigned char *code = object->blocks[JD_ARENA_CODE].write;
    for (uint32_t i = 0; i < object->elf.symbol_count; i++) {
        const struct jd_object_use *use = &object->uses[i];
        if (use->cell)
            cells[use->cell] = use->s_addr;
        if (use->thunk)
            object->host.arch->write_thunk(code + object->thunks_offset +
                                               object->host.arch->thunk_bytes * (use->thunk - 1),
                                           thunk_addr(object, use), cell_addr(object, use));
    }
}

/* --- Relocation ------------------------------------------------------------------------------- */

/* A library's variable that code which is not position-independent wants near. */
static int explain(const struct jd_object *object, int result, struct jd_error *err)
{
    if (result == JD_E_RELOC_RANGE && err) {
        size_t used = strlen(err->text);
        err->code = JD_E_UNSUPPORTED;
        err->kind = jd_code_kind(JD_E_UNSUPPORTED);
        strncat(err->text, ": too far away, compile the object with -fPIC",
                sizeof err->text - used - 1);
        result = JD_E_UNSUPPORTED;
    }
    jd_error_prefix(err, object->name);
    return result;
}

static int apply(struct jd_object *object, uint32_t target, const Elf64_Rela *rela,
                 struct jd_error *err)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
    const struct jd_object_use *use = &object->uses[ELF64_R_SYM(rela->r_info)];
    const struct jd_reloc_howto *howto = jd_reloc_howto(object->elf.machine, type);
    struct jd_reloc_place place = place_of(object, target, rela);
    uintptr_t s_addr = use->s_addr, got_addr = use->cell ? cell_addr(object, use) : 0;
    int result;
    object->relocation_count++;
    if (object->elf.machine == EM_X86_64 && use->cell && s_addr &&
        jd_reloc_x86_64_relax(type, &place, s_addr, rela->r_addend))
        return JD_OK;
    if (howto->is_branch && use->thunk &&
        !jd_reloc_fits(howto, place.addr, s_addr, rela->r_addend, 0))
        s_addr = thunk_addr(object, use);
    if (jd_reloc_needs_got_base(howto))
        got_addr = object->blocks[JD_ARENA_GOT].addr;
    result = jd_reloc_apply(howto, &place, s_addr, rela->r_addend, got_addr, err);
    return result ? explain(object, result, err) : JD_OK;
}

static int relocate(struct jd_object *object, struct jd_error *err)
{
    return each_relocation(object, apply, err);
}

/* --- All of it -------------------------------------------------------------------------------- */

/* Entries without code are nothing that an unwinder can use. */
static int add_frames(struct jd_object *object, struct jd_error *err)
{
    const struct jd_object_place *place = &object->places[object->frame_section];
    int result = JD_OK;
    if (!object->has_block[JD_ARENA_CODE] || (!object->host.add_frames && !object->frame_section))
        return JD_OK;
    if (object->host.add_frames)
        result = object->host.add_frames(
            object->host.context, &object->blocks[JD_ARENA_CODE],
            object->frame_section ? place->write : NULL, place->addr,
            object->frame_section ? object->elf.sections[object->frame_section].sh_size : 0, err);
    else
        __register_frame((void *)place->addr);
    object->has_frames = !result;
    return result;
}

static void commit(struct jd_object *object)
{
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++)
        if (object->has_block[kind])
            jd_arena_commit(object->host.arena, &object->blocks[kind]);
    if (object->has_block[JD_ARENA_CODE])
        jd_arena_publish_code(&object->blocks[JD_ARENA_CODE]);
}

int jd_object_link(struct jd_object *object, jd_object_resolve_fn resolve, void *context,
                   struct jd_error *err)
{
    int result = resolve_all(object, resolve, context, err);
    if (result)
        return result;
    jd_object_load(object); /* anew: an earlier link may have rewritten instructions */
    fill_cells_and_thunks(object);
    object->relocation_count = 0;
    result = relocate(object, err);
    object->is_linked = !result;
    return result;
}

int jd_object_publish(struct jd_object *object, struct jd_error *err)
{
    int result = add_frames(object, err);
    if (result)
        return result;
    commit(object);
    object->is_published = true;
    return JD_OK;
}
