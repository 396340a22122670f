/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling ahead: helper threads generate code for functions that are likely to be called soon.
 *
 * A helper owns an LLVM context, a pipeline and its own lazily read copies of the modules (a front,
 * front.c); of the engine it knows nothing. What it makes is an object in memory, no more: nothing
 * is placed, resolved, claimed or bound before the function's first call, which finds the object,
 * links it as if it had generated it itself, and so has the same effects in the same order as
 * without helpers. A first call never waits for anything but a helper that is busy with the very
 * function that is called, and for it only while it makes progress.
 *
 * All functions: any thread; they take a lock of their own, which may be taken with the engine's
 * lock held, never the other way round. A NULL speculation is accepted and does nothing.
 */
#ifndef JITDUEL_LEGACY_SPECULATE_H
#define JITDUEL_LEGACY_SPECULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/engine.h"

struct legacy_speculation;

/** At most `options->speculate_threads` helpers, started when there is work and ended when there
 * was none for a while; none where the process may use one CPU only. USAGE: more than
 * LEGACY_HELPERS_MAX threads; NO_MEMORY. */
enum { LEGACY_HELPERS_MAX = 64 };
int legacy_speculation_create(const struct jd_engine_options *options,
                              struct legacy_speculation **out, struct jd_error *err);
/** Waits for the helpers. */
void legacy_speculation_destroy(struct legacy_speculation *speculation);

/** Functions of this module may be compiled ahead. The bytes (bitcode) are borrowed until
 * legacy_speculation_remove returns. Out of memory: they are not compiled ahead. */
void legacy_speculation_add(struct legacy_speculation *speculation, jd_module_id id,
                            const struct jd_ir *bitcode);
/** Forget a module; waits until no helper reads it. */
void legacy_speculation_remove(struct legacy_speculation *speculation, jd_module_id id);

/** The function is being called for the first time: what it calls is wanted next. The object, which
 * the caller frees, when a helper has made it; NULL: the caller generates code itself. */
void *legacy_speculation_take(struct legacy_speculation *speculation, jd_module_id id,
                              const char *name, size_t *out_size_bytes);

/** What the helpers did so far. */
struct legacy_speculation_counts {
    uint64_t compiled; /**< functions through code generation */
    uint64_t taken;    /**< of these: objects that a first call took */
};
void legacy_speculation_count(struct legacy_speculation *speculation,
                              struct legacy_speculation_counts *out);

/** Around a fork: helpers rest, so that the child finds LLVM's and the C library's locks free. A
 * child has no helpers and goes on without. */
void legacy_speculation_before_fork(struct legacy_speculation *speculation);
void legacy_speculation_after_fork(struct legacy_speculation *speculation, bool is_child);

/* front.c: one helper's LLVM. Used by one thread at a time. */

struct legacy_front;

/** A function that another one calls directly. */
struct legacy_callee {
    const char *name;   /**< borrowed until the module is forgotten */
    double probability; /**< that one call of the caller calls it */
};

/** What a helper found out about a function. */
struct legacy_ahead {
    void *object; /**< the caller frees it; NULL: none was wanted */
    size_t object_bytes;
    struct legacy_callee *callees; /**< in the order of the code; the caller frees the array */
    size_t callee_count;
};

/** `options` are borrowed. NULL with an error. */
struct legacy_front *legacy_front_create(const struct jd_engine_options *options,
                                         struct jd_error *err);
void legacy_front_destroy(struct legacy_front *front);
/** Read a module, which is then known by `id`, unless it is known already. */
int legacy_front_read(struct legacy_front *front, jd_module_id id, const struct jd_ir *bitcode,
                      struct jd_error *err);
void legacy_front_forget(struct legacy_front *front, jd_module_id id);
/** Find the callees of a function of a module that was read, and generate code if wanted. STATE:
 * the function cannot be compiled ahead; callees are found all the same. COMPILE: LLVM is in an
 * unknown state, the front must be left behind, not destroyed. */
int legacy_front_compile(struct legacy_front *front, jd_module_id id, const char *name,
                         bool wants_object, struct legacy_ahead *out, struct jd_error *err);

#endif
