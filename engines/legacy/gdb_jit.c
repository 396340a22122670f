/* SPDX-License-Identifier: Apache-2.0
 *
 * GDB's JIT interface: the debugger sets a breakpoint in a function of ours and reads a list of
 * objects when it is hit. An object is the compiler's own, with its sections' addresses filled in:
 * so the debugger gets names, sizes and call frame information.
 * Source: GDB manual, "JIT Compilation Interface", which fixes names, layout and version.
 *
 * libLLVM exports a list of its own by the same names, for its own listeners and under their own
 * lock. Ours are hidden, so that each list has one owner; GDB 11 and later read one from every file
 * of the program. They are weak because a static LLVM may bring the same names into this file.
 */
#include "observe.h"

#include <elf.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { JIT_NOACTION = 0, JIT_REGISTER_FN, JIT_UNREGISTER_FN };

struct jit_code_entry {
    struct jit_code_entry *next_entry, *prev_entry;
    const char *symfile_addr;
    uint64_t symfile_size;
};

struct jit_descriptor {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};

struct legacy_gdb_object {
    struct jit_code_entry entry;
    _Alignas(16) char bytes[];
};

#define INTERFACE __attribute__((weak, visibility("hidden")))

extern INTERFACE struct jit_descriptor __jit_debug_descriptor;
struct jit_descriptor __jit_debug_descriptor = {.version = 1};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

extern INTERFACE void __jit_debug_register_code(void);

/* The debugger's breakpoint is here. */
__attribute__((noinline, used)) void __jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory");
}

static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
    pthread_mutex_unlock(&lock);
}

/* A child must not inherit the lock from a thread that it does not have. */
static void survive_forks(void)
{
    pthread_atfork(take_lock, release_lock, release_lock);
}

static void announce(struct jit_code_entry *entry, uint32_t action)
{
    __jit_debug_descriptor.relevant_entry = entry;
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_register_code();
    __jit_debug_descriptor.relevant_entry = NULL;
    __jit_debug_descriptor.action_flag = JIT_NOACTION;
}

static void place_sections(char *bytes, legacy_gdb_section_fn section_addr, void *context)
{
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    for (uint32_t i = 0; i < header.e_shnum; i++) {
        char *at = bytes + header.e_shoff + (size_t)i * header.e_shentsize;
        Elf64_Shdr section;
        memcpy(&section, at, sizeof section);
        section.sh_addr = section_addr(context, i);
        memcpy(at, &section, sizeof section);
    }
}

int legacy_gdb_register(const void *bytes, size_t size_bytes, legacy_gdb_section_fn section_addr,
                        void *context, struct legacy_gdb_object **out, struct jd_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct legacy_gdb_object *object = calloc(1, sizeof *object + size_bytes);
    pthread_once(&once, survive_forks);
    *out = object;
    if (!object)
        return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory to show an object to debuggers");
    memcpy(object->bytes, bytes, size_bytes);
    place_sections(object->bytes, section_addr, context);
    object->entry.symfile_addr = object->bytes;
    object->entry.symfile_size = size_bytes;
    take_lock();
    object->entry.next_entry = __jit_debug_descriptor.first_entry;
    if (object->entry.next_entry)
        object->entry.next_entry->prev_entry = &object->entry;
    __jit_debug_descriptor.first_entry = &object->entry;
    announce(&object->entry, JIT_REGISTER_FN);
    release_lock();
    return JD_OK;
}

void legacy_gdb_deregister(struct legacy_gdb_object *object)
{
    if (!object)
        return;
    struct jit_code_entry *entry = &object->entry;
    take_lock();
    if (entry->prev_entry)
        entry->prev_entry->next_entry = entry->next_entry;
    else
        __jit_debug_descriptor.first_entry = entry->next_entry;
    if (entry->next_entry)
        entry->next_entry->prev_entry = entry->prev_entry;
    announce(entry, JIT_UNREGISTER_FN);
    release_lock();
    free(object);
}
