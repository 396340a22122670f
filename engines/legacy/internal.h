/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy engine's own structures, shared by its files only. Everything here is guarded by the
 * engine's lock unless said otherwise; functions marked "locked" expect it to be held, and those
 * marked "may unlock" let go of it while foreign code (creator, ifunc resolver) runs.
 */
#ifndef JITDUEL_LEGACY_INTERNAL_H
#define JITDUEL_LEGACY_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "archive.h"
#include "arena.h"
#include "codegen_shim.h"
#include "exit_list.h"
#include "fork_list.h"
#include "jitduel/engine.h"
#include "llvm_error.h"
#include "object.h"
#include "observe.h"
#include "outline_shim.h"
#include "speculate.h"
#include "stack_pool.h"
#include "stubs.h"
#include "table.h"
#include "unwind_tables.h"

struct legacy_engine;
struct legacy_object;
struct legacy_symbol;

/** What LLVM keeps for modules together: types and constants, which it frees with the context only.
 * So that modules may come and go for ever, new ones get another context after a while; the old one
 * goes with the last module that is in it. */
struct legacy_context {
    LLVMContextRef llvm;
    uint32_t module_count, gone_count;
};

/** An added module. Freed when it is removed or the engine destroyed. */
struct legacy_module {
    jd_module_id id;
    const char *name; /* borrowed with the IR bytes */
    struct legacy_context *context;
    struct legacy_source *source;
    LLVMMemoryBufferRef rewritten; /* bitcode made from text; NULL when the bytes were bitcode */
    bool has_asm, is_asm_linked, is_asm_linking;
    pthread_t asm_thread; /* that links it */
    bool is_compiled;     /* any code of it was generated */
    bool has_run_constructors, has_run_destructors;
    struct legacy_definition *definitions; /* its part of the index */
    struct legacy_symbol *symbols;         /* that it defines */
    struct legacy_global *globals;         /* its values that have symbols */
    struct legacy_object *objects;         /* latest first */
    /* Modules whose functions took the place of its own: they go with it. */
    struct legacy_module *replacements, *next_replacement;
    struct legacy_module *previous, *next; /* all modules, in the order of adding */
};

/** Where a symbol's address comes from, in the order of precedence. */
enum legacy_origin {
    LEGACY_ORIGIN_NONE, /* nothing defines it so far */
    LEGACY_ORIGIN_DEFINED,
    LEGACY_ORIGIN_MODULE,
    LEGACY_ORIGIN_OBJECT, /* an object file; `addr` is there, the object may not be linked yet */
    LEGACY_ORIGIN_PROCESS,
    LEGACY_ORIGIN_CREATED
};

enum legacy_kind {
    LEGACY_KIND_UNKNOWN,
    LEGACY_KIND_FUNCTION,
    LEGACY_KIND_DATA,
    LEGACY_KIND_IFUNC,
    LEGACY_KIND_ALIAS, /* of data, or into the middle of something */
    LEGACY_KIND_ASM,
    LEGACY_KIND_LABEL,
    LEGACY_KIND_BOUND /* __start_ or __stop_ of a section */
};

enum legacy_state {
    LEGACY_STATE_IDLE,
    LEGACY_STATE_BUSY, /* being compiled or emitted, by `legacy_engine.busy_thread` */
    LEGACY_STATE_READY
};

/** A branch from one object to a function of a module: to its body, or to its stub until it has
 * one. */
struct legacy_site {
    struct legacy_symbol *callee;
    struct legacy_module *module;        /* whose code it is in */
    struct legacy_site *previous, *next; /* among the callee's sites */
    uintptr_t addr;                      /* of the field */
    int32_t addend;
    uint16_t type; /* of the relocation */
    bool is_split; /* x86-64: lies across blocks (branch_patch.h), */
    bool is_held;  /* and is being changed */
    bool is_conditional;
    unsigned char opcode, held_byte; /* of the displacement; lies under what holds */
};

enum { LEGACY_NO_STUB = UINT32_MAX, LEGACY_LARGE_MODULES_MAX = 16 };

