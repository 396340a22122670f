/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs programs on every engine of the build with every setting that makes a difference, and says
 * where two disagree: generated programs by seed, files given by name, or the workloads of the
 * tree.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "generate.h"
#include "ir_file.h"
#include "jitduel/workload.h"

enum { DIFFERENCES_MAX = 20, GENERATED_TIMEOUT_S = 60, WORKLOAD_TIMEOUT_S = 300, ENGINES_MAX = 16 };

struct options {
    uint64_t seed, count;
    double minutes; /* 0: until `count` programs are done */
    unsigned jobs;
    const char *engines[ENGINES_MAX]; /* empty: all but those left out */
    size_t engine_count;
    const char *settings; /* only settings whose name contains this */
    bool has_no_native;
    const char *workloads; /* name of one, or "" for all; NULL: none */
    const char *files[TRIAL_FILES_MAX];
    size_t file_count;
    struct compare_plan plan;
};

/* Shared by the workers. */
struct progress {
    atomic_ulong next, programs, runs, refused, differing, invalid;
};

static const struct argp_option argp_options[] = {
    {"seed", 's', "N", 0, "first seed (default: 1)", 0},
    {"count", 'n', "N", 0, "how many programs (default: 100)", 0},
    {"minutes", 'm', "N", 0, "go on for so long instead", 0},
    {"jobs", 'j', "N", 0, "workers (default: 1)", 0},
    {"engine", 'e', "NAME", 0, "only this engine, and 'native'; may be repeated", 0},
    {"settings", 'c', "TEXT", 0, "only settings whose name contains this (native ones always)", 0},
    {"no-native", 'N', NULL, 0, "without the programs compiled ahead by LLVM and ld", 0},
    {"workloads", 'w', "NAME", OPTION_ARG_OPTIONAL, "the tree's workloads, or one, instead", 0},
    {"keep", 'k', "DIR", 0, "keep programs that differ here", 0},
    {"verbose", 'v', NULL, 0, "a line for each run", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 's':
        options->seed = strtoull(arg, NULL, 0);
        break;
    case 'n':
        options->count = strtoull(arg, NULL, 0);
        break;
    case 'm':
        options->minutes = strtod(arg, NULL);
        options->count = UINT64_MAX;
        break;
    case 'j':
        options->jobs = (unsigned)strtoul(arg, NULL, 0);
        break;
    case 'e':
        if (options->engine_count == ENGINES_MAX)
            return EINVAL;
        options->engines[options->engine_count++] = arg;
        break;
    case 'c':
        options->settings = arg;
        break;
    case 'N':
        options->has_no_native = true;
        break;
    case 'w':
        options->workloads = arg ? arg : "";
        break;
    case 'k':
        options->plan.keep_folder = arg;
        break;
    case 'v':
        options->plan.is_verbose = true;
        break;
    case ARGP_KEY_ARG:
        if (options->file_count == TRIAL_FILES_MAX)
            return EINVAL;
        options->files[options->file_count++] = arg;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* LLVM's own engines are here for comparison: what they cannot do is no error of ours, and they are
 * asked by name only. */
static bool is_wanted(const struct options *options, const struct trial_config *config)
{
    if (!config->ops)
        return !options->has_no_native && !options->workloads;
    if (options->settings && !strstr(config->name, options->settings))
        return false;
    for (size_t i = 0; i < options->engine_count; i++)
        if (trial_config_is(config, options->engines[i]))
            return true;
    return options->engine_count == 0 && !(config->ops->caps & JD_CAP_PEER);
}

static void choose_configs(struct options *options)
{
    struct trial_config all[TRIAL_CONFIGS_MAX];
    size_t count = trial_configs(all);
    for (size_t i = 0; i < count; i++)
        if (is_wanted(options, &all[i]))
            options->plan.configs[options->plan.config_count++] = all[i];
}

/* ---- generated programs ---- */

/* Every program is checked by LLVM's verifier; odd seeds run as bitcode, even ones as text. */
static bool run_seed(const struct options *options, uint64_t seed, struct progress *progress)
{
    static const char *const names[] = {"0.ll", "1.ll", "2.ll", "3.ll"};
    struct trial_program program = {.timeout_s = GENERATED_TIMEOUT_S};
    struct compare_totals totals = {0};
    struct diff_program generated;
    struct jd_ir texts[DIFF_MODULES_MAX], bitcode[DIFF_MODULES_MAX];
    char title[48];
    diff_generate(seed, DIFF_CPU_HOST, &generated);
    program.file_count = generated.module_count;
    for (size_t i = 0; i < generated.module_count; i++)
        texts[i] =
            (struct jd_ir){generated.modules[i].bytes, generated.modules[i].size_bytes, names[i]};
    bool is_valid = trial_assemble(texts, generated.module_count, bitcode) == 0;
    memcpy(program.files, seed & 1 ? bitcode : texts,
           generated.module_count * sizeof *program.files);
    snprintf(title, sizeof title, "seed-%" PRIu64, seed);
    if (is_valid)
        compare_program(&options->plan, title, &program, NULL, &totals);
    else
        printf("INVALID %s: see the message above\n", title);
    atomic_fetch_add(&progress->programs, totals.programs);
    atomic_fetch_add(&progress->runs, totals.runs);
    atomic_fetch_add(&progress->refused, totals.refused);
    atomic_fetch_add(&progress->differing, totals.differing);
    atomic_fetch_add(&progress->invalid, !is_valid);
    trial_release(bitcode, generated.module_count);
    diff_program_fini(&generated);
    return is_valid && totals.differing == 0;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void work(const struct options *options, struct progress *progress)
{
    double end = now_s() + options->minutes * 60;
    while (progress->differing + progress->invalid < DIFFERENCES_MAX) {
        uint64_t index = atomic_fetch_add(&progress->next, 1);
        if (index >= options->count || (options->minutes > 0 && now_s() > end))
            return;
        run_seed(options, options->seed + index, progress);
    }
}

static int run_seeds(const struct options *options)
{
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status, result = 0;
    if (progress == MAP_FAILED) {
        perror("mmap");
        return 71;
    }
    double start = now_s();
    for (unsigned i = 0; i < options->jobs; i++) {
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            work(options, progress);
            fflush(NULL);
            _exit(0);
        }
        if (pid < 0) {
            perror("fork");
            result = 71;
        }
    }
    while (wait(&status) > 0 || errno == EINTR)
        if (status != 0)
            result = 1;
    printf("seeds from %" PRIu64 ": %lu programs, %lu runs with %zu settings (%lu refused), "
           "%lu differ, %lu invalid, %.1f s\n",
           options->seed, progress->programs, progress->runs, options->plan.config_count,
           progress->refused, progress->differing, progress->invalid, now_s() - start);
    if (progress->differing || progress->invalid || !progress->programs)
        result = 1;
    munmap(progress, sizeof *progress);
    return result;
}

/* ---- files and workloads ---- */

static int open_files(struct trial_program *program, const char *const *paths, size_t count)
{
    struct jd_error err = JD_ERROR_INIT;
    for (size_t i = 0; i < count; i++) {
        if (jd_ir_file_open(paths[i], &program->files[i], &err) != JD_OK) {
            fprintf(stderr, "jd-diff: %s: %s\n", err.where, err.text);
            return -1;
        }
        program->file_count++;
    }
    return 0;
}

static void close_files(struct trial_program *program)
{
    for (size_t i = 0; i < program->file_count; i++)
        jd_ir_file_close(&program->files[i]);
}

static int run_files(const struct options *options)
{
    struct trial_program program = {.timeout_s = GENERATED_TIMEOUT_S};
    struct compare_totals totals = {0};
    if (open_files(&program, options->files, options->file_count) != 0)
        return 66;
    bool is_equal = compare_program(&options->plan, "files", &program, NULL, &totals);
    close_files(&program);
    return is_equal ? 0 : 1;
}

/* What must come out is known: the reference is that, not a compiler. */
static void run_workload(const struct options *options, const struct jd_workload *workload,
                         struct compare_totals *totals)
{
    struct trial_program program = {.directory = workload->directory,
                                    .input_file = workload->input_file,
                                    .timeout_s = WORKLOAD_TIMEOUT_S};
    const char *arguments[32] = {0};
    struct trial_outcome expected = {.end = TRIAL_EXITED, .code = workload->expected_exit_code};
    char title[128];
    size_t argument_count = workload->arg_count < 31 ? workload->arg_count : 31;
    for (size_t i = 0; i < argument_count; i++)
        arguments[i] = workload->args[i];
    program.arguments = arguments;
    expected.output = (char *)(uintptr_t)workload->expected_output;
    expected.output_bytes = workload->expected_output_bytes;
    snprintf(title, sizeof title, "%s", workload->name);
    for (char *slash = title; (slash = strchr(slash, '/'));)
        *slash = '-';
    if (open_files(&program, workload->files, workload->file_count) == 0)
        compare_program(&options->plan, title, &program, &expected, totals);
    close_files(&program);
}

static int run_workloads(const struct options *options)
{
    struct jd_error err = JD_ERROR_INIT;
    struct compare_totals totals = {0};
    struct jd_catalogue *catalogue;
    size_t count;
    if (jd_catalogue_open(JD_SOURCE_WORKLOADS_DIR, JD_BITCODE_DIR, &catalogue, &err) != JD_OK) {
        fprintf(stderr, "jd-diff: %s: %s\n", err.where, err.text);
        return 66;
    }
    const struct jd_workload *const *all = jd_catalogue_all(catalogue, &count);
    for (size_t i = 0; i < count; i++) {
        bool is_meant = !*options->workloads || !strcmp(options->workloads, all[i]->name);
        if (!is_meant || all[i]->function_count) /* generated ones check themselves elsewhere */
            continue;
        if (all[i]->unavailable || all[i]->file_count > TRIAL_FILES_MAX)
            printf("skipped %s: %s\n", all[i]->name, all[i]->unavailable);
        else
            run_workload(options, all[i], &totals);
    }
    jd_catalogue_close(catalogue);
    printf("workloads: %lu programs, %lu runs with %zu settings (%lu refused), %lu differ\n",
           totals.programs, totals.runs, options->plan.config_count, totals.refused,
           totals.differing);
    return totals.differing || !totals.programs ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {argp_options,
                                     parse_option,
                                     "[FILE...]",
                                     "Run programs on every engine and compare.\v"
                                     "Exit code: 0 all agree, 1 some differ.",
                                     NULL,
                                     NULL,
                                     NULL};
    static struct options options = {.seed = 1, .count = 100, .jobs = 1};
    argp_err_exit_status = 64;
    if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
        return 64;
    choose_configs(&options);
    if (options.workloads)
        return run_workloads(&options);
    return options.file_count ? run_files(&options) : run_seeds(&options);
}
