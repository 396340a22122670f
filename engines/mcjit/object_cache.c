/* SPDX-License-Identifier: Apache-2.0
 *
 * The object cache's files. Source: llvm-c/blake3.h (the hash); POSIX rename.
 */
#include "object_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <llvm-c/Core.h>
#include <llvm-c/blake3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target.h"

/* Another number wherever the same IR and options would give another object. */
static const char version[] = "jitduel object cache 1";
static const char magic[8] = {'J', 'D', 'O', 'B', 'J', '\0', '\0', '1'};

struct header {
    char magic[sizeof magic];
    uint64_t size_bytes;
    struct mcjit_cache_key key;
    unsigned char hash[MCJIT_CACHE_HASH_BYTES]; /* of the object */
};

struct mcjit_cache {
    char *folder;
    struct mcjit_cache_key options; /* what all keys of this cache begin with */
};

static void add_text(llvm_blake3_hasher *hasher, const char *text)
{
    const char *present = text ? text : "";
    llvm_blake3_hasher_update(hasher, present, strlen(present) + 1);
}

static void add_number(llvm_blake3_hasher *hasher, uint64_t number)
{
    llvm_blake3_hasher_update(hasher, &number, sizeof number);
}

static void hash_options(const struct jd_engine_options *options, struct mcjit_cache_key *out)
{
    llvm_blake3_hasher hasher;
    unsigned major, minor, patch;
    char *cpu = jd_target_cpu(options), *features = jd_target_features(options);
    LLVMGetVersion(&major, &minor, &patch);
    llvm_blake3_hasher_init(&hasher);
    add_text(&hasher, version);
    add_number(&hasher, major);
    add_number(&hasher, minor);
    add_number(&hasher, patch);
    add_text(&hasher, jd_target_triple());
    add_number(&hasher, options->opt_level);
    add_number(&hasher, options->wants_verify);
    add_text(&hasher, cpu); /* not "native", which is another CPU on another machine */
    add_text(&hasher, features);
    add_text(&hasher, options->ir_passes);
    llvm_blake3_hasher_finalize(&hasher, out->bytes, sizeof out->bytes);
    free(cpu);
    free(features);
}

struct mcjit_cache_key mcjit_cache_key_of(const struct mcjit_cache *cache, const struct jd_ir *ir)
{
    llvm_blake3_hasher hasher;
    struct mcjit_cache_key key;
    llvm_blake3_hasher_init(&hasher);
    llvm_blake3_hasher_update(&hasher, cache->options.bytes, sizeof cache->options.bytes);
    add_number(&hasher, ir->size_bytes);
    llvm_blake3_hasher_update(&hasher, ir->bytes, ir->size_bytes);
    llvm_blake3_hasher_finalize(&hasher, key.bytes, sizeof key.bytes);
    return key;
}

int mcjit_cache_open(const char *folder, const struct jd_engine_options *options,
                     struct mcjit_cache **out, struct jd_error *err)
{
    struct stat status;
    *out = NULL;
    if (mkdir(folder, 0777) && errno != EEXIST)
        return jd_fail(err, JD_E_IO, folder, "cannot be made: %s", strerror(errno));
    if (stat(folder, &status) || !S_ISDIR(status.st_mode))
        return jd_fail(err, JD_E_IO, folder, "is not a folder");
    if (access(folder, R_OK | W_OK | X_OK))
        return jd_fail(err, JD_E_IO, folder, "objects cannot be kept in it: %s", strerror(errno));
    *out = calloc(1, sizeof **out);
    if (*out)
        (*out)->folder = strdup(folder);
    if (!*out || !(*out)->folder) {
        free(*out);
        *out = NULL;
        return jd_fail(err, JD_E_NO_MEMORY, folder, "no room for an object cache");
    }
    hash_options(options, &(*out)->options);
    return JD_OK;
}

void mcjit_cache_close(struct mcjit_cache *cache)
{
    if (cache)
        free(cache->folder);
    free(cache);
}

/* FOLDER/KEY.o, or a name to write under; the caller frees it. NULL: no memory. */
static char *path_of(const struct mcjit_cache *cache, const struct mcjit_cache_key *key)
{
    char *path = malloc(strlen(cache->folder) + 2 * sizeof key->bytes + sizeof "/.o");
    char *end = path;
    if (!path)
        return NULL;
    end += sprintf(end, "%s/", cache->folder);
    for (size_t i = 0; i < sizeof key->bytes; i++)
        end += sprintf(end, "%02x", key->bytes[i]);
    strcpy(end, ".o");
    return path;
}

static struct header header_of(const struct mcjit_cache_key *key, const void *bytes,
                               size_t size_bytes)
{
    struct header header = {.size_bytes = size_bytes, .key = *key};
    llvm_blake3_hasher hasher;
    memcpy(header.magic, magic, sizeof magic);
    llvm_blake3_hasher_init(&hasher);
    llvm_blake3_hasher_update(&hasher, bytes, size_bytes);
    llvm_blake3_hasher_finalize(&hasher, header.hash, sizeof header.hash);
    return header;
}

static bool read_all(int fd, void *bytes, size_t size_bytes)
{
    char *at = bytes;
    while (size_bytes) {
        ssize_t n = read(fd, at, size_bytes);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        at += n > 0 ? n : 0;
        size_bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_all(int fd, const void *bytes, size_t size_bytes)
{
    const char *at = bytes;
    while (size_bytes) {
        ssize_t n = write(fd, at, size_bytes);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? n : 0;
        size_bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static void *read_entry(int fd, const struct mcjit_cache_key *key, size_t *out_bytes)
{
    struct header header, wanted;
    struct stat status;
    void *bytes;
    if (fstat(fd, &status) || !read_all(fd, &header, sizeof header) ||
        (uint64_t)status.st_size - sizeof header != header.size_bytes)
        return NULL;
    bytes = malloc(header.size_bytes ? header.size_bytes : 1);
    if (bytes && read_all(fd, bytes, header.size_bytes)) {
        wanted = header_of(key, bytes, header.size_bytes);
        if (!memcmp(&wanted, &header, sizeof header)) {
            *out_bytes = header.size_bytes;
            return bytes;
        }
    }
    free(bytes);
    return NULL;
}

void *mcjit_cache_load(const struct mcjit_cache *cache, const struct mcjit_cache_key *key,
                       size_t *out_bytes)
{
    char *path = path_of(cache, key);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *bytes = fd < 0 ? NULL : read_entry(fd, key, out_bytes);
    if (fd >= 0)
        close(fd);
    free(path);
    return bytes;
}

void mcjit_cache_store(const struct mcjit_cache *cache, const struct mcjit_cache_key *key,
                       const void *bytes, size_t size_bytes)
{
    const struct header header = header_of(key, bytes, size_bytes);
    char *path = path_of(cache, key);
    char *temporary = path ? malloc(strlen(path) + sizeof ".XXXXXX") : NULL;
    int fd = -1;
    if (temporary) {
        sprintf(temporary, "%s.XXXXXX", path);
        fd = mkostemp(temporary, O_CLOEXEC);
    }
    if (fd >= 0) {
        bool is_whole = !fchmod(fd, 0644) && write_all(fd, &header, sizeof header) &&
                        write_all(fd, bytes, size_bytes);
        if (close(fd) || !is_whole || rename(temporary, path))
            unlink(temporary);
    }
    free(temporary);
    free(path);
}
