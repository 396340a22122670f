/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this engine share. Private to engines/mcjit.
 *
 * Life of a module: added (read, its definitions entered into the symbol table) -> pending ->
 * selected by a prepare -> every name that it declares resolved -> linkage applied to its IR ->
 * handed to MCJIT -> compiled. Or dropped, when LLVM cannot compile it. One lock guards all of it;
 * it is released while a creator or a constructor runs.
 */
#ifndef JITDUEL_MCJIT_MCJIT_H
#define JITDUEL_MCJIT_MCJIT_H

#include <pthread.h>

#include "archive.h"
#include "arena.h"
#include "exit_list.h"
#include "fork_list.h"
#include "generation.h"
#include "host_tls.h"
#include "jitduel/engine.h"
#include "object.h"
#include "object_cache.h"
#include "phase.h"
#include "stack_pool.h"
#include "stubs.h"
#include "symbol_table.h"

/** A name that a module declares and uses. */
struct mcjit_reference {
    struct mcjit_symbol *symbol;
    enum jd_symbol_kind kind;
    bool is_weak, is_tls;
};

/** A name that a module defines and others can see. */
struct mcjit_definition {
    struct mcjit_symbol *symbol;
    struct mcjit_symbol *alias_of; /**< it is another name for this function; or NULL */
    enum mcjit_rank rank;
    uint64_t common_bytes;
    uint32_t align_bytes;
    uintptr_t object_addr; /* of a module that is an object */
    bool is_function, is_tls, is_in_asm;
};

/** A static constructor or destructor. */
struct mcjit_structor {
    unsigned priority;
    bool is_destructor, has_run;
    char *local_name;            /**< of an internal function, already unique; owned; or NULL */
    struct mcjit_symbol *symbol; /**< of any other function */
    struct mcjit_symbol
        *associated; /**< runs only if this module's definition of it won; or NULL */
    uintptr_t addr;  /**< set when the module is compiled */
};

enum mcjit_module_state { MCJIT_PENDING, MCJIT_COMPILED, MCJIT_DROPPED };

struct mcjit_module {
    uint32_t number; /**< from 1, in the order of adding; also its jd_module_id */
    enum mcjit_module_state state;
    struct jd_ir ir;          /**< borrowed from the caller */
    LLVMModuleRef llvm;       /**< while pending; NULL: to be read (again) from `ir` */
    struct jd_object *object; /**< instead of IR; owned */
    bool is_cached;           /**< its object was found in the cache: nothing was compiled */
    bool is_member;           /**< taken from an archive when something needed it */
    bool is_helper;           /**< of jd_process_symbol_ir; not counted */
    uint64_t function_count;
    struct mcjit_reference *references;
    size_t reference_count;
    size_t scanned_reference_count; /**< those that passes did not bring in */
    struct mcjit_definition *definitions;
    size_t definition_count;
    struct mcjit_structor *structors;
    size_t structor_count;
    char **sections; /**< with bounds, that its data lies in; owned, as the list */
    size_t section_count;
    char **asm_names; /**< internal names that file-level assembly uses or defines; owned */
    size_t asm_name_count;
    uint64_t selected_by; /**< the prepare that last selected it */
};

struct mcjit_engine {
    struct jd_engine base;
    struct mcjit_settings settings;
    struct jd_engine_options start;   /* what constructors are called with; nothing else of it */
    char *cpu, *features, *ir_passes; /* owned copies; NULL: none */
    enum jd_granularity granularity;
    bool is_process_search_disabled, wants_verify;
    bool wants_linked_modules, wants_operators;
    bool is_lazy; /* modules are compiled at the first call into them */
    jd_error_handler_fn on_error;
    void *on_error_context;
    pthread_mutex_t lock;
    pthread_cond_t creator_answered;
    struct jd_fork_member fork;
    struct jd_arena *arena;
    struct mcjit_phases phases;
    struct mcjit_symbol_table symbols;
    struct jd_arena *object_arena; /* of objects; NULL as long as there are none */
    size_t arena_limit_bytes;
    uintptr_t near_handle_addr; /* what objects know as __dso_handle */
    struct jd_archive **archives;
    size_t archive_count;
    struct mcjit_module **modules; /* modules[number - 1] */
    size_t module_count;
    size_t pending_from;                /* modules below this index are not pending */
    struct mcjit_symbol **told_symbols; /* every generation is told where these are */
    size_t told_symbol_count;
    struct jd_host_tls_control **tls_controls; /* of the process's variables; owned */
    size_t tls_control_count;
    struct mcjit_generation *generation; /* newest; may be retired */
    bool is_retired;
    LLVMTargetMachineRef machine; /* for passes and for the object cache; NULL: neither is wanted */
    struct mcjit_cache *cache;    /* NULL: none */
    struct jd_stubs stubs;
    struct mcjit_symbol **stub_symbols; /* by stub index */
    struct jd_stack_pool stacks;
    jd_creator_fn creator;
    void *creator_context;
    uint32_t creator_epoch;
    struct mcjit_symbol *asked; /* a creator is being asked for these right now */
    struct mcjit_selection *selections;
    struct mcjit_section *sections; /* laid out */
    uint64_t unlock_count;          /* times that the lock was given up inside an operation */
    uint64_t prepare_count;
    bool has_run_constructors;
    struct jd_exit_list exits; /* its address is __dso_handle */
    uint64_t modules_added, modules_compiled, functions_defined, functions_compiled;
    uint64_t bodies_materialised, creator_calls, relocations;
};

