/* SPDX-License-Identifier: Apache-2.0
 *
 * The list behind fork_list.h. Its lock is held across a fork too, so that the child's is free.
 * Signals wait meanwhile: a handler on this thread that made a first call would wait for a lock
 * that the thread itself holds. Source: POSIX, pthread_atfork.
 */
#include "fork_list.h"

#include <pthread.h>
#include <stddef.h>

#include "undisturbed.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct jd_fork_member *members;
static struct jd_disturbance before_fork; /* of the thread that holds the list's lock */

static void prepare(void)
{
    struct jd_disturbance before;
    jd_undisturbed_begin(&before);
    pthread_mutex_lock(&list_lock);
    before_fork = before;
    for (struct jd_fork_member *member = members; member; member = member->next)
        member->hold(member->engine);
}

static void release(bool is_child)
{
    struct jd_disturbance before = before_fork;
    for (struct jd_fork_member *member = members; member; member = member->next)
        member->release(member->engine, is_child);
    pthread_mutex_unlock(&list_lock);
    jd_undisturbed_end(&before);
}

static void in_parent(void)
{
    release(false);
}

static void in_child(void)
{
    release(true);
}

static void register_handlers(void)
{
    pthread_atfork(prepare, in_parent, in_child);
}

void jd_fork_enlist(struct jd_fork_member *member)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_handlers);
    pthread_mutex_lock(&list_lock);
    member->next = members;
    members = member;
    pthread_mutex_unlock(&list_lock);
}

void jd_fork_delist(struct jd_fork_member *member)
{
    pthread_mutex_lock(&list_lock);
    for (struct jd_fork_member **link = &members; *link; link = &(*link)->next)
        if (*link == member) {
            *link = member->next;
            break;
        }
    pthread_mutex_unlock(&list_lock);
}