/** A name, or an internal global of one module. */
struct legacy_symbol {
    const char *name; /* own copy */
    struct legacy_module *module;
    LLVMValueRef value; /* its definition in `module` */
    uintptr_t addr;     /* body, data or absolute address; 0 when not known yet */
    uintptr_t got_addr, thunk_addr;
    uintptr_t placed_addr;          /* where its section wants it; 0: anywhere */
    struct legacy_object *object;   /* that holds the body */
    struct legacy_foreign *foreign; /* with LEGACY_ORIGIN_OBJECT */
    struct legacy_site *sites;
    struct legacy_symbol *label_owner;
    struct legacy_symbol *previous, *next; /* among those that `module` defines */
    uint32_t global_count;                 /* values of modules that stand for it */
    pthread_t busy_thread, asking_thread;
    uint32_t stub_index;
    uint32_t asked_creator; /* number of the creator that has answered; 0: none */
    uint8_t origin, kind, state;
    bool is_internal : 1;
    bool is_extern_weak : 1;  /* only weak references so far */
    bool is_thread_local : 1; /* its address is that of its control object */
    bool is_runtime : 1; /* called by generated code itself: the process search is never off for it
                          */
    bool is_being_asked : 1;  /* the creator is answering asking_thread */
    bool is_used_unnamed : 1; /* by code of modules that do not mention it */
    bool is_known_early : 1;  /* its address was used before its unit was done */
    bool is_dropped : 1;      /* only threads that were away may still look at it */
    bool has_labels : 1;      /* addresses of its blocks are in use: its code stays */
};

/** What one run of the pipeline left in the arena. */
struct legacy_object {
    struct jd_arena_block blocks[JD_ARENA_KIND_COUNT];
    bool has_block[JD_ARENA_KIND_COUNT];
    struct legacy_gdb_object *gdb; /* NULL: not shown to debuggers */
    struct legacy_site *sites;
    uint32_t site_count;
    uint32_t function_count; /* functions whose code it still holds */
    struct legacy_module *module;
    struct legacy_object *next; /* of the module; latest first */
};

/** An object file. */
struct legacy_foreign {
    struct jd_object *object;
    const char *name; /* borrowed */
    bool is_member;   /* of an archive, taken when something needed it */
    bool is_linking, is_linked;
    bool has_run_constructors, has_run_destructors;
    struct legacy_foreign *next; /* in the order of adding */
};

/** A partition whose object was generated. */
struct legacy_spent {
    struct legacy_partition *partition;
    size_t object_bytes;
    struct legacy_spent *next;
};

enum { LEGACY_STUB_BLOCK_SYMBOLS = 1024, LEGACY_STUB_BLOCKS = 4096 };

struct legacy_engine {
    struct jd_engine base;
    struct jd_engine_options options;
    char *ir_passes;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* some symbol left LEGACY_STATE_BUSY */
    struct jd_fork_member fork;
    struct legacy_wait *waits; /* threads that wait for it; waits.c */
    struct legacy_debt *debts;
    uint32_t away_count; /* works that wait or run foreign code */

    struct legacy_context *context; /* of modules that are added now; NULL: make one */
    struct jd_diagnostics diagnostics;
    LLVMTargetMachineRef machine;
    struct legacy_codegen *codegen;
    struct legacy_spent *first_spent, *last_spent; /* oldest first */
    size_t spent_bytes;
    struct jd_arena *arena;
    bool can_sync_cores;
    struct legacy_unwind unwind;
    int perf_map; /* file descriptor or LEGACY_PERF_MAP_CLOSED */
    struct jd_stubs stubs;
    /* By stub index, in blocks that never move: a first call reads it without the lock. */
    struct legacy_symbol **stub_symbols[LEGACY_STUB_BLOCKS];
    struct jd_stack_pool stacks;

