/* SPDX-License-Identifier: Apache-2.0
 *
 * The engines that a fork of the process has to leave whole. The thread that forks holds the locks
 * of each across the fork, so that the child never sees work half done. Knows no engine and no
 * LLVM. Source: POSIX, pthread_atfork.
 */
#ifndef JITDUEL_COMMON_FORK_LIST_H
#define JITDUEL_COMMON_FORK_LIST_H

#include <stdbool.h>

/** One engine's part; the engine owns it and fills in all but `next`. */
struct jd_fork_member {
    void *engine;
    void (*hold)(void *engine); /**< before the fork, on the thread that forks */
    /** After it, on that thread, in the parent and in the child. */
    void (*release)(void *engine, bool is_child);
    struct jd_fork_member *next;
};

/** From here to delist, forks call it. Any thread. What has handlers of its own that are to run
 * within these (the arena) must have registered them before the first call: handlers run in the
 * reverse order before a fork, and in order after it. */
void jd_fork_enlist(struct jd_fork_member *member);
/** Does nothing when it is not enlisted. Any thread, with none of the engine's locks. */
void jd_fork_delist(struct jd_fork_member *member);

#endif
