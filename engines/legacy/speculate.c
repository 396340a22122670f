/* SPDX-License-Identifier: Apache-2.0
 *
 * What to compile ahead. Knows no LLVM (front.c does), no threads (helpers.c does) and nothing of
 * the engine but module ids and function names.
 *
 * The order is that of a program that calls everything that it mentions, depth first: what a first
 * call leads to lies on top of a stack, its first callee uppermost, then what was there before.
 * Chains of callees that no call has confirmed are followed while they are likely enough, and the
 * number of objects that nobody asked for is bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "speculate_private.h"

/* Measured on SQLite and Lua (docs/performance.md): below, more of what is compiled is never
 * called; above, the helper runs out of work. */
static const double PROBABILITY_MIN = 0.3;

enum {
    UNUSED_MAX = 128,     /* objects that no call has asked for, and more of them ... */
    UNUSED_PER_TAKEN = 2, /* ... for each that one has */
    EARLY_BYTES = 1 << 16 /* modules that take long to read are read before they are needed */
};

/* ---- tasks ---- */

static uint32_t hash_id(jd_module_id id)
{
    return (uint32_t)(id * 0x9E3779B97F4A7C15u >> 32);
}

static bool match_module(const void *item, const void *id)
{
    return ((const struct legacy_known *)item)->id == *(const jd_module_id *)id;
}

struct task_key {
    const struct legacy_known *module;
    const char *name;
};

static uint32_t hash_task(const struct legacy_known *module, const char *name)
{
    return legacy_hash_string(name) ^ hash_id(module->id);
}

static bool match_task(const void *item, const void *key)
{
    const struct legacy_task *task = item;
    const struct task_key *wanted = key;
    return task->module == wanted->module && !strcmp(task->name, wanted->name);
}

static struct legacy_task *new_task(struct legacy_known *module, const char *name)
{
    struct legacy_task *task = calloc(1, sizeof *task);
    if (!task)
        return NULL;
    task->module = module;
    task->name = name ? strdup(name) : NULL;
    if (name && !task->name) {
        free(task);
        return NULL;
    }
    task->next = module->tasks;
    module->tasks = task;
    return task;
}

/* NULL when out of memory. */
static struct legacy_task *task_of(struct legacy_speculation *self, struct legacy_known *module,
                                   const char *name)
{
    uint32_t hash = hash_task(module, name);
    struct legacy_task *task =
        legacy_table_find(&self->tasks, hash, match_task, &(struct task_key){module, name});
    if (task)
        return task;
    task = new_task(module, name);
    if (task && !legacy_table_insert(&self->tasks, hash, task)) {
        module->tasks = task->next;
        free(task->name);
        free(task);
        task = NULL;
    }
    return task;
}

static void unstack(struct legacy_speculation *self, struct legacy_task *task)
{
    if (!task->is_stacked)
        return;
    if (task->above)
        task->above->below = task->below;
    else
        self->top = task->below;
    if (task->below)
        task->below->above = task->above;
    task->above = task->below = NULL;
    task->is_stacked = false;
}

static void stack(struct legacy_speculation *self, struct legacy_task *task)
{
    unstack(self, task);
    task->below = self->top;
    if (self->top)
        self->top->above = task;
    self->top = task;
    task->is_stacked = true;
}

/* What is known already is passed through, as far as it has become more likely than before. */
static void stack_callees(struct legacy_speculation *self, struct legacy_task *task)
{
    if (task->module->is_leaving)
        return;
    for (size_t i = task->call_count; i-- > 0;) {
        struct legacy_task *callee = task->calls[i].callee;
        double probability = task->probability * task->calls[i].probability;
        bool is_likelier = probability > callee->probability;
        if (callee->is_taken || probability < PROBABILITY_MIN)
            continue;
        if (is_likelier)
            callee->probability = probability;
        if (callee->state == LEGACY_TASK_NEW)
            stack(self, callee);
        else if (is_likelier && callee->is_explored)
            stack_callees(self, callee);
    }
}

static void free_task(struct legacy_speculation *self, struct legacy_task *task)
{
    unstack(self, task);
    if (task->state == LEGACY_TASK_MADE)
        self->unused_count--;
    if (task->name)
        legacy_table_remove(&self->tasks, hash_task(task->module, task->name), task);
    free(task->object);
    free(task->calls);
    free(task->name);
    free(task);
}

static void free_module(struct legacy_speculation *self, struct legacy_known *module)
{
    struct legacy_task *next;
    for (struct legacy_task *task = module->tasks; task; task = next) {
        next = task->next;
        free_task(self, task);
    }
    legacy_table_remove(&self->modules, hash_id(module->id), module);
    free(module);
}

struct legacy_task *legacy_task_next(struct legacy_speculation *self)
{
    struct legacy_task *task = self->top;
    bool is_enough = self->unused_count >= UNUSED_MAX + UNUSED_PER_TAKEN * self->counts.taken;
    if (!task || self->is_paused || (is_enough && task->name && !task->is_taken))
        return NULL;
    unstack(self, task);
    return task;
}

static void learn_callees(struct legacy_speculation *self, struct legacy_task *task,
                          const struct legacy_ahead *ahead)
{
    if (task->is_explored)
        return;
    task->is_explored = true;
    if (!ahead->callee_count)
        return;
    task->calls = calloc(ahead->callee_count, sizeof(*task->calls));
    for (size_t i = 0; task->calls && i < ahead->callee_count; i++) {
        struct legacy_task *callee = task_of(self, task->module, ahead->callees[i].name);
        if (callee && callee != task)
            task->calls[task->call_count++] =
                (struct legacy_call){callee, ahead->callees[i].probability};
    }
}

