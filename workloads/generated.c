/* SPDX-License-Identifier: Apache-2.0
 *
 * Generated workloads: declared one per line in *.synth files, made on demand by the generator as a
 * child process, kept under a name that says all its parameters. Knows no LLVM.
 * Format: docs/add-a-workload.md.
 */
#include "catalogue.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Part of the file name: a generator that writes other programs must not find its elder's files. */
enum { GENERATOR_VERSION = 2, ARGUMENT_BYTES = 48 };

static int take_shape(const struct workloads_text *text, const char *value,
                      struct jd_synth_params *shape, struct jd_error *err)
{
    struct jd_error inner = JD_ERROR_INIT;
    return jd_synth_shape_find(value, &shape->shape, &inner)
               ? workloads_text_fail(text, err, "%s", inner.text)
               : JD_OK;
}

static int take_word(const struct workloads_text *text, char *word, struct workloads_entry *entry,
                     double *fraction, struct jd_error *err)
{
    struct jd_synth_params *shape = &entry->shape;
    const struct {
        const char *key;
        uint64_t *value;
    } numbers[] = {{"seed", &shape->seed},
                   {"functions", &shape->functions},
                   {"instructions", &shape->instructions},
                   {"executed-count", &shape->executed},
                   {"modules", &shape->modules},
                   {"repeat", &shape->repeat}};
    char *value = strchr(word, '=');
    if (!value)
        return workloads_text_fail(text, err, "'%s' is not `key=value`", word);
    *value++ = '\0';
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(word, numbers[i].key))
            return workloads_text_uint64(text, word, value, UINT64_MAX, numbers[i].value, err);
    if (!strcmp(word, "executed"))
        return workloads_text_double(text, word, value, fraction, err);
    if (!strcmp(word, "timeout"))
        return workloads_text_double(text, word, value, &entry->workload.timeout_s, err);
    if (!strcmp(word, "shape"))
        return take_shape(text, value, shape, err);
    return workloads_text_fail(text, err, "'%s' is not a key of a generated workload", word);
}

/* All files of one set of parameters, beside those of all others. */
static int name_files(struct jd_catalogue *catalogue, struct workloads_entry *entry,
                      struct jd_error *err)
{
    const struct jd_synth_params *s = &entry->shape;
    struct jd_workload *w = &entry->workload;
    char name[4096];
    entry->output = workloads_pool_format(
        &catalogue->pool, err,
        "%s/synth/v%d-%s-f%" PRIu64 "-i%" PRIu64 "-x%" PRIu64 "-m%" PRIu64 "-r%" PRIu64 "-s%" PRIu64
        ".bc",
        catalogue->bitcode_dir, GENERATOR_VERSION, jd_synth_shape_name(s->shape), s->functions,
        s->instructions, s->executed, s->modules, s->repeat, s->seed);
    const char **files =
        workloads_pool_alloc(&catalogue->pool, (s->modules + 1) * sizeof *files, err);
    if (!entry->output || !files)
        return JD_E_NO_MEMORY;
    w->files = files;
    w->file_count = s->modules;
    for (uint64_t i = 0; i < s->modules; i++) {
        int code = jd_synth_file_name(entry->output, s->modules, i, false, name, sizeof name, err);
        if (code)
            return code;
        files[i] = workloads_pool_copy(&catalogue->pool, name, strlen(name), err);
        if (!files[i])
            return JD_E_NO_MEMORY;
    }
    return JD_OK;
}

static int complete(struct jd_catalogue *catalogue, const struct workloads_text *text,
                    struct workloads_entry *entry, struct jd_error *err)
{
    static const char *const no_args[] = {NULL};
    struct jd_error inner = JD_ERROR_INIT;
    struct jd_workload *w = &entry->workload;
    if (jd_synth_check(&entry->shape, &inner))
        return workloads_text_fail(text, err, "%s: %s", inner.where, inner.text);
    w->args = no_args;
    w->expected_output = entry->expected;
    w->function_count = entry->shape.functions;
    w->executed_count = entry->shape.executed;
    w->instructions_per_function = entry->shape.instructions;
    w->module_count = entry->shape.modules;
    entry->is_generated = true;
    return name_files(catalogue, entry, err);
}

static int read_line(struct jd_catalogue *catalogue, const struct workloads_text *text, char *line,
                     struct jd_error *err)
{
    struct workloads_entry *entry;
    double fraction = -1;
    char *colon = strstr(line, " : ");
    if (!colon)
        return workloads_text_fail(text, err, "a line needs ` : ` and a summary");
    *colon = '\0';
    char *name = workloads_text_word(&line);
    if (!name)
        return workloads_text_fail(text, err, "a line starts with a name");
    int code = workloads_entry_add(catalogue, &entry, err);
    if (!code)
        code = workloads_entry_name(catalogue, text, entry, name, err);
    if (code)
        return code;
    entry->workload.summary = colon + 3;
    entry->shape = (struct jd_synth_params)JD_SYNTH_DEFAULTS;
    for (char *word; !code && (word = workloads_text_word(&line));)
        code = take_word(text, word, entry, &fraction, err);
    if (!code && fraction > 1)
        code = workloads_text_fail(text, err, "executed: a fraction is at most 1");
    if (!code && fraction >= 0)
        entry->shape.executed = jd_synth_executed_count(entry->shape.functions, fraction);
    return code ? code : complete(catalogue, text, entry, err);
}

