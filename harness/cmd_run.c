/* SPDX-License-Identifier: Apache-2.0
 *
 * `jitduel run`: one program from IR files, in this process, under one engine. The process is the
 * program: its exit code, its streams, its signals. Knows engines through the contract only.
 */
#include <argp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "crash.h"
#include "ir_file.h"
#include "json_file.h"
#include "program.h"
#include "run_stats.h"

enum { DEFAULT_OPT_LEVEL = 2, REMEMBERED_PAUSES = 1 << 20 };
static const char default_engine[] = "legacy";

/* Lives until the process ends: the exit handlers use it. */
struct run {
    struct jd_program_spec spec;
    const char *granularity;
    const char **files; /* main files, then extra modules */
    size_t file_count, main_file_count;
    const char **extra_files;
    size_t extra_count;
    const char **object_files; /* objects and archives, in the order of the command line */
    bool *is_archive;
    size_t object_count;
    struct jd_ir *objects;
    const char **libraries;
    struct jd_ir *modules;
    const char *stats_option;
    char *stats_path; /* absolute; NULL without --stats */
    struct jd_phases *phases;
    uint64_t first_pause;
    struct jd_program *program;
    struct jd_error err;
};

enum option_key {
    KEY_ENTRY = 0x100,
    KEY_GRANULARITY,
    KEY_STATS,
    KEY_CPU,
    KEY_FEATURES,
    KEY_PASSES,
    KEY_NO_LAZY,
    KEY_NO_PROCESS,
    KEY_VERIFY,
    KEY_ARENA_LIMIT,
    KEY_SPECULATE,
    KEY_LOAD,
    KEY_EXTRA_MODULE,
    KEY_EXTRA_OBJECT,
    KEY_EXTRA_ARCHIVE,
    KEY_PERF_MAP,
    KEY_GDB,
    KEY_OBJECT_CACHE,
    KEY_LINK_MODULES
};

static const struct argp_option options[] = {
    {"engine", 'e', "NAME", 0, "JIT engine (default: legacy; see 'jitduel list engines')", 1},
    {NULL, 'O', "LEVEL", 0, "code generation level 0 to 3 (default: 2, as lli)", 1},
    {"granularity", KEY_GRANULARITY, "UNIT", 0,
     "what is compiled at once: function, module, block or engine (default: the engine's own)", 1},
    {"speculate", KEY_SPECULATE, "THREADS", 0,
     "let this many helper threads compile ahead what is likely to be called (default: 0)", 1},
    {"no-lazy", KEY_NO_LAZY, NULL, 0, "compile all that can be reached before it runs", 1},
    {"passes", KEY_PASSES, "PIPELINE", 0,
     "LLVM passes on the IR before code generation, as opt -passes (default: none)", 1},
    {"cpu", KEY_CPU, "CPU", 0,
     "generate code for this CPU, 'native' for this machine's, where the IR names none (default: "
     "LLVM's generic one)",
     1},
    {"features", KEY_FEATURES, "LIST", 0, "CPU features, as +avx2,-sse3", 1},
    {"link-modules", KEY_LINK_MODULES, NULL, 0, "link all modules as IR and compile them as one",
     1},
    {"object-cache", KEY_OBJECT_CACHE, "FOLDER", 0,
     "keep compiled objects there, and take modules that were compiled before from there", 1},
    {"verify", KEY_VERIFY, NULL, 0, "run LLVM's verifier on bitcode too; text always is verified",
     1},
    {"arena-limit", KEY_ARENA_LIMIT, "BYTES", 0,
     "address space for code and its data (suffix K, M or G)", 1},
    {"entry", KEY_ENTRY, "FUNCTION", 0, "call this function, with main's arguments (default: main)",
     2},
    {"extra-module", KEY_EXTRA_MODULE, "FILE", 0, "one more IR file, added after the others", 2},
    {"extra-object", KEY_EXTRA_OBJECT, "FILE", 0,
     "link a relocatable object file of another compiler, too", 2},
    {"extra-archive", KEY_EXTRA_ARCHIVE, "FILE", 0,
     "take the members of a static library that define what is needed", 2},
    {"load", KEY_LOAD, "LIBRARY", 0, "load a shared library first, as dlopen finds it", 2},
    {"no-process-symbols", KEY_NO_PROCESS, NULL, 0,
     "do not resolve symbols in this process and its libraries", 2},
    {"stats", KEY_STATS, "FILE", 0,
     "write times, counters and memory as JSON when the program has ended; times count from the "
     "start of jitduel's main",
     3},
    {"perf-map", KEY_PERF_MAP, NULL, 0,
     "name compiled functions in /tmp/perf-PID.map, for 'perf report'", 3},
    {"gdb", KEY_GDB, NULL, 0, "show compiled functions to a debugger (GDB's JIT interface)", 3},
    {0}};

