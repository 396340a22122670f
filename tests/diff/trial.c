/* SPDX-License-Identifier: Apache-2.0
 *
 * Children that run one program each, as `jitduel run` would. The file descriptors for their output
 * are files in memory, used again and again.
 */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"
#include "measure/phases.h"
#include "native.h"
#include "program.h"

enum { EXIT_UNSUPPORTED = 69, EXIT_NATIVE = 72, EXIT_ENGINE = 73, ARGUMENTS_MAX = 32 };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(71);
}

/* ---- settings ---- */

static void add(struct trial_config *list, size_t *count, const struct jd_engine_ops *ops,
                unsigned opt_level, enum jd_granularity granularity, unsigned speculate)
{
    static const char *const units[] = {
        [JD_GRAN_FUNCTION] = "function", [JD_GRAN_MODULE] = "module", [JD_GRAN_BLOCK] = "block"};
    if (*count == TRIAL_CONFIGS_MAX)
        return;
    struct trial_config *config = &list[(*count)++];
    const char *unit = granularity ? units[granularity] : NULL, *name = ops ? ops->name : "native";
    *config = (struct trial_config){.ops = ops,
                                    .opt_level = opt_level,
                                    .granularity = granularity,
                                    .speculate_threads = speculate};
    snprintf(config->name, sizeof config->name, "%s-O%u%s%s%s", name, opt_level, unit ? "-" : "",
             unit ? unit : "", speculate ? "-speculate" : "");
    snprintf(config->options, sizeof config->options, "-e %s -O%u%s%s%s", name, opt_level,
             unit ? " --granularity " : "", unit ? unit : "", speculate ? " --speculate 1" : "");
}

size_t trial_configs(struct trial_config *out)
{
    size_t count = 0;
    for (unsigned level = 0; level <= 2; level += 2)
        add(out, &count, NULL, level, JD_GRAN_DEFAULT, 0);
    for (size_t i = 0; jd_engine_registry[i]; i++) {
        const struct jd_engine_ops *ops = jd_engine_registry[i];
        for (unsigned level = 0; level <= 2; level += 2) {
            add(out, &count, ops, level, JD_GRAN_DEFAULT, 0);
            if (ops->caps & JD_CAP_GRAN_MODULE)
                add(out, &count, ops, level, JD_GRAN_MODULE, 0);
            if (ops->caps & JD_CAP_GRAN_BLOCK)
                add(out, &count, ops, level, JD_GRAN_BLOCK, 0);
            if (ops->caps & JD_CAP_LAZY)
                add(out, &count, ops, level, JD_GRAN_DEFAULT, 1);
        }
    }
    return count;
}

bool trial_config_is(const struct trial_config *config, const char *engine)
{
    return !strcmp(config->ops ? config->ops->name : "native", engine);
}

/* ---- the child ---- */

static int end_of_program(void *context, int status)
{
    (void)context;
    return status;
}

static int report(const struct jd_error *err)
{
    fprintf(stderr, TRIAL_ERROR_PREFIX "%s: %s: %s\n", jd_code_name(err->code), err->where,
            err->text);
    return err->kind == JD_KIND_UNSUPPORTED ? EXIT_UNSUPPORTED : EXIT_ENGINE;
}

static int failure_of_program(void *context, const struct jd_error *err)
{
    (void)context;
    return report(err);
}

static _Noreturn void run_engine(const struct trial_config *config,
                                 const struct trial_program *program, int argc, char **argv)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_program *running;
    const struct jd_program_spec spec = {
        .ops = config->ops,
        .options = {.opt_level = config->opt_level,
                    .granularity = config->granularity,
                    .speculate_threads = config->speculate_threads,
                    .probe = &jd_probe_track},
        .modules = program->files,
        .module_count = program->file_count,
        .on_end = end_of_program,
        .on_failure = failure_of_program,
    };
    if (jd_program_open(&spec, &running, &err) != JD_OK ||
        jd_program_prepare(running, &err) != JD_OK)
        _exit(report(&err));
    jd_program_run(running, argc, argv);
}

/* Whose time it was that ran out; async-signal-safe. */
static void on_alarm(int number)
{
    int phase = jd_phase_current();
    const char *text = phase >= 0                 ? jd_phase_name(phase)
                       : jd_program_has_started() ? TRIAL_LATE_IN_PROGRAM
                                                  : "start";
    ssize_t written = write(STDERR_FILENO, TRIAL_LATE_PREFIX, strlen(TRIAL_LATE_PREFIX));
    written += write(STDERR_FILENO, text, strlen(text));
    written += write(STDERR_FILENO, "\n", 1);
    (void)written;
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_time(unsigned timeout_s)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = (int)SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    alarm(timeout_s);
}

