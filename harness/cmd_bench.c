/* SPDX-License-Identifier: Apache-2.0
 *
 * `jitduel bench`: from the command line to a plan, and into bench_run. Knows suites and engines by
 * name only.
 */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_run.h"
#include "child.h"
#include "cli.h"
#include "commands.h"
#include "json_file.h"
#include "summary.h"

static const char default_suite[] = "quick", default_report[] = "report.json";

struct bench_command {
    struct jd_plan_request request;
    const struct jd_engine_ops **engines;
    const char **workloads;
    const char *suite, *report;
    bool is_list, can_resume, is_quiet, has_no_warm, has_no_calibration;
    unsigned shard_index, shard_count;
    double timeout_s;
    uint64_t memory_limit_bytes;
    const char *benchmark_args[JD_CHILD_BENCHMARK_ARGS];
    size_t benchmark_arg_count;
    const char *benchmark_filter;
    char **argv;
    int argc;
    struct jd_suite selection; /* workloads named without a suite */
    const char **skips;        /* one per line of the suite, texts owned */
    struct jd_error err;
};

enum option_key {
    KEY_SAMPLES = 0x100,
    KEY_SEED,
    KEY_TIMEOUT,
    KEY_MEMORY_LIMIT,
    KEY_RESUME,
    KEY_NO_WARM,
    KEY_NO_CALIBRATION,
    KEY_REGIME,
    KEY_LIST,
    KEY_SHARD
};

static const struct argp_option options[] = {
    {"suite", 's', "NAME", 0, "suite of workloads (default: quick; see 'jitduel list suites')", 1},
    {"workload", 'w', "NAME", 0,
     "only this workload (repeatable); without --suite, any of 'jitduel list workloads'", 1},
    {"engine", 'e', "NAME", 0, "only this engine (repeatable; default: all but the peers)", 1},
    {NULL, 'O', "LEVEL", 0, "code generation level 0 to 3 (repeatable; default: the suite's)", 1},
    {"samples", KEY_SAMPLES, "N", 0, "processes per cell (default: the suite's)", 2},
    {"seed", KEY_SEED, "N", 0, "seed of the running order and of the intervals (default: 1)", 2},
    {"regime", KEY_REGIME, "NAME", 0,
     "only cold-process, warm or cold-engine (repeatable; default: the first two, as the suite "
     "says)",
     2},
    {"no-warm", KEY_NO_WARM, NULL, 0, "leave the warm regime out", 2},
    {"no-calibration", KEY_NO_CALIBRATION, NULL, 0,
     "do not measure the same engine against itself: faster, and blind to the machine's noise", 2},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0,
     "time limit of a sample (default: the workload's, or 120)", 3},
    {"memory-limit", KEY_MEMORY_LIMIT, "BYTES", 0,
     "address space of a sample's process (suffix K, M or G; default: none)", 3},
    {"out", 'o', "FILE", 0, "the report (default: report.json); FILE.journal while running", 4},
    {"resume", KEY_RESUME, NULL, 0, "go on with a run that was killed, from its journal", 4},
    {"shard", KEY_SHARD, "K/N", 0,
     "only the K-th of N parts: every N-th round of the plan, each with every workload and engine; "
     "'jitduel merge' joins the reports",
     4},
    {"list", KEY_LIST, NULL, 0, "show the plan and run nothing", 4},
    {"quiet", 'q', NULL, 0, "no progress, only failures and the summary", 4},
    {0}};

static const char help[] =
    "Measure workloads under engines, each sample in a process of its own, engines interleaved in "
    "an order that comes from the seed; write a report and print a summary. Output and exit code "
    "of a sample are compared before its time counts. What follows '--' goes to Google Benchmark "
    "in the warm regime.\vExit code 0: every sample is good. 1: some failed or gave a wrong "
    "result; the report is written and says which. 130: interrupted; the report has what was "
    "measured, --resume goes on. The environment variables JITDUEL_WORKLOADS and JITDUEL_BITCODE "
    "name other folders than those of the build.\n" JD_EXIT_CODES_HELP;

