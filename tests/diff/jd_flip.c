/* SPDX-License-Identifier: Apache-2.0
 *
 * Damages one bit of a bitcode file at a time and runs what comes of it under one setting. A bit
 * may make another program, which may do anything; or no program, which must be an error of the
 * input. Says how the runs ended, and which bits ended one as nothing may: with an error that
 * blames the engine, an engine that does not come to an end, or a death that nobody reported.
 * LLVM's own crashes, which the harness turns into a line and an exit code, are counted apart.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "crash.h"
#include "ir_file.h"
#include "trial.h"

/* What a damaged program may take of the machine. */
static const rlim_t memory_max_bytes = (rlim_t)4 << 30;

enum ending {
    RAN,
    DIED,
    LATE,
    REFUSED,
    UNSUPPORTED,
    LLVM_CRASHED,
    ENGINE_BUG,
    HUNG,
    UNSEEN,
    ENDINGS
};

static const char *const ending_names[ENDINGS] = {
    [RAN] = "ran",
    [DIED] = "died of a signal in the program",
    [LATE] = "ran too long in the program",
    [REFUSED] = "refused as bad input",
    [UNSUPPORTED] = "refused as unsupported, or for want of memory",
    [LLVM_CRASHED] = "LLVM crashed, reported",
    [ENGINE_BUG] = "BLAMED THE ENGINE",
    [HUNG] = "HUNG IN THE ENGINE",
    [UNSEEN] = "DIED WITHOUT A WORD",
};

struct options {
    size_t first, end, step; /* bits */
    unsigned timeout_s;
    const char *setting, *path, *arguments[33];
    size_t argument_count;
    bool is_verbose;
};

