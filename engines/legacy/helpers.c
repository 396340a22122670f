/* SPDX-License-Identifier: Apache-2.0
 *
 * The threads that compile ahead: when they run, rest and end. Knows no LLVM (front.c does) and not
 * what is worth compiling (speculate.c does).
 *
 * Sources: pthreads(7), sched(7) and setpriority(2), "C library/kernel differences": on Linux a
 * nice value belongs to a thread.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "speculate_private.h"
#include "undisturbed.h"

enum {
    STACK_BYTES = 8 << 20, /* as the engine's own stacks */
    IDLE_NS = 200000000,   /* a helper that waits longer ends: it alone may keep a process alive */
    SLICE_NS = 500000,     /* a first call watches the helper that it waits for this often */
    NICE_STEP = 10,        /* sched(7): a tenth of the weight of the program's threads */
};

/* After a fatal error inside LLVM the front's state is unknown: it is left behind. */
static void do_task(struct legacy_helper *helper, struct legacy_task *task)
{
    struct legacy_speculation *self = helper->speculation;
    struct legacy_ahead ahead = {0};
    bool wants_object = task->name && !task->is_taken;
    int result;
    if (wants_object)
        task->state = LEGACY_TASK_WORKING;
    helper->task = task;
    helper->is_working = true;
    pthread_mutex_unlock(&self->lock);
    if (!helper->front)
        helper->front = legacy_front_create(&self->options, NULL);
    result = helper->front
                 ? legacy_front_read(helper->front, task->module->id, &task->module->bitcode, NULL)
                 : JD_E_COMPILE;
    if (!result && task->name)
        result = legacy_front_compile(helper->front, task->module->id, task->name, wants_object,
                                      &ahead, NULL);
    pthread_mutex_lock(&self->lock);
    helper->is_broken = result == JD_E_COMPILE;
    if (helper->is_broken)
        helper->front = NULL;
    legacy_task_settle(self, task, &ahead);
    helper->task = NULL;
    helper->is_working = false;
    pthread_cond_broadcast(&self->changed);
}

static void forget(struct legacy_helper *helper)
{
    struct legacy_speculation *self = helper->speculation;
    jd_module_id id = *helper->forget;
    helper->is_working = true;
    pthread_mutex_unlock(&self->lock);
    if (helper->front)
        legacy_front_forget(helper->front, id);
    pthread_mutex_lock(&self->lock);
    helper->is_working = false;
    helper->forget = NULL;
    pthread_cond_broadcast(&self->changed);
}

static bool wait_for(struct legacy_speculation *self, pthread_cond_t *event, long ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ns;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return !pthread_cond_timedwait(event, &self->lock, &until);
}

/* False: the thread ends. */
static bool do_something(struct legacy_helper *helper)
{
    struct legacy_speculation *self = helper->speculation;
    struct legacy_task *task;
    if (helper->forget)
        forget(helper);
    else if (self->is_off || helper->is_broken)
        return false;
    else if ((task = legacy_task_next(self)))
        do_task(helper, task);
    else if (self->is_paused)
        pthread_cond_wait(&self->wanted, &self->lock);
    else
        return wait_for(self, &self->wanted, IDLE_NS) || helper->forget || self->top;
    return true;
}