void legacy_task_settle(struct legacy_speculation *self, struct legacy_task *task,
                        struct legacy_ahead *ahead)
{
    self->counts.compiled += ahead->object != NULL;
    if (task->state == LEGACY_TASK_WORKING && ahead->object && !task->is_taken) {
        task->object = ahead->object;
        task->object_bytes = ahead->object_bytes;
        task->state = LEGACY_TASK_MADE;
        self->unused_count++;
    } else {
        free(ahead->object);
        if (task->state == LEGACY_TASK_WORKING)
            task->state = LEGACY_TASK_SPENT;
    }
    if (task->name)
        learn_callees(self, task, ahead);
    free(ahead->callees);
    stack_callees(self, task);
}

/* ---- the engine's side ---- */

/* A helper reads them when its creator's may be gone. */
static bool copy_options(struct legacy_speculation *self, const struct jd_engine_options *options)
{
    const char **texts[] = {&self->options.cpu, &self->options.features, &self->options.ir_passes};
    self->options = *options;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!*texts[i])
            continue;
        self->strings[i] = strdup(*texts[i]);
        if (!self->strings[i])
            return false;
        *texts[i] = self->strings[i];
    }
    return true;
}

static void free_strings(struct legacy_speculation *self)
{
    for (size_t i = 0; self && i < sizeof self->strings / sizeof *self->strings; i++)
        free(self->strings[i]);
}

int legacy_speculation_create(const struct jd_engine_options *options,
                              struct legacy_speculation **out, struct jd_error *err)
{
    unsigned count = options->speculate_threads;
    struct legacy_speculation *self;
    *out = NULL;
    if (count > LEGACY_HELPERS_MAX)
        return jd_fail(err, JD_E_USAGE, "speculate_threads", "at most %d, not %u",
                       LEGACY_HELPERS_MAX, count);
    self = calloc(1, sizeof *self + count * sizeof self->helpers[0]);
    if (!self || !copy_options(self, options)) {
        free_strings(self);
        free(self);
        return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for helpers");
    }
    self->helper_count = count;
    legacy_helpers_init(self);
    *out = self;
    return JD_OK;
}

static bool free_any_module(struct legacy_speculation *self)
{
    for (uint32_t i = 0; i < self->modules.capacity; i++)
        if (self->modules.slots[i].item) {
            free_module(self, self->modules.slots[i].item);
            return true;
        }
    return false;
}

void legacy_speculation_destroy(struct legacy_speculation *self)
{
    if (!self)
        return;
    legacy_helpers_fini(self);
    while (free_any_module(self))
        continue;
    legacy_table_fini(&self->modules);
    legacy_table_fini(&self->tasks);
    free_strings(self);
    free(self);
}

void legacy_speculation_add(struct legacy_speculation *self, jd_module_id id,
                            const struct jd_ir *bitcode)
{
    struct legacy_known *module = self ? calloc(1, sizeof *module) : NULL;
    struct legacy_task *reading = NULL;
    if (!module)
        return;
    module->id = id;
    module->bitcode = *bitcode;
    pthread_mutex_lock(&self->lock);
    if (!legacy_table_insert(&self->modules, hash_id(id), module)) {
        free(module);
    } else if (bitcode->size_bytes >= EARLY_BYTES && (reading = new_task(module, NULL))) {
        stack(self, reading);
        legacy_helpers_wake(self);
    }
    pthread_mutex_unlock(&self->lock);
}

void legacy_speculation_remove(struct legacy_speculation *self, jd_module_id id)
{
    struct legacy_known *module;
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    module = legacy_table_find(&self->modules, hash_id(id), match_module, &id);
    if (module) {
        module->is_leaving = true;
        for (struct legacy_task *task = module->tasks; task; task = task->next)
            unstack(self, task);
        legacy_helpers_forget(self, id);
        free_module(self, module);
    }
    pthread_mutex_unlock(&self->lock);
}

void *legacy_speculation_take(struct legacy_speculation *self, jd_module_id id, const char *name,
                              size_t *out_size_bytes)
{
    struct legacy_known *module;
    struct legacy_task *task = NULL;
    void *object = NULL;
    *out_size_bytes = 0;
    if (!self)
        return NULL;
    pthread_mutex_lock(&self->lock);
    module = legacy_table_find(&self->modules, hash_id(id), match_module, &id);
    if (module && !self->is_off)
        task = task_of(self, module, name);
    if (task) {
        legacy_helpers_await(self, task);
        if (task->state == LEGACY_TASK_MADE) {
            object = task->object;
            *out_size_bytes = task->object_bytes;
            task->object = NULL;
            task->state = LEGACY_TASK_SPENT;
            self->unused_count--;
            self->counts.taken++;
        }
        task->is_taken = true;
        task->probability = 1;
        if (task->is_explored)
            stack_callees(self, task);
        else
            stack(self, task);
        legacy_helpers_wake(self);
    }
    pthread_mutex_unlock(&self->lock);
    return object;
}

void legacy_speculation_count(struct legacy_speculation *self,
                              struct legacy_speculation_counts *out)
{
    *out = (struct legacy_speculation_counts){0};
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    *out = self->counts;
    pthread_mutex_unlock(&self->lock);
}
