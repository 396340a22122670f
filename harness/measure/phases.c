/* SPDX-License-Identifier: Apache-2.0
 *
 * The phase recorder. Each thread keeps the stack of its open phases in thread-local storage; time
 * since the thread's last event is charged to the phase that was innermost meanwhile. Sums are
 * relaxed atomics: they are read when the work is over or as a snapshot.
 */
#include "measure/phases.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "measure/clock.h"

struct jd_phases {
    struct jd_probe probe;
    _Atomic uint64_t ns[JD_PHASE_COUNT];
    _Atomic uint64_t count[JD_PHASE_COUNT];
    _Atomic uint64_t compiled_count, compiled_bytes;
    _Atomic uint64_t pause_count, pause_ns, pause_max_ns;
    _Atomic uint64_t mismatch_count;
    _Atomic uint64_t *pauses; /* ring */
    size_t pause_capacity;    /* power of two */
};

/* The phases open on this thread. `depth` is written after the frame, so that a signal handler sees
 * whole frames only; `recorder` is NULL in frames of the tracker. */
struct nest {
    volatile unsigned depth;
    unsigned overflow;
    uint64_t last_ns;
    uint64_t pause_start_ns;
    struct {
        struct jd_phases *recorder;
        enum jd_phase phase;
    } frame[JD_PHASES_DEPTH];
};

static _Thread_local struct nest nest __attribute__((tls_model("initial-exec")));