static const struct argp_option argp_options[] = {
    {"setting", 'c', "NAME", 0, "how to run, as jd-diff names it (default: legacy-O0)", 0},
    {"first", 'f', "BIT", 0, "first bit (default: 32, after the magic number)", 0},
    {"end", 'e', "BIT", 0, "stop before this bit (default: that of the file)", 0},
    {"step", 's', "N", 0, "each Nth bit (default: 1)", 0},
    {"timeout", 't', "SECONDS", 0, "for each run (default: 10)", 0},
    {"verbose", 'v', NULL, 0, "a line for each run", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'c':
        options->setting = arg;
        break;
    case 'f':
        options->first = strtoull(arg, NULL, 0);
        break;
    case 'e':
        options->end = strtoull(arg, NULL, 0);
        break;
    case 's':
        options->step = strtoull(arg, NULL, 0);
        break;
    case 't':
        options->timeout_s = (unsigned)strtoul(arg, NULL, 0);
        break;
    case 'v':
        options->is_verbose = true;
        break;
    case ARGP_KEY_ARG:
        if (!options->path)
            options->path = arg;
        else if (options->argument_count < 32)
            options->arguments[options->argument_count++] = arg;
        break;
    case ARGP_KEY_END:
        if (!options->path || !options->step)
            argp_usage(state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static enum ending ending_of_error(const char *name)
{
    for (int code = 0; code < JD_E_COUNT; code++) {
        size_t length = strlen(jd_code_name(code));
        if (strncmp(name, jd_code_name(code), length) != 0 || name[length] != ':')
            continue;
        switch (jd_code_kind(code)) {
        case JD_KIND_INPUT:
            return REFUSED;
        case JD_KIND_UNSUPPORTED:
        case JD_KIND_ENVIRONMENT:
            return UNSUPPORTED;
        default:
            return ENGINE_BUG;
        }
    }
    return ENGINE_BUG;
}

static enum ending judge(const struct trial_outcome *outcome)
{
    const char *error = strstr(outcome->messages, TRIAL_ERROR_PREFIX);
    if (error)
        return ending_of_error(error + strlen(TRIAL_ERROR_PREFIX));
    if (outcome->end == TRIAL_TIMED_OUT)
        return strstr(outcome->messages, TRIAL_LATE_PREFIX TRIAL_LATE_IN_PROGRAM) ? LATE : HUNG;
    if (outcome->code == JD_CRASH_EXIT_ENGINE && strstr(outcome->messages, "LLVM crashed"))
        return LLVM_CRASHED;
    if (outcome->end != TRIAL_DIED)
        return RAN;
    return strstr(outcome->messages, "program died of signal") ? DIED : UNSEEN;
}

static bool find_setting(const char *name, struct trial_config *out)
{
    struct trial_config all[TRIAL_CONFIGS_MAX];
    size_t count = trial_configs(all);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(all[i].name, name)) {
            *out = all[i];
            return true;
        }
    return false;
}

static void limit_resources(void)
{
    const struct rlimit memory = {memory_max_bytes, memory_max_bytes};
    setrlimit(RLIMIT_AS, &memory);
}

/* A busy machine is no hang: what took too long gets ten times as long. */
static enum ending run_patiently(const struct trial_config *config,
                                 const struct trial_program *program, struct trial_outcome *outcome)
{
    struct trial_program again = *program;
    trial_run(config, program, outcome);
    enum ending ending = judge(outcome);
    if (ending != HUNG)
        return ending;
    trial_outcome_fini(outcome);
    again.timeout_s *= 10;
    trial_run(config, &again, outcome);
    return judge(outcome);
}

/* Returns how the program ended. */
static enum ending run_bit(const struct trial_config *config, const struct trial_program *program,
                           size_t bit, bool is_verbose)
{
    struct trial_outcome outcome;
    enum ending ending = run_patiently(config, program, &outcome);
    if (ending >= ENGINE_BUG || is_verbose)
        printf("bit %zu: %s (%s %d): %.*s\n", bit, ending_names[ending],
               outcome.end == TRIAL_EXITED ? "code" : "signal", outcome.code, 300,
               outcome.messages);
    trial_outcome_fini(&outcome);
    return ending;
}

static int flip_all(const struct options *options, const struct trial_config *config,
                    const struct jd_ir *sound)
{
    size_t counts[ENDINGS] = {0}, runs = 0;
    size_t end = options->end < sound->size_bytes * 8 ? options->end : sound->size_bytes * 8;
    uint8_t *copy = malloc(sound->size_bytes);
    if (!copy)
        return 71;
    memcpy(copy, sound->bytes, sound->size_bytes);
    const struct trial_program program = {.file_count = 1,
                                          .files = {{copy, sound->size_bytes, sound->name}},
                                          .arguments = options->arguments,
                                          .drops_output = true,
                                          .timeout_s = options->timeout_s};
    for (size_t bit = options->first; bit < end; bit += options->step, runs++) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        counts[run_bit(config, &program, bit, options->is_verbose)]++;
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(copy);
    printf("%s, %s: bits %zu to %zu by %zu, %zu runs\n", sound->name, config->name, options->first,
           end, options->step, runs);
    for (size_t i = 0; i < ENDINGS; i++)
        if (counts[i])
            printf("%8zu %s\n", counts[i], ending_names[i]);
    return runs && !counts[ENGINE_BUG] && !counts[HUNG] && !counts[UNSEEN] ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {argp_options,
                                     parse_option,
                                     "FILE.bc [-- ARGUMENT...]",
                                     "Damage bitcode bit by bit, and run it.\v"
                                     "Exit code: 0 each run ended as it may, 1 some did not.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct options options = {
        .first = 32, .end = SIZE_MAX, .step = 1, .timeout_s = 10, .setting = "legacy-O0"};
    struct jd_error err = JD_ERROR_INIT;
    struct trial_config config;
    struct jd_ir ir;
    argp_err_exit_status = 64;
    if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
        return 64;
    if (!find_setting(options.setting, &config)) {
        fprintf(stderr, "jd-flip: no setting '%s'\n", options.setting);
        return 64;
    }
    if (jd_ir_file_open(options.path, &ir, &err) != JD_OK) {
        fprintf(stderr, "jd-flip: %s: %s\n", err.where, err.text);
        return 66;
    }
    limit_resources();
    int result = flip_all(&options, &config, &ir);
    jd_ir_file_close(&ir);
    return result;
}
