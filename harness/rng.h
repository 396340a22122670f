/* SPDX-License-Identifier: Apache-2.0
 *
 * Small seeded random numbers and a 64-bit hash: the same seed gives the same order and the same
 * intervals on every machine. Not for secrets. Knows nothing of what it is used for.
 *
 * Sources: xoshiro256** and splitmix64 (Blackman and Vigna), FNV-1a (Fowler, Noll, Vo).
 */
#ifndef JITDUEL_HARNESS_RNG_H
#define JITDUEL_HARNESS_RNG_H

#include <stddef.h>
#include <stdint.h>

struct jd_rng {
    uint64_t state[4];
};

/** Start the sequence that belongs to `seed`. */
void jd_rng_init(struct jd_rng *rng, uint64_t seed);
/** The next 64 bits. */
uint64_t jd_rng_next(struct jd_rng *rng);
/** Uniform in [0, bound); bound is not 0. Without modulo bias. */
uint64_t jd_rng_below(struct jd_rng *rng, uint64_t bound);
/** Put `count` indices into random order (Fisher-Yates). */
void jd_rng_shuffle(struct jd_rng *rng, size_t *indices, size_t count);

/** Start value of jd_hash64. */
#define JD_HASH64_INIT UINT64_C(0xcbf29ce484222325)
/** Continue a hash over more bytes. */
uint64_t jd_hash64(uint64_t hash, const void *bytes, size_t size_bytes);
/** Continue over a string with its end, so that "ab","c" differs from "a","bc"; NULL is "". */
uint64_t jd_hash64_text(uint64_t hash, const char *text);

#endif
