/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects: reading, layout in the arena, symbols, constructors. Relocation is in object_link.c.
 * Sources: System V ABI (gABI), chapter 4 and "Initialization and Termination Functions".
 */
#include "object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object_private.h"
#include "section_name.h"

/* --- Reading ---------------------------------------------------------------------------------- */

static const char *machine_name(unsigned machine)
{
    return machine == EM_X86_64 ? "x86-64" : machine == EM_AARCH64 ? "AArch64" : NULL;
}

static int wrong_machine(const struct jd_object *object, struct jd_error *err)
{
    const char *theirs = machine_name(object->elf.machine);
    char number[32];
    snprintf(number, sizeof number, "ELF machine %u", object->elf.machine);
    return jd_fail(err, JD_E_WRONG_TARGET, object->name, "object is for %s, this machine is %s",
                   theirs ? theirs : number, machine_name(object->host.arch->elf_machine));
}

static int read(struct jd_object *object, const void *bytes, size_t size_bytes,
                struct jd_error *err)
{
    struct jd_error inner = JD_ERROR_INIT;
    /* A member of an archive lies at any even address: nothing is read through a type before the
     * copy. */
    if (size_bytes < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG))
        return jd_fail(err, JD_E_BAD_FILE, object->name, "not an ELF object");
    object->bytes = malloc(size_bytes);
    if (!object->bytes)
        return jd_fail(err, JD_E_NO_MEMORY, object->name, "no room for %zu bytes", size_bytes);
    memcpy(object->bytes, bytes, size_bytes);
    if (jd_elf_open(&object->elf, object->bytes, size_bytes, &inner))
        return jd_fail(err, JD_E_BAD_FILE, object->name, "damaged object: %s", inner.text);
    if (object->elf.machine != object->host.arch->elf_machine)
        return wrong_machine(object, err);
    return JD_OK;
}

static int allocate(struct jd_object *object, struct jd_error *err)
{
    size_t sections = (size_t)object->elf.section_count + 1;
    size_t symbols = (size_t)object->elf.symbol_count + 1;
    object->places = calloc(sections, sizeof *object->places);
    object->uses = calloc(symbols, sizeof *object->uses);
    object->globals = calloc(symbols, sizeof *object->globals);
    if (!object->places || !object->uses || !object->globals)
        return jd_fail(err, JD_E_NO_MEMORY, object->name, "no room for its symbols");
    return JD_OK;
}

/* --- Symbols ---------------------------------------------------------------------------------- */

static int refuse_symbol(const struct jd_object *object, uint32_t index, struct jd_error *err)
{
    const char *name = jd_elf_symbol_name(&object->elf, index);
    switch (ELF64_ST_TYPE(object->elf.symbols[index].st_info)) {
    case STT_TLS:
        return jd_fail(err, JD_E_UNSUPPORTED, object->name,
                       "'%s' is thread-local: compile the object with -femulated-tls", name);
    case STT_GNU_IFUNC:
        return jd_fail(err, JD_E_UNSUPPORTED, object->name, "'%s' is an ifunc", name);
    default:
        return JD_OK;
    }
}

static void describe(const struct jd_object *object, uint32_t index, struct jd_object_symbol *out)
{
    const Elf64_Sym *symbol = &object->elf.symbols[index];
    bool is_weak = ELF64_ST_BIND(symbol->st_info) == STB_WEAK;
    out->name = jd_elf_symbol_name(&object->elf, index);
    out->is_function |= ELF64_ST_TYPE(symbol->st_info) == STT_FUNC;
    if (symbol->st_shndx == SHN_UNDEF) {
        out->is_weak = true; /* until a relocation wants it: see jd_object_survey */
    } else if (symbol->st_shndx == SHN_COMMON) {
        out->rank = JD_OBJECT_COMMON;
        out->common_bytes = symbol->st_size;
        out->align_bytes = (uint32_t)symbol->st_value;
    } else {
        out->rank = is_weak ? JD_OBJECT_WEAK : JD_OBJECT_STRONG;
    }
}

/* What assemblers write for the GOT of the object itself. */
static bool is_got(const struct jd_object *object, uint32_t index)
{
    return !strcmp(jd_elf_symbol_name(&object->elf, index), "_GLOBAL_OFFSET_TABLE_");
}