static void redirect(int from, const char *path, int flags, int to)
{
    int fd = path ? open(path, flags) : from;
    if (fd < 0 || dup2(fd, to) < 0)
        die(path ? path : "dup2");
}

static _Noreturn void be_child(const struct trial_config *config,
                               const struct trial_program *program, int output, int messages)
{
    char *argv[ARGUMENTS_MAX + 2] = {(char *)(uintptr_t)program->files[0].name};
    const struct rlimit no_core = {0, 0};
    int argc = 1;
    for (; program->arguments && program->arguments[argc - 1] && argc <= ARGUMENTS_MAX; argc++)
        argv[argc] = (char *)(uintptr_t)program->arguments[argc - 1];
    redirect(-1, program->input_file ? program->input_file : "/dev/null", O_RDONLY, STDIN_FILENO);
    redirect(output, program->drops_output ? "/dev/null" : NULL, O_WRONLY, STDOUT_FILENO);
    redirect(messages, NULL, 0, STDERR_FILENO);
    setrlimit(RLIMIT_CORE, &no_core);
    if (program->directory && chdir(program->directory) != 0)
        die(program->directory);
    if (config->ops) {
        jd_crash_watch(program->files[0].name);
        watch_time(program->timeout_s);
        run_engine(config, program, argc, argv);
    }
    alarm(program->timeout_s);
    native_main_fn entry = native_load(program->files, program->file_count, config->opt_level);
    if (!entry)
        _exit(EXIT_NATIVE);
    exit(entry(argc, argv, environ));
}

/* ---- the parent ---- */

static int memory_file(const char *name)
{
    int fd = memfd_create(name, 0);
    if (fd < 0)
        die("memfd_create");
    return fd;
}

static void empty(int fd)
{
    if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        die("ftruncate");
}

static char *contents(int fd, size_t *out_bytes)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        die("fstat");
    size_t size = (size_t)info.st_size;
    char *text = malloc(size + 1);
    if (!text || pread(fd, text, size, 0) != (ssize_t)size)
        die("pread");
    text[size] = '\0';
    *out_bytes = size;
    return text;
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

void trial_run(const struct trial_config *config, const struct trial_program *program,
               struct trial_outcome *out)
{
    static int output = -1, messages = -1;
    size_t unused;
    if (output < 0) {
        output = memory_file("output");
        messages = memory_file("messages");
    }
    empty(output);
    empty(messages);
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        be_child(config, program, output, messages);
    int status = wait_for(pid);
    bool has_exited = WIFEXITED(status);
    out->code = has_exited ? WEXITSTATUS(status) : WTERMSIG(status);
    out->end = has_exited ? TRIAL_EXITED : out->code == SIGALRM ? TRIAL_TIMED_OUT : TRIAL_DIED;
    if (has_exited && out->code == EXIT_UNSUPPORTED)
        out->end = TRIAL_REFUSED;
    out->output = contents(output, &out->output_bytes);
    out->messages = contents(messages, &unused);
}

void trial_outcome_fini(struct trial_outcome *outcome)
{
    free(outcome->output);
    free(outcome->messages);
    memset(outcome, 0, sizeof *outcome);
}

bool trial_outcomes_agree(const struct trial_outcome *a, const struct trial_outcome *b)
{
    return a->end == b->end && a->code == b->code && a->output_bytes == b->output_bytes &&
           !memcmp(a->output, b->output, a->output_bytes);
}

static bool assemble_all(const struct jd_ir *texts, size_t count, const int *fds)
{
    for (size_t i = 0; i < count; i++)
        if (native_assemble(&texts[i], fds[i]) != 0)
            return false;
    return true;
}

int trial_assemble(const struct jd_ir *texts, size_t count, struct jd_ir *out_bitcode)
{
    int fds[TRIAL_FILES_MAX];
    memset(out_bitcode, 0, count * sizeof *out_bitcode);
    for (size_t i = 0; i < count; i++)
        fds[i] = memory_file("bitcode");
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        _exit(assemble_all(texts, count, fds) ? 0 : 1);
    bool is_valid = wait_for(pid) == 0;
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        void *bytes = MAP_FAILED;
        if (is_valid && fstat(fds[i], &info) == 0)
            bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fds[i], 0);
        if (is_valid && bytes == MAP_FAILED)
            die("bitcode");
        close(fds[i]);
        if (is_valid)
            out_bitcode[i] = (struct jd_ir){bytes, (size_t)info.st_size, texts[i].name};
    }
    return is_valid ? 0 : -1;
}

void trial_release(struct jd_ir *bitcode, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bitcode[i].bytes)
            munmap((void *)(uintptr_t)bitcode[i].bytes, bitcode[i].size_bytes);
    memset(bitcode, 0, count * sizeof *bitcode);
}
