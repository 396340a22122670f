/* SPDX-License-Identifier: Apache-2.0
 *
 * See undisturbed.h. Knows no engine.
 */
#include "undisturbed.h"

#include <pthread.h>

static _Thread_local volatile bool is_here;

bool jd_undisturbed_is_here(void)
{
    return is_here;
}

void jd_undisturbed_stay(void)
{
    is_here = true;
}

void jd_undisturbed_begin(struct jd_disturbance *before)
{
    static const int from_instructions[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                            SIGTRAP, SIGSYS, SIGABRT};
    static const int from_people[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};
    sigset_t others;
    struct sigaction action;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof from_instructions / sizeof *from_instructions; i++)
        sigdelset(&others, from_instructions[i]);
    for (size_t i = 0; i < sizeof from_people / sizeof *from_people; i++)
        if (!sigaction(from_people[i], NULL, &action) && action.sa_handler == SIG_DFL)
            sigdelset(&others, from_people[i]);
    pthread_sigmask(SIG_BLOCK, &others, &before->mask);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before->cancel_state);
    is_here = true;
}

void jd_undisturbed_end(const struct jd_disturbance *before)
{
    is_here = false;
    pthread_setcancelstate(before->cancel_state, NULL);
    pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
}
