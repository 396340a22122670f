/* SPDX-License-Identifier: Apache-2.0
 *
 * Exit handlers by engine. Each registration is also one of the C library's, with a function of our
 * own and an entry that outlives the engine: so the order among all handlers of the process stays
 * what it was, and an entry whose engine is gone does nothing.
 */
#include "exit_list.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

extern int __cxa_atexit(void (*function)(void *), void *argument, void *dso_handle);
/* Whose registrations these are: not the executable's, which a host may have reasons to tell from
 * them, and not nobody's, for whom ThreadSanitizer's __cxa_atexit does not hand on the argument. */
static char own_handle;

/* Entries stay allocated: the C library holds their addresses until it has called them at exit. */
struct jd_exit_entry {
    void (*function)(void *); /* NULL: has run, or must not */
    void *argument;
    struct jd_exit_list *list;
    struct jd_exit_entry *earlier;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct jd_exit_list *lists;

void jd_exit_list_init(struct jd_exit_list *list)
{
    pthread_mutex_lock(&lock);
    list->latest = NULL;
    list->alias = NULL;
    list->next = lists;
    lists = list;
    pthread_mutex_unlock(&lock);
}

void jd_exit_list_alias(struct jd_exit_list *list, const void *alias)
{
    pthread_mutex_lock(&lock);
    list->alias = alias;
    pthread_mutex_unlock(&lock);
}

void jd_exit_list_fini(struct jd_exit_list *list)
{
    pthread_mutex_lock(&lock);
    for (struct jd_exit_entry *entry = list->latest; entry; entry = entry->earlier) {
        entry->function = NULL;
        entry->list = NULL;
    }
    list->latest = NULL;
    for (struct jd_exit_list **link = &lists; *link; link = &(*link)->next)
        if (*link == list) {
            *link = list->next;
            break;
        }
    pthread_mutex_unlock(&lock);
}

void jd_exit_list_forget(struct jd_exit_list *list,
                         bool (*is_gone)(void *context, uintptr_t function_addr), void *context)
{
    pthread_mutex_lock(&lock);
    struct jd_exit_entry **link = &list->latest, *entry;
    while ((entry = *link)) {
        if (!is_gone(context, (uintptr_t)entry->function)) {
            link = &entry->earlier;
            continue;
        }
        *link = entry->earlier;
        entry->function = NULL;
        entry->list = NULL;
    }
    pthread_mutex_unlock(&lock);
}

static struct jd_exit_list *find_list(const void *handle)
{
    for (struct jd_exit_list *list = lists; list; list = list->next)
        if (list == handle || (handle && list->alias == handle))
            return list;
    return NULL;
}

/* Take the entry off its list, and what it has to run from it. The lock is held. */
static struct jd_exit_entry take(struct jd_exit_entry *entry)
{
    struct jd_exit_entry taken = *entry;
    if (entry->list) {
        struct jd_exit_entry **link = &entry->list->latest;
        while (*link != entry)
            link = &(*link)->earlier;
        *link = entry->earlier;
    }
    entry->list = NULL;
    entry->function = NULL;
    return taken;
}

/* The C library calls this once per entry, with no list locked. */
static void at_exit(void *argument)
{
    struct jd_exit_entry *entry = argument;
    pthread_mutex_lock(&lock);
    struct jd_exit_entry taken = take(entry);
    pthread_mutex_unlock(&lock);
    if (taken.function)
        taken.function(taken.argument);
    free(entry);
}

void jd_exit_list_run(struct jd_exit_list *list)
{
    struct jd_exit_entry taken;
    do {
        pthread_mutex_lock(&lock);
        taken = list->latest ? take(list->latest) : (struct jd_exit_entry){0};
        pthread_mutex_unlock(&lock);
        if (taken.function)
            taken.function(taken.argument);
    } while (taken.list);
}

int jd_exit_register(void (*function)(void *), void *argument, void *dso_handle)
{
    struct jd_exit_entry *entry = malloc(sizeof *entry);
    pthread_mutex_lock(&lock);
    struct jd_exit_list *list = find_list(dso_handle);
    if (list && entry) {
        *entry = (struct jd_exit_entry){function, argument, list, list->latest};
        list->latest = entry;
    }
    pthread_mutex_unlock(&lock);
    if (list && entry)
        return __cxa_atexit(at_exit, entry, &own_handle);
    free(entry);
    return list ? -1 : __cxa_atexit(function, argument, dso_handle);
}
