/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fork leaves the child of an engine: what other threads were compiling while foreign code
 * ran is nobody's any more and can be compiled again; helpers rest and are not in the child. The
 * arena copies itself (arena.h).
 */
#include "internal.h"

static void hold(void *context)
{
    struct legacy_engine *engine = context;
    pthread_mutex_lock(&engine->lock);
    pthread_mutex_lock(&engine->stacks.lock);
    legacy_speculation_before_fork(engine->speculation);
}

static bool is_lost(pthread_t owner)
{
    return !pthread_equal(owner, pthread_self());
}

static void reclaim_objects(struct legacy_engine *engine)
{
    if (!engine->foreign_depth || !is_lost(engine->foreign_thread))
        return;
    engine->foreign_depth = 0;
    for (struct legacy_foreign *f = engine->first_foreign; f; f = f->next)
        f->is_linking = false;
}

static void reclaim_questions(struct legacy_engine *engine)
{
    for (uint32_t i = 0; i < engine->names.capacity; i++) {
        struct legacy_symbol *symbol = engine->names.slots[i].item;
        if (symbol && symbol->is_being_asked && is_lost(symbol->asking_thread))
            symbol->is_being_asked = false;
    }
}

static void reclaim(struct legacy_engine *engine)
{
    legacy_waits_after_fork(engine);
    reclaim_objects(engine);
    reclaim_questions(engine);
    for (struct legacy_module *module = engine->first_module; module; module = module->next) {
        if (module->is_asm_linking && is_lost(module->asm_thread))
            module->is_asm_linking = false;
        for (struct legacy_symbol *symbol = module->symbols; symbol; symbol = symbol->next)
            if (symbol->state == LEGACY_STATE_BUSY && is_lost(symbol->busy_thread)) {
                symbol->state = LEGACY_STATE_IDLE;
                symbol->addr = 0;
            }
    }
}

static void release(void *context, bool is_child)
{
    struct legacy_engine *engine = context;
    if (is_child) {
        reclaim(engine);
        pthread_cond_init(&engine->changed, NULL); /* its waiters are not here */
    }
    legacy_speculation_after_fork(engine->speculation, is_child);
    pthread_mutex_unlock(&engine->stacks.lock);
    pthread_mutex_unlock(&engine->lock);
}

void legacy_fork_enlist(struct legacy_engine *engine)
{
    engine->fork = (struct jd_fork_member){.engine = engine, .hold = hold, .release = release};
    jd_fork_enlist(&engine->fork);
}
