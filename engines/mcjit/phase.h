/* SPDX-License-Identifier: Apache-2.0
 *
 * The phase that an engine is in, so that it can be changed from inside MCJIT's callbacks and
 * closed after a fatal error left it open. Header only.
 */
#ifndef JITDUEL_MCJIT_PHASE_H
#define JITDUEL_MCJIT_PHASE_H

#include "jitduel/probe.h"

/** At most one phase is open; guarded by the engine's lock. */
struct mcjit_phases {
    const struct jd_probe *probe; /**< borrowed; may be NULL */
    enum jd_phase open;           /**< JD_PHASE_COUNT: none */
};

/** End the open phase, if any, and begin `next`; JD_PHASE_COUNT begins none. */
static inline void mcjit_phase_switch(struct mcjit_phases *phases, enum jd_phase next)
{
    if (phases->open == next)
        return;
    if (phases->open != JD_PHASE_COUNT)
        jd_probe_end(phases->probe, phases->open);
    phases->open = next;
    if (next != JD_PHASE_COUNT)
        jd_probe_begin(phases->probe, next);
}

static inline void mcjit_phase_end(struct mcjit_phases *phases)
{
    mcjit_phase_switch(phases, JD_PHASE_COUNT);
}

#endif