extern const struct jd_engine_ops jd_mcjit_ops, jd_mcjit_linked_ops, jd_mcjit_module_ops;

/** The modules that one prepare hands over together. The engine has the list of them, because a
 * creator may leave a prepare by longjmp. */
struct mcjit_selection {
    struct mcjit_selection *next;
    struct mcjit_module **modules;
    size_t count;
    bool wants_whole; /**< link what can be linked into one module */
    uint64_t id;      /**< differs from that of every earlier one */
};

/** Room for one more item behind `count` in an array that only grows this way (its capacity is the
 * next power of two): the array, moved or not; NULL: no memory, the old array stays. */
void *mcjit_grow(void *array, size_t count, size_t item_bytes);

/* --- entry.c ---------------------------------------------------------------------------------- */

/** The engine's lock, for operations and around foreign code. */
void mcjit_lock(struct mcjit_engine *engine);
void mcjit_unlock(struct mcjit_engine *engine);
/** Does this thread hold the lock of an engine? Then it is a signal handler that asks. */
bool mcjit_is_inside(void);
/** Run `work` with the lock held, on a stack of the engine's own. Errors: those of `work`; STATE in
 * a signal handler that interrupted the engine. Not locked. */
int mcjit_enter(struct mcjit_engine *engine, int (*work)(void *argument, struct jd_error *err),
                void *argument, struct jd_error *err);
/** Forget this thread's first calls that code which is now at `frame_addr` has left by longjmp;
 * returns the id of the one that it is within, 0 for none. */
uint64_t mcjit_entry_settle(uintptr_t frame_addr);
/** Is a first call of this thread still under way? 0 always is. */
bool mcjit_entry_is_under_way(uint64_t id);

/* --- fork.c ----------------------------------------------------------------------------------- */

/** From here on, until engine->fork is delisted, a fork leaves the child an engine that works. */
void mcjit_fork_enlist(struct mcjit_engine *engine);

/* --- first_call.c: functions of modules that are not compiled yet ------------------------------
 */

/** The function that the symbol is an alias of, or itself. */
struct mcjit_symbol *mcjit_entry_symbol(struct mcjit_symbol *symbol);
/** Is the symbol's address that of a stub? */
bool mcjit_has_stub(struct mcjit_symbol *symbol);
/** Can a reference to the symbol go to a stub while its module stays pending? */
bool mcjit_can_wait(const struct mcjit_engine *engine, const struct mcjit_symbol *symbol);
/** Make the symbol's address that of its stub. Errors: ARENA_FULL, NO_MEMORY, EXEC_DENIED. */
int mcjit_stub_require(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                       struct jd_error *err);
/** Give every function that selected modules refer to, and that stays pending, a stub. Errors: as
 * mcjit_stub_require. */
int mcjit_stubs_prepare(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                        struct jd_error *err);
/** The same for a module's references from number `from` on. */
int mcjit_stubs_for_references(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                               const struct mcjit_module *module, size_t from,
                               struct jd_error *err);
/** Lead the symbol's stub, if it has one, to its body. */
void mcjit_stub_publish(struct mcjit_engine *engine, const struct mcjit_symbol *symbol);
/** A first call (jd_stub_resolve_fn); `engine` is the mcjit_engine. Not locked. */
uintptr_t mcjit_first_call(void *engine, uint32_t stub_index);

/* --- module.c: modules as the engine keeps them ------------------------------------------------
 */

/** Read, verify, scan and enter a module. On failure the engine is as before. */
int mcjit_module_add(struct mcjit_engine *engine, const struct jd_ir *ir, bool is_helper,
                     struct mcjit_module **out, struct jd_error *err);
/** Let the definitions of a module that has been scanned compete, and keep the module. Errors:
 * DUPLICATE, UNSUPPORTED, NO_MEMORY. */
int mcjit_module_admit(struct mcjit_engine *engine, struct mcjit_module *module,
                       struct jd_error *err);
