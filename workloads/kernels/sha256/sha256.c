/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 written from FIPS 180-4, on the standard's own test messages. Rotations, a table in
 * read-only data, long straight code after unrolling.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractions of the cube roots of the first 64 primes.
 */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct sha256 {
    uint32_t state[8];
    uint8_t block[64];
    size_t used;
    uint64_t total_bytes;
};

static uint32_t rotate(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static void schedule(uint32_t w[64], const uint8_t *block)
{
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
}

__attribute__((noinline)) static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], v[8];
    schedule(w, block);
    memcpy(v, state, sizeof v);
    for (int t = 0; t < 64; t++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choose = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + choose + round_constants[t] + w[t];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

static void start(struct sha256 *hash)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, initial, sizeof initial);
    hash->used = 0;
    hash->total_bytes = 0;
}

static void add(struct sha256 *hash, const void *bytes, size_t size)
{
    const uint8_t *next = bytes;
    hash->total_bytes += size;
    while (size--) {
        hash->block[hash->used++] = *next++;
        if (hash->used == sizeof hash->block) {
            compress(hash->state, hash->block);
            hash->used = 0;
        }
    }
}

static void finish(struct sha256 *hash)
{
    uint64_t bits = hash->total_bytes * 8;
    uint8_t length[8];
    add(hash, "\x80", 1);
    while (hash->used != 56)
        add(hash, "", 1);
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    add(hash, length, sizeof length);
}

static void print_digest(const char *label, struct sha256 *hash)
{
    finish(hash);
    printf("%s: ", label);
    for (int i = 0; i < 8; i++)
        printf("%08x", hash->state[i]);
    printf("\n");
}

/* Digest of n zero bytes, its first 63 bits. */
int64_t kernel_step(int64_t n)
{
    static const uint8_t zeros[64];
    struct sha256 hash;
    start(&hash);
    for (; n > 0; n -= 64)
        add(&hash, zeros, n < 64 ? (size_t)n : sizeof zeros);
    finish(&hash);
    return (int64_t)(((uint64_t)hash.state[0] << 32 | hash.state[1]) >> 1);
}

int main(void)
{
    struct sha256 hash;
    start(&hash);
    print_digest("empty", &hash);
    start(&hash);
    add(&hash, "abc", 3);
    print_digest("abc", &hash);
    start(&hash);
    for (int i = 0; i < 10000; i++)
        add(&hash, "aaaaaaaaaa", 10);
    print_digest("100,000 times a", &hash);
    printf("step(4096) = %lld\n", (long long)kernel_step(4096));
    return 0;
}
