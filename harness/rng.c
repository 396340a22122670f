/* SPDX-License-Identifier: Apache-2.0
 *
 * See rng.h.
 */
#include "rng.h"

#include <string.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void jd_rng_init(struct jd_rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++)
        rng->state[i] = splitmix64(&seed);
}

uint64_t jd_rng_next(struct jd_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t jd_rng_below(struct jd_rng *rng, uint64_t bound)
{
    uint64_t rejected = (0 - bound) % bound; /* 2^64 mod bound: what would be over-represented */
    uint64_t x;
    do
        x = jd_rng_next(rng);
    while (x < rejected);
    return x % bound;
}

void jd_rng_shuffle(struct jd_rng *rng, size_t *indices, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)jd_rng_below(rng, i);
        size_t kept = indices[i - 1];
        indices[i - 1] = indices[j];
        indices[j] = kept;
    }
}

uint64_t jd_hash64(uint64_t hash, const void *bytes, size_t size_bytes)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < size_bytes; i++)
        hash = (hash ^ b[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t jd_hash64_text(uint64_t hash, const char *text)
{
    return text ? jd_hash64(hash, text, strlen(text) + 1) : jd_hash64(hash, "", 1);
}
