/* SPDX-License-Identifier: Apache-2.0
 *
 * Forks of a program that runs in an engine. The forking thread holds every engine's lock across
 * the fork, so that the child never sees a compile half done; in the child, what other threads were
 * asking a creator for is asked by nobody any more. The arenas copy themselves (arena.h): their
 * handlers were registered earlier and so run later before the fork. Source: POSIX, pthread_atfork.
 */
#include "mcjit.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mcjit_engine *engines;

static void prepare(void)
{
    pthread_mutex_lock(&list_lock);
    for (struct mcjit_engine *engine = engines; engine; engine = engine->next_engine) {
        pthread_mutex_lock(&engine->lock);
        pthread_mutex_lock(&engine->stacks.lock);
    }
}

static void release(struct mcjit_engine *engine)
{
    pthread_mutex_unlock(&engine->stacks.lock);
    pthread_mutex_unlock(&engine->lock);
}

static void in_parent(void)
{
    for (struct mcjit_engine *engine = engines; engine; engine = engine->next_engine)
        release(engine);
    pthread_mutex_unlock(&list_lock);
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

static void in_child(void)
{
    for (struct mcjit_engine *engine = engines; engine; engine = engine->next_engine) {
        forget_other_askers(engine);
        pthread_cond_init(&engine->creator_answered, NULL); /* its waiters are not here */
        release(engine);
    }
    pthread_mutex_unlock(&list_lock);
}

static void register_handlers(void)
{
    pthread_atfork(prepare, in_parent, in_child);
}

void mcjit_fork_enlist(struct mcjit_engine *engine)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_handlers);
    pthread_mutex_lock(&list_lock);
    engine->next_engine = engines;
    engines = engine;
    pthread_mutex_unlock(&list_lock);
}

void mcjit_fork_delist(struct mcjit_engine *engine)
{
    pthread_mutex_lock(&list_lock);
    for (struct mcjit_engine **link = &engines; *link; link = &(*link)->next_engine)
        if (*link == engine) {
            *link = engine->next_engine;
            break;
        }
    pthread_mutex_unlock(&list_lock);
}
