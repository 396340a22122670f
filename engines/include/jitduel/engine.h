/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine contract: one table of operations per engine, append-only.
 *
 * The harness finds an engine in the registry, branches on its capability bits and never on its
 * name. Engines own no clock and print nothing; they report phases through the probe and failures
 * through `struct jd_error`. Unless said otherwise a method may be called from any thread, and an
 * output is zeroed on failure.
 *
 * Order in which a name is resolved, the same in every engine: defined symbol (define_symbol),
 * definition in an added module, process and loaded libraries (unless switched off), creator.
 */
#ifndef JITDUEL_ENGINE_H
#define JITDUEL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"
#include "jitduel/ir.h"
#include "jitduel/probe.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { JD_ENGINE_ABI = 1 };

/** What an engine can do. A method without its bit refuses with JD_E_UNSUPPORTED. */
enum jd_cap {
    JD_CAP_LAZY = 1u << 0,            /**< functions are compiled at their first call */
    JD_CAP_REMOVE_MODULE = 1u << 1,   /**< remove_module gives code memory back */
    JD_CAP_RECOMPILE = 1u << 2,       /**< recompile */
    JD_CAP_FREE_FUNCTION = 1u << 3,   /**< free_function */
    JD_CAP_SET_LAZY = 1u << 4,        /**< laziness can be switched while code runs */
    JD_CAP_REDEFINE_SYMBOL = 1u << 5, /**< define_symbol again after its first use */
    JD_CAP_LAZY_DATA = 1u << 6,       /**< data is emitted when first referenced */
    JD_CAP_GRAN_MODULE = 1u << 7,     /**< granularity module */
    JD_CAP_GRAN_BLOCK = 1u << 8,      /**< granularity block */
    JD_CAP_ADD_OBJECT = 1u << 9,      /**< add_object */
    /** Stands beside the engines that are compared, for scale: runs where it is asked for by name.
     * It has no arena, so no limit of one, and is not shown to profilers and debuggers. */
    JD_CAP_PEER = 1u << 10
};

enum jd_granularity {
    JD_GRAN_DEFAULT = 0, /**< legacy: function; mcjit: engine */
    JD_GRAN_FUNCTION,
    JD_GRAN_MODULE,
    JD_GRAN_BLOCK,
    JD_GRAN_ENGINE
};

enum jd_symbol_kind { JD_SYMBOL_FUNCTION = 1, JD_SYMBOL_VARIABLE = 2 };

struct jd_engine;

/** Identifies an added module within its engine; 0 is no module. */
typedef uint64_t jd_module_id;

/** What a creator answers. All zero means "not mine". */
struct jd_creation {
    uintptr_t addr; /**< not 0: the symbol is here */
    /** addr is 0 and ir.bytes not NULL: the engine adds this module, which must define the name.
     * The bytes stay borrowed until the engine is destroyed or the module removed. */
    struct jd_ir ir;
};

/** The lazy creator: asked once per name for what nothing defines. Called without engine locks, on
 * a thread that waits for the answer, possibly in the middle of a first call; it may call back into
 * the engine. It must return (no longjmp out of it). Returns 0 and fills `out` (zeroed by the
 * engine), or a JD_E_ code with `err` filled. */
typedef int (*jd_creator_fn)(void *context, struct jd_engine *engine, const char *name,
                             enum jd_symbol_kind kind, struct jd_creation *out,
                             struct jd_error *err);

/** Called where an error has no caller to return to: a first call whose callee cannot be compiled
 * or resolved. Runs on the calling thread without engine locks. It returns the address that is to
 * be called instead, or 0 to abort the process; it may leave with longjmp. */
typedef uintptr_t (*jd_error_handler_fn)(void *context, const char *name,
                                         const struct jd_error *err);

/** Options of create. Zero everywhere means default; append-only. */
struct jd_engine_options {
    size_t struct_size;
    unsigned opt_level; /**< code generation level, 0 to 3 */
    enum jd_granularity granularity;
    bool is_lazy_disabled;           /**< compile the whole closure of what is looked up */
    bool is_process_search_disabled; /**< do not look for symbols in the process */
    bool wants_verify;               /**< run LLVM's verifier on bitcode too, as on text */
    size_t arena_limit_bytes;        /**< code memory reserved; 0: the engine's default */
    const char *cpu;       /**< CPU string, "native" for this machine's; NULL: LLVM's generic */
    const char *features;  /**< feature string; NULL: none */
    const char *ir_passes; /**< pass pipeline (new pass manager syntax); NULL: none */
    unsigned speculate_threads; /**< helper threads that compile ahead; 0: none */
    bool wants_perf_map;
    bool wants_gdb;
    const struct jd_probe *probe; /**< borrowed until destroy; NULL: none */
    jd_error_handler_fn on_error; /**< NULL: abort() */
    void *on_error_context;
    /** What static constructors are called with, as the C library calls them: argc, argv, and the
     * environment of that moment. Borrowed until destroy; NULL: no arguments. */
    int start_argc;
    char **start_argv;
    /** Folder of compiled objects to take modules from and to keep them in; NULL: none. Modules are
     * compiled when they are added then. */
    const char *object_cache;
    bool wants_linked_modules; /**< link modules as IR and compile them as one */
    /** The modules are the process's program: from run_constructors until destroy, definitions of
     * C++'s operators new and delete in them serve the process's shared libraries as well. One
     * engine at a time; peers do without. */
    bool wants_operators;
};