static void *help(void *argument)
{
    struct legacy_helper *helper = argument;
    struct legacy_speculation *self = helper->speculation;
    id_t id = (id_t)gettid();
    jd_undisturbed_stay();
    setpriority(PRIO_PROCESS, id, getpriority(PRIO_PROCESS, id) + NICE_STEP);
    pthread_mutex_lock(&self->lock);
    helper->has_clock = !pthread_getcpuclockid(pthread_self(), &helper->clock);
    while (do_something(helper))
        continue;
    helper->is_running = false;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* The program's signals are for its own threads. */
static void start(struct legacy_helper *helper)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (helper->has_thread)
        pthread_join(helper->thread, NULL);
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    helper->has_thread = !pthread_create(&helper->thread, &attributes, help, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    helper->is_running = helper->has_thread;
    helper->has_clock = false;
    helper->is_broken = !helper->has_thread;
}

void legacy_helpers_wake(struct legacy_speculation *self)
{
    struct legacy_helper *resting = NULL;
    if (!self->top || self->is_off || self->is_paused)
        return;
    for (unsigned i = 0; i < self->helper_count; i++) {
        struct legacy_helper *helper = &self->helpers[i];
        if (helper->is_running && !helper->is_working) {
            pthread_cond_signal(&self->wanted);
            return;
        }
        if (!helper->is_running && !helper->is_broken)
            resting = helper;
    }
    if (resting)
        start(resting);
}

static bool is_any_working(const struct legacy_speculation *self)
{
    bool is_any = false;
    for (unsigned i = 0; i < self->helper_count; i++)
        is_any |= self->helpers[i].is_working;
    return is_any;
}

static void pause_helpers(struct legacy_speculation *self)
{
    self->is_paused = true;
    while (is_any_working(self))
        pthread_cond_wait(&self->changed, &self->lock);
}

static const struct legacy_helper *helper_of(const struct legacy_speculation *self,
                                             const struct legacy_task *task)
{
    const struct legacy_helper *helper = self->helpers;
    while (helper->task != task)
        helper++;
    return helper;
}

static int64_t cpu_ns(const struct legacy_helper *helper)
{
    struct timespec time = {0};
    if (helper->has_clock)
        clock_gettime(helper->clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* A helper that has a CPU is nearer to the end than the caller would be; another may be kept from
 * running for long, by this very thread's own weight. */
void legacy_helpers_await(struct legacy_speculation *self, const struct legacy_task *task)
{
    bool is_running = true;
    while (task->state == LEGACY_TASK_WORKING && is_running) {
        const struct legacy_helper *helper = helper_of(self, task);
        int64_t before = cpu_ns(helper);
        wait_for(self, &self->changed, SLICE_NS);
        is_running = task->state != LEGACY_TASK_WORKING || cpu_ns(helper) - before >= SLICE_NS / 2;
    }
}

/* ---- the process: a child has no helpers, and exit() takes LLVM's statics away ---- */

static struct {
    pthread_once_t once;
    pthread_mutex_t lock;
    struct legacy_speculation *first;
} all = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};

static void init_conditions(struct legacy_speculation *self)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->wanted, &attributes);
    pthread_cond_init(&self->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void legacy_speculation_before_fork(struct legacy_speculation *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    pause_helpers(self);
}

void legacy_speculation_after_fork(struct legacy_speculation *self, bool is_child)
{
    if (!self)
        return;
    if (is_child) {
        self->is_off = true;
        init_conditions(self); /* they remember waiters that do not exist here */
        for (unsigned i = 0; i < self->helper_count; i++)
            self->helpers[i].has_thread = self->helpers[i].is_running = false;
    }
    self->is_paused = false;
    pthread_cond_broadcast(&self->wanted);
    pthread_mutex_unlock(&self->lock);
}

static void before_exit(void)
{
    pthread_mutex_lock(&all.lock);
    for (struct legacy_speculation *self = all.first; self; self = self->next) {
        pthread_mutex_lock(&self->lock);
        self->is_off = true;
        pause_helpers(self);
        pthread_cond_broadcast(&self->wanted);
        pthread_mutex_unlock(&self->lock);
    }
    pthread_mutex_unlock(&all.lock);
}

static void watch_exit(void)
{
    atexit(before_exit);
}

static void enlist(struct legacy_speculation *self)
{
    pthread_once(&all.once, watch_exit);
    pthread_mutex_lock(&all.lock);
    self->next = all.first;
    all.first = self;
    pthread_mutex_unlock(&all.lock);
}

static void delist(struct legacy_speculation *self)
{
    struct legacy_speculation **place = &all.first;
    pthread_mutex_lock(&all.lock);
    while (*place != self)
        place = &(*place)->next;
    *place = self->next;
    pthread_mutex_unlock(&all.lock);
}

static bool has_one_cpu(void)
{
    cpu_set_t cpus;
    return !sched_getaffinity(0, sizeof cpus, &cpus) && CPU_COUNT(&cpus) < 2;
}

void legacy_helpers_init(struct legacy_speculation *self)
{
    self->is_off = has_one_cpu();
    pthread_mutex_init(&self->lock, NULL);
    init_conditions(self);
    for (unsigned i = 0; i < self->helper_count; i++)
        self->helpers[i].speculation = self;
    enlist(self);
}

void legacy_helpers_fini(struct legacy_speculation *self)
{
    delist(self);
    pthread_mutex_lock(&self->lock);
    self->is_off = true;
    pthread_cond_broadcast(&self->wanted);
    pthread_mutex_unlock(&self->lock);
    for (unsigned i = 0; i < self->helper_count; i++) {
        if (self->helpers[i].has_thread)
            pthread_join(self->helpers[i].thread, NULL);
        legacy_front_destroy(self->helpers[i].front);
    }
    pthread_cond_destroy(&self->wanted);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
}

void legacy_helpers_forget(struct legacy_speculation *self, jd_module_id id)
{
    for (unsigned i = 0; i < self->helper_count; i++) {
        struct legacy_helper *helper = &self->helpers[i];
        helper->forget = &id;
        if (!helper->is_running)
            forget(helper);
    }
    pthread_cond_broadcast(&self->wanted);
    for (unsigned i = 0; i < self->helper_count; i++)
        while (self->helpers[i].forget)
            pthread_cond_wait(&self->changed, &self->lock);
}