static int find_globals(struct jd_object *object, struct jd_error *err)
{
    for (uint32_t i = 1; i < object->elf.symbol_count; i++) {
        int result = refuse_symbol(object, i, err);
        if (result)
            return result;
        if (ELF64_ST_BIND(object->elf.symbols[i].st_info) == STB_LOCAL ||
            !*jd_elf_symbol_name(&object->elf, i) || is_got(object, i))
            continue;
        describe(object, i, &object->globals[object->global_count]);
        object->uses[i].global = (uint32_t)++object->global_count;
    }
    return JD_OK;
}

static uintptr_t own_addr(const struct jd_object *object, uint32_t index)
{
    const Elf64_Sym *symbol = &object->elf.symbols[index];
    if (symbol->st_shndx == SHN_ABS)
        return symbol->st_value;
    if (symbol->st_shndx == SHN_COMMON)
        return object->uses[index].common_addr;
    if (!jd_elf_symbol_has_section(&object->elf, index))
        return is_got(object, index) ? object->blocks[JD_ARENA_GOT].addr : 0;
    uintptr_t section_addr = object->places[jd_elf_symbol_section(&object->elf, index)].addr;
    return section_addr ? section_addr + symbol->st_value : 0;
}

static void place_symbols(struct jd_object *object)
{
    for (uint32_t i = 1; i < object->elf.symbol_count; i++) {
        if (object->elf.symbols[i].st_shndx == SHN_COMMON)
            object->uses[i].common_addr += object->blocks[JD_ARENA_DATA].addr;
        object->uses[i].s_addr = own_addr(object, i);
        if (object->uses[i].global)
            object->globals[object->uses[i].global - 1].addr = object->uses[i].s_addr;
    }
}

/* --- Layout ----------------------------------------------------------------------------------- */

static enum jd_arena_kind kind_of(const struct jd_object *object, uint32_t index)
{
    const Elf64_Shdr *section = &object->elf.sections[index];
    const char *name = jd_elf_section_name(&object->elf, index);
    if (section->sh_flags & SHF_EXECINSTR)
        return JD_ARENA_CODE;
    if (!strcmp(name, ".eh_frame") || !strncmp(name, ".gcc_except_table", 17))
        return JD_ARENA_UNWIND;
    if (!strncmp(name, ".data.rel.ro", 12))
        return JD_ARENA_RODATA;
    return section->sh_flags & SHF_WRITE ? JD_ARENA_DATA : JD_ARENA_RODATA;
}

static bool is_loaded(const struct jd_object *object, uint32_t index)
{
    const Elf64_Shdr *section = &object->elf.sections[index];
    return section->sh_type != SHT_NULL && section->sh_flags & SHF_ALLOC;
}

static size_t align_up(size_t value, uint64_t align)
{
    return align > 1 ? (value + (size_t)align - 1) & ~((size_t)align - 1) : value;
}

static size_t room_of(const struct jd_object *object, uint32_t index)
{
    size_t bytes = object->elf.sections[index].sh_size;
    if (index != object->frame_section)
        return bytes ? bytes : 1; /* an empty section may have a symbol */
    if (object->host.frame_room)
        return object->host.frame_room(jd_elf_section_bytes(&object->elf, index), bytes);
    return bytes + sizeof(uint32_t); /* the end mark */
}

/* Sizes and alignments of the blocks, by kind. */
struct layout {
    size_t bytes[JD_ARENA_KIND_COUNT], align[JD_ARENA_KIND_COUNT];
};

static size_t lay(struct layout *layout, enum jd_arena_kind kind, size_t bytes, uint64_t align)
{
    size_t offset = align_up(layout->bytes[kind], align);
    layout->bytes[kind] = offset + bytes;
    if (align > layout->align[kind])
        layout->align[kind] = (size_t)align;
    return offset;
}

/* Offsets are kept as addresses until the blocks are known; `write` marks what is loaded. */
static int lay_sections(struct jd_object *object, struct layout *layout, struct jd_error *err)
{
    layout->bytes[JD_ARENA_CODE] = object->host.code_prefix_bytes;
    for (uint32_t i = 1; i < object->elf.section_count; i++) {
        const Elf64_Shdr *section = &object->elf.sections[i];
        if (!is_loaded(object, i))
            continue;
        if (section->sh_flags & SHF_TLS)
            return jd_fail(err, JD_E_UNSUPPORTED, object->name,
                           "section %s is thread-local: compile the object with -femulated-tls",
                           jd_elf_section_name(&object->elf, i));
        if (!strcmp(jd_elf_section_name(&object->elf, i), ".eh_frame") && section->sh_size) {
            if (object->frame_section)
                return jd_fail(err, JD_E_UNSUPPORTED, object->name, "more than one .eh_frame");
            object->frame_section = i;
        }
        object->places[i].addr =
            lay(layout, kind_of(object, i), room_of(object, i), section->sh_addralign);
    }
    return JD_OK;
}

