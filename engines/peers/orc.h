/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engines on ORC share: an LLJIT behind the front, its errors, its hooks.
 *
 * Errors travel by thread: what fails deep inside (a name that nobody has, a body that cannot be
 * compiled) is noted on the thread that does the work, because ORC itself only says which symbols
 * did not materialise.
 */
#ifndef JITDUEL_PEERS_ORC_H
#define JITDUEL_PEERS_ORC_H

#include <llvm-c/LLJIT.h>

#include "peer.h"

struct orc_split;

struct orc_peer {
    struct peer peer;
    LLVMOrcLLJITRef jit;
    LLVMOrcExecutionSessionRef session;
    LLVMOrcJITDylibRef dylib;
    bool *is_compiled; /**< by module number, for counting */
    size_t is_compiled_room;
    size_t finished;         /**< modules below this index have been compiled */
    struct orc_split *split; /**< of orc-lazy-split */
};

enum orc_kind { ORC_JITLINK, ORC_RTDYLD, ORC_ON_DEMAND };

int orc_open(struct orc_peer *orc, enum orc_kind kind, struct jd_error *err);
void orc_close(struct peer *peer);
/** Consumes the module; adds it to the LLJIT's or the compile-on-demand layer. */
int orc_take(struct peer *peer, struct peer_module *module, struct jd_error *err);
int orc_take_on_demand(struct peer *peer, struct peer_module *module, struct jd_error *err);
int orc_define(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err);
int orc_find(struct peer *peer, struct peer_symbol *symbol, uintptr_t *out_addr,
             struct jd_error *err);
/** Turns ORC's error into ours; consumes it. What this thread noted is the better text. */
int orc_take_error(struct orc_peer *orc, LLVMErrorRef error, const char *where,
                   struct jd_error *err);
/** Where a first call goes that cannot be made: asks the error handler, calls what it says. */
uintptr_t orc_failure_addr(void);

#endif
