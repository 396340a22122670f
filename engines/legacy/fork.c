/* SPDX-License-Identifier: Apache-2.0
 *
 * Forks of a program that runs in an engine. The forking thread holds every engine's lock across
 * the fork, so that the child never sees a compile half done; in the child, what other threads were
 * compiling while foreign code ran is nobody's any more and can be compiled again. The arena copies
 * itself (arena.h): its handlers were registered earlier and so run later before the fork.
 * Source: POSIX, pthread_atfork.
 */
#include "internal.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct legacy_engine *engines;

static void prepare(void)
{
    pthread_mutex_lock(&list_lock);
    for (struct legacy_engine *engine = engines; engine; engine = engine->next_engine) {
        pthread_mutex_lock(&engine->lock);
        pthread_mutex_lock(&engine->stacks.lock);
        legacy_speculation_before_fork(engine->speculation);
    }
}

static void release(struct legacy_engine *engine, bool is_child)
{
    legacy_speculation_after_fork(engine->speculation, is_child);
    pthread_mutex_unlock(&engine->stacks.lock);
    pthread_mutex_unlock(&engine->lock);
}

static void in_parent(void)
{
    for (struct legacy_engine *engine = engines; engine; engine = engine->next_engine)
        release(engine, false);
    pthread_mutex_unlock(&list_lock);
}

static void reclaim(struct legacy_engine *engine)
{
    for (struct legacy_module *module = engine->first_module; module; module = module->next)
        for (struct legacy_symbol *symbol = module->symbols; symbol; symbol = symbol->next)
            if (symbol->state == LEGACY_STATE_BUSY &&
                !pthread_equal(symbol->busy_thread, pthread_self())) {
                symbol->state = LEGACY_STATE_IDLE;
                symbol->addr = 0;
            }
}

static void in_child(void)
{
    for (struct legacy_engine *engine = engines; engine; engine = engine->next_engine) {
        reclaim(engine);
        pthread_cond_init(&engine->changed, NULL); /* its waiters are not here */
        release(engine, true);
    }
    pthread_mutex_unlock(&list_lock);
}

static void register_handlers(void)
{
    pthread_atfork(prepare, in_parent, in_child);
}

void legacy_fork_enlist(struct legacy_engine *engine)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_handlers);
    pthread_mutex_lock(&list_lock);
    engine->next_engine = engines;
    engines = engine;
    pthread_mutex_unlock(&list_lock);
}

void legacy_fork_delist(struct legacy_engine *engine)
{
    pthread_mutex_lock(&list_lock);
    for (struct legacy_engine **link = &engines; *link; link = &(*link)->next_engine)
        if (*link == engine) {
            *link = engine->next_engine;
            break;
        }
    pthread_mutex_unlock(&list_lock);
}
