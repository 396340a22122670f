/* SPDX-License-Identifier: Apache-2.0
 *
 * legacy_rounds [ROUNDS]
 *
 * A program that adds and removes modules for a long time: each round adds one with names, types
 * and constants of its own, runs it, recompiles, frees or speculates about a part of it, and
 * removes it. What the process and the engine hold is printed on the way; the end fails when the
 * engine's ledger has grown at all since the first rounds, or the heap by more than
 * MAX_GROWTH_BYTES a round. What is resident is printed and not judged: an emulator keeps there
 * what it has translated.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_legacy_ops;

/* A bound on what one round may leave behind, beyond what settles early on. */
enum { WARM_ROUNDS = 1000, MAX_GROWTH_BYTES = 64 };

static struct jd_engine *engine;
static struct jd_error err;

static void must(int result, const char *what)
{
    char line[512];
    if (!result)
        return;
    fprintf(stderr, "legacy_rounds: %s: %s\n", what, jd_error_line(&err, line, sizeof line));
    exit(1);
}

static const char kept_text[] = "declare i32 @shared(i32)\n"
                                "define i32 @kept(i32 %x) {\n"
                                "  %r = call i32 @shared(i32 %x)\n  ret i32 %r\n}\n";

/* Names, a type and constants that differ from round to round, and some that do not. */
static const char round_text[] =
    "%%node%lu = type { i32, ptr, [%lu x i8] }\n"
    "@list%lu = internal global %%node%lu { i32 %lu, ptr @list%lu, [%lu x i8] zeroinitializer }\n"
    "@text%lu = private constant [9 x i8] c\"%08lu\\00\"\n"
    "declare i32 @kept(i32)\n"
    "declare i64 @strlen(ptr)\n"
    "define internal i32 @inner%lu(i32 %%x) {\n"
    "  %%p = getelementptr %%node%lu, ptr @list%lu, i32 0, i32 0\n"
    "  %%v = load i32, ptr %%p\n  %%s = add i32 %%v, %%x\n  ret i32 %%s\n}\n"
    "define i32 @shared(i32 %%x) {\n"
    "  %%r = call i32 @inner%lu(i32 %%x)\n  ret i32 %%r\n}\n"
    "define i32 @entry%lu(i32 %%x) {\n"
    "  %%l = call i64 @strlen(ptr @text%lu)\n  %%i = trunc i64 %%l to i32\n"
    "  %%a = call i32 @kept(i32 %%x)\n  %%r = add i32 %%a, %%i\n  ret i32 %%r\n}\n";

static int call(const char *name, int x)
{
    uintptr_t addr;
    must(engine->ops->lookup(engine, name, &addr, &err), name);
    return ((int (*)(int))addr)(x);
}

static void run_round(unsigned long n)
{
    char text[2048], name[32];
    unsigned long bytes = n % 13 + 1;
    jd_module_id id;
    snprintf(text, sizeof text, round_text, n, bytes, n, n, n, n, bytes, n, n % 100000000, n, n, n,
             n, n, n);
    struct jd_ir ir = {text, strlen(text), "round"};
    must(engine->ops->add_module(engine, &ir, &id, &err), "add_module");
    snprintf(name, sizeof name, "entry%lu", n);
    if (call(name, 5) != (int)n + 5 + 8) {
        fprintf(stderr, "legacy_rounds: wrong result in round %lu\n", n);
        exit(1);
    }
    if (n % 3 == 0) {
        static const char other[] = "define i32 @shared(i32 %x) { ret i32 %x }\n";
        struct jd_ir replacement = {other, sizeof other - 1, "replacement"};
        must(engine->ops->recompile(engine, "shared", &replacement, &err), "recompile");
        if (call(name, 5) != 5 + 8)
            exit(1);
    } else if (n % 3 == 1) {
        must(engine->ops->free_function(engine, "shared", &err), "free_function");
        if (call(name, 6) != (int)n + 6 + 8)
            exit(1);
    }
    must(engine->ops->remove_module(engine, id, &err), "remove_module");
}

static unsigned long resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm && fscanf(statm, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (statm)
        fclose(statm);
    return resident * (unsigned long)sysconf(_SC_PAGESIZE);
}

static struct jd_counters report(unsigned long round, unsigned long *out_heap)
{
    struct mallinfo2 heap = mallinfo2(); /* nothing but 0 under a sanitizer */
    struct jd_counters c = {.struct_size = sizeof c};
    must(engine->ops->counters(engine, &c, &err), "counters");
    malloc_trim(0);
    *out_heap = heap.uordblks + heap.hblkhd;
    printf("%7lu rounds: heap %lu, resident %lu KiB; code %llu, data %llu, stubs %llu, got %llu, "
           "unwind %llu, "
           "committed %llu bytes; %llu modules\n",
           round, *out_heap >> 10, resident_bytes() >> 10, (unsigned long long)c.code_bytes,
           (unsigned long long)c.data_bytes, (unsigned long long)c.stub_bytes,
           (unsigned long long)c.got_bytes, (unsigned long long)c.unwind_bytes,
           (unsigned long long)c.committed_bytes, (unsigned long long)c.modules_added);
    fflush(stdout);
    return c;
}

static void run(unsigned long rounds)
{
    struct jd_counters first = {0}, last;
    unsigned long early = 0, late;
    for (unsigned long n = 1; n <= rounds; n++) {
        run_round(n);
        if (n == WARM_ROUNDS)
            first = report(n, &early);
        else if (n == 10000 || n == 30000)
            report(n, &late);
    }
    last = report(rounds, &late);
    if (last.code_bytes > first.code_bytes || last.data_bytes > first.data_bytes ||
        last.rodata_bytes > first.rodata_bytes || last.stub_bytes > first.stub_bytes ||
        last.got_bytes > first.got_bytes || last.unwind_bytes > first.unwind_bytes ||
        last.committed_bytes > first.committed_bytes || last.modules_added > first.modules_added) {
        fprintf(stderr, "legacy_rounds: the engine holds more than after its first rounds\n");
        exit(1);
    }
    if (late > early && late - early > (4UL << 20) + MAX_GROWTH_BYTES * (rounds - WARM_ROUNDS)) {
        fprintf(stderr, "legacy_rounds: the heap grew by %lu KiB\n", (late - early) >> 10);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    struct jd_engine_options options = {.struct_size = sizeof options};
    struct jd_ir kept = {kept_text, sizeof kept_text - 1, "kept"};
    if (rounds <= WARM_ROUNDS) {
        fprintf(stderr, "usage: legacy_rounds [ROUNDS (more than %d)]\n", WARM_ROUNDS);
        return 64;
    }
    must(jd_legacy_ops.create(&options, &engine, &err), "create");
    must(engine->ops->add_module(engine, &kept, NULL, &err), "add_module");
    run(rounds);
    engine->ops->destroy(engine);
    return 0;
}