static void lay_commons(struct jd_object *object, struct layout *layout)
{
    for (uint32_t i = 1; i < object->elf.symbol_count; i++) {
        const Elf64_Sym *symbol = &object->elf.symbols[i];
        if (symbol->st_shndx == SHN_COMMON)
            object->uses[i].common_addr =
                lay(layout, JD_ARENA_DATA, symbol->st_size ? symbol->st_size : 1, symbol->st_value);
    }
}

static int reserve(struct jd_object *object, const struct layout *layout, struct jd_error *err)
{
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++) {
        if (!layout->bytes[kind])
            continue;
        int result =
            jd_arena_reserve(object->host.arena, (enum jd_arena_kind)kind, layout->bytes[kind],
                             layout->align[kind], &object->blocks[kind], err);
        if (result) {
            jd_error_prefix(err, object->name);
            return result;
        }
        object->has_block[kind] = true;
    }
    return JD_OK;
}

static int lay_out(struct jd_object *object, struct jd_error *err)
{
    struct layout layout = {{0}, {0}};
    const struct jd_stub_arch *arch = object->host.arch;
    int result = lay_sections(object, &layout, err);
    if (result)
        return result;
    lay_commons(object, &layout);
    result = jd_object_survey(object, err);
    if (result)
        return result;
    object->thunks_offset = lay(&layout, JD_ARENA_CODE, object->thunk_count * arch->thunk_bytes,
                                object->thunk_count ? arch->align_bytes : 1);
    if (object->cell_count || object->needs_got_base)
        lay(&layout, JD_ARENA_GOT, (object->cell_count + 1) * sizeof(uintptr_t), sizeof(uintptr_t));
    return reserve(object, &layout, err);
}

static void find_places(struct jd_object *object)
{
    for (uint32_t i = 1; i < object->elf.section_count; i++) {
        struct jd_object_place *place = &object->places[i];
        if (!is_loaded(object, i))
            continue;
        const struct jd_arena_block *block = &object->blocks[kind_of(object, i)];
        place->write = (unsigned char *)block->write + place->addr;
        place->addr += block->addr;
    }
}

void jd_object_load(struct jd_object *object)
{
    for (uint32_t i = 1; i < object->elf.section_count; i++) {
        const void *bytes = jd_elf_section_bytes(&object->elf, i);
        if (object->places[i].write && bytes)
            memcpy(object->places[i].write, bytes, object->elf.sections[i].sh_size);
    }
}

/* --- Constructors ----------------------------------------------------------------------------- */

/* ".init_array" or ".init_array.PRIORITY"; ".ctors.N" counts the other way, and each from its end.
 */
static bool is_structor_section(const char *name, bool *out_is_reversed,
                                struct jd_object_structor *out)
{
    static const struct {
        const char *prefix;
        bool is_destructor, is_reversed;
    } kinds[] = {{".preinit_array", false, false},
                 {".init_array", false, false},
                 {".fini_array", true, false},
                 {".ctors", false, true},
                 {".dtors", true, true}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strlen(kinds[i].prefix);
        if (strncmp(name, kinds[i].prefix, length) || (name[length] && name[length] != '.'))
            continue;
        unsigned long number = name[length] ? strtoul(name + length + 1, NULL, 10) : 65535;
        if (kinds[i].is_reversed && name[length] && number <= 65535)
            number = 65535 - number;
        out->is_destructor = kinds[i].is_destructor;
        out->priority = number < 65535 ? (unsigned)number : 65535;
        *out_is_reversed = kinds[i].is_reversed;
        return true;
    }
    return false;
}

static bool grow_structors(struct jd_object *object, size_t more)
{
    size_t count = object->structor_count + more;
    struct jd_object_structor *structors = realloc(object->structors, count * sizeof *structors);
    if (structors)
        object->structors = structors;
    uint32_t *sections = realloc(object->structor_sections, count * sizeof *sections);
    if (sections)
        object->structor_sections = sections;
    uint64_t *offsets = realloc(object->structor_offsets, count * sizeof *offsets);
    if (offsets)
        object->structor_offsets = offsets;
    return structors && sections && offsets;
}

