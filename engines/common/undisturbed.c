/* SPDX-License-Identifier: Apache-2.0
 *
 * See undisturbed.h. Knows no engine.
 */
#include "undisturbed.h"

#include <pthread.h>

void jd_undisturbed_begin(struct jd_disturbance *before)
{
    static const int from_instructions[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                            SIGTRAP, SIGSYS, SIGABRT};
    sigset_t others;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof from_instructions / sizeof *from_instructions; i++)
        sigdelset(&others, from_instructions[i]);
    pthread_sigmask(SIG_BLOCK, &others, &before->mask);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before->cancel_state);
}

void jd_undisturbed_end(const struct jd_disturbance *before)
{
    pthread_setcancelstate(before->cancel_state, NULL);
    pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
}
