/* SPDX-License-Identifier: Apache-2.0
 *
 * What unwind tables cost with 100 to 100,000 functions, one block of code each: adding, an
 * exception through one of them, adding and throwing in turns, removing in any order. Not a test:
 * prints a table; engines/legacy/README.md shows one. The same source is linked twice, as
 * unwind_cost_own and unwind_cost_libgcc.
 *
 * usage: unwind_cost_own [FUNCTIONS]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frame_code.h"
#include "throw_through.h"

enum { THROWS = 2000, TURNS = 500 };

struct cost {
    double add_ns, first_throw_ns, throw_ns, turn_ns, remove_ns;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* one thread, no waiting */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void must(int result, struct jd_error *err)
{
    char line[512];
    if (!result)
        return;
    fprintf(stderr, "unwind_cost: %s\n", jd_error_line(err, line, sizeof line));
    exit(1);
}

static uint32_t random_below(uint32_t bound)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
    return (uint32_t)((state >> 33) % bound);
}

static void throw_at(const struct frame_code *made)
{
    if (throw_through((void (*)(void (*)(void)))frame_code_addr(made, 0)) != 1)
        exit(2);
}

static double throws_ns(const struct frame_code *made, uint32_t count, uint32_t throws)
{
    uint64_t start_ns = now_ns();
    for (uint32_t i = 0; i < throws; i++)
        throw_at(&made[random_below(count)]);
    return (double)(now_ns() - start_ns) / throws;
}

/* Pages are mapped at their first touch, which is no part of unwinding. */
static void touch(const struct frame_code *made, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)*(volatile const unsigned char *)made[i].code.addr;
        (void)*(volatile const unsigned char *)made[i].frames.addr;
    }
}

static void shuffle(struct frame_code *made, uint32_t count)
{
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t other = random_below(i + 1);
        struct frame_code swapped = made[i];
        made[i] = made[other];
        made[other] = swapped;
    }
}

static double turns_ns(struct legacy_unwind *unwind, struct frame_code *made, uint32_t begin,
                       uint32_t end)
{
    struct jd_error err = JD_ERROR_INIT;
    uint64_t start_ns = now_ns();
    for (uint32_t i = begin; i < end; i++) {
        must(frame_code_add(unwind, &made[i], &err), &err);
        throw_at(&made[i]);
    }
    return (double)(now_ns() - start_ns) / (end - begin);
}

static struct cost measure(uint32_t count)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_arena *arena;
    struct legacy_unwind unwind;
    struct frame_code *made = calloc(count + TURNS, sizeof *made);
    struct cost cost;
    if (!made)
        exit(1);
    must(jd_arena_create(JD_ARENA_DUAL, 0, &arena, &err), &err);
    must(legacy_unwind_init(&unwind, arena, &err), &err);
    for (uint32_t i = 0; i < count + TURNS; i++)
        must(frame_code_make(arena, 1, NULL, &made[i], &err), &err);
    uint64_t start_ns = now_ns();
    for (uint32_t i = 0; i < count; i++)
        must(frame_code_add(&unwind, &made[i], &err), &err);
    cost.add_ns = (double)(now_ns() - start_ns) / count;
    touch(made, count);
    cost.first_throw_ns = throws_ns(made, count, 1);
    cost.throw_ns = throws_ns(made, count, THROWS);
    cost.turn_ns = turns_ns(&unwind, made, count, count + TURNS);
    shuffle(made, count + TURNS);
    start_ns = now_ns();
    for (uint32_t i = 0; i < count + TURNS; i++)
        legacy_unwind_remove(&unwind, &made[i].code);
    cost.remove_ns = (double)(now_ns() - start_ns) / (count + TURNS);
    legacy_unwind_fini(&unwind);
    jd_arena_destroy(arena);
    free(made);
    return cost;
}

static void print(uint32_t count)
{
    struct cost cost = measure(count);
    printf("| %u | %.0f | %.1f | %.2f | %.2f | %.0f |\n", count, cost.add_ns,
           cost.first_throw_ns / 1e3, cost.throw_ns / 1e3, cost.turn_ns / 1e3, cost.remove_ns);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = {100, 1000, 10000, 50000, 100000};
    measure(100); /* what happens once per process */
    printf("mode: %s\n| functions | add, ns | first throw, us | throw, us | add and throw, us | "
           "remove, ns |\n|---|---|---|---|---|---|\n",
           legacy_unwind_mode() == LEGACY_UNWIND_OWN ? "own" : "libgcc");
    for (int i = 1; i < argc; i++)
        print((uint32_t)strtoul(argv[i], NULL, 10));
    for (size_t i = 0; argc < 2 && i < sizeof counts / sizeof *counts; i++)
        print(counts[i]);
    return 0;
}