static int find_structors(struct jd_object *object, struct jd_error *err)
{
    for (uint32_t i = 1; i < object->elf.section_count; i++) {
        struct jd_object_structor structor = {0};
        bool is_reversed = false;
        size_t count = object->elf.sections[i].sh_size / sizeof(uintptr_t);
        if (!is_loaded(object, i) || !count ||
            !is_structor_section(jd_elf_section_name(&object->elf, i), &is_reversed, &structor))
            continue;
        if (!jd_elf_section_bytes(&object->elf, i))
            return jd_fail(err, JD_E_BAD_FILE, object->name,
                           "section %s lists constructors and has no contents",
                           jd_elf_section_name(&object->elf, i));
        if (!grow_structors(object, count))
            return jd_fail(err, JD_E_NO_MEMORY, object->name, "no room for its constructors");
        for (size_t j = 0; j < count; j++, object->structor_count++) {
            object->structors[object->structor_count] = structor;
            object->structor_sections[object->structor_count] = i;
            object->structor_offsets[object->structor_count] =
                (is_reversed ? count - 1 - j : j) * sizeof(uintptr_t);
        }
    }
    return JD_OK;
}

struct jd_object_structor jd_object_structor_at(const struct jd_object *object, size_t number)
{
    struct jd_object_structor structor = object->structors[number];
    if (object->is_linked)
        memcpy(&structor.addr,
               object->places[object->structor_sections[number]].write +
                   object->structor_offsets[number],
               sizeof structor.addr);
    return structor;
}

size_t jd_object_structor_count(const struct jd_object *object)
{
    return object->structor_count;
}

/* --- Open and close --------------------------------------------------------------------------- */

static int open_all(struct jd_object *object, const void *bytes, size_t size_bytes,
                    struct jd_error *err)
{
    int result = read(object, bytes, size_bytes, err);
    if (!result)
        result = allocate(object, err);
    if (!result)
        result = find_globals(object, err);
    if (!result)
        result = lay_out(object, err);
    if (!result)
        result = find_structors(object, err);
    if (result)
        return result;
    find_places(object);
    place_symbols(object);
    return JD_OK;
}

int jd_object_open(const struct jd_object_host *host, const void *bytes, size_t size_bytes,
                   const char *name, struct jd_object **out, struct jd_error *err)
{
    struct jd_object *object = calloc(1, sizeof *object);
    int result;
    *out = NULL;
    if (object)
        object->name = strdup(name ? name : "object");
    if (!object || !object->name) {
        free(object);
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room for an object");
    }
    object->host = *host;
    result = open_all(object, bytes, size_bytes, err);
    if (result) {
        jd_object_close(object);
        return result;
    }
    *out = object;
    return JD_OK;
}

extern void __deregister_frame(void *begin);

static void forget_frames(const struct jd_object *object)
{
    if (!object->has_frames)
        return;
    if (object->host.remove_frames)
        object->host.remove_frames(object->host.context, &object->blocks[JD_ARENA_CODE]);
    else
        __deregister_frame((void *)object->places[object->frame_section].addr);
}

void jd_object_close(struct jd_object *object)
{
    if (!object)
        return;
    forget_frames(object);
    for (int kind = 0; kind < JD_ARENA_KIND_COUNT; kind++)
        if (object->has_block[kind] && object->is_published)
            jd_arena_free(object->host.arena, &object->blocks[kind]);
        else if (object->has_block[kind])
            jd_arena_abort(object->host.arena, &object->blocks[kind]);
    free(object->places);
    free(object->uses);
    free(object->globals);
    free(object->structors);
    free(object->structor_sections);
    free(object->structor_offsets);
    free(object->bytes);
    free(object->name);
    free(object);
}

size_t jd_object_symbol_count(const struct jd_object *object)
{
    return object->global_count;
}

size_t jd_object_function_count(const struct jd_object *object)
{
    size_t count = 0;
    for (uint32_t i = 1; i < object->elf.symbol_count; i++)
        count += ELF64_ST_TYPE(object->elf.symbols[i].st_info) == STT_FUNC &&
                 jd_elf_symbol_has_section(&object->elf, i);
    return count;
}

bool jd_object_has_bounded_section(const struct jd_object *object)
{
    for (uint32_t i = 1; i < object->elf.section_count; i++)
        if (is_loaded(object, i) && jd_section_has_bounds(jd_elf_section_name(&object->elf, i)))
            return true;
    return false;
}

const struct jd_object_symbol *jd_object_symbol_at(const struct jd_object *object, size_t number)
{
    return &object->globals[number];
}

uint64_t jd_object_relocation_count(const struct jd_object *object)
{
    return object->relocation_count;
}
