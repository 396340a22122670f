/* SPDX-License-Identifier: Apache-2.0
 *
 * Sections -> arena blocks. Knows LLVM's callbacks and nothing else of LLVM.
 * Sources: llvm-c/ExecutionEngine.h (callbacks of LLVMCreateSimpleMCJITMemoryManager);
 * llvm/ExecutionEngine/RuntimeDyld.h (MemoryManager::finalizeMemory).
 *
 * MCJIT compiles a module to an object and loads the object's sections directly after, so the first
 * section of a module ends its code generation and begins its linking: here the phases change.
 */
#include "memory_manager.h"

#include <stdlib.h>
#include <string.h>

#include "llvm_shim.h"

/* Sections of one name that lie together: a part for each object. */
struct joint {
    const char *name;
    unsigned char *write;
    const struct mcjit_memory_part *parts;
    size_t part_count, part, filled_bytes; /* of the part that is being filled */
};

struct mcjit_memory {
    struct jd_arena *arena;
    struct mcjit_phases *phases;
    struct jd_arena_block *blocks; /* of this batch */
    size_t block_count, block_room;
    struct joint *joints;
    size_t joint_count;
    unsigned char *code; /* what is left of the object's code block */
    size_t code_bytes;
    bool is_committed;
    void **substitutes; /* heap memory that failed batches were given; kept until destroy */
    size_t substitute_count;
    struct jd_error error; /* of this batch */
    bool is_finalize_expected;
};

int mcjit_memory_create(struct jd_arena *arena, struct mcjit_phases *phases,
                        struct mcjit_memory **out, struct jd_error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return jd_fail(err, JD_E_NO_MEMORY, "memory manager", "no room for it");
    (*out)->arena = arena;
    (*out)->phases = phases;
    return JD_OK;
}

void mcjit_memory_destroy(struct mcjit_memory *memory)
{
    if (!memory)
        return;
    for (size_t i = 0; i < memory->substitute_count; i++)
        free(memory->substitutes[i]);
    free(memory->substitutes);
    free(memory->blocks);
    free(memory->joints);
    free(memory);
}

/* Memory that lets LLVM go on after the batch has failed. NULL makes LLVM raise a fatal error. */
static void *substitute(struct mcjit_memory *memory, size_t size_bytes, size_t align_bytes)
{
    size_t align = align_bytes ? align_bytes : 1;
    void **list = realloc(memory->substitutes, (memory->substitute_count + 1) * sizeof *list);
    char *bytes = list ? calloc(1, size_bytes + align) : NULL;
    if (list)
        memory->substitutes = list;
    if (!bytes)
        return NULL;
    memory->substitutes[memory->substitute_count++] = bytes;
    return bytes + (align - (uintptr_t)bytes % align) % align;
}

static bool make_room(struct mcjit_memory *memory)
{
    size_t room = memory->block_room ? memory->block_room * 2 : 64;
    struct jd_arena_block *blocks;
    if (memory->block_count < memory->block_room)
        return true;
    blocks = realloc(memory->blocks, room * sizeof *blocks);
    if (!blocks)
        return false;
    memory->blocks = blocks;
    memory->block_room = room;
    return true;
}

static void *allocate(struct mcjit_memory *memory, enum jd_arena_kind kind, size_t size_bytes,
                      size_t align_bytes)
{
    mcjit_phase_switch(memory->phases, JD_PHASE_LINK);
    if (!memory->error.code && !make_room(memory))
        jd_fail(&memory->error, JD_E_NO_MEMORY, "memory manager", "no room for another section");
    if (!memory->error.code) {
        struct jd_arena_block *block = &memory->blocks[memory->block_count];
        if (!jd_arena_reserve(memory->arena, kind, size_bytes, align_bytes, block,
                              &memory->error)) {
            memory->block_count++;
            return block->write;
        }
    }
    return substitute(memory, size_bytes, align_bytes);
}

/* RuntimeDyld writes up to a stub's alignment of padding behind a section (LLVM 19). */
enum { JOINT_SLACK_BYTES = 64 };

int mcjit_memory_lay_out(struct mcjit_memory *memory, const char *name,
                         const struct mcjit_memory_part *parts, size_t part_count,
                         size_t align_bytes, uintptr_t *out_addr, struct jd_error *err)
{
    const struct mcjit_memory_part *last = part_count ? &parts[part_count - 1] : NULL;
    size_t size_bytes = last ? last->offset + last->size_bytes : 0;
    struct joint *joints = realloc(memory->joints, (memory->joint_count + 1) * sizeof *joints);
    int result;
    *out_addr = 0;
    if (joints)
        memory->joints = joints;
    if (!joints || !make_room(memory))
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room for a section");
    struct jd_arena_block *block = &memory->blocks[memory->block_count];
    result = jd_arena_reserve(memory->arena, JD_ARENA_DATA, size_bytes + JOINT_SLACK_BYTES,
                              align_bytes, block, err);
    if (result)
        return result;
    memory->block_count++;
    joints[memory->joint_count++] = (struct joint){name, block->write, parts, part_count, 0, 0};
    *out_addr = block->addr;
    return JD_OK;
}

static struct joint *find_joint(struct mcjit_memory *memory, const char *name)
{
    for (size_t i = 0; i < memory->joint_count; i++)
        if (!strcmp(memory->joints[i].name, name))
            return &memory->joints[i];
    return NULL;
}

