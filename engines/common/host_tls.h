/* SPDX-License-Identifier: Apache-2.0
 *
 * Thread-local variables of the process, for code that was compiled for emulated TLS. Such code
 * passes a control object to __emutls_get_address; for a variable of the process the engine makes a
 * control object that our own __emutls_get_address recognises, and asks the loader for the calling
 * thread's copy. Its own variables go to libgcc as usual. Knows no LLVM, no engine.
 */
#ifndef JITDUEL_COMMON_HOST_TLS_H
#define JITDUEL_COMMON_HOST_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

/** Laid out like libgcc's struct __emutls_object, with a size that no variable can have. */
struct jd_host_tls_control {
    uintptr_t size_bytes;
    uintptr_t align_bytes;
    uintptr_t module; /* of the loader's tls_index */
    uintptr_t offset;
};

/** Fill a control object for the process's thread-local variable of that name. Errors: UNRESOLVED
 * when the process has none. Any thread. */
int jd_host_tls_find(const char *name, struct jd_host_tls_control *out, struct jd_error *err);

/** Takes the place of libstdc++'s __once_proxy: calls what std::call_once stored in the
 * thread-local variable that jd_host_tls_find finds for its name, which is the engines' own. */
void jd_host_tls_once_proxy(void);

/** Takes the place of libgcc's __emutls_get_address; `control` is either kind. Any thread. */
void *jd_host_tls_get_address(void *control);

#endif
