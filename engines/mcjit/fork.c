/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fork leaves the child of an engine: what other threads were asking a creator for is asked
 * by nobody any more. The arenas copy themselves (arena.h).
 */
#include "mcjit.h"

static void hold(void *context)
{
    struct mcjit_engine *engine = context;
    pthread_mutex_lock(&engine->lock);
    pthread_mutex_lock(&engine->stacks.lock);
}

static void forget_other_askers(struct mcjit_engine *engine)
{
    struct mcjit_symbol **link = &engine->asked, *symbol;
    while ((symbol = *link)) {
        if (pthread_equal(symbol->asker, pthread_self())) {
            link = &symbol->next_asked;
            continue;
        }
        symbol->is_asking = false;
        *link = symbol->next_asked;
    }
}

static void release(void *context, bool is_child)
{
    struct mcjit_engine *engine = context;
    if (is_child) {
        forget_other_askers(engine);
        pthread_cond_init(&engine->creator_answered, NULL); /* its waiters are not here */
    }
    pthread_mutex_unlock(&engine->stacks.lock);
    pthread_mutex_unlock(&engine->lock);
}

void mcjit_fork_enlist(struct mcjit_engine *engine)
{
    engine->fork = (struct jd_fork_member){.engine = engine, .hold = hold, .release = release};
    jd_fork_enlist(&engine->fork);
}
