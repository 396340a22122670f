/* SPDX-License-Identifier: Apache-2.0
 *
 * The front that all peers share: options, modules, names, constructors, counters. Private to
 * engines/peers.
 *
 * A peer is a back end that LLVM or the system provides (ORC, the linker, the interpreter) behind
 * one vtable. The front reads IR, keeps one table of names, resolves what no module defines in the
 * order that jitduel/engine.h states, and hands clean modules over; merging weak and strong
 * definitions is the back end's own business, because that is what is being compared.
 *
 * Life of a module: added (read, scanned) -> pending -> handed over at the first prepare, look-up
 * or constructor run -> compiled, or dropped when that failed.
 *
 * Locks: `work` (recursive) is held by one thread that hands over and compiles; `lock` guards the
 * tables and is held for moments only, never while LLVM or foreign code runs. Lazy back ends call
 * peer_locate from any thread with neither held.
 */
#ifndef JITDUEL_PEERS_PEER_H
#define JITDUEL_PEERS_PEER_H

#include <llvm-c/Orc.h>
#include <pthread.h>

#include "exit_list.h"
#include "host_tls.h"
#include "jitduel/engine.h"
#include "target.h"

struct peer;

enum peer_rank { PEER_UNDEFINED, PEER_WEAK, PEER_COMMON, PEER_STRONG };

/** One name of an engine, as object files have it. Stays where it is until the engine is gone. */
struct peer_symbol {
    struct peer_symbol *next;
    uint64_t hash;
    uintptr_t addr; /**< known address; of a thread-local variable its control object */
    struct peer_module *definer; /**< first module that defines it, or the first strong one */
    enum peer_rank rank;
    enum jd_symbol_kind kind;
    uint32_t refused_epoch; /**< the creator that said "not mine"; 0: none did */
    bool is_user_defined;   /**< define_symbol, or predefined */
    bool is_tls, is_declared, is_told, is_asking;
    pthread_t asker; /**< valid while is_asking */
    char name[];
};

struct peer_reference {
    struct peer_symbol *symbol;
    bool is_weak, is_tls;
};

enum peer_module_state { PEER_PENDING, PEER_TAKEN, PEER_DROPPED };

struct peer_module {
    unsigned number; /**< from 1; also its jd_module_id */
    enum peer_module_state state;
    char *name;
    LLVMModuleRef llvm; /**< while pending */
    bool is_helper;     /**< of jd_process_symbol_ir; not counted */
    bool is_read_lazily;
    uint64_t function_count;
    struct peer_reference *references;
    size_t reference_count;
    struct peer_symbol **definitions;
    enum peer_rank *ranks; /**< of the definitions */
    size_t definition_count;
};

/** A static constructor or destructor; its function has a name that can be looked up. */
struct peer_structor {
    unsigned priority;
    bool is_destructor, has_run;
    struct peer_module *module;
    struct peer_symbol *symbol;
    struct peer_symbol *associated; /**< runs only if `module` is its definer; or NULL */
};

/** What a back end does. Each call is made with `work` held, except where said otherwise. */
struct peer_backend {
    const struct jd_engine_ops *ops;
    size_t size_bytes; /**< of its struct, which begins with a struct peer */
    bool is_lazy;      /**< names are resolved when code that needs them is linked */
    bool reads_lazily; /**< reads bodies itself, and counts them; whole where IR is verified */
    int (*open)(struct peer *peer, struct jd_error *err);
    void (*close)(struct peer *peer);
    /** Where a name is that no module defines. Only asked for where names are resolved ahead. */
    int (*define)(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err);
    /** Takes module->llvm over, whatever the result. */
    int (*take)(struct peer *peer, struct peer_module *module, struct jd_error *err);
    /** All that were taken since the last time become code; fills the addr of what they define.
     * NULL: `find` does the work. On failure the back end has dropped those that cannot. */
    int (*finish)(struct peer *peer, struct jd_error *err);
    /** Address of a definition; of a thread-local variable, of its control object. Without
     * `work`. */
    int (*find)(struct peer *peer, struct peer_symbol *symbol, uintptr_t *out_addr,
                struct jd_error *err);
};

enum { PEER_BUCKETS = 4096 };

struct peer {
    struct jd_engine base;
    const struct peer_backend *backend;
    struct jd_engine_options options; /**< its texts are owned copies */
    LLVMTargetMachineRef machine;
    LLVMOrcThreadSafeContextRef shared_context;
    LLVMContextRef context;
    struct jd_diagnostics diagnostics; /**< of `context` */
    pthread_mutex_t work, lock;
    pthread_cond_t creator_answered;
    struct peer_symbol *buckets[PEER_BUCKETS];
    struct peer_module **modules;
    size_t module_count, pending_from;
    struct peer_structor *structors;
    size_t structor_count;
    struct jd_host_tls_control **tls_controls; /**< of the process's variables; owned */
    size_t tls_control_count;
    struct jd_exit_list exits; /**< its address is __dso_handle */
    jd_creator_fn creator;
    void *creator_context;
    uint32_t creator_epoch;
    bool is_flushing;  /**< `work`'s holder is handing over: what is nested may not */
    bool is_undefined; /**< an LLVM fatal error has left LLVM's objects unusable */
    struct jd_counters counters;
};

