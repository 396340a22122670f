/* SPDX-License-Identifier: Apache-2.0
 *
 * The process's side of unwinding: which arena a program counter belongs to, and the definition of
 * _Unwind_Find_FDE that libgcc's unwinder calls. No lock is taken and nothing is allocated on the
 * way, because a signal handler may walk the stack at any time, and nothing is instrumented,
 * because sanitizers walk it too.
 *
 * Sources: libgcc's unwind-dw2-fde.h (the interface; _Unwind_Find_FDE is exported since GCC 3.0);
 * ELF gABI, chapter 5 (a program's definition comes before that of a library).
 */
#include "find_fde.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unwind.h>

#define UNINSTRUMENTED                                                                             \
    __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))

/* libgcc's struct dwarf_eh_bases. */
struct eh_bases {
    void *text, *data, *function;
};

typedef const void *(*find_fn)(void *pc, struct eh_bases *bases);

/* An arena as finders see it. Slots are used again and never freed, so that a finder can look at
 * one that changes under it: it believes what it read when the version was even and is the same
 * afterwards. */
struct legacy_unwind_slot {
    struct legacy_unwind_slot *next; /* constant */
    atomic_uint version;             /* odd: being changed */
    atomic_uintptr_t base_addr;
    atomic_size_t bytes; /* 0: idle */
    _Atomic(const _Atomic uint64_t *) starts;
    _Atomic(const struct jd_arena *) arena;
};

/* What a finder read of a slot. */
struct view {
    uintptr_t base_addr;
    size_t bytes;
    const _Atomic uint64_t *starts;
    const struct jd_arena *arena;
};

static _Atomic(struct legacy_unwind_slot *) slots;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER; /* of those that change them */

/* ---- arenas come and go ---- */

static void lock_slots(void)
{
    pthread_mutex_lock(&slots_lock);
}

static void unlock_slots(void)
{
    pthread_mutex_unlock(&slots_lock);
}

/* A child must not inherit the lock from a thread that it does not have. */
static void survive_forks(void)
{
    pthread_atfork(lock_slots, unlock_slots, unlock_slots);
}

static void write_slot(struct legacy_unwind_slot *slot, const struct view *view)
{
    unsigned version = atomic_load_explicit(&slot->version, memory_order_relaxed);
    atomic_store_explicit(&slot->version, version + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&slot->base_addr, view->base_addr, memory_order_relaxed);
    atomic_store_explicit(&slot->bytes, view->bytes, memory_order_relaxed);
    atomic_store_explicit(&slot->starts, view->starts, memory_order_relaxed);
    atomic_store_explicit(&slot->arena, view->arena, memory_order_relaxed);
    atomic_store_explicit(&slot->version, version + 2, memory_order_release);
}

static struct legacy_unwind_slot *idle_slot(void)
{
    struct legacy_unwind_slot *first = atomic_load_explicit(&slots, memory_order_relaxed);
    for (struct legacy_unwind_slot *slot = first; slot; slot = slot->next)
        if (!atomic_load_explicit(&slot->bytes, memory_order_relaxed))
            return slot;
    struct legacy_unwind_slot *slot = calloc(1, sizeof *slot);
    if (slot) {
        slot->next = first;
        atomic_store_explicit(&slots, slot, memory_order_release);
    }
    return slot;
}

bool legacy_unwind_publish(struct legacy_unwind *unwind)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct view view = {unwind->base_addr, unwind->bytes, unwind->starts, unwind->arena};
    pthread_once(&once, survive_forks);
    lock_slots();
    unwind->slot = idle_slot();
    if (unwind->slot)
        write_slot(unwind->slot, &view);
    unlock_slots();
    return unwind->slot;
}

void legacy_unwind_retract(struct legacy_unwind *unwind)
{
    const struct view none = {0};
    lock_slots();
    write_slot(unwind->slot, &none);
    unlock_slots();
}

/* ---- finding ---- */

