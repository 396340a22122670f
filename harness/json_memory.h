/* SPDX-License-Identifier: Apache-2.0
 *
 * Was there memory for all JSON that was made? jansson leaves out what it had none for, members of
 * objects and parts of a printed text alike, and goes on: what comes of it looks whole. Knows no
 * content. Source: jansson's json_set_alloc_funcs; its dump.c (2.14) drops the result of printing a
 * key.
 */
#ifndef JITDUEL_HARNESS_JSON_MEMORY_H
#define JITDUEL_HARNESS_JSON_MEMORY_H

#include <stdbool.h>

/** Has an allocation of jansson's ever failed in this process? Then no JSON that this process makes
 * is to be handed on. Watched from before main; any thread may ask. */
bool jd_json_memory_is_short(void);

#endif
