/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that wait for what another is doing: who waits for whom, so that nobody waits in a
 * circle. Data that units of two threads need from each other is the one circle that has a way out:
 * the addresses are known before the units are done, and each thread waits for the rest with its
 * own unit finished, before it runs any of it. Knows no code generation.
 */
#include "internal.h"

#include <stdlib.h>

/* A thread that waits; lies on its stack. A thread waits for one other at a time. */
struct legacy_wait {
    pthread_t self, owner;
    struct legacy_wait *next;
};

/* Data of another thread's unit whose address was used before that unit was done. */
struct legacy_debt {
    pthread_t debtor;
    struct legacy_symbol *symbol;
    struct legacy_debt *next;
};

static const struct legacy_wait *wait_of(const struct legacy_engine *engine, pthread_t thread)
{
    const struct legacy_wait *wait = engine->waits;
    while (wait && !pthread_equal(wait->self, thread))
        wait = wait->next;
    return wait;
}

bool legacy_may_wait_for(const struct legacy_engine *engine, pthread_t owner)
{
    const struct legacy_wait *wait;
    while (!pthread_equal(owner, pthread_self()) && (wait = wait_of(engine, owner)))
        owner = wait->owner;
    return !pthread_equal(owner, pthread_self());
}

void legacy_wait_for(struct legacy_engine *engine, pthread_t owner)
{
    struct legacy_wait wait = {pthread_self(), owner, engine->waits}, **link = &engine->waits;
    engine->waits = &wait;
    engine->away_count++;
    pthread_cond_wait(&engine->changed, &engine->lock);
    engine->away_count--;
    while (*link != &wait)
        link = &(*link)->next;
    *link = wait.next;
}

int legacy_symbol_wait(struct legacy_engine *engine, struct legacy_symbol *symbol,
                       struct jd_error *err)
{
    while (symbol->state == LEGACY_STATE_BUSY) {
        if (!legacy_may_wait_for(engine, symbol->busy_thread))
            return jd_fail(err, JD_E_STATE, symbol->name,
                           "needed by foreign code that its own compilation waits for");
        legacy_wait_for(engine, symbol->busy_thread);
    }
    return JD_OK;
}

static int owe(struct legacy_engine *engine, struct legacy_symbol *symbol, struct jd_error *err)
{
    struct legacy_debt *debt = malloc(sizeof *debt);
    if (!debt)
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no memory to wait for it");
    *debt = (struct legacy_debt){pthread_self(), symbol, engine->debts};
    engine->debts = debt;
    return JD_OK;
}

int legacy_data_wait(struct legacy_engine *engine, struct legacy_symbol *symbol,
                     struct jd_error *err)
{
    while (symbol->state == LEGACY_STATE_BUSY && symbol->addr) {
        if (!legacy_may_wait_for(engine, symbol->busy_thread)) {
            symbol->is_known_early = true;
            return pthread_equal(symbol->busy_thread, pthread_self()) ? JD_OK
                                                                      : owe(engine, symbol, err);
        }
        legacy_wait_for(engine, symbol->busy_thread);
    }
    return legacy_symbol_wait(engine, symbol, err);
}

static struct legacy_debt *take_debt(struct legacy_engine *engine)
{
    for (struct legacy_debt **link = &engine->debts; *link; link = &(*link)->next)
        if (pthread_equal((*link)->debtor, pthread_self())) {
            struct legacy_debt *debt = *link;
            *link = debt->next;
            return debt;
        }
    return NULL;
}

void legacy_debts_pay(struct legacy_engine *engine)
{
    struct legacy_debt *debt;
    while ((debt = take_debt(engine))) {
        legacy_symbol_wait(engine, debt->symbol, NULL);
        free(debt);
    }
}

void legacy_waits_after_fork(struct legacy_engine *engine)
{
    engine->waits = NULL; /* who forks does not wait, and the others are not here */
}

void legacy_waits_fini(struct legacy_engine *engine)
{
    struct legacy_debt *debt;
    while ((debt = engine->debts)) {
        engine->debts = debt->next;
        free(debt);
    }
}
