/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 66 to 68: any thread may make a first call, and none may wait for ever.
 */
#include "cases.h"

#include <pthread.h>
#include <stdio.h>

/* --- 66 --- */

enum { ROUND_COUNT = 1000, MAX_THREADS = 64 };

struct race {
    pthread_barrier_t barrier;
    int64_t (*functions[ROUND_COUNT])(int64_t);
    int first, end; /* rounds */
};

struct racer {
    struct race *race;
    int64_t number;
    unsigned wrong_count;
};

static void *race_through(void *context)
{
    struct racer *racer = context;
    struct race *race = racer->race;
    for (int round = race->first; round < race->end; round++) {
        pthread_barrier_wait(&race->barrier);
        racer->wrong_count += race->functions[round](racer->number) != racer->number + round;
    }
    return NULL;
}

static void run_race(struct trial *t, struct race *race, unsigned thread_count)
{
    pthread_t threads[MAX_THREADS];
    struct racer racers[MAX_THREADS];
    CHECK(!pthread_barrier_init(&race->barrier, NULL, thread_count));
    for (unsigned i = 0; i < thread_count; i++) {
        racers[i] = (struct racer){race, 1000 * (int64_t)i, 0};
        CHECK(!pthread_create(&threads[i], NULL, race_through, &racers[i]));
    }
    for (unsigned i = 0; i < thread_count; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(racers[i].wrong_count, 0);
    }
    pthread_barrier_destroy(&race->barrier);
}

void case_concurrent_first_call_one_stub(struct trial *t)
{
    static struct race race;
    struct text ir = {0};
    for (int i = 0; i < ROUND_COUNT; i++)
        text_add(&ir, "define i64 @f%d(i64 %%x) {\n  %%r = add i64 %%x, %d\n  ret i64 %%r\n}\n", i,
                 i);
    trial_create(t, NULL);
    trial_add(t, "functions", ir.chars);
    text_free(&ir);
    trial_prepare(t);
    for (int i = 0; i < ROUND_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%d", i);
        race.functions[i] = CALLEE(t, name, int64_t, int64_t);
    }
    race.end = 0;
    for (unsigned threads = 2; threads <= MAX_THREADS; threads *= 2) {
        race.first = race.end;
        race.end = threads == MAX_THREADS ? ROUND_COUNT : race.first + ROUND_COUNT / 6;
        uint64_t before = trial_counters(t).functions_compiled;
        run_race(t, &race, threads);
        if (trial_has(t, JD_CAP_LAZY))
            CHECK_EQ(trial_counters(t).functions_compiled - before, race.end - race.first);
    }
    CHECK_EQ(trial_counters(t).functions_compiled, ROUND_COUNT);
}

/* --- 67 --- */

enum { PAIR_COUNT = 300 };

struct pair_thread {
    pthread_barrier_t *barrier;
    int64_t (**functions)(int64_t);
    unsigned wrong_count;
};

static void *enter_pairs(void *context)
{
    struct pair_thread *thread = context;
    for (int i = 0; i < PAIR_COUNT; i++) {
        pthread_barrier_wait(thread->barrier);
        thread->wrong_count += thread->functions[i](7) != 7;
    }
    return NULL;
}

/* left<i>(n) and right<i>(n) count n down in turns; each refers to the other in a table as well, so
 * that compiling one needs the other's address. */
static void write_pairs(struct text *ir)
{
    for (int i = 0; i < PAIR_COUNT; i++) {
        static const char *const sides[] = {"left", "right"};
        text_add(ir, "@table%d = internal constant [2 x ptr] [ptr @left%d, ptr @right%d]\n", i, i,
                 i);
        for (int side = 0; side < 2; side++)
            text_add(ir,
                     "define i64 @%s%d(i64 %%n) {\n"
                     "  %%stop = icmp eq i64 %%n, 0\n"
                     "  br i1 %%stop, label %%leaf, label %%deeper\n"
                     "leaf:\n"
                     "  ret i64 0\n"
                     "deeper:\n"
                     "  %%m = sub i64 %%n, 1\n"
                     "  %%slot = getelementptr [2 x ptr], ptr @table%d, i64 0, i64 %d\n"
                     "  %%p = load ptr, ptr %%slot, align 8\n"
                     "  %%odd = and i64 %%n, 1\n"
                     "  %%direct = icmp eq i64 %%odd, 1\n"
                     "  br i1 %%direct, label %%call, label %%through\n"
                     "call:\n"
                     "  %%a = call i64 @%s%d(i64 %%m)\n"
                     "  %%b = add i64 %%a, 1\n"
                     "  ret i64 %%b\n"
                     "through:\n"
                     "  %%c = call i64 %%p(i64 %%m)\n"
                     "  %%d = add i64 %%c, 1\n"
                     "  ret i64 %%d\n"
                     "}\n",
                     sides[side], i, i, 1 - side, sides[1 - side], i);
    }
}

