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
int orc_open_jitlink(struct peer *peer, struct jd_error *err);
/** Makes the module's number part of its identifier, and room to count it. */
int orc_name_module(struct orc_peer *orc, const struct peer_module *module, struct jd_error *err);
/** Consumes the module; adds it to the LLJIT's layers. */
int orc_take(struct peer *peer, struct peer_module *module, struct jd_error *err);
int orc_finish(struct peer *peer, struct jd_error *err);
int orc_define(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err);
int orc_find(struct peer *peer, struct peer_symbol *symbol, uintptr_t *out_addr,
             struct jd_error *err);
/** Turns ORC's error into ours; consumes it. What this thread noted is the better text. */
int orc_take_error(struct orc_peer *orc, LLVMErrorRef error, const char *where,
                   struct jd_error *err);
/** Notes why a function cannot be compiled, for whoever learns of it on this thread. */
void orc_note_error(struct orc_peer *orc, const char *function, const struct jd_error *error);
/** Where a first call goes that cannot be made: asks the error handler, calls what it says. */
uintptr_t orc_failure_addr(void);

/* --- orc_names.c ------------------------------------------------------------------------------ */

/** The name in the IR of what has a name of ours ("jitduel:body.3:name"). Within `name`. */
const char *orc_plain_name(const char *name);
/** A name of ours for a value of the module. Owned by the caller; NULL: no memory. */
char *orc_own_name(const struct peer_module *module, const char *what, LLVMValueRef global);
/** Makes what is local in the module's IR global, under a name that nothing else has; with
 * `keeps_aliasees` all but what has an alias. Errors: NO_MEMORY. */
int orc_promote_locals(const struct peer_module *module, LLVMModuleRef llvm, bool keeps_aliasees,
                       struct jd_error *err);

/** Makes functions that take their own address read it from data: there it is that of the stub, in
 * the function's own part that of the body. Errors: NO_MEMORY. */
int orc_read_own_addresses(const struct peer_module *module, LLVMModuleRef llvm,
                           struct jd_error *err);

/** What the back ends on ORC have in common, and those of them that compile whole modules. */
#define ORC_BACKEND .size_bytes = sizeof(struct orc_peer), .define = orc_define, .find = orc_find
#define ORC_EAGER_BACKEND ORC_BACKEND, .close = orc_close, .take = orc_take, .finish = orc_finish

#endif