    struct legacy_module *first_module, *last_module;
    size_t module_count;
    struct legacy_module
        *large[LEGACY_LARGE_MODULES_MAX]; /* looked up in their own symbol tables */
    size_t large_count;
    struct legacy_table modules; /* struct legacy_module by id */
    uint64_t next_module_id;
    struct legacy_table definitions; /* struct legacy_definition by name: the strongest of each */
    struct legacy_table names;       /* struct legacy_symbol by name, external ones */
    struct legacy_table globals;     /* struct legacy_global by LLVM value */
    struct legacy_symbol *dropped;   /* waits until no work is away */
    struct legacy_section *sections; /* laid out */
    bool is_lazy;

    jd_creator_fn creator;
    void *creator_context;
    uint32_t creator_number;                /* counts those that were set */
    struct legacy_speculation *speculation; /* NULL: none */
    struct jd_exit_list exits;              /* its address is __dso_handle */

    struct legacy_foreign *first_foreign, *last_foreign;
    struct legacy_table foreign_names; /* struct legacy_foreign_name by name */
    struct jd_archive **archives;
    size_t archive_count;
    unsigned foreign_depth; /* not 0: this thread links objects */
    pthread_t foreign_thread;
    uintptr_t near_handle_addr; /* what objects know as __dso_handle; 0: not needed so far */
    bool has_run_constructors;
    struct legacy_left_over {
        struct legacy_structor *items; /* in the order of collecting */
        size_t count;
    } left_over[2]; /* constructors, destructors: what a failure kept from running */

    uint64_t modules_compiled, functions_compiled, bodies_materialised, creator_calls, relocations;
};

/* definitions.c */

/** Strength of a definition, weakest first. */
enum legacy_strength { LEGACY_WEAK = 1, LEGACY_COMMON, LEGACY_STRONG };

struct legacy_definition {
    const char *name; /* borrowed from LLVM; own copy for module asm */
    struct legacy_module *module;
    LLVMValueRef value; /* NULL: defined by module asm */
    struct legacy_definition *next, *next_in_module;
    uint64_t common_bytes;
    enum legacy_strength strength;
    bool owns_name;
};

/** Fill `out` if the value is a definition that other modules can see. */
bool legacy_definition_of(struct legacy_engine *engine, struct legacy_module *module,
                          LLVMValueRef value, struct legacy_definition *out);
bool legacy_definition_beats(const struct legacy_definition *challenger,
                             const struct legacy_definition *holder);
/** Calls back for each definition in a module's IR until one call returns not 0; returns that. */
int legacy_definitions_each(struct legacy_engine *engine, struct legacy_module *module,
                            int (*callback)(void *context,
                                            const struct legacy_definition *definition),
                            void *context);
/** The definition that wins for a name among all modules. */
bool legacy_definition_find(struct legacy_engine *engine, const char *name,
                            struct legacy_definition *out);
int legacy_definitions_add(struct legacy_engine *engine, struct legacy_module *module,
                           struct jd_error *err);
void legacy_definitions_remove(struct legacy_engine *engine, struct legacy_module *module);
/** One of its definitions has lost its name. */
void legacy_definitions_drop(struct legacy_engine *engine, struct legacy_module *module,
                             LLVMValueRef value);

/* symbols.c */

/** An LLVM value and its symbol. */
struct legacy_global {
    LLVMValueRef value;
    struct legacy_symbol *symbol;
    struct legacy_global *next; /* of the module */
};

/** The name without LLVM's \1 mark. Borrowed from the value. */
const char *legacy_value_name(LLVMValueRef value);
/** The symbol of an external name; made if need be; bound as far as possible without a creator.
 * NULL when out of memory. Locked. */
struct legacy_symbol *legacy_symbol_named(struct legacy_engine *engine, const char *name);
/** The symbol of a global of a module. NULL when out of memory. Locked. */
struct legacy_symbol *legacy_symbol_of(struct legacy_engine *engine, struct legacy_module *module,
                                       LLVMValueRef value);