void case_concurrent_mutual_recursion(struct trial *t)
{
    static int64_t (*functions[2][PAIR_COUNT])(int64_t);
    struct pair_thread contexts[2];
    struct text ir = {0};
    pthread_barrier_t barrier;
    pthread_t threads[2];
    write_pairs(&ir);
    trial_create(t, NULL);
    trial_add(t, "pairs", ir.chars);
    text_free(&ir);
    trial_prepare(t);
    for (int i = 0; i < PAIR_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "left%d", i);
        functions[0][i] = CALLEE(t, name, int64_t, int64_t);
        snprintf(name, sizeof name, "right%d", i);
        functions[1][i] = CALLEE(t, name, int64_t, int64_t);
    }
    CHECK(!pthread_barrier_init(&barrier, NULL, 2));
    for (int i = 0; i < 2; i++) {
        contexts[i] = (struct pair_thread){&barrier, functions[i], 0};
        CHECK(!pthread_create(&threads[i], NULL, enter_pairs, &contexts[i]));
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(contexts[i].wrong_count, 0);
    }
    pthread_barrier_destroy(&barrier);
    CHECK_EQ(trial_counters(t).functions_compiled, 2 * PAIR_COUNT);
}

/* --- 68 --- */

struct reentrant_creator {
    struct trial *trial;
    int64_t (*other)(int64_t); /* cold where functions are lazy */
    int64_t other_result, looked_up_result;
    int lookup_code;
    unsigned asked_count;
};

static void *call_other(void *context)
{
    struct reentrant_creator *creator = context;
    struct trial *t = creator->trial;
    uintptr_t addr = 0;
    creator->other_result = creator->other(5);
    creator->lookup_code = t->ops->lookup(t->engine, "other", &addr, NULL);
    if (addr)
        creator->looked_up_result = ((int64_t(*)(int64_t))addr)(6);
    return NULL;
}

static int64_t created(int64_t x)
{
    return x + 1;
}

static int create_with_help(void *context, struct jd_engine *engine, const char *name,
                            enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *err)
{
    struct reentrant_creator *creator = context;
    pthread_t thread;
    uintptr_t addr;
    (void)kind;
    creator->asked_count++;
    if (pthread_create(&thread, NULL, call_other, creator))
        return jd_fail(err, JD_E_NO_MEMORY, name, "no thread");
    pthread_join(thread, NULL);
    int code = creator->trial->ops->lookup(engine, "other", &addr, err); /* and on this thread */
    out->addr = (uintptr_t)&created;
    return code;
}

void case_creator_reentrancy(struct trial *t)
{
    static const char ir[] = "declare i64 @missing(i64)\n"
                             "define i64 @f(i64 %x) {\n"
                             "  %r = call i64 @missing(i64 %x)\n"
                             "  ret i64 %r\n"
                             "}\n";
    struct reentrant_creator creator = {.trial = t, .lookup_code = -1};
    trial_create(t, NULL);
    CHECK_OK(t->ops->set_creator(t->engine, create_with_help, &creator, &t->err));
    trial_add(t, "other", "define i64 @other(i64 %x) {\n  %r = mul i64 %x, 10\n  ret i64 %r\n}\n");
    trial_prepare(t);
    creator.other = CALLEE(t, "other", int64_t, int64_t);
    trial_add(t, "creator", ir);
    CHECK_EQ(CALLEE(t, "f", int64_t, int64_t)(67), 68);
    CHECK_EQ(creator.asked_count, 1);
    CHECK_EQ(creator.other_result, 50);
    CHECK_EQ(creator.lookup_code, 0);
    CHECK_EQ(creator.looked_up_result, 60);
}
