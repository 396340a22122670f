/* SPDX-License-Identifier: Apache-2.0
 *
 * `jitduel child`: one sample of a bench run. Started by the runner, not by people; reads its
 * command line, limits itself, and hands over to the regime.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"
#include "cli.h"
#include "commands.h"

static bool to_whole(const char *text, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return end != text && !*end && !errno && value >= low && value <= high;
}

static bool take_number(struct jd_child *child, const char *name, const char *value)
{
    int64_t number = 0;
    bool is_good;
    if (!strcmp(name, JD_CHILD_RECORD_FD)) {
        is_good = to_whole(value, 0, 1 << 20, &number);
        child->record_fd = (int)number;
    } else if (!strcmp(name, JD_CHILD_SPAWNED)) {
        is_good = to_whole(value, 0, INT64_MAX, &number);
        child->spawned_ns = (uint64_t)number;
    } else if (!strcmp(name, JD_CHILD_LEVEL)) {
        is_good = to_whole(value, 0, 3, &number);
        child->opt_level = (unsigned)number;
    } else if (!strcmp(name, JD_CHILD_MEMORY_LIMIT)) {
        is_good = to_whole(value, 0, INT64_MAX, &number);
        child->memory_limit_bytes = (uint64_t)number;
    } else if (!strcmp(name, JD_CHILD_WARM_ARGUMENT)) {
        is_good = to_whole(value, INT64_MIN, INT64_MAX, &child->warm_argument);
    } else {
        is_good = !strcmp(name, JD_CHILD_WARM_EXPECTED) &&
                  to_whole(value, INT64_MIN, INT64_MAX, &child->warm_expected);
    }
    return is_good;
}

static bool take_option(struct jd_child *child, const char *name, const char *value)
{
    if (!strcmp(name, JD_CHILD_ENGINE))
        return (child->ops = jd_engine_find(value)) != NULL;
    if (!strcmp(name, JD_CHILD_REGIME))
        return jd_regime_find(value, &child->regime);
    if (!strcmp(name, JD_CHILD_WARM_ENTRY)) {
        child->warm_entry = value;
        return true;
    }
    if (!strcmp(name, JD_CHILD_BENCHMARK_ARG)) {
        if (child->benchmark_arg_count == JD_CHILD_BENCHMARK_ARGS)
            return false;
        child->benchmark_args[child->benchmark_arg_count++] = value;
        return true;
    }
    return take_number(child, name, value);
}

/* Everything is `--NAME=VALUE`; not argp, whose start-up would be part of the sample. */
static bool parse(struct jd_child *child, int argc, char **argv)
{
    int i = 1;
    char name[64];
    for (; i < argc && !strncmp(argv[i], "--", 2) && argv[i][2]; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t length = equals ? (size_t)(equals - argv[i] - 2) : sizeof name;
        if (length >= sizeof name)
            return false;
        memcpy(name, argv[i] + 2, length);
        name[length] = '\0';
        if (!take_option(child, name, equals + 1))
            return false;
    }
    child->files = calloc((size_t)argc, sizeof *child->files);
    for (; child->files && i < argc && strcmp(argv[i], "--") != 0; i++)
        child->files[child->file_count++] = argv[i];
    if (!child->file_count || i == argc)
        return false;
    /* The program's argv[0] is its first file and takes the place of the "--". */
    child->program_argc = argc - i;
    child->program_argv = argv + i;
    child->program_argv[0] = (char *)(uintptr_t)child->files[0];
    return child->ops && child->spawned_ns && child->record_fd > STDERR_FILENO;
}

static int limit(int resource, uint64_t bytes)
{
    const struct rlimit both = {bytes, bytes};
    return setrlimit((__rlimit_resource_t)resource, &both);
}

/* No core files; no life without the parent; less memory, if asked for. */
static int restrain(const struct jd_child *child)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || limit(RLIMIT_CORE, 0))
        return -1;
    return child->memory_limit_bytes ? limit(RLIMIT_AS, child->memory_limit_bytes) : 0;
}

int jd_cmd_child(int argc, char **argv)
{
    static struct jd_child child; /* the exit handlers use it */
    jd_sample_init(&child.sample);
    if (!parse(&child, argc, argv)) {
        fprintf(stderr, "jitduel: child: this command is for 'jitduel bench' alone\n");
        return JD_CHILD_EXIT_HARNESS;
    }
    if (restrain(&child)) {
        fprintf(stderr, "jitduel: child: limits cannot be set: %s\n", strerror(errno));
        return JD_CHILD_EXIT_HARNESS;
    }
    switch (child.regime) {
    case JD_REGIME_WARM:
        return jd_child_run_warm(&child);
    case JD_REGIME_COLD_ENGINE:
        return jd_child_run_cold_engine(&child);
    default:
        return jd_child_run_cold(&child);
    }
}
