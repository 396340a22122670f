/* SPDX-License-Identifier: Apache-2.0
 *
 * A long stress of the legacy engine: rounds in which a module comes, many threads race through its
 * cold functions while a timer's signal handler calls compiled ones, a function that all use gets a
 * new body, and the module goes. Every result is compared with one computed here; every hundredth
 * round what the engine holds is compared with what it held at first.
 *
 * usage: legacy_soak [SECONDS [THREADS [SEED]]]      defaults: 3 seconds, 4 threads, seed 1
 * Exit code 0, or 1 after a line that says what was wrong. Knows the engine by its contract.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_legacy_ops;

enum { FUNCTIONS = 8, DEPTH = 12, MAX_THREADS = 64, WARM_ROUNDS = 100, TEXT_BYTES = 16384 };

static struct {
    struct jd_engine *engine;
    pthread_barrier_t barrier;
    uint64_t round;
    uint64_t seed;
    uintptr_t entries[FUNCTIONS];
    atomic_bool has_ended;
    int64_t (*_Atomic in_handler)(int64_t, int64_t);
    atomic_ulong handled_count, call_count;
} soak;

static _Noreturn void give_up(const char *what, const struct jd_error *err)
{
    fprintf(stderr, "legacy_soak: round %llu, seed %llu: %s%s%s\n", (unsigned long long)soak.round,
            (unsigned long long)soak.seed, what, err ? ": " : "", err ? err->text : "");
    exit(1);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* The program of a round: function i adds a constant of its own and goes on to another one, in its
 * module or, every third step, through the one that all rounds share. */
static int64_t constant_of(uint64_t round, uint64_t function)
{
    return (int64_t)((round * 31 + function * 7) % 1009);
}

static uint64_t next_of(uint64_t round, uint64_t function)
{
    return (function * 5 + round) % FUNCTIONS;
}

static int64_t expected(uint64_t round, uint64_t function, int64_t x, int64_t depth)
{
    for (; depth; depth--) {
        x += constant_of(round, function);
        if (depth % 3 == 0)
            x = 3 * x + 1; /* shared */
        function = next_of(round, function);
    }
    return x;
}

static const char shared_text[] = "define i64 @shared(i64 %x, i64 %unused) {\n"
                                  "  %a = mul i64 %x, 3\n"
                                  "  %b = add i64 %a, 1\n"
                                  "  ret i64 %b\n}\n";

static size_t write_function(char *text, size_t room, uint64_t round, uint64_t function)
{
    unsigned long long r = round, i = function, n = next_of(round, function);
    int length = snprintf(text, room,
                          "define i64 @r%llu_%llu(i64 %%x, i64 %%depth) {\n"
                          "  %%is_end = icmp eq i64 %%depth, 0\n"
                          "  br i1 %%is_end, label %%end, label %%step\n"
                          "end:\n  ret i64 %%x\n"
                          "step:\n  %%y = add i64 %%x, %lld\n"
                          "  %%third = urem i64 %%depth, 3\n"
                          "  %%is_third = icmp eq i64 %%third, 0\n"
                          "  br i1 %%is_third, label %%call, label %%go\n"
                          "call:\n  %%s = call i64 @shared(i64 %%y, i64 0)\n  br label %%go\n"
                          "go:\n  %%z = phi i64 [ %%y, %%step ], [ %%s, %%call ]\n"
                          "  %%less = sub i64 %%depth, 1\n"
                          "  %%r = call i64 @r%llu_%llu(i64 %%z, i64 %%less)\n"
                          "  ret i64 %%r\n}\n",
                          r, i, (long long)constant_of(round, function), r, n);
    return length < 0 || (size_t)length >= room ? room : (size_t)length;
}

static jd_module_id add_round(uint64_t round)
{
    static char text[TEXT_BYTES];
    struct jd_error err = JD_ERROR_INIT;
    jd_module_id id;
    size_t length = (size_t)snprintf(text, sizeof text, "declare i64 @shared(i64, i64)\n");
    for (uint64_t i = 0; i < FUNCTIONS; i++)
        length += write_function(text + length, sizeof text - length, round, i);
    struct jd_ir ir = {text, length, "round.ll"};
    if (soak.engine->ops->add_module(soak.engine, &ir, &id, &err))
        give_up("add_module", &err);
    for (uint64_t i = 0; i < FUNCTIONS; i++) {
        char name[64];
        snprintf(name, sizeof name, "r%llu_%llu", (unsigned long long)round, (unsigned long long)i);
        if (soak.engine->ops->lookup(soak.engine, name, &soak.entries[i], &err))
            give_up("lookup", &err);
    }
    return id;
}

static void replace_shared(void)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_ir ir = {shared_text, sizeof shared_text - 1, "shared.ll"};
    if (soak.engine->ops->recompile(soak.engine, "shared", &ir, &err))
        give_up("recompile", &err);
}