static const char help[] =
    "Run a program given as LLVM IR (bitcode or text; several files make one program; '-' is "
    "standard input). What follows '--' are the program's arguments; its argv[0] is the first "
    "FILE.\vThe exit code is the program's own; a program that dies of a signal takes jitduel with "
    "it.\n" JD_EXIT_CODES_HELP;

static int set_engine(struct run *run, const char *name)
{
    const char *names[32] = {NULL};
    char all[256] = "";
    run->spec.ops = jd_engine_find(name);
    if (run->spec.ops)
        return 0;
    for (size_t i = 0; jd_engine_registry[i] && i < 31; i++) {
        names[i] = jd_engine_registry[i]->name;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = jd_cli_nearest(name, names);
    return jd_cli_usage(&run->err, "--engine", "unknown engine '%s'%s%s%s (there are: %s)", name,
                        nearest ? ", did you mean '" : "", nearest ? nearest : "",
                        nearest ? "'?" : "", all);
}

static int set_granularity(struct run *run, const char *name)
{
    static const char *const names[] = {[JD_GRAN_DEFAULT] = "default",
                                        [JD_GRAN_FUNCTION] = "function",
                                        [JD_GRAN_MODULE] = "module",
                                        [JD_GRAN_BLOCK] = "block",
                                        [JD_GRAN_ENGINE] = "engine"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) {
            run->spec.options.granularity = (enum jd_granularity)i;
            run->granularity = names[i];
            return 0;
        }
    return jd_cli_usage(&run->err, "--granularity",
                        "unknown unit '%s' (there are: function, module, block, engine)", name);
}

static int set_number(struct run *run, const char *option, const char *text)
{
    unsigned long long value;
    bool is_level = !strcmp(option, "-O"), is_bytes = !strcmp(option, "--arena-limit");
    if (jd_cli_number(option, text, is_bytes ? 1 : 0,
                      is_level   ? 3
                      : is_bytes ? SIZE_MAX
                                 : UINT_MAX,
                      is_bytes, &value, &run->err) != JD_OK)
        return EINVAL;
    if (is_level)
        run->spec.options.opt_level = (unsigned)value;
    else if (!is_bytes)
        run->spec.options.speculate_threads = (unsigned)value;
    else
        run->spec.options.arena_limit_bytes = (size_t)value;
    return 0;
}

static int add_object(struct run *run, const char *file, bool is_archive)
{
    run->is_archive[run->object_count] = is_archive;
    run->object_files[run->object_count++] = file;
    return 0;
}

static error_t parse_file_option(int key, char *arg, struct run *run)
{
    switch (key) {
    case KEY_EXTRA_MODULE:
        run->extra_files[run->extra_count++] = arg;
        return 0;
    case KEY_EXTRA_OBJECT:
    case KEY_EXTRA_ARCHIVE:
        return add_object(run, arg, key == KEY_EXTRA_ARCHIVE);
    case KEY_LOAD:
        run->libraries[run->spec.library_count++] = arg;
        return 0;
    case KEY_STATS:
        run->stats_option = arg;
        return 0;
    case ARGP_KEY_ARG:
        run->files[run->file_count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        return jd_cli_usage(&run->err, "run", "an IR file is missing (see 'jitduel run --help')");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct run *run = state->input;
    struct jd_engine_options *engine = &run->spec.options;
    switch (key) {
    case 'e':
        return set_engine(run, arg);
    case 'O':
        return set_number(run, "-O", arg);
    case KEY_ARENA_LIMIT:
        return set_number(run, "--arena-limit", arg);
    case KEY_SPECULATE:
        return set_number(run, "--speculate", arg);
    case KEY_GRANULARITY:
        return set_granularity(run, arg);
    case KEY_ENTRY:
        run->spec.entry = arg;
        return 0;
    case KEY_CPU:
        engine->cpu = arg;
        return 0;
    case KEY_FEATURES:
        engine->features = arg;
        return 0;
    case KEY_PASSES:
        engine->ir_passes = arg;
        return 0;
    case KEY_NO_LAZY:
        engine->is_lazy_disabled = true;
        return 0;
    case KEY_NO_PROCESS:
        engine->is_process_search_disabled = true;
        return 0;
    case KEY_LINK_MODULES:
        engine->wants_linked_modules = true;
        return 0;
    case KEY_OBJECT_CACHE:
        engine->object_cache = arg;
        return 0;
    case KEY_VERIFY:
        engine->wants_verify = true;
        return 0;
    case KEY_PERF_MAP:
        engine->wants_perf_map = true;
        return 0;
    case KEY_GDB:
        engine->wants_gdb = true;
        return 0;
    default:
        return parse_file_option(key, arg, run);
    }
}

/* The part of argv that is ours: all before "--". */
static int own_count(int argc, char **argv)
{
    int count = 1;
    while (count < argc && strcmp(argv[count], "--") != 0)
        count++;
    return count;
}

static int parse(struct run *run, int argc, char **argv)
{
    static const struct argp argp = {options, parse_option, "FILE... [-- ARGUMENT...]", help, NULL,
                                     NULL,    NULL};
    int code = jd_cli_parse(&argp, argc, argv, run, &run->err);
    if (code == 0 && !run->spec.ops && set_engine(run, default_engine) != 0)
        code = jd_cli_report(&run->err);
    return code;
}

static int init(struct run *run, int argc)
{
    size_t count = (size_t)argc + 1;
    run->files = calloc(count, sizeof *run->files);
    run->extra_files = calloc(count, sizeof *run->extra_files);
    run->object_files = calloc(count, sizeof *run->object_files);
    run->is_archive = calloc(count, sizeof *run->is_archive);
    run->objects = calloc(count, sizeof *run->objects);
    run->libraries = calloc(count, sizeof *run->libraries);
    run->modules = calloc(count, sizeof *run->modules);
    run->granularity = "default";
    run->spec.options.opt_level = DEFAULT_OPT_LEVEL;
    run->spec.libraries = run->libraries;
    run->spec.modules = run->modules;
    run->spec.objects = run->objects;
    if (!run->files || !run->extra_files || !run->libraries || !run->modules ||
        !run->object_files || !run->is_archive || !run->objects)
        return jd_fail(&run->err, JD_E_NO_MEMORY, "run", "no memory");
    return JD_OK;
}

/* Engines know no options: they name the field that an option sets. */
static void name_option(struct jd_error *err)
{
    static const char *const names[][2] = {{"opt_level", "-O"},
                                           {"granularity", "--granularity"},
                                           {"cpu", "--cpu"},
                                           {"arena_limit_bytes", "--arena-limit"},
                                           {"features", "--features"},
                                           {"link_modules", "--link-modules"},
                                           {"object_cache", "--object-cache"},
                                           {"speculate_threads", "--speculate"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(err->where, names[i][0]))
            snprintf(err->where, sizeof err->where, "%s", names[i][1]);
}

/* Who may define a missing symbol is told here, too. Returns an exit code. */
static int report_error(const struct jd_error *err)
{
    struct jd_error told = *err;
    size_t length = strlen(told.text);
    if (err->kind == JD_KIND_USAGE || err->kind == JD_KIND_UNSUPPORTED)
        name_option(&told);
    if (err->code == JD_E_UNRESOLVED)
        snprintf(told.text + length, sizeof told.text - length,
                 " (what defines it may be one more FILE, --load LIBRARY, --extra-object FILE or "
                 "--extra-archive FILE)");
    return jd_cli_report(&told);
}

/* Returns an exit code: a file that is not there differs from one that makes no sense. */
static int report_file(struct run *run, int code)
{
    int exit_code = jd_cli_report(&run->err);
    return code == JD_E_IO ? JD_EXIT_NO_INPUT : exit_code;
}

/* Each option takes its own kind of file: a slip is named here, not as damage by the engine. */
static int check_object(struct run *run, size_t number)
{
    const struct jd_ir *file = &run->objects[number];
    bool is_archive = file->size_bytes >= 7 &&
                      (!memcmp(file->bytes, "!<arch>", 7) || !memcmp(file->bytes, "!<thin>", 7));
    if (is_archive == run->is_archive[number])
        return JD_OK;
    return jd_fail(&run->err, JD_E_BAD_FILE, file->name,
                   is_archive ? "is an archive: use --extra-archive"
                              : "not an archive (--extra-object takes single objects)");
}

static int open_objects(struct run *run)
{
    for (size_t i = 0; i < run->object_count; i++) {
        int code = jd_ir_file_open(run->object_files[i], &run->objects[i], &run->err);
        if (code == JD_OK)
            code = check_object(run, i);
        if (code != JD_OK)
            return report_file(run, code);
    }
    run->spec.object_count = run->object_count;
    return 0;
}

static int open_files(struct run *run)
{
    run->main_file_count = run->file_count;
    for (size_t i = 0; i < run->extra_count; i++)
        run->files[run->file_count++] = run->extra_files[i];
    for (size_t i = 0; i < run->file_count; i++) {
        int code = jd_ir_file_open(run->files[i], &run->modules[i], &run->err);
        if (code != JD_OK)
            return report_file(run, code);
    }
    run->spec.module_count = run->file_count;
    return open_objects(run);
}

/* An engine that compiles ahead may still wait with whole modules. */
static bool is_lazy(const struct jd_program_spec *spec)
{
    bool is_by_module = spec->options.granularity == JD_GRAN_MODULE;
    return !spec->options.is_lazy_disabled &&
           spec->ops->caps & (is_by_module ? JD_CAP_LAZY | JD_CAP_GRAN_MODULE : JD_CAP_LAZY);
}

static int write_stats(void *context, int status)
{
    struct run *run = context;
    struct jd_error err = JD_ERROR_INIT;
    const struct jd_run_facts facts = {
        .engine = run->spec.ops->name,
        .granularity = run->granularity,
        .entry = run->spec.entry ? run->spec.entry : "main",
        .opt_level = run->spec.options.opt_level,
        .is_lazy = is_lazy(&run->spec),
        .files = run->files,
        .file_count = run->file_count,
        .exit_code = status,
        .start_ns = jd_cli_start_ns(),
        .phases = run->phases,
        .first_pause = run->first_pause,
        .program = run->program,
    };
    if (!run->stats_path)
        return status;
    if (jd_run_stats_write(run->stats_path, &facts, &err) != JD_OK)
        return jd_cli_report(&err);
    return status;
}

static int report_failure(void *context, const struct jd_error *err)
{
    (void)context;
    return report_error(err);
}

/* Without --stats no clock is read; the tracker tells a crash of LLVM from one of the program. */
static int choose_instruments(struct run *run)
{
    run->spec.options.probe = &jd_probe_track;
    run->spec.on_end = write_stats;
    run->spec.on_failure = report_failure;
    run->spec.context = run;
    run->spec.wants_signals = true;
    if (!run->stats_option)
        return JD_OK;
    int code = jd_json_file_check(run->stats_option, &run->stats_path, &run->err);
    if (code == JD_OK)
        code = jd_phases_create(REMEMBERED_PAUSES, &run->phases, &run->err);
    if (code != JD_OK)
        return code;
    run->spec.options.probe = jd_phases_probe(run->phases);
    run->spec.wants_early_exit = true;
    return JD_OK;
}

static int start(struct run *run)
{
    int code = jd_program_open(&run->spec, &run->program, &run->err);
    if (code == JD_OK)
        code = jd_program_prepare(run->program, &run->err);
    if (code != JD_OK)
        return code;
    if (run->phases) {
        struct jd_phase_totals totals;
        jd_phases_read(run->phases, &totals);
        run->first_pause = totals.pause_count;
    }
    return JD_OK;
}

/* The program's arguments: the first file, then what follows "--", in the place of ours. */
static char **program_arguments(struct run *run, int argc, char **argv, int own, int *out_argc)
{
    char **arguments = argv + (own < argc ? own : argc - 1);
    *out_argc = own < argc ? argc - own : 1;
    arguments[0] = (char *)(uintptr_t)run->files[0];
    return arguments;
}

int jd_cmd_run(int argc, char **argv)
{
    static struct run run;
    int own = own_count(argc, argv), program_argc, code;
    if (init(&run, argc) != JD_OK)
        return jd_cli_report(&run.err);
    if ((code = parse(&run, own, argv)) != 0)
        return code;
    if (choose_instruments(&run) != JD_OK)
        return jd_cli_report(&run.err);
    if ((code = open_files(&run)) != 0)
        return code;
    char **arguments = program_arguments(&run, argc, argv, own, &program_argc);
    run.spec.options.start_argc = program_argc;
    run.spec.options.start_argv = arguments;
    jd_crash_watch(run.files[0]);
    if (start(&run) != JD_OK) {
        code = report_error(&run.err);
        jd_program_close(run.program);
        return code;
    }
    jd_program_run(run.program, program_argc, arguments);
}
