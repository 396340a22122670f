/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols that the process provides, found the same way by every engine.
 */
#ifndef JITDUEL_COMMON_PROCESS_SYMBOLS_H
#define JITDUEL_COMMON_PROCESS_SYMBOLS_H

#include <stdint.h>

/** A symbol that is linked into this program and not visible in it. */
struct jd_static_symbol {
    const char *name; /* NULL ends the list */
    uintptr_t addr;
};

/** Those of the CPU that this program was built for. Static. */
extern const struct jd_static_symbol jd_static_symbols_cpu[];

/** Address of a symbol in the process and its loaded libraries; 0 when there is none. Any thread.
 */
uintptr_t jd_process_symbol(const char *name);

/** Some functions of the C library are linked statically into each program and so are no process
 * symbols, because they pass the address of the program's own `__dso_handle`: atexit,
 * at_quick_exit, pthread_atfork. And LLVM defines the head of the shadow stack in each module that
 * has one, for the linker to merge. This gives IR text (NUL-terminated, static) of a module that
 * defines `name` in terms of what the process does have and of an external `__dso_handle`, which
 * the engine defines as an address of its own; NULL for any other name. */
const char *jd_process_symbol_ir(const char *name);

#endif
