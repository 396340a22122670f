/* SPDX-License-Identifier: Apache-2.0
 *
 * The symbol table in front of MCJIT: one entry per name of an engine, found in constant time
 * whatever the number of modules, and the rules by which one definition wins over another.
 *
 * Knows no LLVM and no module; a definer is a number. Not thread-safe: the engine's lock guards it.
 * Rules: System V gABI, "Symbol Table" (STB_GLOBAL, STB_WEAK, SHN_COMMON).
 */
#ifndef JITDUEL_MCJIT_SYMBOL_TABLE_H
#define JITDUEL_MCJIT_SYMBOL_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/engine.h"

/** How strong a definition is; a higher rank wins. */
enum mcjit_rank { MCJIT_RANK_NONE, MCJIT_RANK_WEAK, MCJIT_RANK_COMMON, MCJIT_RANK_STRONG };

/** One name. Its address in memory is stable until the table is gone. */
struct mcjit_symbol {
    char *name; /**< as the object file has it; owned by the table */
    uint64_t hash;
    uintptr_t addr;       /**< where the name is; 0: not known (yet) */
    uintptr_t body_addr;  /**< of a function with a stub, once it is compiled */
    uint32_t stub_number; /**< its stub's index, plus 1; then `addr` is the stub's. 0: none */
    struct mcjit_symbol *alias_of; /**< the winning definition is an alias of this function */
    uint32_t definer;              /**< number of the module whose definition wins; 0: none */
    enum mcjit_rank rank;
    uint64_t common_bytes;  /**< size of the winning common definition */
    uint32_t align_bytes;   /**< largest alignment that any common definition asked for */
    uint32_t home;          /**< generation whose linker knows the definition; 0: none */
    uint32_t mapped_in;     /**< generation that was told `addr`; 0: none */
    uint32_t creator_epoch; /**< the creator that said "not mine"; 0: none did */
    pthread_t asker;        /**< valid while is_asking, as the next two */
    uint64_t asker_entry;   /**< first call of that thread that asks; 0: none */
    uintptr_t asker_frame;  /**< stack frame that asks */
    struct mcjit_symbol *next_asked;
    bool is_asking;         /**< a creator is being asked for it */
    bool is_user_defined;   /**< define_symbol */
    bool is_told_always;    /**< in the engine's list of those that every generation is told */
    bool is_bound;          /**< compiled code or a caller has its address: it can no longer move */
    bool is_defined_in_asm; /**< the definition cannot be turned into a declaration */
    bool is_function;       /**< of the winning definition */
    bool is_section_bound;  /**< `__start_` or `__stop_` of a section of some module */
    bool is_tls;            /**< `addr` is that of the emulated-TLS control object */
};

struct mcjit_symbol_chunk;

/** Open addressing, linear probing, at most three quarters full. Zero is an empty table. */
struct mcjit_symbol_table {
    struct mcjit_symbol **slots;
    size_t slot_count; /**< power of two */
    size_t symbol_count;
    struct mcjit_symbol_chunk *chunks;
};

/** Frees every symbol. */
void mcjit_symbol_table_fini(struct mcjit_symbol_table *table);
/** The symbol of that name, or NULL. Borrowed. */
struct mcjit_symbol *mcjit_symbol_find(const struct mcjit_symbol_table *table, const char *name,
                                       size_t name_bytes);
/** The same, made if it does not exist. Errors: NO_MEMORY. */
int mcjit_symbol_intern(struct mcjit_symbol_table *table, const char *name, size_t name_bytes,
                        struct mcjit_symbol **out, struct jd_error *err);
/** What becomes of a further definition of a name. */
enum mcjit_verdict {
    MCJIT_TAKE,      /**< it wins */
    MCJIT_KEEP,      /**< the one that was there stays */
    MCJIT_DUPLICATE, /**< both are strong */
    MCJIT_TOO_LATE   /**< it would win, but the name is bound already */
};

/** Judge a definition of `rank` (with `common_bytes` if it is common) against what the symbol has.
 */
enum mcjit_verdict mcjit_symbol_judge(const struct mcjit_symbol *symbol, enum mcjit_rank rank,
                                      uint64_t common_bytes);

#endif