/** The symbol of an external name if it exists already. Locked. */
struct legacy_symbol *legacy_symbol_existing(struct legacy_engine *engine, const char *name);
/** Look again for what defines a symbol that nothing defined. Locked. */
void legacy_symbol_bind(struct legacy_engine *engine, struct legacy_symbol *symbol);
/** Let a definition take over a symbol that is not compiled yet. Locked. */
void legacy_symbol_define(struct legacy_symbol *symbol, const struct legacy_definition *definition);
/** The symbol's definition goes away; others may take over at its next use. Locked. */
void legacy_symbol_undefine(struct legacy_symbol *symbol);
/** Ask the creator about an unresolved symbol, once. JD_OK also when it answered "not mine".
 * Locked, may unlock. */
int legacy_symbol_create(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         enum jd_symbol_kind kind, struct jd_error *err);
/** What an alias stands for: a definition of its own module, even where another module's has taken
 * the name. NULL when it is no global, or out of memory. Locked. */
struct legacy_symbol *legacy_symbol_of_alias(struct legacy_engine *engine,
                                             const struct legacy_symbol *alias,
                                             int64_t *out_offset_bytes);
/** JD_E_UNRESOLVED naming the symbol. */
int legacy_symbol_unresolved(const struct legacy_symbol *symbol, struct jd_error *err);
bool legacy_symbol_is_code(const struct legacy_symbol *symbol);
/** The module's symbols have no definition any more, its values no symbols. Locked. */
void legacy_symbols_forget(struct legacy_engine *engine, struct legacy_module *module);
void legacy_symbols_fini(struct legacy_engine *engine);

/* modules.c */

int legacy_module_add(struct legacy_engine *engine, const struct jd_ir *ir, jd_module_id *out_id,
                      struct jd_error *err);
/** NULL when it was removed, or never added. Locked. */
struct legacy_module *legacy_module_find(struct legacy_engine *engine, jd_module_id id);
/** Give back everything of a module. Locked, may unlock. */
int legacy_module_remove(struct legacy_engine *engine, jd_module_id id, struct jd_error *err);
/** Let the IR's definition of `name` take the place of the present one, compile it, and lead every
 * stub and call there. On failure everything is as before. Locked, may unlock. */
int legacy_module_replace(struct legacy_engine *engine, const char *name, const struct jd_ir *ir,
                          struct jd_error *err);
void legacy_modules_fini(struct legacy_engine *engine);
/** After everything that refers to what is in it. */
void legacy_context_fini(struct legacy_engine *engine);

/* compile.c */

/** A target machine and the code generator that stays with the engine. Also after a fatal error
 * inside LLVM, when the state of the ones before is unknown: they are left behind. */
int legacy_create_pipeline(struct legacy_engine *engine, struct jd_error *err);
/** Compile a function (and what the granularity adds). Locked, may unlock. */
int legacy_compile_function(struct legacy_engine *engine, struct legacy_symbol *symbol,
                            struct jd_error *err);
/** Give a data symbol its address. Locked, may unlock. */
int legacy_emit_data(struct legacy_engine *engine, struct legacy_symbol *symbol,
                     struct jd_error *err);
/** Generate code for a module's inline asm. Locked, may unlock. */
int legacy_emit_asm(struct legacy_engine *engine, struct legacy_module *module,
                    struct jd_error *err);
/** Destroy the partitions that wait for it. Locked. */
void legacy_spent_drop_all(struct legacy_engine *engine);
/** Compile everything that stubs lead to, until nothing is left. Locked, may unlock. */
int legacy_compile_closure(struct legacy_engine *engine, struct jd_error *err);

/* outline.c */

/** With granularity block: let regions of a materialised function leave it (see outline_shim.h).
 * NULL, or a message for LLVMDisposeMessage. Locked. */
char *legacy_outline_body(struct legacy_engine *engine, struct legacy_module *module,
                          LLVMValueRef function);
/** Give back the code and the bodies of a function's pieces. Locked, may unlock. */
int legacy_outline_free(struct legacy_engine *engine, struct legacy_module *module,
                        LLVMValueRef function, struct jd_error *err);

/* link.c */

/** Place an object in the arena, resolve, relocate, register unwind tables and set the addresses of
 * the symbols it defines. The bytes must stay put. Locked, may unlock. */