static void *caller(void *argument)
{
    uint64_t state = soak.seed * 977 + (uint64_t)(uintptr_t)argument + 1;
    for (;;) {
        pthread_barrier_wait(&soak.barrier); /* the module is there */
        if (soak.has_ended)
            return NULL;
        for (int i = 0; i < 16; i++) {
            uint64_t function = next_random(&state) % FUNCTIONS;
            int64_t x = (int64_t)(next_random(&state) % 100000);
            int64_t depth = (int64_t)(next_random(&state) % DEPTH);
            int64_t (*entry)(int64_t, int64_t) =
                (int64_t(*)(int64_t, int64_t))soak.entries[function];
            if (entry(x, depth) != expected(soak.round, function, x, depth))
                give_up("wrong result", NULL);
            soak.call_count++;
        }
        pthread_barrier_wait(&soak.barrier); /* nobody is in the module */
    }
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    int64_t (*function)(int64_t, int64_t) = soak.in_handler;
    if (function && function(5, 0) != 16)
        abort();
    soak.handled_count++;
    errno = saved;
}

static struct jd_counters count(void)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_counters counters = {.struct_size = sizeof counters};
    if (soak.engine->ops->counters(soak.engine, &counters, &err))
        give_up("counters", &err);
    return counters;
}

/* The bodies that `shared` had stay, as code may be running in them. */
static void compare(const struct jd_counters *first, uint64_t replaced_since)
{
    struct jd_counters now = count();
    uint64_t allowed = first->code_bytes + replaced_since * 256;
    if (now.code_bytes > allowed || now.stub_bytes > first->stub_bytes ||
        now.got_bytes > first->got_bytes || now.data_bytes > first->data_bytes) {
        fprintf(stderr,
                "legacy_soak: code %llu (first %llu, %llu bodies replaced), stubs %llu (%llu)\n",
                (unsigned long long)now.code_bytes, (unsigned long long)first->code_bytes,
                (unsigned long long)replaced_since, (unsigned long long)now.stub_bytes,
                (unsigned long long)first->stub_bytes);
        give_up("the engine holds more than after its first rounds", NULL);
    }
}

static void run_rounds(double seconds)
{
    struct timespec start, now;
    struct jd_counters first = {0};
    uint64_t replaced = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        jd_module_id id = add_round(++soak.round);
        struct jd_error err = JD_ERROR_INIT;
        pthread_barrier_wait(&soak.barrier);
        if (soak.round % 50 == 0) {
            replace_shared();
            replaced++;
        }
        pthread_barrier_wait(&soak.barrier);
        if (soak.engine->ops->remove_module(soak.engine, id, &err))
            give_up("remove_module", &err);
        if (soak.round == WARM_ROUNDS) {
            first = count();
            replaced = 0;
        } else if (soak.round > WARM_ROUNDS && soak.round % 100 == 0) {
            compare(&first, replaced);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 <
             seconds);
}

static void open_engine(void)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_engine_options options = {.struct_size = sizeof options};
    struct jd_ir ir = {shared_text, sizeof shared_text - 1, "shared.ll"};
    uintptr_t addr;
    if (jd_legacy_ops.create(&options, &soak.engine, &err) ||
        soak.engine->ops->add_module(soak.engine, &ir, NULL, &err) ||
        soak.engine->ops->lookup(soak.engine, "shared", &addr, &err))
        give_up("set-up", &err);
    int64_t (*shared)(int64_t, int64_t) = (int64_t(*)(int64_t, int64_t))addr;
    if (shared(5, 0) != 16)
        give_up("wrong result", NULL);
    soak.in_handler = shared;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    unsigned thread_count = argc > 2 ? (unsigned)atoi(argv[2]) : 4;
    soak.seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    pthread_t threads[MAX_THREADS];
    if (seconds <= 0 || !thread_count || thread_count > MAX_THREADS || !soak.seed) {
        fprintf(stderr, "usage: legacy_soak [SECONDS [THREADS (1 to %d) [SEED]]]\n", MAX_THREADS);
        return 64;
    }
    open_engine();
    pthread_barrier_init(&soak.barrier, NULL, thread_count + 1);
    for (unsigned i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], NULL, caller, (void *)(uintptr_t)(i + 1)))
            give_up("no thread", NULL);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    const struct itimerval tick = {{0, 2000}, {0, 2000}}, none = {0};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    run_rounds(seconds);
    setitimer(ITIMER_REAL, &none, NULL);
    soak.has_ended = true;
    pthread_barrier_wait(&soak.barrier);
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    soak.engine->ops->destroy(soak.engine);
    printf("%llu rounds, %lu calls from %u threads, %lu signals: all right (seed %llu)\n",
           (unsigned long long)soak.round, soak.call_count, thread_count, soak.handled_count,
           (unsigned long long)soak.seed);
    return 0;
}
