/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine without a compiler; see the header. Also the registry of the test programs that link
 * it: this engine alone.
 */
#include "fake_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_SYMBOLS = 32, MAX_STATICS = 8, NAME_BYTES = 64 };

typedef void (*any_fn)(void);

struct failure {
    int code;
    char text[128];
};

enum method { ADD_MODULE, PREPARE, CONSTRUCTORS, DESTRUCTORS, COUNTERS, METHOD_COUNT };
static const char *const method_names[METHOD_COUNT] = {"add_module", "prepare", "constructors",
                                                       "destructors", "counters"};

struct fake {
    struct jd_engine base;
    struct jd_engine_options options;
    struct {
        char name[NAME_BYTES];
        uintptr_t addr;
    } symbols[MAX_SYMBOLS];
    size_t symbol_count;
    any_fn constructors[MAX_STATICS], destructors[MAX_STATICS];
    size_t constructor_count, destructor_count;
    struct failure failures[METHOD_COUNT];
    uint64_t modules;
};

char jd_fake_calls[64];
static struct fake *latest; /* the engine that host functions belong to */

static void note(char letter)
{
    size_t used = strlen(jd_fake_calls);
    if (used + 1 < sizeof jd_fake_calls)
        jd_fake_calls[used] = letter;
}

static uintptr_t find(const struct fake *fake, const char *name)
{
    for (size_t i = 0; i < fake->symbol_count; i++)
        if (!strcmp(fake->symbols[i].name, name))
            return fake->symbols[i].addr;
    return 0;
}

/* ---- host functions that scripts may bind -------------------------------------------------- */

static int host_argc(int argc, char **argv, char **envp)
{
    (void)argv;
    return envp && envp[0] ? argc : 99;
}

static int host_print_args(int argc, char **argv, char **envp)
{
    (void)envp;
    for (int i = 0; i < argc; i++)
        printf("[%s]", argv[i]);
    printf("%s\n", argv[argc] ? " not terminated" : "");
    return 0;
}

/* A byte of the pipe that the environment names lets one process through; none, its end does. */
static int host_print_args_by_token(int argc, char **argv, char **envp)
{
    const char *path = getenv("JD_FAKE_TOKENS");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    char token;
    while (fd >= 0 && read(fd, &token, 1) < 0 && errno == EINTR)
        ;
    if (fd >= 0)
        close(fd);
    return host_print_args(argc, argv, envp);
}

static void say_first(void)
{
    printf("registered first\n");
}

static void say_second(void)
{
    printf("registered second\n");
}

static int host_exit_3(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    atexit(say_first);
    atexit(say_second);
    printf("main, no line end, ");
    exit(3);
}

static int host_return_259(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    return 259;
}

/* As JIT'd code would: through the engine's symbol if it has one, else libc's. */
static void leave_through(const char *name, any_fn libc, int status)
{
    union {
        uintptr_t addr;
        any_fn any;
        void (*leave)(int);
    } target = {.addr = find(latest, name)};
    if (!target.addr)
        target.any = libc;
    target.leave(status);
}

static int host__exit_7(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    atexit(say_first);
    leave_through("_exit", (any_fn)_exit, 7);
    return 1;
}

static int host_quick_exit_8(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    atexit(say_first);
    at_quick_exit(say_second);
    leave_through("quick_exit", (any_fn)quick_exit, 8);
    return 1;
}

static int host_fork_exit(int argc, char **argv, char **envp)
{
    int status = 0;
    (void)argc, (void)argv, (void)envp;
    pid_t child = fork();
    if (child == 0)
        exit(5);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? 10 + WEXITSTATUS(status) : 99;
}

static void *leave_with_6(void *argument)
{
    (void)argument;
    usleep(20000);
    exit(6);
}

static int host_thread_exit(int argc, char **argv, char **envp)
{
    pthread_t thread;
    (void)argc, (void)argv, (void)envp;
    pthread_create(&thread, NULL, leave_with_6, NULL);
    pthread_exit(NULL);
}

/* A page without rights, not address 0: UBSan has words of its own about that one. */
static int host_segv(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    volatile char *page = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 1;
    return 1;
}

static int host_abort(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    abort();
}

static volatile int recursion_depth;

/* Writes a frame per level, so that the stack runs out whatever the compiler makes of it. */
static int overflow(volatile char *above)
{
    volatile char frame[1024];
    frame[0] = above ? above[0] : 0;
    recursion_depth++;
    return recursion_depth < 0 ? 0 : overflow(frame) + frame[0];
}

static int host_stack_overflow(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    return overflow(NULL);
}

static void own_handler(int number)
{
    (void)number;
    _exit(44);
}

static int host_own_handler(int argc, char **argv, char **envp)
{
    struct sigaction action = {.sa_handler = own_handler};
    sigaction(SIGSEGV, &action, NULL);
    return host_segv(argc, argv, envp);
}

static int host_hang(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    while (pause() < 0)
        ;
    return 0;
}

