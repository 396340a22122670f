/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table of borrowed pointers: open addressing, linear probing, no tombstones. The caller
 * gives the hash and decides equality. Knows nothing of symbols. Not thread-safe.
 */
#ifndef JITDUEL_LEGACY_TABLE_H
#define JITDUEL_LEGACY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct legacy_table {
    struct legacy_table_slot {
        void *item; /* NULL: empty */
        uint32_t hash;
    } * slots;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t count;
};

/** Does the item have this key? */
typedef bool (*legacy_table_match_fn)(const void *item, const void *key);

static inline uint32_t legacy_hash_pointer(const void *pointer)
{
    return (uint32_t)(((uintptr_t)pointer >> 4) * 0x9E3779B97F4A7C15u >> 32);
}

uint32_t legacy_hash_string(const char *string);

/** The item with that key, or NULL. */
void *legacy_table_find(const struct legacy_table *table, uint32_t hash,
                        legacy_table_match_fn match, const void *key);
/** Add an item whose key is not there yet. False when out of memory. */
bool legacy_table_insert(struct legacy_table *table, uint32_t hash, void *item);
/** Put another item in the place of one. */
void legacy_table_replace(struct legacy_table *table, uint32_t hash, const void *old_item,
                          void *new_item);
/** Take an item out; does nothing when it is not in. */
void legacy_table_remove(struct legacy_table *table, uint32_t hash, const void *item);
/** Frees the slots, not the items. */
void legacy_table_fini(struct legacy_table *table);

#endif