int legacy_link(struct legacy_engine *engine, struct legacy_module *module, const void *bytes,
                size_t size_bytes, struct jd_error *err);
/** Link an object that a helper made (front.c): what it defines besides its function is taken from
 * it only where the engine has none yet. RELOC_RANGE, STATE: it does not fit, nothing has changed.
 * The bytes must stay put. Locked, may unlock. */
int legacy_link_ahead(struct legacy_engine *engine, struct legacy_module *module, const void *bytes,
                      size_t size_bytes, struct jd_error *err);
/** Give back an object's code with its call sites and unwind tables; its data stays. Locked. */
void legacy_object_free_code(struct legacy_engine *engine, struct legacy_object *object);
/** Give back everything. The caller takes it off its module's list. Locked. */
void legacy_object_free(struct legacy_engine *engine, struct legacy_object *object);

/* objects.c */

/** Take in an object file or an archive; bytes and name are borrowed until the engine goes. Errors:
 * those of jd_object_open and jd_archive_open; DUPLICATE. Locked. */
int legacy_foreign_add(struct legacy_engine *engine, const void *bytes, size_t size_bytes,
                       const char *name, struct jd_error *err);
/** Let a symbol be an object's, if an object defines it more strongly than `module_strength` (0:
 * no module does). Locked. */
bool legacy_foreign_bind(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         unsigned module_strength);
/** The object with a strong definition of the name; NULL: none. Locked. */
const char *legacy_foreign_definer(const struct legacy_engine *engine, const char *name);
/** Does a member of an archive define the name, which was not taken yet? Locked. */
bool legacy_archives_have(const struct legacy_engine *engine, const char *name);
/** Take that member in. JD_OK also without one, and for weak references. Locked. */
int legacy_archives_take(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err);
/** Make an object's code callable and its data right. Locked, may unlock. */
int legacy_foreign_link(struct legacy_engine *engine, struct legacy_foreign *foreign,
                        struct jd_error *err);
/** The address by which everyone knows an object's symbol; the object is linked then. Locked, may
 * unlock. */
int legacy_foreign_address(struct legacy_engine *engine, struct legacy_symbol *symbol,
                           uintptr_t *out_addr, struct jd_error *err);
void legacy_foreigns_fini(struct legacy_engine *engine);

/* resolver.c */

/** The address by which everyone knows the symbol: a stub for functions of modules, the address
 * itself otherwise; 0 for a weak reference that nothing defines. Locked, may unlock. */
int legacy_symbol_address(struct legacy_engine *engine, struct legacy_symbol *symbol,
                          uintptr_t *out_addr, struct jd_error *err);
/** A first call (jd_stub_resolve_fn); `engine` is the legacy_engine. Not locked. */
uintptr_t legacy_resolve(void *engine, uint32_t stub_index);
/** The symbol behind a stub that was handed out. Any thread. */
struct legacy_symbol *legacy_stub_symbol(const struct legacy_engine *engine, uint32_t stub_index);
/** The symbol's stub. Locked. */
int legacy_symbol_stub(struct legacy_engine *engine, struct legacy_symbol *symbol,
                       uintptr_t *out_addr, struct jd_error *err);
/** Make the function callable and return its body's address. Locked, may unlock. */
int legacy_symbol_callable(struct legacy_engine *engine, struct legacy_symbol *symbol,
                           uintptr_t *out_addr, struct jd_error *err);
/** Give a function's code back; a later call compiles it again. Locked. */
int legacy_symbol_free(struct legacy_engine *engine, struct legacy_symbol *symbol,
                       struct jd_error *err);
/** Give back the symbol's stub, GOT entry and thunk. Locked. */
void legacy_symbol_free_stub(struct legacy_engine *engine, struct legacy_symbol *symbol);

/* waits.c. After a wait modules and symbols may be gone: symbols then say is_dropped. */