/* An arena that comes or goes meanwhile has no code on any stack: its slot is passed over. */
UNINSTRUMENTED static bool read_slot(struct legacy_unwind_slot *slot, struct view *out)
{
    unsigned version = atomic_load_explicit(&slot->version, memory_order_acquire);
    out->base_addr = atomic_load_explicit(&slot->base_addr, memory_order_relaxed);
    out->bytes = atomic_load_explicit(&slot->bytes, memory_order_relaxed);
    out->starts = atomic_load_explicit(&slot->starts, memory_order_relaxed);
    out->arena = atomic_load_explicit(&slot->arena, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return !(version & 1) && version == atomic_load_explicit(&slot->version, memory_order_relaxed);
}

UNINSTRUMENTED static bool find_view(uintptr_t pc, struct view *out)
{
    struct legacy_unwind_slot *slot = atomic_load_explicit(&slots, memory_order_acquire);
    for (; slot; slot = slot->next)
        if (read_slot(slot, out) && pc - out->base_addr < out->bytes)
            return true;
    return false;
}

/* Where the block that `pc` may be in begins: the mark nearest below; 0: none. */
UNINSTRUMENTED static uintptr_t find_start(const struct view *view, uintptr_t pc)
{
    size_t granule = (pc - view->base_addr) / LEGACY_UNWIND_GRANULE_BYTES, word = granule / 64;
    uint64_t bits = atomic_load_explicit(&view->starts[word], memory_order_acquire) &
                    UINT64_MAX >> (63 - granule % 64);
    while (!bits) {
        if (!word--)
            return 0;
        bits = atomic_load_explicit(&view->starts[word], memory_order_acquire);
    }
    size_t highest = word * 64 + 63 - (size_t)__builtin_clzll(bits);
    return view->base_addr + LEGACY_UNWIND_GRANULE_BYTES * highest;
}

UNINSTRUMENTED static const void *find_row(const struct legacy_unwind_prefix *prefix,
                                           uintptr_t code_addr, uintptr_t pc,
                                           uintptr_t *out_function_addr)
{
    const struct legacy_unwind_table *table = (const void *)prefix->table_addr;
    uint32_t low = 0, high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct legacy_unwind_row *row = &table->rows[middle];
        if (pc - code_addr < row->begin)
            high = middle;
        else if (pc - code_addr - row->begin >= row->bytes)
            low = middle + 1;
        else {
            *out_function_addr = code_addr + row->begin;
            return (const void *)(prefix->frames_addr + row->entry);
        }
    }
    return NULL;
}

UNINSTRUMENTED static const void *find_in(const struct view *view, uintptr_t pc,
                                          uintptr_t *out_function_addr)
{
    if (jd_arena_is_kind(view->arena, pc, JD_ARENA_STUB)) {
        *out_function_addr = pc;
        return legacy_unwind_stub_entry(pc);
    }
    uintptr_t code_addr = find_start(view, pc);
    if (!code_addr)
        return NULL;
    const struct legacy_unwind_prefix *prefix = (const void *)code_addr;
    /* What is there may be about to be used otherwise when nobody runs it and `pc` is stray. */
    if (!jd_arena_is_kind(view->arena, prefix->table_addr, JD_ARENA_UNWIND))
        return NULL;
    return find_row(prefix, code_addr, pc, out_function_addr);
}

UNINSTRUMENTED const void *legacy_unwind_find(uintptr_t pc, uintptr_t *out_function_addr)
{
    struct view view;
    *out_function_addr = 0;
    return find_view(pc, &view) ? find_in(&view, pc, out_function_addr) : NULL;
}

/* ---- the unwinder's door ---- */

static atomic_bool was_asked;

/* The definition that this one stands before. */
UNINSTRUMENTED static find_fn next_finder(void)
{
    static _Atomic(find_fn) known;
    find_fn next = atomic_load_explicit(&known, memory_order_relaxed);
    if (!next) {
        /* POSIX dlsym, rationale: the way to get a function from an object pointer. */
        *(void **)&next = dlsym(RTLD_NEXT, "_Unwind_Find_FDE");
        atomic_store_explicit(&known, next, memory_order_relaxed);
    }
    return next;
}

const void *_Unwind_Find_FDE(void *pc, struct eh_bases *bases);

UNINSTRUMENTED __attribute__((visibility("default"))) const void *
_Unwind_Find_FDE(void *pc, struct eh_bases *bases)
{
    uintptr_t function_addr;
    if (!atomic_load_explicit(&was_asked, memory_order_relaxed))
        atomic_store_explicit(&was_asked, true, memory_order_relaxed);
    const void *entry = legacy_unwind_find((uintptr_t)pc, &function_addr);
    if (entry) {
        *bases = (struct eh_bases){.function = (void *)function_addr};
        return entry;
    }
    find_fn next = next_finder();
    return next ? next(pc, bases) : NULL;
}

static _Unwind_Reason_Code stop(struct _Unwind_Context *context, void *argument)
{
    (void)context, (void)argument;
    return _URC_END_OF_STACK;
}

static enum legacy_unwind_mode mode;

static void choose_mode(void)
{
    _Unwind_Backtrace(stop, NULL); /* asks for the frame that it is called from */
    mode = atomic_load(&was_asked) ? LEGACY_UNWIND_OWN : LEGACY_UNWIND_LIBGCC;
}

enum legacy_unwind_mode legacy_unwind_mode(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_mode);
    return mode;
}
