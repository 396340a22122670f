/* SPDX-License-Identifier: Apache-2.0
 *
 * A stretch of a thread's work that neither a signal handler nor cancellation may come into: what
 * the engine has in its hands there cannot be entered twice, nor left half done. Signals wait, but
 * for those that an instruction raises: waiting, these would end the process. Nor do those wait
 * with which people end a process (SIGINT, SIGTERM, SIGQUIT, SIGHUP), while no handler is set for
 * them: a long compile could not be interrupted. Plain C. Sources: pthread_sigmask(3),
 * pthread_setcancelstate(3); POSIX.1-2008 XSH 2.4.1.
 */
#ifndef JITDUEL_COMMON_UNDISTURBED_H
#define JITDUEL_COMMON_UNDISTURBED_H

#include <signal.h>
#include <stdbool.h>

/** What the thread had before. */
struct jd_disturbance {
    sigset_t mask;
    int cancel_state;
};

/** From here on undisturbed. Does not nest in itself. errno stays as it is. */
void jd_undisturbed_begin(struct jd_disturbance *before);
/** Is this thread undisturbed? Async-signal-safe. */
bool jd_undisturbed_is_here(void);
/** This thread is an engine's own: it counts as undisturbed until it ends. */
void jd_undisturbed_stay(void);
/** As it was before. Signals that waited are handled before this returns. */
void jd_undisturbed_end(const struct jd_disturbance *before);

#endif
