/* SPDX-License-Identifier: Apache-2.0
 *
 * What code of one engine registers for the end of the program (__cxa_atexit, and atexit through
 * it). The C library alone would call it at exit even when the engine and its code are gone, and
 * could not tell two engines apart that used the same address one after the other. Knows no LLVM,
 * no engine. Source: Itanium C++ ABI, 3.3.6.3.
 */
#ifndef JITDUEL_COMMON_EXIT_LIST_H
#define JITDUEL_COMMON_EXIT_LIST_H

#include <stdbool.h>
#include <stdint.h>

struct jd_exit_entry;

/** One engine's registrations. Its address is what the engine's code knows as &__dso_handle. */
struct jd_exit_list {
    struct jd_exit_entry *latest;
    const void *alias;
    struct jd_exit_list *next; /* all lists of the process */
};

/** Take part in jd_exit_register. The list must stay where it is until fini. Any thread. */
void jd_exit_list_init(struct jd_exit_list *list);
/** A further address that the list goes by: for code that wants its handle near. Any thread. */
void jd_exit_list_alias(struct jd_exit_list *list, const void *alias);
/** Forget what did not run; at exit nothing of it is called. Any thread. */
void jd_exit_list_fini(struct jd_exit_list *list);
/** Forget what the predicate, given the function's address, says yes to; nothing of it is called.
 * The predicate must not come back here. Any thread. */
void jd_exit_list_forget(struct jd_exit_list *list,
                         bool (*is_gone)(void *context, uintptr_t function_addr), void *context);
/** Run what is registered, the latest first, each once; what is registered meanwhile runs too. */
void jd_exit_list_run(struct jd_exit_list *list);

/** Takes the place of __cxa_atexit: with the address of a list the function runs by
 * jd_exit_list_run, or at exit in its turn among all handlers of the process, whichever comes
 * first; any other handle goes to the C library. 0, or not 0 without memory. Any thread. */
int jd_exit_register(void (*function)(void *), void *argument, void *dso_handle);

#endif