/* Where a section lies that is joint with others; NULL: by itself. An object whose data differ in
 * their flags has several of one name: they share its part. RuntimeDyld may ask for more than the
 * section's size, to have room for stubs, which data do not need. */
static uint8_t *joint_place(struct mcjit_memory *memory, const char *name, size_t size_bytes,
                            size_t align_bytes)
{
    struct joint *joint = find_joint(memory, name);
    size_t offset;
    if (!joint)
        return NULL;
    offset = (joint->filled_bytes + align_bytes - 1) & ~(align_bytes - 1);
    if (offset && offset + size_bytes > joint->parts[joint->part].size_bytes) {
        joint->part++;
        offset = 0;
    }
    if (joint->part >= joint->part_count)
        return NULL;
    joint->filled_bytes = offset + size_bytes;
    return joint->write + joint->parts[joint->part].offset + offset;
}

static bool begins_with(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

/* .data.rel.ro is written by the linker alone: it can be read-only once the batch is sealed. */
static enum jd_arena_kind data_kind(const char *section, bool is_read_only)
{
    if (begins_with(section, ".eh_frame") || begins_with(section, ".gcc_except_table"))
        return JD_ARENA_UNWIND;
    if (!strcmp(section, ".got"))
        return JD_ARENA_GOT;
    if (is_read_only || begins_with(section, ".data.rel.ro"))
        return JD_ARENA_RODATA;
    return JD_ARENA_DATA;
}

/* An object's code is one block: libgcc 12 finds unwind tables by the object that begins nearest
 * below an address, and looks into no other. */
static void reserve_code(void *opaque, size_t size_bytes, size_t align_bytes)
{
    struct mcjit_memory *memory = opaque;
    memory->code_bytes = 0;
    memory->code = size_bytes ? allocate(memory, JD_ARENA_CODE, size_bytes, align_bytes) : NULL;
    if (memory->code)
        memory->code_bytes = size_bytes;
}

static uint8_t *allocate_code(void *opaque, uintptr_t size_bytes, unsigned align_bytes,
                              unsigned section_id, const char *section)
{
    struct mcjit_memory *memory = opaque;
    size_t align = align_bytes ? align_bytes : 1;
    size_t padding_bytes = (align - (uintptr_t)memory->code % align) % align;
    (void)section_id;
    (void)section;
    if (memory->code_bytes < padding_bytes || memory->code_bytes - padding_bytes < size_bytes)
        return allocate(memory, JD_ARENA_CODE, size_bytes, align_bytes);
    unsigned char *place = memory->code + padding_bytes;
    memory->code = place + size_bytes;
    memory->code_bytes -= padding_bytes + size_bytes;
    return place;
}

static uint8_t *allocate_data(void *opaque, uintptr_t size_bytes, unsigned align_bytes,
                              unsigned section_id, const char *section, LLVMBool is_read_only)
{
    struct mcjit_memory *memory = opaque;
    uint8_t *place = joint_place(memory, section, size_bytes, align_bytes ? align_bytes : 1);
    (void)section_id;
    if (place) {
        mcjit_phase_switch(memory->phases, JD_PHASE_LINK);
        return place;
    }
    return allocate(opaque, data_kind(section, is_read_only), size_bytes, align_bytes);
}

static void commit_batch(struct mcjit_memory *memory)
{
    for (size_t i = 0; i < memory->block_count; i++) {
        const struct jd_arena_block *block = &memory->blocks[i];
        jd_arena_commit(memory->arena, block);
        if (block->kind == JD_ARENA_CODE)
            jd_arena_publish_code(block);
    }
    memory->is_committed = true;
    jd_arena_seal(memory->arena, &memory->error);
}

static LLVMBool finalize(void *opaque, char **out_message)
{
    struct mcjit_memory *memory = opaque;
    *out_message = NULL; /* MCJIT drops it; mcjit_memory_check has the error */
    if (!memory->is_finalize_expected || memory->error.code)
        return memory->error.code != JD_OK;
    memory->is_finalize_expected = false;
    mcjit_phase_switch(memory->phases, JD_PHASE_FINALIZE);
    commit_batch(memory);
    mcjit_phase_switch(memory->phases, JD_PHASE_LINK);
    return memory->error.code != JD_OK;
}

/* LLVM is done with its handle; ours goes with the generation. */
static void on_destroy(void *opaque)
{
    (void)opaque;
}

LLVMMCJITMemoryManagerRef mcjit_memory_llvm(struct mcjit_memory *memory)
{
    return mcjit_shim_memory_manager(memory, reserve_code, allocate_code, allocate_data, finalize,
                                     on_destroy);
}

void mcjit_memory_expect_finalize(struct mcjit_memory *memory)
{
    memory->is_finalize_expected = true;
}

int mcjit_memory_check(const struct mcjit_memory *memory, struct jd_error *err)
{
    const struct jd_error *error = &memory->error;
    return error->code ? jd_fail(err, error->code, error->where, "%s", error->text) : JD_OK;
}

void mcjit_memory_accept_batch(struct mcjit_memory *memory)
{
    memory->block_count = memory->joint_count = 0;
    memory->code_bytes = 0;
    memory->is_committed = false;
    memory->is_finalize_expected = false;
}

void mcjit_memory_abandon_batch(struct mcjit_memory *memory)
{
    for (size_t i = 0; i < memory->block_count; i++)
        if (memory->is_committed)
            jd_arena_free(memory->arena, &memory->blocks[i]);
        else
            jd_arena_abort(memory->arena, &memory->blocks[i]);
    mcjit_memory_accept_batch(memory);
}