/** Bytes and events so far. Counting costs nothing until asked. */
struct jd_counters {
    size_t struct_size; /**< set by the caller */
    uint64_t modules_added;
    uint64_t modules_compiled; /**< modules of which any code was generated */
    uint64_t functions_defined;
    uint64_t functions_compiled;  /**< bodies through code generation, repeats included */
    uint64_t bodies_materialised; /**< bodies read from the IR */
    uint64_t stubs_live;
    uint64_t creator_calls;
    uint64_t relocations;
    uint64_t code_bytes, rodata_bytes, data_bytes, stub_bytes, got_bytes, unwind_bytes;
    uint64_t reserved_bytes;  /**< address space */
    uint64_t committed_bytes; /**< memory in use of it, whole pages */
    uint64_t mappings;        /**< memory mappings that the engine holds */
};

/** The operations of one engine. `struct_size` and `abi` come first; append-only. */
struct jd_engine_ops {
    size_t struct_size;
    unsigned abi;        /**< JD_ENGINE_ABI */
    const char *name;    /**< as on the command line */
    const char *summary; /**< one line for `jitduel list` */
    uint32_t caps;       /**< enum jd_cap */

    /** New engine; the caller destroys it. Several may live in one process. `options` may be NULL
     * and is not kept, except for what it points to where said so. */
    int (*create)(const struct jd_engine_options *options, struct jd_engine **out,
                  struct jd_error *err);
    /** Frees everything, code included: nothing of it may run or be called any more. NULL is
     * accepted. Does not run destructors. */
    void (*destroy)(struct jd_engine *engine);
    /** Takes IR; does no work that the strategy defers. `out_id` may be NULL. On failure (bad IR,
     * IR for another CPU, duplicate strong definition) the engine is as before. */
    int (*add_module)(struct jd_engine *engine, const struct jd_ir *ir, jd_module_id *out_id,
                      struct jd_error *err);
    /** Needs JD_CAP_REMOVE_MODULE. Its code memory is reused; its symbols become unresolved, and
     * what it registered with __cxa_atexit is forgotten. Callers in other modules find the next
     * definition of its functions; what they hold of its variables is dead. None of its code may
     * be running. */
    int (*remove_module)(struct jd_engine *engine, jd_module_id id, struct jd_error *err);
    /** An absolute address for a name; wins over all else. Again after the name was used: needs
     * JD_CAP_REDEFINE_SYMBOL. */
    int (*define_symbol)(struct jd_engine *engine, const char *name, enum jd_symbol_kind kind,
                         uintptr_t addr, struct jd_error *err);
    /** NULL removes the creator. */
    int (*set_creator)(struct jd_engine *engine, jd_creator_fn creator, void *context,
                       struct jd_error *err);
    /** All work that the strategy does ahead of the first call. May be called again after more
     * modules were added. Lazy engines do nothing. */
    int (*prepare)(struct jd_engine *engine, struct jd_error *err);
    /** The canonical address of a function or variable: one function has one address, before and
     * after compilation. Implies prepare in engines that need it. */
    int (*lookup)(struct jd_engine *engine, const char *name, uintptr_t *out_addr,
                  struct jd_error *err);
    /** Static constructors of all modules that have not run yet, by priority, then in the order in
     * which modules were added; each once. Where one cannot be compiled, it and those after it are
     * left for the next call; of destructors, too. */
    int (*run_constructors)(struct jd_engine *engine, struct jd_error *err);
    /** What __cxa_atexit registered through this engine, in reverse, then static destructors in
     * reverse; each once. */
    int (*run_destructors)(struct jd_engine *engine, struct jd_error *err);
    /** Needs JD_CAP_RECOMPILE. `ir` defines `name` anew; every old pointer runs the new code.
     * The new definition goes when the module of the first one is removed. */
    int (*recompile)(struct jd_engine *engine, const char *name, const struct jd_ir *ir,
                     struct jd_error *err);
    /** Needs JD_CAP_FREE_FUNCTION. Gives the code back; a later call compiles it again. It
     * may not be running. */
    int (*free_function)(struct jd_engine *engine, const char *name, struct jd_error *err);
    /** Needs JD_CAP_SET_LAZY. Existing stubs keep working. */
    int (*set_lazy)(struct jd_engine *engine, bool is_lazy, struct jd_error *err);
    /** `out->struct_size` says how much to fill. */
    int (*counters)(struct jd_engine *engine, struct jd_counters *out, struct jd_error *err);
    /** Needs JD_CAP_ADD_OBJECT. A relocatable object of another compiler, or an archive of such:
     * its symbols take part in linkage as those of a module do, its static constructors run with
     * the others. A member of an archive is taken when something that is linked needs a name that
     * no module and no object defines; archives come before the process. Bytes and name are
     * borrowed until the engine is destroyed. Errors: BAD_FILE, WRONG_TARGET, UNSUPPORTED
     * (thread-local variables), DUPLICATE; the line names the file. */
    int (*add_object)(struct jd_engine *engine, const void *bytes, size_t size_bytes,
                      const char *name, struct jd_error *err);
};

/** First member of every engine's own struct. */
struct jd_engine {
    const struct jd_engine_ops *ops;
};

/** The engines of this build, in the order in which reports show them; ends with NULL. Static. */
extern const struct jd_engine_ops *const jd_engine_registry[];

/** Engines of the registry with other settings, which benchmarks compare with them: found by their
 * names, and never among "all engines". Ends with NULL. Static. */
extern const struct jd_engine_ops *const jd_engine_arms[];

/** The engine or arm of that name, or NULL. Static. */
const struct jd_engine_ops *jd_engine_find(const char *name);
/** Create by name; JD_E_NOT_FOUND lists the names that exist. */
int jd_engine_create(const char *name, const struct jd_engine_options *options,
                     struct jd_engine **out, struct jd_error *err);
/** Destroy; NULL is accepted. */
void jd_engine_destroy(struct jd_engine *engine);

#ifdef __cplusplus
}
#endif
#endif
