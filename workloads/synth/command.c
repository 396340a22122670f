/* SPDX-License-Identifier: Apache-2.0
 *
 * The command `jitduel synth`: options to parameters, errors to one line. Knows no LLVM.
 */
#include "jitduel/synth.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum synth_option {
    OPTION_SEED = 1000,
    OPTION_FUNCTIONS,
    OPTION_INSTRUCTIONS,
    OPTION_SHAPE,
    OPTION_EXECUTED,
    OPTION_EXECUTED_COUNT,
    OPTION_MODULES,
    OPTION_REPEAT,
    OPTION_TEXT,
    OPTION_PRINT_EXPECTED
};

struct request {
    struct jd_synth_params params;
    double fraction; /* below 0: not given */
    const char *output;
    bool is_text, prints_expected;
};

static const struct argp_option options[] = {
    {"seed", OPTION_SEED, "N", 0, "Another seed is another program of the same shape (default 1)",
     0},
    {"functions", OPTION_FUNCTIONS, "N", 0,
     "Functions besides main and its drivers, 1 to 1,000,000 (default 1000)", 0},
    {"instructions", OPTION_INSTRUCTIONS, "M", 0,
     "IR instructions in each function, calls not counted; at least 4 (default 40)", 0},
    {"shape", OPTION_SHAPE, "SHAPE", 0,
     "Who calls the functions that run: flat (main calls each), chain (each calls the next), fan "
     "(hubs of 16), tree (binary), random (default flat)",
     0},
    {"executed", OPTION_EXECUTED, "FRACTION", 0,
     "Part of the functions that run, 0 to 1 (default 0.1); at least one does", 0},
    {"executed-count", OPTION_EXECUTED_COUNT, "N", 0, "The same as a number of functions", 0},
    {"modules", OPTION_MODULES, "K", 0,
     "Number of files (default 1); with more than one they are FILE.0.bc, FILE.1.bc, ... and main "
     "is in the first",
     0},
    {"repeat", OPTION_REPEAT, "R", 0, "How often main runs all of it (default 1)", 0},
    {"output", 'o', "FILE", 0, "Where the module goes", 0},
    {"text", OPTION_TEXT, NULL, 0, "Write textual IR instead of bitcode", 0},
    {"print-expected", OPTION_PRINT_EXPECTED, NULL, 0,
     "Print what the program will print; --output is not needed then", 0},
    {NULL, 0, NULL, 0, NULL, 0}};

static int parse_count(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno || *text < '0' || *text > '9' || *end;
}

static int parse_fraction(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end == text || *end || !(*out >= 0 && *out <= 1);
}

/* The parameter that takes a plain number; NULL for the other options. */
static uint64_t *number_of(struct jd_synth_params *params, int key)
{
    switch (key) {
    case OPTION_SEED:
        return &params->seed;
    case OPTION_FUNCTIONS:
        return &params->functions;
    case OPTION_INSTRUCTIONS:
        return &params->instructions;
    case OPTION_EXECUTED_COUNT:
        return &params->executed;
    case OPTION_MODULES:
        return &params->modules;
    case OPTION_REPEAT:
        return &params->repeat;
    default:
        return NULL;
    }
}

static const char *name_of(int key)
{
    const struct argp_option *option = options;
    while (option->key != key)
        option++;
    return option->name;
}

/* argp's own argp_error() adds a line about --help, and an error is one line. */
__attribute__((format(printf, 1, 2))) static error_t complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("jitduel synth: ", stderr);
    vfprintf(stderr, format, args);
    fputs(" (see 'jitduel synth --help')\n", stderr);
    va_end(args);
    return EINVAL;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct request *request = state->input;
    struct jd_error err = JD_ERROR_INIT;
    uint64_t *number = number_of(&request->params, key);
    if (key == OPTION_EXECUTED_COUNT)
        request->fraction = -1;
    if (number) {
        if (parse_count(text, number))
            return complain("--%s: '%s' is not a whole number", name_of(key), text);
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT:
        state->err_stream = NULL; /* no second line after getopt's message */
        return 0;
    case OPTION_SHAPE:
        if (jd_synth_shape_find(text, &request->params.shape, &err))
            return complain("--shape: %s", err.text);
        return 0;
    case OPTION_EXECUTED:
        if (parse_fraction(text, &request->fraction))
            return complain("--executed: '%s' is not a number from 0 to 1", text);
        return 0;
    case 'o':
        request->output = text;
        return 0;
    case OPTION_TEXT:
        request->is_text = true;
        return 0;
    case OPTION_PRINT_EXPECTED:
        request->prints_expected = true;
        return 0;
    case ARGP_KEY_ARG:
        return complain("'%s' is one argument too many", text);
    case ARGP_KEY_END:
        if (!request->output && !request->prints_expected)
            return complain("--output is missing: where shall the module go?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int print_expected(const struct jd_synth_params *params, struct jd_error *err)
{
    char output[JD_SYNTH_OUTPUT_BYTES];
    int code = jd_synth_expected(params, output, err);
    if (!code && fputs(output, stdout) < 0)
        code = jd_fail(err, JD_E_IO, "standard output", "%s", strerror(errno));
    return code;
}

/* As jitduel's other commands end. */
static int exit_code(int code)
{
    switch (code) {
    case JD_OK:
        return 0;
    case JD_E_USAGE:
        return EX_USAGE;
    case JD_E_INTERNAL:
        return EX_SOFTWARE;
    default:
        return EX_OSERR;
    }
}

/* argp leaves after --help by itself. */
static void flush_at_exit(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return;
    fprintf(stderr, "jitduel: standard output: cannot be written: %s\n",
            strerror(errno ? errno : EIO));
    _exit(EX_OSERR);
}

int jd_synth_main(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse_option,
        NULL,
        "Write a program of a given shape as LLVM IR.\vThe program prints a checksum that depends "
        "on every function that runs, and returns 0. The same options give the same program; the "
        "checksum is known without running it.\n\nExit code 0, or 64 command line, 70 LLVM failed, "
        "71 "
        "system (memory, output file).",
        NULL,
        NULL,
        NULL};
    struct request request = {.params = JD_SYNTH_DEFAULTS, .fraction = 0.1};
    struct jd_error err = JD_ERROR_INIT;
    char line[sizeof err.where + sizeof err.text];
    atexit(flush_at_exit);
    int refused = argp_parse(&argp, argc, argv, 0, NULL, &request);
    if (refused == ENOMEM) /* of which argp says nothing */
        fprintf(stderr, "%s: command line: there is no memory to read it\n", argv[0]);
    if (refused)
        return refused == ENOMEM ? EX_OSERR : EX_USAGE;
    if (request.fraction >= 0)
        request.params.executed =
            jd_synth_executed_count(request.params.functions, request.fraction);
    int code = jd_synth_check(&request.params, &err);
    if (!code && request.prints_expected)
        code = print_expected(&request.params, &err);
    if (!code && request.output)
        code = jd_synth_generate(&request.params, request.output, request.is_text, &err);
    if (code)
        fprintf(stderr, "jitduel synth: %s\n", jd_error_line(&err, line, sizeof line));
    return exit_code(code);
}
