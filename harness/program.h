/* SPDX-License-Identifier: Apache-2.0
 *
 * One program under one engine: create, add modules, prepare, constructors, entry, destructors,
 * and every way in which a program can end. Used by `jitduel run` and by the child of `bench`.
 *
 * Knows engines through the contract only, and neither command line nor JSON nor printing.
 *
 * Life:   open -> prepare -> construct -> call ... -> destruct -> close      (several per process)
 *    or:  open -> prepare -> run                                    (the process is the program)
 */
#ifndef JITDUEL_HARNESS_PROGRAM_H
#define JITDUEL_HARNESS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/engine.h"

struct jd_program;

/** Called once, when the process is about to end with `status` (0 to 255): after the program's
 * atexit handlers, its destructors and the flush of its streams; directly after `_exit`, `_Exit` or
 * `quick_exit` (with wants_early_exit); after on_failure. On the thread that ended the process, and
 * never in a forked child. May read counters; must not run code of the program, exit or longjmp.
 * Returns the status with which the process then leaves. */
typedef int (*jd_program_end_fn)(void *context, int status);

/** Called for an error that has no caller: a first call whose callee cannot be compiled or
 * resolved, or a failed destructor. The program's streams are flushed already. Returns the exit
 * status; the process then ends without the program's atexit handlers. */
typedef int (*jd_program_failure_fn)(void *context, const struct jd_error *err);

/** What to run. All pointers are borrowed until close, or for ever with on_end. */
struct jd_program_spec {
    const struct jd_engine_ops *ops;
    /** options.on_error must be NULL: the program fills it in (see on_failure). */
    struct jd_engine_options options;
    const struct jd_ir *modules; /**< added in this order */
    size_t module_count;
    /** Relocatable objects and archives of them, added after the modules. Refused with UNSUPPORTED
     * by engines without JD_CAP_ADD_OBJECT. */
    const struct jd_ir *objects;
    size_t object_count;
    const char *const *libraries; /**< dlopen'ed (now, global) before anything is added */
    size_t library_count;
    const char *entry; /**< `int f(int argc, char **argv, char **envp)`; NULL: "main" */
    /** Define `_exit`, `_Exit` and `quick_exit` in the engine, so that on_end sees them. Their
     * addresses then differ from libc's. */
    bool wants_early_exit;
    /** Define `sigaction`, `signal` and its variants, so that the program does not see the handlers
     * of crash.h; the same remark. */
    bool wants_signals;
    jd_program_end_fn on_end; /**< not NULL: this process may jd_program_run; once per process */
    jd_program_failure_fn on_failure; /**< NULL: such an error aborts */
    void *context;                    /**< for both */
};

/** When each step was over: jd_clock_ns(); 0 while it is not. */
struct jd_program_times {
    uint64_t open_ns;     /**< open was entered */
    uint64_t created_ns;  /**< libraries loaded, engine created */
    uint64_t added_ns;    /**< all modules added */
    uint64_t prepared_ns; /**< prepared, entry looked up */
    uint64_t main_ns;     /**< constructors done: the entry is about to be called */
    uint64_t returned_ns; /**< the entry returned (0 when the program exited inside it) */
    uint64_t ended_ns;    /**< atexit handlers and destructors done, streams flushed */
};

/** Create the engine, load the libraries, add the modules. With on_end, the exit handler is
 * registered first of all, so that it runs after every one of the program. Errors: the engine's;
 * IO for a library; where is the module's name or the library. */
int jd_program_open(const struct jd_program_spec *spec, struct jd_program **out,
                    struct jd_error *err);
/** The engine's prepare, then look up the entry: NOT_FOUND names it and says what to do. After this
 * nothing of the program has run. */
int jd_program_prepare(struct jd_program *program, struct jd_error *err);
/** Static constructors, once. */
int jd_program_construct(struct jd_program *program, struct jd_error *err);
/** Call the entry on this thread with `argv` (NULL-terminated) and the environment. Returns what it
 * returns. May be called again if the program bears it. */
int jd_program_call(struct jd_program *program, int argc, char **argv);
/** __cxa_atexit handlers of the engine and static destructors, once; flushes stdio and, where
 * libstdc++ is loaded, its standard streams. */
int jd_program_destruct(struct jd_program *program, struct jd_error *err);
/** Destroy the engine, free everything. NULL is accepted. Libraries stay loaded, because their
 * handlers may be registered with libc. Not while code of the program runs. */
void jd_program_close(struct jd_program *program);

/** Construct, call the entry and exit(3) with its result, as a C start-up file does; the end is
 * told to on_end (which must be set). Never returns; if the constructors cannot be run, on_failure
 * decides the status. Does not destroy the engine: threads of the program may still be running. */
_Noreturn void jd_program_run(struct jd_program *program, int argc, char **argv);

/** The engine; borrowed. */
struct jd_engine *jd_program_engine(const struct jd_program *program);
/** Borrowed; members change as the program goes on. */
const struct jd_program_times *jd_program_times(const struct jd_program *program);
/** Name of the module that is being added, or of the first one; for crash messages:
 * async-signal-safe. NULL before the first jd_program_open. */
const char *jd_program_current_module(void);
/** True once code of a program (a constructor or an entry) was called in this process:
 * async-signal-safe. */
bool jd_program_has_started(void);

#endif