/** Make sure that `module->llvm` is there. */
int mcjit_module_load(struct mcjit_engine *engine, struct mcjit_module *module,
                      struct jd_error *err);
/** Dispose of `module->llvm`, if it is there and can be. */
void mcjit_module_unload(struct mcjit_engine *engine, struct mcjit_module *module);
/** The module cannot be compiled: forget its definitions and let others win. */
void mcjit_module_drop(struct mcjit_engine *engine, struct mcjit_module *module);
void mcjit_module_free(struct mcjit_module *module);
/** The module whose definition of the symbol wins; NULL: none. */
struct mcjit_module *mcjit_definer(const struct mcjit_engine *engine,
                                   const struct mcjit_symbol *symbol);
/** The generation to compile in; a new one if the newest is retired. */
int mcjit_generation_get(struct mcjit_engine *engine, struct mcjit_generation **out,
                         struct jd_error *err);
/** MCJIT has failed: give back what is not finished. Pending modules are read again. */
void mcjit_generation_retire(struct mcjit_engine *engine);

/* --- scan.c: IR -> references, definitions, structors ------------------------------------------
 */

/** Fill the module's lists from `module->llvm`. Errors: COMPILE (file-level assembly), NO_MEMORY,
 * UNSUPPORTED. */
int mcjit_scan(struct mcjit_engine *engine, struct mcjit_module *module, struct jd_error *err);
/** Only the references, anew: passes may have brought in calls of library functions. */
int mcjit_scan_references(struct mcjit_engine *engine, struct mcjit_module *module,
                          struct jd_error *err);
/** The symbol of a global value; NULL when it cannot have one. Interns it. */
int mcjit_scan_symbol(struct mcjit_engine *engine, LLVMValueRef global, struct mcjit_symbol **out,
                      struct jd_error *err);
/** The name that an internal value gets, unique within the engine; the one that it has if
 * file-level assembly uses that. Owned by the caller; NULL: no memory. */
char *mcjit_local_name(const struct mcjit_module *module, LLVMValueRef global);
/** The name of the body of a function with a stub. Owned by the caller; NULL: no memory. */
char *mcjit_body_name(const struct mcjit_symbol *symbol);
/** Is this a variable's definition that counts for the bounds of its section? */
bool mcjit_scan_has_bounds(LLVMValueRef variable);
/** True when file-level assembly defines this name internally, or uses an internal value of it. */
bool mcjit_is_asm_name(const struct mcjit_module *module, const char *name, size_t name_bytes);

/* --- linkage.c: decisions of the symbol table -> IR ------------------------------------------- */

/** Make the module's IR say what the symbol table decided. After a failure the IR is unusable.
 * Errors: UNSUPPORTED, NO_MEMORY. */
int mcjit_linkage_apply(struct mcjit_engine *engine, struct mcjit_module *module,
                        struct jd_error *err);

/* --- objects.c -------------------------------------------------------------------------------- */

/** Make a module, which has its name, one that is this object, and scan it. Errors: jd_object_open.
 */
int mcjit_object_open(struct mcjit_engine *engine, struct mcjit_module *module, const void *bytes,
                      size_t size_bytes, struct jd_error *err);
/** Undo mcjit_object_open, whether it failed or not. */
void mcjit_object_abandon(struct mcjit_module *module);
/** Add an object of whatever origin. Errors: as mcjit_object_open, DUPLICATE. */
int mcjit_object_add(struct mcjit_engine *engine, const void *bytes, size_t size_bytes,
                     const char *name, bool is_member, struct jd_error *err);
/** Bytes and name are borrowed until the engine is destroyed. Errors: jd_archive_open. */
int mcjit_archive_add(struct mcjit_engine *engine, const void *bytes, size_t size_bytes,
                      const char *name, struct jd_error *err);
/** Add the archive's member that defines a symbol which nothing defines so far, if there is one. */
int mcjit_archives_search(struct mcjit_engine *engine, const struct mcjit_symbol *symbol,
                          bool is_tls, struct jd_error *err);
/** The symbols that the object's definitions have won are where it has them. */
void mcjit_object_place(const struct mcjit_module *module);
/** Relocate; every name must have its address by now. May be done again. */
int mcjit_object_link(struct mcjit_engine *engine, struct mcjit_module *module,
                      struct jd_error *err);
/** Its code may run from here on. */
int mcjit_object_publish(struct mcjit_engine *engine, struct mcjit_module *module,
                         struct jd_error *err);
void mcjit_objects_fini(struct mcjit_engine *engine);

/* --- cached.c --------------------------------------------------------------------------------- */