/* ---- options ---- */

static int add_engine(struct bench_command *bench, const char *name)
{
    struct jd_plan_request *request = &bench->request;
    const char *names[33] = {NULL};
    char all[256] = "";
    const struct jd_engine_ops *ops = jd_engine_find(name);
    for (size_t i = 0; i < request->engine_count; i++)
        if (bench->engines[i] == ops)
            return 0;
    if (ops) {
        bench->engines[request->engine_count++] = ops;
        return 0;
    }
    for (size_t i = 0; jd_engine_registry[i] && i < 32; i++) {
        size_t used = strlen(all);
        names[i] = jd_engine_registry[i]->name;
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = jd_cli_nearest(name, names);
    return jd_cli_usage(&bench->err, "--engine", "unknown engine '%s'%s%s%s (there are: %s)", name,
                        nearest ? ", did you mean '" : "", nearest ? nearest : "",
                        nearest ? "'?" : "", all);
}

static int set_number(struct bench_command *bench, int key, const char *text)
{
    const char *option = key == 'O'           ? "-O"
                         : key == KEY_SAMPLES ? "--samples"
                         : key == KEY_SEED    ? "--seed"
                                              : "--memory-limit";
    unsigned long long low = key == KEY_SAMPLES || key == KEY_MEMORY_LIMIT, value;
    unsigned long long high = key == 'O'           ? 3
                              : key == KEY_SAMPLES ? JD_PLAN_SAMPLES_MAX
                                                   : (unsigned long long)INT64_MAX;
    if (jd_cli_number(option, text, low, high, key == KEY_MEMORY_LIMIT, &value, &bench->err))
        return EINVAL;
    if (key == 'O')
        bench->request.opt_levels |= 1u << value;
    else if (key == KEY_SAMPLES)
        bench->request.samples = (unsigned)value;
    else if (key == KEY_SEED)
        bench->request.seed = value;
    else
        bench->memory_limit_bytes = value;
    return 0;
}

static int set_timeout(struct bench_command *bench, const char *text)
{
    char *end;
    bench->timeout_s = strtod(text, &end);
    if (end == text || *end || !(bench->timeout_s >= 0.001 && bench->timeout_s <= 86400))
        return jd_cli_usage(&bench->err, "--timeout", "'%s' is not between 0.001 and 86400", text);
    return 0;
}

static int set_shard(struct bench_command *bench, const char *text)
{
    char end;
    if (sscanf(text, "%u/%u%c", &bench->shard_index, &bench->shard_count, &end) != 2 ||
        !isdigit((unsigned char)*text) || bench->shard_index < 1 ||
        bench->shard_index > bench->shard_count || bench->shard_count > JD_PLAN_SAMPLES_MAX)
        return jd_cli_usage(&bench->err, "--shard", "'%s' is not K/N with 1 <= K <= N", text);
    return 0;
}

static int add_regime(struct bench_command *bench, const char *name)
{
    enum jd_regime regime;
    if (!jd_regime_find(name, &regime))
        return jd_cli_usage(&bench->err, "--regime",
                            "unknown regime '%s' (there are: cold-process, cold-engine, warm)",
                            name);
    bench->request.regimes |= 1u << regime;
    return 0;
}

/* Options of Google Benchmark that would print or write beside the report have no place here. */
static int add_benchmark_arg(struct bench_command *bench, const char *arg)
{
    static const char *const refused[] = {"--benchmark_out", "--benchmark_format",
                                          "--benchmark_list_tests"};
    static const char filter[] = "--benchmark_filter=";
    if (strncmp(arg, "--benchmark_", 12) != 0)
        return jd_cli_usage(&bench->err, arg, "only --benchmark_* options may follow '--'");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (!strncmp(arg, refused[i], strlen(refused[i])))
            return jd_cli_usage(&bench->err, arg,
                                "the report is written by --out, the plan shown by --list");
    if (!strncmp(arg, filter, sizeof filter - 1)) {
        bench->benchmark_filter = arg + sizeof filter - 1;
        return 0;
    }
    if (bench->benchmark_arg_count == JD_CHILD_BENCHMARK_ARGS)
        return jd_cli_usage(&bench->err, arg, "too many options");
    bench->benchmark_args[bench->benchmark_arg_count++] = arg;
    return 0;
}

static error_t parse_switch(struct bench_command *bench, int key)
{
    switch (key) {
    case KEY_RESUME:
        bench->can_resume = true;
        return 0;
    case KEY_NO_WARM:
        bench->has_no_warm = true;
        return 0;
    case KEY_NO_CALIBRATION:
        bench->has_no_calibration = true;
        return 0;
    case KEY_LIST:
        bench->is_list = true;
        return 0;
    case 'q':
        bench->is_quiet = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct bench_command *bench = state->input;
    switch (key) {
    case 's':
        bench->suite = arg;
        return 0;
    case 'w':
        bench->workloads[bench->request.workload_count++] = arg;
        return 0;
    case 'e':
        return add_engine(bench, arg);
    case 'o':
        bench->report = arg;
        return 0;
    case 'O':
    case KEY_SAMPLES:
    case KEY_SEED:
    case KEY_MEMORY_LIMIT:
        return set_number(bench, key, arg);
    case KEY_TIMEOUT:
        return set_timeout(bench, arg);
    case KEY_REGIME:
        return add_regime(bench, arg);
    case KEY_SHARD:
        return set_shard(bench, arg);
    case ARGP_KEY_ARG:
        if (!state->quoted)
            return jd_cli_usage(&bench->err, arg, "unexpected word (see 'jitduel bench --help')");
        return add_benchmark_arg(bench, arg);
    default:
        return parse_switch(bench, key);
    }
}

static int parse(struct bench_command *bench, int argc, char **argv)
{
    static const struct argp argp = {
        options, parse_option, "[-- --benchmark_OPTION...]", help, NULL, NULL, NULL};
    size_t count = (size_t)argc + 1;
    size_t engines = 0;
    while (jd_engine_registry[engines])
        engines++;
    bench->engines = calloc(count + engines, sizeof *bench->engines);
    bench->workloads = calloc(count, sizeof *bench->workloads);
    if (!bench->engines || !bench->workloads) {
        jd_fail(&bench->err, JD_E_NO_MEMORY, "bench", "out of memory");
        return jd_cli_report(&bench->err);
    }
    bench->request.seed = 1;
    int code = jd_cli_parse(&argp, argc, argv, bench, &bench->err);
    if (!bench->request.engine_count)
        for (size_t i = 0; i < engines; i++)
            if (!(jd_engine_registry[i]->caps & JD_CAP_PEER))
                bench->engines[bench->request.engine_count++] = jd_engine_registry[i];
    bench->request.engines = bench->engines;
    bench->request.workloads = bench->workloads;
    bench->request.has_calibration = !bench->has_no_calibration;
    return code;
}

/* ---- what is to be run ---- */

static int open_catalogue(struct jd_catalogue **out, struct jd_error *err)
{
    const char *source = getenv("JITDUEL_WORKLOADS"), *bitcode = getenv("JITDUEL_BITCODE");
    return jd_catalogue_open(source && *source ? source : JD_SOURCE_WORKLOADS_DIR,
                             bitcode && *bitcode ? bitcode : JD_BITCODE_DIR, out, err);
}

static void append(char *list, size_t list_bytes, const char *name)
{
    size_t used = strlen(list);
    snprintf(list + used, list_bytes - used, "%s%s", used ? ", " : "", name);
}

static int unknown_workload(const struct jd_catalogue *catalogue, const char *name,
                            struct jd_error *err)
{
    char names[JD_ERROR_TEXT_BYTES - 64] = "";
    size_t count;
    const struct jd_workload *const *all = jd_catalogue_all(catalogue, &count);
    for (size_t i = 0; i < count; i++)
        append(names, sizeof names, all[i]->name);
    return jd_fail(err, JD_E_USAGE, name, "unknown workload (there are: %s)", names);
}

/* Workloads named without a suite are one: each cold, and warm where it can be. */
static int select_workloads(struct bench_command *bench, const struct jd_catalogue *catalogue)
{
    const struct jd_plan_request *request = &bench->request;
    struct jd_suite_line *lines = calloc(request->workload_count, sizeof *lines);
    if (!lines)
        return jd_fail(&bench->err, JD_E_NO_MEMORY, "bench", "out of memory");
    bench->selection = (struct jd_suite){.name = "selection",
                                         .summary = "named on the command line",
                                         .processes = JD_PLAN_DEFAULT_SAMPLES,
                                         .opt_levels = 1u << 0 | 1u << 2,
                                         .lines = lines};
    for (size_t i = 0; i < request->workload_count; i++) {
        const struct jd_workload *found = jd_catalogue_find(catalogue, request->workloads[i]);
        bool is_repeated = false;
        if (!found)
            return unknown_workload(catalogue, request->workloads[i], &bench->err);
        for (size_t k = 0; k < bench->selection.line_count; k++)
            is_repeated |= lines[k].workload == found;
        if (!is_repeated)
            lines[bench->selection.line_count++] =
                (struct jd_suite_line){.workload = found,
                                       .why = "named on the command line",
                                       .is_cold = true,
                                       .is_warm = found->warm_entry != NULL};
    }
    bench->request.suite = &bench->selection;
    return JD_OK;
}

static int choose_suite(struct bench_command *bench, const struct jd_catalogue *catalogue)
{
    char names[JD_ERROR_TEXT_BYTES - 64] = "";
    size_t count;
    if (!bench->suite && bench->request.workload_count)
        return select_workloads(bench, catalogue);
    const char *name = bench->suite ? bench->suite : default_suite;
    bench->request.suite = jd_catalogue_suite(catalogue, name);
    if (bench->request.suite)
        return JD_OK;
    const struct jd_suite *all = jd_catalogue_suites(catalogue, &count);
    for (size_t i = 0; i < count; i++)
        append(names, sizeof names, all[i].name);
    return jd_fail(&bench->err, JD_E_USAGE, "--suite", "unknown suite '%s' (there are: %s)", name,
                   names);
}

/* --no-warm and --benchmark_filter narrow the regimes; a filter is for warm benchmarks alone. */
static int narrow_regimes(struct bench_command *bench)
{
    unsigned *regimes = &bench->request.regimes;
    if (bench->has_no_warm) {
        if (!*regimes)
            *regimes = 1u << JD_REGIME_COLD_PROCESS;
        *regimes &= ~(1u << JD_REGIME_WARM);
        if (!*regimes)
            return jd_fail(&bench->err, JD_E_USAGE, "--no-warm", "nothing else was asked for");
    }
    return JD_OK;
}

static int filter_warm(struct bench_command *bench)
{
    const struct jd_suite *suite = bench->request.suite;
    regex_t filter;
    bool *is_filtered = calloc(suite->line_count, sizeof *is_filtered);
    if (!is_filtered)
        return jd_fail(&bench->err, JD_E_NO_MEMORY, "bench", "out of memory");
    bench->request.is_warm_filtered = is_filtered;
    if (!bench->benchmark_filter)
        return JD_OK;
    /* As the library reads it: a leading '-' inverts. */
    bool is_inverted = bench->benchmark_filter[0] == '-';
    if (regcomp(&filter, bench->benchmark_filter + is_inverted, REG_EXTENDED | REG_NOSUB))
        return jd_fail(&bench->err, JD_E_USAGE, "--benchmark_filter",
                       "'%s' is not a regular expression", bench->benchmark_filter);
    for (size_t i = 0; i < suite->line_count; i++)
        is_filtered[i] =
            (regexec(&filter, suite->lines[i].workload->name, 0, NULL, 0) == 0) == is_inverted;
    regfree(&filter);
    return JD_OK;
}

/* Generated workloads are made before anything is timed; one that cannot be is skipped. */
static int materialise(struct bench_command *bench, const char *program)
{
    const struct jd_suite *suite = bench->request.suite;
    char line[JD_ERROR_WHERE_BYTES + JD_ERROR_TEXT_BYTES];
    bench->skips = calloc(suite->line_count, sizeof *bench->skips);
    if (!bench->skips)
        return jd_fail(&bench->err, JD_E_NO_MEMORY, "bench", "out of memory");
    for (size_t i = 0; i < suite->line_count; i++) {
        const struct jd_workload *workload = suite->lines[i].workload;
        struct jd_error err = JD_ERROR_INIT;
        if (workload->unavailable || !jd_plan_wants(&bench->request, &suite->lines[i]) ||
            !jd_workload_materialise(workload, program, &err))
            continue;
        bench->skips[i] = strdup(jd_error_line(&err, line, sizeof line));
    }
    bench->request.line_skips = bench->skips;
    return JD_OK;
}

static int find_program(char *out, size_t out_bytes, struct jd_error *err)
{
    ssize_t length = readlink("/proc/self/exe", out, out_bytes - 1);
    if (length < 0)
        return jd_fail(err, JD_E_IO, "/proc/self/exe", "cannot be read: %s", strerror(errno));
    out[length] = '\0';
    return JD_OK;
}

/* ---- run ---- */

static int run(struct bench_command *bench, const struct jd_plan *plan, const char *program,
               const char *report_path)
{
    const struct jd_bench_job job = {.plan = plan,
                                     .program = program,
                                     .report_path = report_path,
                                     .can_resume = bench->can_resume,
                                     .is_quiet = bench->is_quiet,
                                     .shard_index = bench->shard_index,
                                     .shard_count = bench->shard_count,
                                     .timeout_s = bench->timeout_s,
                                     .memory_limit_bytes = bench->memory_limit_bytes,
                                     .benchmark_args = bench->benchmark_args,
                                     .benchmark_arg_count = bench->benchmark_arg_count,
                                     .command_line = (const char *const *)bench->argv,
                                     .command_line_count = (size_t)bench->argc};
    return jd_bench_run_job(&job);
}

static int plan_and_run(struct bench_command *bench, const struct jd_catalogue *catalogue,
                        int *out_code)
{
    char program[PATH_MAX];
    char *report_path = NULL;
    struct jd_plan *plan = NULL;
    int rc;
    if ((rc = choose_suite(bench, catalogue)) || (rc = narrow_regimes(bench)) ||
        (rc = filter_warm(bench)) || (rc = find_program(program, sizeof program, &bench->err)))
        return rc;
    if (!bench->is_list && ((rc = jd_json_file_check(bench->report, &report_path, &bench->err)) ||
                            (rc = materialise(bench, program))))
        goto out;
    if ((rc = jd_plan_create(&bench->request, &plan, &bench->err)))
        goto out;
    if (bench->is_list)
        jd_summary_plan(stdout, plan);
    else if (bench->shard_count > plan->round_count)
        rc = jd_fail(&bench->err, JD_E_USAGE, "--shard",
                     "%u parts of %zu rounds: some would be empty (--samples)", bench->shard_count,
                     plan->round_count);
    else
        *out_code = run(bench, plan, program, report_path);
out:
    jd_plan_destroy(plan);
    free(report_path);
    return rc;
}

static void fini(struct bench_command *bench)
{
    const struct jd_suite *suite = bench->request.suite;
    for (size_t i = 0; bench->skips && i < suite->line_count; i++)
        free((char *)(uintptr_t)bench->skips[i]);
    free(bench->skips);
    free((bool *)(uintptr_t)bench->request.is_warm_filtered);
    free((struct jd_suite_line *)(uintptr_t)bench->selection.lines);
    free(bench->engines);
    free(bench->workloads);
}

int jd_cmd_bench(int argc, char **argv)
{
    struct bench_command bench = {.report = default_report, .argv = argv, .argc = argc};
    struct jd_catalogue *catalogue = NULL;
    int code = parse(&bench, argc, argv);
    if (!code && (open_catalogue(&catalogue, &bench.err) || plan_and_run(&bench, catalogue, &code)))
        code = jd_cli_report(&bench.err);
    fini(&bench);
    jd_catalogue_close(catalogue);
    return code;
}
