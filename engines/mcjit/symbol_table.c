/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and linkage rules. Knows no LLVM.
 * Sources: FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo); System V gABI, "Symbol Table".
 */
#include "symbol_table.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { CHUNK_SYMBOLS = 256, FIRST_SLOTS = 256 };

/* Newest first; every chunk but the newest is full. */
struct mcjit_symbol_chunk {
    struct mcjit_symbol_chunk *older;
    size_t used_count;
    struct mcjit_symbol symbols[CHUNK_SYMBOLS];
};

static uint64_t hash_name(const char *name, size_t name_bytes)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < name_bytes; i++)
        hash = (hash ^ (unsigned char)name[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

void mcjit_symbol_table_fini(struct mcjit_symbol_table *table)
{
    for (struct mcjit_symbol_chunk *chunk = table->chunks, *older; chunk; chunk = older) {
        older = chunk->older;
        for (size_t i = 0; i < chunk->used_count; i++)
            free(chunk->symbols[i].name);
        free(chunk);
    }
    free(table->slots);
    memset(table, 0, sizeof *table);
}

/* The slot that holds the name, or the empty one where it belongs. The table has an empty slot. */
static struct mcjit_symbol **find_slot(const struct mcjit_symbol_table *table, const char *name,
                                       size_t name_bytes, uint64_t hash)
{
    for (size_t i = hash & (table->slot_count - 1);; i = (i + 1) & (table->slot_count - 1)) {
        struct mcjit_symbol *symbol = table->slots[i];
        if (!symbol || (symbol->hash == hash && !strncmp(symbol->name, name, name_bytes) &&
                        !symbol->name[name_bytes]))
            return &table->slots[i];
    }
}

struct mcjit_symbol *mcjit_symbol_find(const struct mcjit_symbol_table *table, const char *name,
                                       size_t name_bytes)
{
    if (!table->slot_count)
        return NULL;
    return *find_slot(table, name, name_bytes, hash_name(name, name_bytes));
}

static bool grow(struct mcjit_symbol_table *table)
{
    struct mcjit_symbol_table larger = *table;
    larger.slot_count = table->slot_count ? table->slot_count * 2 : FIRST_SLOTS;
    larger.slots = calloc(larger.slot_count, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < table->slot_count; i++) {
        struct mcjit_symbol *symbol = table->slots[i];
        if (symbol)
            *find_slot(&larger, symbol->name, strlen(symbol->name), symbol->hash) = symbol;
    }
    free(table->slots);
    *table = larger;
    return true;
}

static struct mcjit_symbol *new_symbol(struct mcjit_symbol_table *table, const char *name,
                                       size_t name_bytes)
{
    char *copy = mcjit_text_copy(name, name_bytes);
    struct mcjit_symbol *symbol;
    if (!copy)
        return NULL;
    if (!table->chunks || table->chunks->used_count == CHUNK_SYMBOLS) {
        struct mcjit_symbol_chunk *chunk = calloc(1, sizeof *chunk);
        if (!chunk) {
            free(copy);
            return NULL;
        }
        chunk->older = table->chunks;
        table->chunks = chunk;
    }
    symbol = &table->chunks->symbols[table->chunks->used_count++];
    symbol->name = copy;
    return symbol;
}

int mcjit_symbol_intern(struct mcjit_symbol_table *table, const char *name, size_t name_bytes,
                        struct mcjit_symbol **out, struct jd_error *err)
{
    uint64_t hash = hash_name(name, name_bytes);
    struct mcjit_symbol **slot;
    *out = NULL;
    if (table->symbol_count >= table->slot_count / 4 * 3 && !grow(table))
        return jd_fail(err, JD_E_NO_MEMORY, "symbol table", "no room for a %zuth symbol",
                       table->symbol_count + 1);
    slot = find_slot(table, name, name_bytes, hash);
    if (!*slot) {
        *slot = new_symbol(table, name, name_bytes);
        if (!*slot)
            return jd_fail(err, JD_E_NO_MEMORY, "symbol table", "no room for a %zuth symbol",
                           table->symbol_count + 1);
        (*slot)->hash = hash;
        table->symbol_count++;
    }
    *out = *slot;
    return JD_OK;
}

enum mcjit_verdict mcjit_symbol_judge(const struct mcjit_symbol *symbol, enum mcjit_rank rank,
                                      uint64_t common_bytes)
{
    bool is_larger_common =
        rank == MCJIT_RANK_COMMON && symbol->rank == rank && common_bytes > symbol->common_bytes;
    if (rank == MCJIT_RANK_STRONG && symbol->rank == rank)
        return MCJIT_DUPLICATE;
    if (symbol->is_bound && symbol->is_user_defined)
        return MCJIT_KEEP;
    if (symbol->is_bound && symbol->rank == MCJIT_RANK_NONE)
        return rank == MCJIT_RANK_WEAK ? MCJIT_KEEP : MCJIT_TOO_LATE;
    if (rank <= symbol->rank && !is_larger_common)
        return MCJIT_KEEP;
    return symbol->is_bound ? MCJIT_TOO_LATE : MCJIT_TAKE;
}