/** False when that thread waits for this one, perhaps through others. Locked. */
bool legacy_may_wait_for(const struct legacy_engine *engine, pthread_t owner);
/** Wait for a change of what that thread has in hand. Locked, unlocks. */
void legacy_wait_for(struct legacy_engine *engine, pthread_t owner);
/** Wait until nobody is busy with a symbol; JD_E_STATE when that would be waiting for oneself.
 * Locked, unlocks. */
int legacy_symbol_wait(struct legacy_engine *engine, struct legacy_symbol *symbol,
                       struct jd_error *err);
/** The same for a datum; when it would be waiting for oneself and the address is known, that is
 * enough for now. Locked, unlocks. */
int legacy_data_wait(struct legacy_engine *engine, struct legacy_symbol *symbol,
                     struct jd_error *err);
/** Wait for what was enough for then. Locked, unlocks. */
void legacy_debts_pay(struct legacy_engine *engine);
/** In the child. Locked. */
void legacy_waits_after_fork(struct legacy_engine *engine);
void legacy_waits_fini(struct legacy_engine *engine);

/* sites.c */

/** Lead every branch that is known to go to the function to its body. Locked. */
void legacy_symbol_bind_sites(struct legacy_engine *engine, struct legacy_symbol *symbol);
/** Lead every such branch back to the stub; the next body takes them again. Locked. */
int legacy_symbol_unbind(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err);
/** The same, and forget them: they go through the stub from now on. Locked. */
int legacy_symbol_detach(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err);
/** Is any branch to the function in code of another module? Locked. */
bool legacy_symbol_is_called_outside(const struct legacy_symbol *symbol,
                                     const struct legacy_module *module);
/** Forget the sites in an object's code, which goes. Locked. */
void legacy_sites_free(struct legacy_object *object);

/* entry.c */

/** Run `work` with the lock held, on a stack of the engine's own. Errors: those of `work`; STATE in
 * a signal handler that interrupted the engine; UNSUPPORTED when this thread left foreign code by
 * longjmp since its last entry. Not locked. */
int legacy_enter(struct legacy_engine *engine, int (*work)(void *argument, struct jd_error *err),
                 void *argument, struct jd_error *err);
/** Run `work` on this stack, or on a fresh one where this has little left: for recursion as deep as
 * the program has its data linked across modules. Locked, within legacy_enter; `work` may unlock.
 */
int legacy_go_deeper(struct legacy_engine *engine,
                     int (*work)(void *argument, struct jd_error *err), void *argument,
                     struct jd_error *err);
/** Run foreign code without the lock. UNSUPPORTED when it left by longjmp. Locked, unlocks. */
int legacy_call_out(struct legacy_engine *engine, void (*function)(void *argument), void *argument,
                    struct jd_error *err);

/* fork.c */

/** From here on, until engine->fork is delisted, a fork leaves the child an engine that works. */
void legacy_fork_enlist(struct legacy_engine *engine);

/* sections.c */

/** How the section of a datum that has its place already begins; the address follows, in hex. */
#define LEGACY_PLACED_SECTION "jd.at."
/** Give an idle datum of a section with bounds its place, and all others of it theirs. Locked. */
int legacy_section_place(struct legacy_engine *engine, struct legacy_symbol *symbol,
                         struct jd_error *err);
/** Tell the linker, through the section of the datum's copy in a partition. */
void legacy_section_mark(struct legacy_symbol *symbol, LLVMModuleRef partition);
/** False when the symbol is no bound of a section that some module has. Locked. */
bool legacy_section_bind(struct legacy_engine *engine, struct legacy_symbol *symbol);
/** Give a bound its address, and emit what lies between the two. Locked, may unlock. */
int legacy_section_emit(struct legacy_engine *engine, struct legacy_symbol *bound,
                        struct jd_error *err);
/** The module goes away. Locked. */
void legacy_sections_forget(struct legacy_engine *engine, struct legacy_module *module);
void legacy_sections_fini(struct legacy_engine *engine);

/* structors.c */

/** Not locked; the functions run on the caller's stack. */
int legacy_run_structors(struct legacy_engine *engine, bool is_constructor, struct jd_error *err);

#endif