/* Entry of the warm regime. */
static int64_t host_triple(int64_t value)
{
    return 3 * value;
}

/* Right for its first hundred calls. */
static int64_t host_tire(int64_t value)
{
    static int calls;
    return ++calls <= 100 ? value : value + 1;
}

/* Three first calls as a lazy engine reports them. */
static int host_lazy_calls(int argc, char **argv, char **envp)
{
    const struct jd_probe *probe = latest->options.probe;
    (void)argc, (void)argv, (void)envp;
    for (int i = 0; i < 3; i++) {
        jd_probe_begin(probe, JD_PHASE_RESOLVE);
        jd_probe_begin(probe, JD_PHASE_CODEGEN);
        usleep(2000);
        jd_probe_compiled(probe, "callee", 1, 100);
        jd_probe_end(probe, JD_PHASE_CODEGEN);
        jd_probe_end(probe, JD_PHASE_RESOLVE);
    }
    return 0;
}

static int host_unresolved_call(int argc, char **argv, char **envp)
{
    struct jd_error err = JD_ERROR_INIT;
    (void)argc, (void)argv, (void)envp;
    atexit(say_first);
    printf("before the call\n");
    jd_fail(&err, JD_E_UNRESOLVED, "nowhere", "no module, library or creator defines it");
    latest->options.on_error(latest->options.on_error_context, "nowhere", &err);
    return 1;
}

static void host_say_constructed(void)
{
    printf("constructed\n");
}

static void host_say_destructed(void)
{
    printf("destructed\n");
}

static void host_exit_9(void)
{
    exit(9);
}

static const struct {
    const char *name;
    any_fn call;
} hosts[] = {
#define HOST(name)                                                                                 \
    {                                                                                              \
#name, (any_fn)host_##name                                                                 \
    }
    HOST(argc),
    HOST(print_args),
    HOST(print_args_by_token),
    HOST(exit_3),
    HOST(return_259),
    HOST(_exit_7),
    HOST(quick_exit_8),
    HOST(fork_exit),
    HOST(thread_exit),
    HOST(segv),
    HOST(abort),
    HOST(stack_overflow),
    HOST(own_handler),
    HOST(lazy_calls),
    HOST(unresolved_call),
    HOST(say_constructed),
    HOST(say_destructed),
    HOST(exit_9),
    HOST(hang),
    HOST(triple),
    HOST(tire),
#undef HOST
};

static any_fn host(const char *name)
{
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (!strcmp(hosts[i].name, name))
            return hosts[i].call;
    return NULL;
}

/* ---- the engine ---------------------------------------------------------------------------- */

static int refuse(const struct fake *fake, enum method method, struct jd_error *err)
{
    const struct failure *failure = &fake->failures[method];
    return failure->code ? jd_fail(err, failure->code, "script", "%s", failure->text) : JD_OK;
}

static int fake_create(const struct jd_engine_options *options, struct jd_engine **out,
                       struct jd_error *err)
{
    note('c');
    *out = NULL;
    if (options->granularity == JD_GRAN_BLOCK)
        return jd_fail(err, JD_E_UNSUPPORTED, "granularity", "the fake engine has no blocks");
    struct fake *fake = calloc(1, sizeof *fake);
    if (!fake)
        return jd_fail(err, JD_E_NO_MEMORY, "fake", "no memory");
    fake->base.ops = &jd_fake_ops;
    fake->options = *options;
    latest = fake;
    *out = &fake->base;
    return JD_OK;
}

static void fake_destroy(struct jd_engine *engine)
{
    note('x');
    free(engine);
}

static int define(struct fake *fake, const char *name, uintptr_t addr, struct jd_error *err)
{
    if (find(fake, name))
        return jd_fail(err, JD_E_DUPLICATE, name, "defined twice");
    if (fake->symbol_count == MAX_SYMBOLS || strlen(name) >= NAME_BYTES)
        return jd_fail(err, JD_E_LIMIT, name, "too many symbols or too long a name");
    strcpy(fake->symbols[fake->symbol_count].name, name);
    fake->symbols[fake->symbol_count++].addr = addr;
    return JD_OK;
}

static int read_failure(struct fake *fake, const char *method, const char *code, const char *text)
{
    for (int m = 0; m < METHOD_COUNT; m++)
        for (int c = 1; c < JD_E_COUNT; c++)
            if (!strcmp(method_names[m], method) && !strcmp(jd_code_name(c), code)) {
                fake->failures[m].code = c;
                snprintf(fake->failures[m].text, sizeof fake->failures[m].text, "%s", text);
                return 0;
            }
    return -1;
}

static int crash(const struct fake *fake, const char *phase, const char *signal_number)
{
    static const char *const names[] = {
#define JD_PHASE(name, text) text,
        JD_PHASES(JD_PHASE)
#undef JD_PHASE
    };
    for (int p = 0; p < JD_PHASE_COUNT; p++)
        if (!strcmp(names[p], phase))
            jd_probe_begin(fake->options.probe, (enum jd_phase)p);
    raise(atoi(signal_number));
    return -1;
}

