/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects on disk, so that a module that was compiled once need not be compiled, nor even read,
 * again. One file per object; its name is a hash of all that its code depends on: the IR, the
 * options, the LLVM, the CPU. Knows neither IR nor engine.
 *
 * An entry is written beside its place and renamed into it; one that is cut short, or of which any
 * byte is wrong, is as if it were not there. Any number of processes may share a folder.
 */
#ifndef JITDUEL_MCJIT_OBJECT_CACHE_H
#define JITDUEL_MCJIT_OBJECT_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "jitduel/engine.h"

enum { MCJIT_CACHE_HASH_BYTES = 32 };

struct mcjit_cache;

/** What an entry is known by. */
struct mcjit_cache_key {
    unsigned char bytes[MCJIT_CACHE_HASH_BYTES];
};

/** Use a folder, which is made if only its last part is missing. `options` is not kept. Errors: IO
 * (no folder, or it cannot be written), NO_MEMORY; where is the folder. */
int mcjit_cache_open(const char *folder, const struct jd_engine_options *options,
                     struct mcjit_cache **out, struct jd_error *err);
/** NULL is accepted. */
void mcjit_cache_close(struct mcjit_cache *cache);
/** The key of a module under the cache's options. */
struct mcjit_cache_key mcjit_cache_key_of(const struct mcjit_cache *cache, const struct jd_ir *ir);
/** The object, which the caller frees; NULL: there is no good one. */
void *mcjit_cache_load(const struct mcjit_cache *cache, const struct mcjit_cache_key *key,
                       size_t *out_bytes);
/** Keep an object. What cannot be written is not kept, which is no error. */
void mcjit_cache_store(const struct mcjit_cache *cache, const struct mcjit_cache_key *key,
                       const void *bytes, size_t size_bytes);

#endif
