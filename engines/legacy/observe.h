/* SPDX-License-Identifier: Apache-2.0
 *
 * Tell profilers and debuggers about compiled functions, when they ask for it. Knows ELF and no
 * LLVM, no engine.
 */
#ifndef JITDUEL_LEGACY_OBSERVE_H
#define JITDUEL_LEGACY_OBSERVE_H

#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

/* perf_map.c: Linux, tools/perf/Documentation/jit-interface.txt */

enum { LEGACY_PERF_MAP_CLOSED = -1 };

/** Open /tmp/perf-PID.map to append; it stays when the process ends, for perf reads it then. Close
 * `*out_fd`. Errors: IO; it is LEGACY_PERF_MAP_CLOSED then. */
int legacy_perf_map_open(int *out_fd, struct jd_error *err);
/** One line, in one write: lines of several engines do not mix. Does nothing with a closed map; a
 * line that cannot be written is lost. The format knows no removal: perf takes the last function
 * for an address that was used more than once. */
void legacy_perf_map_add(int fd, const char *name, uintptr_t code_addr, size_t code_bytes);
/** A closed map is accepted. */
void legacy_perf_map_close(int fd);

/* gdb_jit.c: GDB manual, "JIT Compilation Interface" */

/** An object that debuggers know of. */
struct legacy_gdb_object;

/** Where a section of the object was loaded; 0: it was not. */
typedef uintptr_t (*legacy_gdb_section_fn)(void *context, uint32_t index);

/** Show debuggers an ELF64 object of this CPU, which must be well-formed (jd_elf_open), with its
 * sections where they were loaded. The bytes are copied. Any thread. Errors: NO_MEMORY. */
int legacy_gdb_register(const void *bytes, size_t size_bytes, legacy_gdb_section_fn section_addr,
                        void *context, struct legacy_gdb_object **out, struct jd_error *err);
/** Before the code's memory is given back. NULL is accepted. Any thread. */
void legacy_gdb_deregister(struct legacy_gdb_object *object);

#endif
