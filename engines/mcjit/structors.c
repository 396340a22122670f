/* SPDX-License-Identifier: Apache-2.0
 *
 * Static constructors and destructors, run by us: by priority, then in the order in which modules
 * were added; each once. MCJIT never sees their lists.
 * Sources: LLVM language reference, "The 'llvm.global_ctors' Global Variable".
 */
#include <stdlib.h>

#include "mcjit.h"

struct run {
    unsigned priority;
    size_t order;
    struct mcjit_module *module;
    size_t index; /* of the module's structors */
};

static int by_priority(const void *a, const void *b)
{
    const struct run *first = a, *second = b;
    if (first->priority != second->priority)
        return first->priority < second->priority ? -1 : 1;
    return first->order < second->order ? -1 : first->order > second->order;
}

/* All that have not run yet and whose code exists. */
static int collect(struct mcjit_engine *engine, bool is_destructor, bool is_of_members,
                   struct run **out_runs, size_t *out_count, struct jd_error *err)
{
    struct run *runs = NULL;
    size_t count = 0;
    for (size_t i = 0; i < engine->module_count; i++) {
        struct mcjit_module *module = engine->modules[i];
        for (size_t j = 0; j < module->structor_count; j++) {
            const struct mcjit_structor *structor = &module->structors[j];
            struct run *grown;
            if (structor->is_destructor != is_destructor || structor->has_run ||
                module->state != MCJIT_COMPILED || (is_of_members && !module->is_member))
                continue;
            grown = mcjit_grow(runs, count, sizeof *runs);
            if (!grown) {
                free(runs);
                return jd_fail(err, JD_E_NO_MEMORY, "constructors", "no room to order them");
            }
            runs = grown;
            runs[count] = (struct run){structor->priority, count, module, j};
            count++;
        }
    }
    if (count)
        qsort(runs, count, sizeof *runs, by_priority);
    *out_runs = runs;
    *out_count = count;
    return JD_OK;
}

/* It may call back into the engine, so not under the lock; marked first, so that it runs once. */
static void run_one(struct mcjit_engine *engine, const struct run *run)
{
    struct mcjit_structor *structor = &run->module->structors[run->index];
    if (structor->has_run)
        return;
    structor->has_run = true;
    if (!structor->addr)
        return;
    mcjit_unlock(engine);
    if (structor->is_destructor)
        ((void (*)(void))structor->addr)();
    else
        jd_target_call_constructor(structor->addr, &engine->start);
    mcjit_lock(engine);
}

static int construct(struct mcjit_engine *engine, bool is_of_members, struct jd_error *err)
{
    struct run *runs;
    size_t count;
    int result = collect(engine, false, is_of_members, &runs, &count, err);
    if (result)
        return result;
    for (size_t i = 0; i < count; i++)
        run_one(engine, &runs[i]);
    free(runs);
    return JD_OK;
}

int mcjit_run_constructors(struct mcjit_engine *engine, struct jd_error *err)
{
    engine->has_run_constructors = true;
    return construct(engine, false, err);
}

int mcjit_run_members_constructors(struct mcjit_engine *engine, struct jd_error *err)
{
    return engine->has_run_constructors ? construct(engine, true, err) : JD_OK;
}

int mcjit_run_destructors(struct mcjit_engine *engine, struct jd_error *err)
{
    struct run *runs;
    size_t count;
    int result;
    mcjit_unlock(engine);
    jd_exit_list_run(&engine->exits);
    mcjit_lock(engine);
    result = collect(engine, true, false, &runs, &count, err);
    if (result)
        return result;
    while (count)
        run_one(engine, &runs[--count]);
    free(runs);
    return JD_OK;
}
