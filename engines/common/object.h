/* SPDX-License-Identifier: Apache-2.0
 *
 * A relocatable object on its way into the arena, whole: sections, symbols, GOT and thunks of its
 * own, unwind tables, static constructors. For objects that no engine generated function by
 * function: files of other compilers, and modules that were compiled earlier. Plain C, no LLVM.
 * Sources: System V ABI (gABI), chapter 4; psABI supplements (reloc.h); LSB core 5.0, 10.6.
 *
 *   open (placed: what it defines has addresses) -> link (resolved, relocated) -> publish (may run)
 *   -> close
 *
 * Which definition of a name wins is the caller's to say: each global name is asked for once.
 * Not thread-safe; the caller's lock guards it.
 */
#ifndef JITDUEL_COMMON_OBJECT_H
#define JITDUEL_COMMON_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "stubs.h"

struct jd_object;

enum jd_object_rank {
    JD_OBJECT_UNDEFINED, /**< referred to */
    JD_OBJECT_WEAK,
    JD_OBJECT_COMMON,
    JD_OBJECT_STRONG
};

/** A global name of an object. */
struct jd_object_symbol {
    const char *name; /**< borrowed from the object */
    enum jd_object_rank rank;
    uintptr_t addr;        /**< where this object has it; 0: undefined */
    uint64_t common_bytes; /**< size and */
    uint32_t align_bytes;  /**< alignment of a common one */
    bool is_function;      /**< defined as one, or branched to */
    bool is_weak;          /**< undefined and may stay so */
};

/** A static constructor or destructor; `addr` once it is linked. */
struct jd_object_structor {
    unsigned priority; /**< 65535: none given */
    bool is_destructor;
    uintptr_t addr;
};

/** Where an object goes. Members that are 0 have a default. */
struct jd_object_host {
    struct jd_arena *arena;          /**< mode DUAL */
    const struct jd_stub_arch *arch; /**< of the objects; for thunks */
    size_t code_prefix_bytes;        /**< kept free at the start of the block of code */
    /** Room for an .eh_frame and what add_frames puts behind it. 0: the section and an end mark. */
    size_t (*frame_room)(const void *bytes, size_t size_bytes);
    /** Let unwinders find the code. 0: libgcc's registration. */
    int (*add_frames)(void *context, const struct jd_arena_block *code, void *write,
                      uintptr_t frames_addr, size_t size_bytes, struct jd_error *err);
    void (*remove_frames)(void *context, const struct jd_arena_block *code);
    void *context;
};

/** The address that everyone knows a global name by: the winner's, defined here or not; 0 for a
 * weak one that nobody has. May call back into whatever, but not link this object. */
typedef int (*jd_object_resolve_fn)(void *context, const struct jd_object_symbol *symbol,
                                    uintptr_t *out_addr, struct jd_error *err);

/** Read and place an object. `bytes` are copied; `name` is borrowed, for messages: a line names it.
 * `host` is copied. Errors: BAD_FILE (not an object, truncated), WRONG_TARGET (another CPU),
 * UNSUPPORTED (thread-local variables, ifuncs), ARENA_FULL, NO_MEMORY. */
int jd_object_open(const struct jd_object_host *host, const void *bytes, size_t size_bytes,
                   const char *name, struct jd_object **out, struct jd_error *err);
/** Gives its memory back and lets unwinders forget it; its code must not run any more. NULL is
 * accepted. */
void jd_object_close(struct jd_object *object);

/** Global names, defined ones and referred ones; stable until close. */
size_t jd_object_symbol_count(const struct jd_object *object);
const struct jd_object_symbol *jd_object_symbol_at(const struct jd_object *object, size_t number);

/** Functions that it defines, local ones included. */
size_t jd_object_function_count(const struct jd_object *object);
/** Does it put data into a section whose ends have names (section_name.h)? What other objects put
 * there lies elsewhere. */
bool jd_object_has_bounded_section(const struct jd_object *object);
size_t jd_object_structor_count(const struct jd_object *object);
/** In the order of the object; the address is 0 until it is linked. */
struct jd_object_structor jd_object_structor_at(const struct jd_object *object, size_t number);

/** Resolve and relocate. May be done again, until it is published. Errors: those of `resolve` and
 * of jd_reloc_apply; UNSUPPORTED where a name is out of reach. */
int jd_object_link(struct jd_object *object, jd_object_resolve_fn resolve, void *context,
                   struct jd_error *err);
/** After a link: commit its memory and show unwinders its code, which may run from here on. Errors:
 * those of add_frames. */
int jd_object_publish(struct jd_object *object, struct jd_error *err);
/** Relocations that the last link applied. */
uint64_t jd_object_relocation_count(const struct jd_object *object);

#endif