static int run_line(struct fake *fake, char *line, struct jd_error *err)
{
    char *word[4] = {NULL}, *rest = line;
    for (int i = 0; i < 3; i++)
        word[i] = strsep(&rest, " ");
    word[3] = rest;
    if (!strcmp(word[0], "define") && word[2] && host(word[2]))
        return define(fake, word[1], (uintptr_t)host(word[2]), err);
    if (!strcmp(word[0], "constructor") && word[1] && host(word[1])) {
        fake->constructors[fake->constructor_count++] = host(word[1]);
        return JD_OK;
    }
    if (!strcmp(word[0], "destructor") && word[1] && host(word[1])) {
        fake->destructors[fake->destructor_count++] = host(word[1]);
        return JD_OK;
    }
    if (!strcmp(word[0], "fail") && word[3] && read_failure(fake, word[1], word[2], word[3]) == 0)
        return JD_OK;
    if (!strcmp(word[0], "crash") && word[2])
        return crash(fake, word[1], word[2]);
    return jd_fail(err, JD_E_BAD_IR, "script", "cannot be understood: %s", word[0]);
}

static int fake_add_module(struct jd_engine *engine, const struct jd_ir *ir, jd_module_id *out_id,
                           struct jd_error *err)
{
    struct fake *fake = (struct fake *)(void *)engine;
    char *copy = strndup(ir->bytes, ir->size_bytes), *rest = copy, *line;
    int code = JD_OK;
    note('a');
    if (out_id)
        *out_id = 0;
    if (!copy)
        return jd_fail(err, JD_E_NO_MEMORY, "script", "no memory");
    line = strsep(&rest, "\n");
    if (strcmp(line, "fake") != 0)
        code = jd_fail(err, JD_E_BAD_IR, "script", "does not start with 'fake'");
    while (code == JD_OK && (line = strsep(&rest, "\n")) && *line)
        code = run_line(fake, line, err);
    free(copy);
    if (code == JD_OK)
        code = refuse(fake, ADD_MODULE, err);
    if (code == JD_OK && out_id)
        *out_id = fake->modules + 1;
    fake->modules += code == JD_OK;
    return code;
}

static int fake_define_symbol(struct jd_engine *engine, const char *name, enum jd_symbol_kind kind,
                              uintptr_t addr, struct jd_error *err)
{
    (void)kind;
    note('d');
    return define((struct fake *)(void *)engine, name, addr, err);
}

static int fake_prepare(struct jd_engine *engine, struct jd_error *err)
{
    note('p');
    return refuse((struct fake *)(void *)engine, PREPARE, err);
}

static int fake_lookup(struct jd_engine *engine, const char *name, uintptr_t *out_addr,
                       struct jd_error *err)
{
    note('l');
    *out_addr = find((struct fake *)(void *)engine, name);
    return *out_addr ? JD_OK : jd_fail(err, JD_E_UNRESOLVED, name, "nothing defines it");
}

static int fake_run_constructors(struct jd_engine *engine, struct jd_error *err)
{
    struct fake *fake = (struct fake *)(void *)engine;
    note('C');
    for (size_t i = 0; i < fake->constructor_count; i++)
        fake->constructors[i]();
    return refuse(fake, CONSTRUCTORS, err);
}

static int fake_run_destructors(struct jd_engine *engine, struct jd_error *err)
{
    struct fake *fake = (struct fake *)(void *)engine;
    note('D');
    for (size_t i = fake->destructor_count; i-- > 0;)
        fake->destructors[i]();
    return refuse(fake, DESTRUCTORS, err);
}

static int fake_counters(struct jd_engine *engine, struct jd_counters *out, struct jd_error *err)
{
    struct fake *fake = (struct fake *)(void *)engine;
    note('n');
    out->modules_added = fake->modules;
    out->functions_defined = fake->symbol_count;
    return refuse(fake, COUNTERS, err);
}

const struct jd_engine_ops jd_fake_ops = {
    .struct_size = sizeof(struct jd_engine_ops),
    .abi = JD_ENGINE_ABI,
    .name = "fake",
    .summary = "binds names to functions of the test program",
    .caps = JD_CAP_LAZY | JD_CAP_GRAN_MODULE,
    .create = fake_create,
    .destroy = fake_destroy,
    .add_module = fake_add_module,
    .define_symbol = fake_define_symbol,
    .prepare = fake_prepare,
    .lookup = fake_lookup,
    .run_constructors = fake_run_constructors,
    .run_destructors = fake_run_destructors,
    .counters = fake_counters,
};

const struct jd_engine_ops *const jd_engine_registry[] = {&jd_fake_ops, NULL};
const struct jd_engine_ops *const jd_engine_arms[] = {NULL};

const struct jd_engine_ops *jd_engine_find(const char *name)
{
    return strcmp(name, jd_fake_ops.name) ? NULL : &jd_fake_ops;
}