int workloads_generated_read(struct jd_catalogue *catalogue, const char *folder, const char *name,
                             struct jd_error *err)
{
    struct workloads_text text;
    const char *path = workloads_pool_format(&catalogue->pool, err, "%s/%s/%s",
                                             catalogue->source_dir, folder, name);
    int code = path ? workloads_text_open(&text, &catalogue->pool, path, err) : (int)JD_E_NO_MEMORY;
    if (code)
        return code;
    for (char *line; !code && (line = workloads_text_line(&text));)
        code = read_line(catalogue, &text, line, err);
    return code;
}

static bool is_there(const struct workloads_entry *entry)
{
    for (size_t i = 0; i < entry->workload.file_count; i++)
        if (access(entry->workload.files[i], R_OK))
            return false;
    return true;
}

static int make_folder(const char *file, struct jd_error *err)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", file);
    *strrchr(folder, '/') = '\0';
    if (mkdir(folder, 0777) && errno != EEXIST)
        return jd_fail(err, JD_E_IO, folder, "cannot be made: %s", strerror(errno));
    return JD_OK;
}

static int wait_for(pid_t child, const char *generator, struct jd_error *err)
{
    int status;
    pid_t got;
    do
        got = waitpid(child, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return jd_fail(err, JD_E_IO, generator, "cannot be waited for: %s", strerror(errno));
    if (WIFSIGNALED(status))
        return jd_fail(err, JD_E_CRASHED, generator, "the generator died of signal %d",
                       WTERMSIG(status));
    if (WEXITSTATUS(status))
        return jd_fail(err, JD_E_IO, generator, "the generator ended with exit code %d",
                       WEXITSTATUS(status));
    return JD_OK;
}

static int generate(const struct workloads_entry *entry, const char *generator,
                    struct jd_error *err)
{
    const struct jd_synth_params *s = &entry->shape;
    const uint64_t values[] = {s->seed,     s->functions, s->instructions,
                               s->executed, s->modules,   s->repeat};
    static const char *const options[] = {"--seed",           "--functions", "--instructions",
                                          "--executed-count", "--modules",   "--repeat"};
    enum { OPTION_COUNT = sizeof values / sizeof *values };
    char text[OPTION_COUNT + 2][ARGUMENT_BYTES], program[4096], output[4096];
    char *argv[OPTION_COUNT + 6];
    int argc = 0, code;
    pid_t child;
    static char command[] = "synth", output_option[] = "--output";
    snprintf(program, sizeof program, "%s", generator);
    snprintf(output, sizeof output, "%s", entry->output);
    argv[argc++] = program;
    argv[argc++] = command;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        snprintf(text[i], sizeof text[i], "%s=%" PRIu64, options[i], values[i]);
        argv[argc++] = text[i];
    }
    snprintf(text[OPTION_COUNT], ARGUMENT_BYTES, "--shape=%s", jd_synth_shape_name(s->shape));
    argv[argc++] = text[OPTION_COUNT];
    argv[argc++] = output_option;
    argv[argc++] = output;
    argv[argc] = NULL;
    code = posix_spawnp(&child, generator, NULL, NULL, argv, environ);
    if (code)
        return jd_fail(err, JD_E_IO, generator, "cannot be run: %s", strerror(code));
    return wait_for(child, generator, err);
}

int jd_workload_materialise(const struct jd_workload *workload, const char *generator,
                            struct jd_error *err)
{
    /* Entries are made on the heap by this room; only their readers see them as const. */
    struct workloads_entry *entry = (struct workloads_entry *)(uintptr_t)workload;
    if (workload->unavailable)
        return jd_fail(err, JD_E_NOT_FOUND, workload->name, "%s", workload->unavailable);
    int code = JD_OK;
    if (entry->is_generated && !is_there(entry)) {
        code = make_folder(entry->output, err);
        if (!code)
            code = generate(entry, generator, err);
    }
    /* Not when the catalogue is opened: who only lists workloads shall not wait for programs being
     * computed. */
    if (!code && entry->is_generated && !entry->expected[0])
        code = jd_synth_expected(&entry->shape, entry->expected, err);
    entry->workload.expected_output_bytes =
        entry->is_generated ? strlen(entry->expected) : entry->workload.expected_output_bytes;
    return code ? code : workloads_entry_hash(entry, err);
}