/* --- peer.c: the operations --------------------------------------------------------------------
 */

int peer_create(const struct peer_backend *backend, const struct jd_engine_options *options,
                struct jd_engine **out, struct jd_error *err);
void peer_destroy(struct jd_engine *base);
int peer_add_module(struct jd_engine *base, const struct jd_ir *ir, jd_module_id *out_id,
                    struct jd_error *err);
int peer_remove_module(struct jd_engine *base, jd_module_id id, struct jd_error *err);
int peer_define_symbol(struct jd_engine *base, const char *name, enum jd_symbol_kind kind,
                       uintptr_t addr, struct jd_error *err);
int peer_set_creator(struct jd_engine *base, jd_creator_fn creator, void *context,
                     struct jd_error *err);
int peer_prepare(struct jd_engine *base, struct jd_error *err);
int peer_lookup(struct jd_engine *base, const char *name, uintptr_t *out_addr,
                struct jd_error *err);
int peer_run_constructors(struct jd_engine *base, struct jd_error *err);
int peer_run_destructors(struct jd_engine *base, struct jd_error *err);
int peer_recompile(struct jd_engine *base, const char *name, const struct jd_ir *ir,
                   struct jd_error *err);
int peer_free_function(struct jd_engine *base, const char *name, struct jd_error *err);
int peer_set_lazy(struct jd_engine *base, bool is_lazy, struct jd_error *err);
int peer_add_object(struct jd_engine *base, const void *bytes, size_t size_bytes, const char *name,
                    struct jd_error *err);
int peer_counters(struct jd_engine *base, struct jd_counters *out, struct jd_error *err);

/** The table of operations but for name, summary, caps and create. */
#define PEER_OPS                                                                                   \
    .struct_size = sizeof(struct jd_engine_ops), .abi = JD_ENGINE_ABI, .destroy = peer_destroy,    \
    .add_module = peer_add_module, .remove_module = peer_remove_module,                            \
    .define_symbol = peer_define_symbol, .set_creator = peer_set_creator, .prepare = peer_prepare, \
    .lookup = peer_lookup, .run_constructors = peer_run_constructors,                              \
    .run_destructors = peer_run_destructors, .recompile = peer_recompile,                          \
    .free_function = peer_free_function, .set_lazy = peer_set_lazy, .counters = peer_counters,     \
    .add_object = peer_add_object

/* --- names.c: names and where they are ----------------------------------------------------------
 */

/** The symbol of that name, made if need be; NULL: no memory. `lock` must be held. */
struct peer_symbol *peer_intern(struct peer *peer, const char *name, size_t name_bytes);
void peer_names_fini(struct peer *peer);
/** Finds out where a name is that no module defines: known address, process, creator. A module
 * that appears meanwhile counts as found. Without `lock`; `kind` is for the creator.
 * *out_is_found false: nobody has it, which is no error here. */
int peer_locate(struct peer *peer, struct peer_symbol *symbol, bool is_tls, bool *out_is_found,
                struct jd_error *err);
/** Whether this thread asked a creator from a frame below this one, which did not return (longjmp).
 * Says so once. */
bool peer_has_left_creator(uintptr_t frame_addr);
/** Locates all that the pending modules declare, and what that brings in. Errors: UNRESOLVED. */
int peer_resolve_pending(struct peer *peer, struct jd_error *err);

/* --- modules.c: IR in, lists out ----------------------------------------------------------------
 */

int peer_module_add(struct peer *peer, const struct jd_ir *ir, bool is_helper,
                    struct peer_module **out, struct jd_error *err);
void peer_module_free(struct peer *peer, struct peer_module *module);
/** It cannot be compiled: as if it had not been added. */
void peer_module_drop(struct peer *peer, struct peer_module *module);
/** Hands over everything that is pending. Takes `work`. */
int peer_flush(struct peer *peer, struct jd_error *err);
/** Bodies that code will be generated for. */
uint64_t peer_count_bodies(LLVMModuleRef module);
/** Does the constant hold addresses of blocks? */
bool peer_has_label(LLVMValueRef constant);
/** Runs the options' passes, if any, on a module. */
int peer_run_passes(struct peer *peer, LLVMModuleRef module, struct jd_error *err);
/** Adds what an object's sections hold to the counters. Takes `lock`. */
void peer_count_object(struct peer *peer, const void *bytes, size_t size_bytes);

/* --- phases: a stack per thread, so that back ends can nest as they like ------------------------
 */

void peer_phase_push(struct peer *peer, enum jd_phase phase);
void peer_phase_pop(struct peer *peer);
/** How deep this thread is; unwinding to it closes what an error left open. */
unsigned peer_phase_depth(void);
void peer_phase_unwind(struct peer *peer, unsigned depth);

/** Room for one more item behind `count` in an array that only grows so; NULL: no memory. */
void *peer_grow(void *array, size_t count, size_t item_bytes);

#endif
