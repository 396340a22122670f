/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, and where they are when no module defines them: known address, process, creator, in this
 * order. Knows no LLVM. Source: FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo).
 */
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "process_symbols.h"

/* --- The table ---------------------------------------------------------------------------------
 */

static uint64_t hash_name(const char *name, size_t name_bytes)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < name_bytes; i++)
        hash = (hash ^ (unsigned char)name[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

struct peer_symbol *peer_intern(struct peer *peer, const char *name, size_t name_bytes)
{
    uint64_t hash = hash_name(name, name_bytes);
    struct peer_symbol **bucket = &peer->buckets[hash % PEER_BUCKETS], *symbol;
    for (symbol = *bucket; symbol; symbol = symbol->next)
        if (symbol->hash == hash && !strncmp(symbol->name, name, name_bytes) &&
            !symbol->name[name_bytes])
            return symbol;
    symbol = calloc(1, sizeof *symbol + name_bytes + 1);
    if (!symbol)
        return NULL;
    memcpy(symbol->name, name, name_bytes);
    symbol->hash = hash;
    symbol->kind = JD_SYMBOL_FUNCTION;
    symbol->next = *bucket;
    *bucket = symbol;
    return symbol;
}

void peer_names_fini(struct peer *peer)
{
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (struct peer_symbol *symbol = peer->buckets[i], *next; symbol; symbol = next) {
            next = symbol->next;
            free(symbol);
        }
    for (size_t i = 0; i < peer->tls_control_count; i++)
        free(peer->tls_controls[i]);
    free(peer->tls_controls);
}

/* --- One name ----------------------------------------------------------------------------------
 */

static bool is_known(struct peer *peer, const struct peer_symbol *symbol)
{
    pthread_mutex_lock(&peer->lock);
    bool result = symbol->addr || symbol->definer;
    pthread_mutex_unlock(&peer->lock);
    return result;
}

static void set_addr(struct peer *peer, struct peer_symbol *symbol, uintptr_t addr)
{
    pthread_mutex_lock(&peer->lock);
    if (!symbol->addr && !symbol->definer)
        symbol->addr = addr;
    pthread_mutex_unlock(&peer->lock);
}

/* A control object through which code reaches the process's variable. */
static int find_host_tls(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err)
{
    struct jd_host_tls_control *control = calloc(1, sizeof *control);
    if (!control)
        return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no room for its control object");
    if (jd_host_tls_find(symbol->name, control, NULL)) {
        free(control);
        return JD_OK;
    }
    pthread_mutex_lock(&peer->lock);
    struct jd_host_tls_control **list =
        peer_grow(peer->tls_controls, peer->tls_control_count, sizeof *peer->tls_controls);
    if (list) {
        peer->tls_controls = list;
        list[peer->tls_control_count++] = control;
        symbol->addr = (uintptr_t)control;
        symbol->is_tls = true;
    }
    pthread_mutex_unlock(&peer->lock);
    if (list)
        return JD_OK;
    free(control);
    return jd_fail(err, JD_E_NO_MEMORY, symbol->name, "no room for its control object");
}

/* The static ones first: a process that has `atexit` as a symbol has it for itself. */
static int find_in_process(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err)
{
    const char *text = jd_process_symbol_ir(symbol->name);
    struct peer_module *helper;
    if (!text) {
        set_addr(peer, symbol, jd_process_symbol(symbol->name));
        return JD_OK;
    }
    const struct jd_ir ir = {text, strlen(text), symbol->name};
    return peer_module_add(peer, &ir, true, &helper, err);
}

static int take_creation(struct peer *peer, struct peer_symbol *symbol,
                         const struct jd_creation *creation, uint32_t epoch, struct jd_error *err)
{
    struct peer_module *module;
    if (creation->addr) {
        set_addr(peer, symbol, creation->addr);
        return JD_OK;
    }
    if (!creation->ir.bytes) {
        pthread_mutex_lock(&peer->lock);
        symbol->refused_epoch = epoch;
        pthread_mutex_unlock(&peer->lock);
        return JD_OK;
    }
    int result = peer_module_add(peer, &creation->ir, false, &module, err);
    if (!result && !symbol->definer)
        result = jd_fail(err, JD_E_UNRESOLVED, creation->ir.name,
                         "the creator's module does not define '%s'", symbol->name);
    return result;
}

/* *out_creator is NULL when nobody is to be asked, or another thread did meanwhile. */
static int begin_asking(struct peer *peer, struct peer_symbol *symbol, jd_creator_fn *out_creator,
                        void **out_context, uint32_t *out_epoch, struct jd_error *err)
{
    int result = JD_OK;
    *out_creator = NULL;
    pthread_mutex_lock(&peer->lock);
    if (symbol->is_asking && pthread_equal(symbol->asker, pthread_self()))
        result = jd_fail(err, JD_E_STATE, symbol->name,
                         "the creator that is being asked for it needs it");
    while (!result && symbol->is_asking)
        pthread_cond_wait(&peer->creator_answered, &peer->lock);
    bool is_open = !symbol->addr && !symbol->definer && peer->creator &&
                   symbol->refused_epoch != peer->creator_epoch;
    if (!result && is_open) {
        symbol->is_asking = true;
        symbol->asker = pthread_self();
        peer->counters.creator_calls++;
        *out_creator = peer->creator;
        *out_context = peer->creator_context;
        *out_epoch = peer->creator_epoch;
    }
    pthread_mutex_unlock(&peer->lock);
    return result;
}

/* Where on its stack this thread asks the creator that it asked last; 0: nowhere. */
static _Thread_local uintptr_t asking_frame_addr;

bool peer_has_left_creator(uintptr_t frame_addr)
{
    /* Stacks grow down: what is asked from below this frame is not on the stack any more. */
    if (!asking_frame_addr || asking_frame_addr >= frame_addr)
        return false;
    asking_frame_addr = 0;
    return true;
}

static int ask_creator(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err)
{
    struct jd_creation creation = {0};
    jd_creator_fn creator;
    void *context = NULL;
    uint32_t epoch = 0;
    int result = begin_asking(peer, symbol, &creator, &context, &epoch, err);
    if (result || !creator)
        return result;
    uintptr_t outer_frame_addr = asking_frame_addr;
    asking_frame_addr = (uintptr_t)__builtin_frame_address(0);
    result = creator(context, &peer->base, symbol->name, symbol->kind, &creation, err);
    asking_frame_addr = outer_frame_addr;
    if (result)
        jd_fail(err, result, symbol->name, "the creator failed");
    else
        result = take_creation(peer, symbol, &creation, epoch, err);
    pthread_mutex_lock(&peer->lock);
    symbol->is_asking = false;
    pthread_cond_broadcast(&peer->creator_answered);
    pthread_mutex_unlock(&peer->lock);
    return result;
}

int peer_locate(struct peer *peer, struct peer_symbol *symbol, bool is_tls, bool *out_is_found,
                struct jd_error *err)
{
    /* What only the code generator calls is the compiler's own: always the process's, and no
     * creator's. */
    bool may_search = !peer->options.is_process_search_disabled || !symbol->is_declared;
    int result = JD_OK;
    *out_is_found = is_known(peer, symbol);
    if (*out_is_found)
        return JD_OK;
    if (may_search)
        result = is_tls ? find_host_tls(peer, symbol, err) : find_in_process(peer, symbol, err);
    if (!result && !is_tls && symbol->is_declared && !is_known(peer, symbol))
        result = ask_creator(peer, symbol, err);
    *out_is_found = !result && is_known(peer, symbol);
    return result;
}

/* --- All that is declared -----------------------------------------------------------------------
 */

static int resolve_reference(struct peer *peer, const struct peer_module *module,
                             const struct peer_reference *reference, struct jd_error *err)
{
    struct peer_symbol *symbol = reference->symbol;
    bool is_found;
    if (reference->is_tls && symbol->is_user_defined)
        return jd_fail(err, JD_E_UNSUPPORTED, symbol->name,
                       "%s declares it thread-local: it cannot be at one address", module->name);
    int result = peer_locate(peer, symbol, reference->is_tls, &is_found, err);
    if (result) {
        jd_error_prefix(err, module->name);
        return result;
    }
    if (!is_found && !reference->is_weak)
        return jd_fail(err, JD_E_UNRESOLVED, symbol->name,
                       "unresolved: declared in %s and defined nowhere", module->name);
    return JD_OK;
}

int peer_resolve_pending(struct peer *peer, struct jd_error *err)
{
    int result = JD_OK;
    peer_phase_push(peer, JD_PHASE_RESOLVE);
    /* The list grows while it is walked: creators and the process add modules. */
    for (size_t i = peer->pending_from; i < peer->module_count && !result; i++) {
        struct peer_module *module = peer->modules[i];
        if (module->state != PEER_PENDING)
            continue;
        for (size_t j = 0; j < module->reference_count && !result; j++)
            result = resolve_reference(peer, module, &module->references[j], err);
    }
    peer_phase_pop(peer);
    return result;
}