static void add(_Atomic uint64_t *sum, uint64_t value)
{
    atomic_fetch_add_explicit(sum, value, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *sum)
{
    return atomic_load_explicit(sum, memory_order_relaxed);
}

static void set(_Atomic uint64_t *sum, uint64_t value)
{
    atomic_store_explicit(sum, value, memory_order_relaxed);
}

/* Charge the time since the thread's last event to its innermost phase. */
static void charge(struct nest *n, uint64_t now)
{
    if (n->depth > 0 && n->frame[n->depth - 1].recorder) {
        struct jd_phases *recorder = n->frame[n->depth - 1].recorder;
        add(&recorder->ns[n->frame[n->depth - 1].phase], now - n->last_ns);
    }
    n->last_ns = now;
}

static bool push(struct nest *n, struct jd_phases *recorder, enum jd_phase phase)
{
    unsigned depth = n->depth;
    if (depth == JD_PHASES_DEPTH) {
        n->overflow++;
        return false;
    }
    n->frame[depth].recorder = recorder;
    n->frame[depth].phase = phase;
    n->depth = depth + 1;
    return true;
}

/* The depth at which the phase that ends was begun, searched from the top; -1: never begun. What
 * lies above it was left without an end. */
static int find(const struct nest *n, const struct jd_phases *recorder, enum jd_phase phase)
{
    int at = (int)n->depth - 1;
    while (at >= 0 && (n->frame[at].recorder != recorder || n->frame[at].phase != phase))
        at--;
    return at;
}

static void record_pause(struct jd_phases *self, uint64_t ns)
{
    uint64_t number = atomic_fetch_add_explicit(&self->pause_count, 1, memory_order_relaxed);
    set(&self->pauses[number & (self->pause_capacity - 1)], ns);
    add(&self->pause_ns, ns);
    uint64_t longest = get(&self->pause_max_ns);
    while (ns > longest &&
           !atomic_compare_exchange_weak_explicit(&self->pause_max_ns, &longest, ns,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

static void on_begin(void *context, enum jd_phase phase)
{
    struct jd_phases *self = context;
    struct nest *n = &nest;
    uint64_t now = jd_clock_ns();
    charge(n, now);
    add(&self->count[phase], 1);
    if (n->depth == 0)
        n->pause_start_ns = now;
    if (!push(n, self, phase))
        add(&self->mismatch_count, 1);
}

static void on_end(void *context, enum jd_phase phase)
{
    struct jd_phases *self = context;
    struct nest *n = &nest;
    if (n->overflow > 0) {
        n->overflow--;
        return;
    }
    int at = find(n, self, phase);
    if (at < 0 || at != (int)n->depth - 1)
        add(&self->mismatch_count, 1);
    if (at < 0)
        return;
    uint64_t now = jd_clock_ns();
    charge(n, now);
    n->depth = (unsigned)at;
    if (at == 0)
        record_pause(self, now - n->pause_start_ns);
}

static void on_compiled(void *context, const char *name, uintptr_t code_addr, size_t code_bytes)
{
    struct jd_phases *self = context;
    (void)name;
    (void)code_addr;
    add(&self->compiled_count, 1);
    add(&self->compiled_bytes, code_bytes);
}

static void track_begin(void *context, enum jd_phase phase)
{
    (void)context;
    push(&nest, NULL, phase);
}

static void track_end(void *context, enum jd_phase phase)
{
    (void)context;
    if (nest.overflow > 0) {
        nest.overflow--;
        return;
    }
    int at = find(&nest, NULL, phase);
    if (at >= 0)
        nest.depth = (unsigned)at;
}

const struct jd_probe jd_probe_track = {
    .struct_size = sizeof(struct jd_probe), .begin = track_begin, .end = track_end};
const struct jd_probe jd_probe_none = {.struct_size = sizeof(struct jd_probe)};

static size_t ring_bytes(const struct jd_phases *phases)
{
    return phases->pause_capacity * sizeof *phases->pauses;
}

int jd_phases_create(size_t pause_capacity, struct jd_phases **out, struct jd_error *err)
{
    struct jd_phases *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return jd_fail(err, JD_E_NO_MEMORY, "phase recorder", "no memory");
    self->pause_capacity = 1;
    while (self->pause_capacity < pause_capacity)
        self->pause_capacity *= 2;
    void *ring = mmap(NULL, ring_bytes(self), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED) {
        free(self);
        return jd_fail(err, JD_E_NO_MEMORY, "phase recorder", "no memory for %zu pauses",
                       pause_capacity);
    }
    self->pauses = ring;
    self->probe = (struct jd_probe){.struct_size = sizeof self->probe,
                                    .context = self,
                                    .begin = on_begin,
                                    .end = on_end,
                                    .compiled = on_compiled};
    *out = self;
    return JD_OK;
}

void jd_phases_destroy(struct jd_phases *phases)
{
    if (!phases)
        return;
    munmap(phases->pauses, ring_bytes(phases));
    free(phases);
}

const struct jd_probe *jd_phases_probe(struct jd_phases *phases)
{
    return &phases->probe;
}

void jd_phases_read(const struct jd_phases *phases, struct jd_phase_totals *out)
{
    for (int i = 0; i < JD_PHASE_COUNT; i++) {
        out->ns[i] = get(&phases->ns[i]);
        out->count[i] = get(&phases->count[i]);
    }
    out->compiled_count = get(&phases->compiled_count);
    out->compiled_bytes = get(&phases->compiled_bytes);
    out->pause_count = get(&phases->pause_count);
    out->pause_ns = get(&phases->pause_ns);
    out->pause_max_ns = get(&phases->pause_max_ns);
    out->mismatch_count = get(&phases->mismatch_count);
}

void jd_phases_reset(struct jd_phases *phases)
{
    for (int i = 0; i < JD_PHASE_COUNT; i++) {
        set(&phases->ns[i], 0);
        set(&phases->count[i], 0);
    }
    set(&phases->compiled_count, 0);
    set(&phases->compiled_bytes, 0);
    set(&phases->pause_count, 0);
    set(&phases->pause_ns, 0);
    set(&phases->pause_max_ns, 0);
    set(&phases->mismatch_count, 0);
}

size_t jd_phases_pauses(const struct jd_phases *phases, uint64_t first, uint64_t *out,
                        size_t capacity, uint64_t *out_first)
{
    uint64_t count = get(&phases->pause_count);
    if (count > phases->pause_capacity && first < count - phases->pause_capacity)
        first = count - phases->pause_capacity;
    if (out_first)
        *out_first = first;
    size_t copied = 0;
    for (; first < count && copied < capacity; first++)
        out[copied++] = get(&phases->pauses[first & (phases->pause_capacity - 1)]);
    return copied;
}

int jd_phase_current(void)
{
    unsigned depth = nest.depth;
    return depth > 0 ? (int)nest.frame[depth - 1].phase : -1;
}

const char *jd_phase_name(int phase)
{
    static const char *const names[] = {
#define JD_PHASE(name, text) [JD_PHASE_##name] = text,
        JD_PHASES(JD_PHASE)
#undef JD_PHASE
    };
    return phase >= 0 && phase < JD_PHASE_COUNT ? names[phase] : NULL;
}
