/* SPDX-License-Identifier: Apache-2.0
 *
 * New strings. Header only; allocation goes through malloc so that tests can make it fail.
 */
#ifndef JITDUEL_MCJIT_TEXT_H
#define JITDUEL_MCJIT_TEXT_H

#include <stdlib.h>
#include <string.h>

/** First and second put together, terminated; the caller frees it. NULL: no memory. */
static inline char *mcjit_text_join(const char *first, size_t first_bytes, const char *second,
                                    size_t second_bytes)
{
    char *text = malloc(first_bytes + second_bytes + 1);
    if (!text)
        return NULL;
    memcpy(text, first, first_bytes);
    memcpy(text + first_bytes, second, second_bytes);
    text[first_bytes + second_bytes] = '\0';
    return text;
}

/** A copy of `bytes` bytes, terminated; the caller frees it. NULL: no memory. */
static inline char *mcjit_text_copy(const char *text, size_t bytes)
{
    return mcjit_text_join(text, bytes, "", 0);
}

#endif
