/* SPDX-License-Identifier: Apache-2.0
 *
 * What speculate.c (what to compile next) and helpers.c (the threads that do it) share. Everything
 * is guarded by the speculation's lock.
 */
#ifndef JITDUEL_LEGACY_SPECULATE_PRIVATE_H
#define JITDUEL_LEGACY_SPECULATE_PRIVATE_H

#include <pthread.h>

#include "speculate.h"
#include "table.h"

enum legacy_task_state {
    LEGACY_TASK_NEW,
    LEGACY_TASK_WORKING, /* a helper generates code for it */
    LEGACY_TASK_MADE,
    LEGACY_TASK_SPENT /* the object was taken, or there is none to be had */
};

/* A function, or (without a name) the reading of a module. */
struct legacy_task {
    struct legacy_known *module;
    char *name;
    void *object; /* in state MADE */
    size_t object_bytes;
    struct legacy_call *calls;
    size_t call_count;
    struct legacy_task *above, *below; /* on the stack */
    struct legacy_task *next;          /* of the module */
    double probability;                /* that it is called soon, as far as it is known */
    uint8_t state;
    bool is_stacked;
    bool is_taken;    /* it was called: its callees are all that is wanted of it */
    bool is_explored; /* its callees are known */
};

/* From a function to one of the same module. */
struct legacy_call {
    struct legacy_task *callee;
    double probability;
};

struct legacy_known {
    jd_module_id id;
    struct jd_ir bitcode;
    struct legacy_task *tasks;
    bool is_leaving;
};

struct legacy_helper {
    struct legacy_speculation *speculation;
    struct legacy_front *front; /* outlives the thread */
    struct legacy_task *task;   /* in work */
    const jd_module_id *forget; /* while a module is being removed */
    pthread_t thread;
    clockid_t clock; /* its CPU time */
    bool has_clock;
    bool has_thread; /* `thread` is to be joined */
    bool is_running, is_working, is_broken;
};

struct legacy_speculation {
    struct jd_engine_options options;
    char *strings[3]; /* of the options: own copies */
    pthread_mutex_t lock;
    pthread_cond_t wanted;  /* there is work, or a reason to end */
    pthread_cond_t changed; /* a helper finished something */
    struct legacy_table modules, tasks;
    struct legacy_task *top;
    struct legacy_speculation_counts counts;
    uint64_t unused_count; /* tasks in state MADE */
    bool is_off, is_paused;
    struct legacy_speculation *next; /* of the process */
    unsigned helper_count;
    struct legacy_helper helpers[];
};

/* speculate.c */

/** The next task, taken off the stack; NULL: none that is worth doing. */
struct legacy_task *legacy_task_next(struct legacy_speculation *self);
/** A helper is done with it. Takes the object and the list of callees. */
void legacy_task_settle(struct legacy_speculation *self, struct legacy_task *task,
                        struct legacy_ahead *ahead);

/* helpers.c */

/** Ready the lock, the conditions and the helpers, which do not run yet. */
void legacy_helpers_init(struct legacy_speculation *self);
/** End the threads and free what they own. Not locked. */
void legacy_helpers_fini(struct legacy_speculation *self);
/** Let one more helper look for work. Locked. */
void legacy_helpers_wake(struct legacy_speculation *self);
/** Wait until no helper has a copy of the module. Locked, unlocks. */
void legacy_helpers_forget(struct legacy_speculation *self, jd_module_id id);
/** Wait until a helper is done with the task, or does not get on with it. Locked, unlocks. */
void legacy_helpers_await(struct legacy_speculation *self, const struct legacy_task *task);

#endif