/** Make a module an object, from the cache or by compiling it, which fills the cache. JD_OK with no
 * object: it has to take the usual way. Errors: those of reading and COMPILE. */
int mcjit_cached_open(struct mcjit_engine *engine, struct mcjit_module *module,
                      struct jd_error *err);

/* --- resolve.c -------------------------------------------------------------------------------- */

/** Find out where a symbol is, in the order that engine.h states; a pending module that defines it
 * counts. May release the lock while a creator runs. `where` is who wants it, for messages.
 * *out_is_found false: nobody has it, which is no error here. */
int mcjit_resolve(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                  enum jd_symbol_kind kind, const char *where, bool *out_is_found,
                  struct jd_error *err);
/** To be called first by whatever may resolve names, with its own stack frame: finds out that a
 * creator which this thread asked from a deeper frame never returned. Errors: UNSUPPORTED, once;
 * the creator may be asked again after. */
int mcjit_check_creators(struct mcjit_engine *engine, uintptr_t frame_addr, struct jd_error *err);
/** Resolve every name that the selected modules declare, selecting the modules that define them.
 * On success the lock was held since the last name was looked at. Errors: UNRESOLVED, UNSUPPORTED,
 * STATE (from within a creator, for what it is being asked), those of the creator. */
int mcjit_select_closure(struct mcjit_engine *engine, struct mcjit_selection *selection,
                         struct jd_error *err);
/** A name was missing that no IR declares, since only code generation calls it. If a module or an
 * archive has it, select that; from here on every generation is told where it is.
 * *out_is_progress: it is worth another try. Errors: jd_object_open, DUPLICATE, NO_MEMORY. */
int mcjit_provide(struct mcjit_engine *engine, struct mcjit_selection *selection, const char *name,
                  bool *out_is_progress, struct jd_error *err);
/** Put the symbol, which is not there yet, on the list of those that every generation is told.
 * Errors: NO_MEMORY. */
int mcjit_tell_always(struct mcjit_engine *engine, struct mcjit_symbol *symbol,
                      struct jd_error *err);
/** Select a pending module, once. */
int mcjit_select(struct mcjit_selection *selection, struct mcjit_module *module,
                 struct jd_error *err);

/* --- link_modules.c --------------------------------------------------------------------------- */

/** Can the module become part of another one? */
bool mcjit_can_join(const struct mcjit_module *module);
/** Link the IR of all selected modules that can join into the first of them, which *out_whole is;
 * the others have none after. Errors: COMPILE. */
int mcjit_link_modules(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                       struct mcjit_module **out_whole, struct jd_error *err);

/* --- prepare.c -------------------------------------------------------------------------------- */

/** Frees the selections that were left behind. */
void mcjit_selections_fini(struct mcjit_engine *engine);

/** Run the engine's pass pipeline on the module's IR. Errors: USAGE (no such passes). */
int mcjit_run_passes(struct mcjit_engine *engine, struct mcjit_module *module,
                     struct jd_error *err);
/** Compile all pending modules. */
int mcjit_prepare_all(struct mcjit_engine *engine, struct jd_error *err);
/** Compile `root` and the pending modules that it reaches. */
int mcjit_prepare_root(struct mcjit_engine *engine, struct mcjit_module *root,
                       struct jd_error *err);
/** Compile the pending modules that have static constructors, and what they reach. */
int mcjit_prepare_structors(struct mcjit_engine *engine, struct jd_error *err);

/* --- sections.c ------------------------------------------------------------------------------- */

/** Is the symbol a bound of a section? Then its address is set, or the pending modules with that
 * section are selected and it will be when they are laid out. */
int mcjit_section_resolve(struct mcjit_engine *engine, struct mcjit_selection *selection,
                          struct mcjit_symbol *symbol, bool *out_is_found, struct jd_error *err);
/** Reserve memory for the sections of the selected modules, in their order, and give the bounds
 * their addresses. Ends with mcjit_sections_end. */
int mcjit_sections_lay_out(struct mcjit_engine *engine, struct mcjit_memory *memory,
                           const struct mcjit_selection *selection, struct jd_error *err);
/** Keep them, or forget them. */
void mcjit_sections_end(struct mcjit_engine *engine, bool is_linked);
void mcjit_sections_fini(struct mcjit_engine *engine);

/* --- structors.c ------------------------------------------------------------------------------ */

/** Run what has not run yet. The lock must be held; it is released around each call. */
int mcjit_run_constructors(struct mcjit_engine *engine, struct jd_error *err);
/** Only those of archives' members, and only if the others have run: nobody will ask for them. */
int mcjit_run_members_constructors(struct mcjit_engine *engine, struct jd_error *err);
int mcjit_run_destructors(struct mcjit_engine *engine, struct jd_error *err);

#endif
