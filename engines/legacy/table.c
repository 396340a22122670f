/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash table of pointers. Removal shifts what follows back instead of leaving tombstones (Knuth,
 * The Art of Computer Programming, volume 3, 6.4, algorithm R), so that add/remove rounds do not
 * decay.
 */
#include "table.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

/* FNV-1a, 32 bits. */
uint32_t legacy_hash_string(const char *string)
{
    uint32_t hash = 2166136261u;
    for (; *string; string++)
        hash = (hash ^ (unsigned char)*string) * 16777619u;
    return hash;
}

void *legacy_table_find(const struct legacy_table *table, uint32_t hash,
                        legacy_table_match_fn match, const void *key)
{
    if (!table->capacity)
        return NULL;
    uint32_t mask = table->capacity - 1;
    for (uint32_t i = hash & mask; table->slots[i].item; i = (i + 1) & mask)
        if (table->slots[i].hash == hash && match(table->slots[i].item, key))
            return table->slots[i].item;
    return NULL;
}

static void put(struct legacy_table *table, uint32_t hash, void *item)
{
    uint32_t mask = table->capacity - 1, i = hash & mask;
    while (table->slots[i].item)
        i = (i + 1) & mask;
    table->slots[i].item = item;
    table->slots[i].hash = hash;
}

static bool grow(struct legacy_table *table)
{
    struct legacy_table old = *table;
    uint32_t capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    struct legacy_table_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return false;
    table->slots = slots;
    table->capacity = capacity;
    for (uint32_t i = 0; i < old.capacity; i++)
        if (old.slots[i].item)
            put(table, old.slots[i].hash, old.slots[i].item);
    free(old.slots);
    return true;
}

bool legacy_table_insert(struct legacy_table *table, uint32_t hash, void *item)
{
    if (table->count >= table->capacity / 4 * 3 && !grow(table))
        return false;
    put(table, hash, item);
    table->count++;
    return true;
}

static uint32_t position(const struct legacy_table *table, uint32_t hash, const void *item)
{
    uint32_t mask = table->capacity - 1, i = hash & mask;
    while (table->slots[i].item && table->slots[i].item != item)
        i = (i + 1) & mask;
    return i;
}

void legacy_table_replace(struct legacy_table *table, uint32_t hash, const void *old_item,
                          void *new_item)
{
    uint32_t i = position(table, hash, old_item);
    if (table->slots[i].item)
        table->slots[i].item = new_item;
}

void legacy_table_remove(struct legacy_table *table, uint32_t hash, const void *item)
{
    if (!table->capacity)
        return;
    uint32_t mask = table->capacity - 1, hole = position(table, hash, item);
    if (!table->slots[hole].item)
        return;
    for (uint32_t i = (hole + 1) & mask; table->slots[i].item; i = (i + 1) & mask) {
        uint32_t home = table->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home lies behind the hole: it stays reachable */
        table->slots[hole] = table->slots[i];
        hole = i;
    }
    table->slots[hole].item = NULL;
    table->count--;
}

void legacy_table_fini(struct legacy_table *table)
{
    free(table->slots);
    *table = (struct legacy_table){0};
}
