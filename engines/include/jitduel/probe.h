/* SPDX-License-Identifier: Apache-2.0
 *
 * The probe: how engines say what they are doing without owning a clock or a printer.
 *
 * An engine calls begin/end around each phase, properly nested per thread, from the thread that
 * does the work. The harness reads its clock there. A probe with NULL callbacks measures the cost
 * of probing itself. Callbacks must not call back into the engine and must not allocate if the run
 * is a measured one.
 */
#ifndef JITDUEL_PROBE_H
#define JITDUEL_PROBE_H

#include <stddef.h>
#include <stdint.h>

/** Phases that engines report: JD_PHASE(NAME, "text"). */
#define JD_PHASES(JD_PHASE)                                                                        \
    JD_PHASE(PARSE, "parse")                                                                       \
    JD_PHASE(ADD, "add")                                                                           \
    JD_PHASE(PARTITION, "partition")                                                               \
    JD_PHASE(IR_PASSES, "ir_passes")                                                               \
    JD_PHASE(CODEGEN, "codegen")                                                                   \
    JD_PHASE(LINK, "link")                                                                         \
    JD_PHASE(FINALIZE, "finalize")                                                                 \
    JD_PHASE(RESOLVE, "resolve")                                                                   \
    JD_PHASE(TEARDOWN, "teardown")

enum jd_phase {
#define JD_PHASE(name, text) JD_PHASE_##name,
    JD_PHASES(JD_PHASE)
#undef JD_PHASE
        JD_PHASE_COUNT
};

/** Append-only; an engine checks struct_size before it reads a later member. */
struct jd_probe {
    size_t struct_size;
    void *context; /**< borrowed by the engine until it is destroyed */
    void (*begin)(void *context, enum jd_phase phase);
    void (*end)(void *context, enum jd_phase phase);
    /** Code became callable: name borrowed for the call, address and size of the body. */
    void (*compiled)(void *context, const char *name, uintptr_t code_addr, size_t code_bytes);
};

static inline void jd_probe_begin(const struct jd_probe *probe, enum jd_phase phase)
{
    if (probe && probe->begin)
        probe->begin(probe->context, phase);
}

static inline void jd_probe_end(const struct jd_probe *probe, enum jd_phase phase)
{
    if (probe && probe->end)
        probe->end(probe->context, phase);
}

static inline void jd_probe_compiled(const struct jd_probe *probe, const char *name,
                                     uintptr_t code_addr, size_t code_bytes)
{
    if (probe && probe->compiled)
        probe->compiled(probe->context, name, code_addr, code_bytes);
}

#endif
