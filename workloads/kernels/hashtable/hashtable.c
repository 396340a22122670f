/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table with open addressing that grows and deletes, keyed by strings from malloc: pointers,
 * memory, libc calls and branches that are hard to foresee.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    char *key; /* NULL: free; deleted: a slot that was used */
    int64_t value;
};

struct table {
    struct slot *slots;
    size_t capacity, used; /* used counts deleted slots too */
};

static char deleted[1];

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    return h;
}

static struct slot *find(const struct table *table, const char *key)
{
    size_t i = hash(key) & (table->capacity - 1);
    for (; table->slots[i].key; i = (i + 1) & (table->capacity - 1))
        if (table->slots[i].key != deleted && !strcmp(table->slots[i].key, key))
            break;
    return &table->slots[i];
}

static void grow(struct table *table)
{
    struct table bigger = {NULL, table->capacity ? 2 * table->capacity : 16, 0};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots)
        abort();
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].key && table->slots[i].key != deleted) {
            *find(&bigger, table->slots[i].key) = table->slots[i];
            bigger.used++;
        }
    free(table->slots);
    *table = bigger;
}

void table_add(struct table *table, const char *key, int64_t value)
{
    if (4 * (table->used + 1) > 3 * table->capacity)
        grow(table);
    struct slot *slot = find(table, key);
    if (!slot->key) {
        slot->key = strdup(key);
        slot->value = 0;
        table->used++;
    }
    slot->value += value;
}

int64_t table_get(const struct table *table, const char *key)
{
    const struct slot *slot = find(table, key);
    return slot->key ? slot->value : -1;
}

void table_delete(struct table *table, const char *key)
{
    struct slot *slot = find(table, key);
    if (!slot->key)
        return;
    free(slot->key);
    slot->key = deleted;
}

static void clear(struct table *table)
{
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].key != deleted)
            free(table->slots[i].key);
    free(table->slots);
    *table = (struct table){0};
}

/* n words, each counted three times and every fifth forgotten; sum of what is left. */
int64_t kernel_step(int64_t n)
{
    struct table table = {0};
    char key[32];
    int64_t sum = 0;
    for (int64_t i = 0; i < 3 * n; i++) {
        snprintf(key, sizeof key, "word-%lld", (long long)(i % n));
        table_add(&table, key, i);
    }
    for (int64_t i = 0; i < n; i += 5) {
        snprintf(key, sizeof key, "word-%lld", (long long)i);
        table_delete(&table, key);
    }
    for (int64_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "word-%lld", (long long)i);
        int64_t value = table_get(&table, key);
        sum += value < 0 ? 0 : value;
    }
    clear(&table);
    return sum;
}

int main(void)
{
    struct table table = {0};
    table_add(&table, "one", 1);
    table_add(&table, "two", 2);
    table_add(&table, "one", 10);
    table_delete(&table, "two");
    printf("one %lld, two %lld, three %lld\n", (long long)table_get(&table, "one"),
           (long long)table_get(&table, "two"), (long long)table_get(&table, "three"));
    clear(&table);
    /* Word i got i, i + n and i + 2n: 3i + 3n, unless i is a multiple of 5. */
    printf("sum(1000) = %lld\n", (long long)kernel_step(1000));
    printf("step(200) = %lld\n", (long long)kernel_step(200));
    return 0;
}
