/* SPDX-License-Identifier: Apache-2.0
 *
 * What many modules of one function each cost the mcjit engine: adding, preparing, look-ups, memory
 * mappings, tear-down. Not a test: prints a line of JSON; scripts/performance compares several.
 *
 * usage: mcjit_scale MODULES
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jitduel/engine.h"

extern const struct jd_engine_ops jd_mcjit_ops;

enum { TEXT_BYTES = 64, LOOKUPS = 200000 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* one thread, no waiting */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void must(int result, const struct jd_error *err)
{
    char line[1024];
    if (!result)
        return;
    fprintf(stderr, "mcjit_scale: %s\n", jd_error_line(err, line, sizeof line));
    exit(1);
}

static uint32_t random_below(uint32_t bound)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
    return (uint32_t)((state >> 33) % bound);
}

static void add_modules(struct jd_engine *engine, char (*texts)[TEXT_BYTES], uint32_t count)
{
    struct jd_error err = JD_ERROR_INIT;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(texts[i], TEXT_BYTES, "define i32 @f%u() {\n  ret i32 %u\n}\n", i, i);
        const struct jd_ir ir = {texts[i], strlen(texts[i]), "module"};
        must(engine->ops->add_module(engine, &ir, NULL, &err), &err);
    }
}

/* Of names in random order; writing the name down is part of it. */
static double lookup_ns(struct jd_engine *engine, uint32_t count)
{
    struct jd_error err = JD_ERROR_INIT;
    char name[16];
    uintptr_t addr;
    uint64_t start_ns = now_ns();
    for (int i = 0; i < LOOKUPS; i++) {
        snprintf(name, sizeof name, "f%u", random_below(count));
        must(engine->ops->lookup(engine, name, &addr, &err), &err);
    }
    return (double)(now_ns() - start_ns) / LOOKUPS;
}

int main(int argc, char **argv)
{
    uint32_t count = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    char(*texts)[TEXT_BYTES] = count ? malloc(count * sizeof *texts) : NULL;
    struct jd_counters counters = {.struct_size = sizeof counters};
    struct jd_error err = JD_ERROR_INIT;
    struct jd_engine *engine;
    if (!texts) {
        fprintf(stderr, "usage: mcjit_scale MODULES\n");
        return 64;
    }
    must(jd_mcjit_ops.create(NULL, &engine, &err), &err);
    uint64_t start_ns = now_ns();
    add_modules(engine, texts, count);
    uint64_t added_ns = now_ns();
    must(engine->ops->prepare(engine, &err), &err);
    uint64_t prepared_ns = now_ns();
    double each_lookup_ns = lookup_ns(engine, count);
    must(engine->ops->counters(engine, &counters, &err), &err);
    uint64_t end_ns = now_ns();
    engine->ops->destroy(engine);
    printf("{\"modules\": %u, \"add_ns\": %llu, \"prepare_ns\": %llu, \"lookup_ns\": %.1f, "
           "\"teardown_ns\": %llu, \"mappings\": %llu}\n",
           count, (unsigned long long)(added_ns - start_ns),
           (unsigned long long)(prepared_ns - added_ns), each_lookup_ns,
           (unsigned long long)(now_ns() - end_ns), (unsigned long long)counters.mappings);
    free(texts);
    return 0;
}
