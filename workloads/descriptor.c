/* SPDX-License-Identifier: Apache-2.0
 *
 * One *.workload file to one workload. Format: docs/add-a-workload.md.
 * Knows no suite, no LLVM, no engine.
 */
#include "catalogue.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LIST = 256, MAX_EXIT_CODE = 255 };

/* What is gathered while the lines are read. */
struct descriptor {
    struct jd_catalogue *catalogue;
    struct workloads_text text;
    struct workloads_entry *entry;
    const char *source_folder, *bitcode_folder;
    const char *files[MAX_LIST], *args[MAX_LIST];
    const char *expected_file;
    bool has_warm_argument, has_warm_expected;
};

static const char *path_in(struct descriptor *d, const char *folder, const char *name,
                           struct jd_error *err)
{
    if (*name == '/')
        return workloads_pool_copy(&d->catalogue->pool, name, strlen(name), err);
    return workloads_pool_format(&d->catalogue->pool, err, "%s/%s", folder, name);
}

static int add_to_list(struct descriptor *d, const char **list, size_t *count, const char *item,
                       struct jd_error *err)
{
    if (!item)
        return JD_E_NO_MEMORY;
    if (*count == MAX_LIST)
        return workloads_text_fail(&d->text, err, "more than %d entries", MAX_LIST);
    list[(*count)++] = item;
    return JD_OK;
}

static int take_files(struct descriptor *d, const char *value, struct jd_error *err)
{
    char *words = workloads_pool_copy(&d->catalogue->pool, value, strlen(value), err);
    if (!words)
        return JD_E_NO_MEMORY;
    for (char *word; (word = workloads_text_word(&words));) {
        const char *path = path_in(d, d->bitcode_folder, word, err);
        int code = add_to_list(d, d->files, &d->entry->workload.file_count, path, err);
        if (code)
            return code;
    }
    return JD_OK;
}

static int take_expected(struct descriptor *d, const char *file, struct jd_error *err)
{
    char *bytes = NULL;
    size_t size_bytes = 0;
    const char *path = path_in(d, d->source_folder, file, err);
    if (!path)
        return JD_E_NO_MEMORY;
    int code = workloads_read_file(&d->catalogue->pool, path, &bytes, &size_bytes, err);
    d->entry->workload.expected_output = bytes;
    d->entry->workload.expected_output_bytes = size_bytes;
    return code;
}

static int take_exit_code(struct descriptor *d, const char *value, struct jd_error *err)
{
    uint64_t number;
    int code = workloads_text_uint64(&d->text, "exit_code", value, MAX_EXIT_CODE, &number, err);
    d->entry->workload.expected_exit_code = (int)number;
    return code;
}

static int take_path(struct descriptor *d, const char *value, const char **out,
                     struct jd_error *err)
{
    *out = path_in(d, d->source_folder, value, err);
    return *out ? JD_OK : JD_E_NO_MEMORY;
}

/* The table of contents of the format. */
static int take_pair(struct descriptor *d, const char *key, const char *value, struct jd_error *err)
{
    struct jd_workload *w = &d->entry->workload;
    if (!strcmp(key, "name"))
        return workloads_entry_name(d->catalogue, &d->text, d->entry, value, err);
    if (!strcmp(key, "summary"))
        return w->summary = value, JD_OK;
    if (!strcmp(key, "files"))
        return take_files(d, value, err);
    if (!strcmp(key, "arg"))
        return add_to_list(d, d->args, &w->arg_count, value, err);
    if (!strcmp(key, "arg_file"))
        return add_to_list(d, d->args, &w->arg_count, path_in(d, d->source_folder, value, err),
                           err);
    if (!strcmp(key, "directory"))
        return take_path(d, value, &w->directory, err);
    if (!strcmp(key, "input"))
        return take_path(d, value, &w->input_file, err);
    if (!strcmp(key, "expected"))
        return take_expected(d, value, err);
    if (!strcmp(key, "exit_code"))
        return take_exit_code(d, value, err);
    if (!strcmp(key, "warm_entry"))
        return w->warm_entry = value, JD_OK;
    if (!strcmp(key, "warm_argument")) {
        d->has_warm_argument = true;
        return workloads_text_int64(&d->text, key, value, &w->warm_argument, err);
    }
    if (!strcmp(key, "warm_expected")) {
        d->has_warm_expected = true;
        return workloads_text_int64(&d->text, key, value, &w->warm_expected, err);
    }
    if (!strcmp(key, "timeout_s"))
        return workloads_text_double(&d->text, key, value, &w->timeout_s, err);
    return workloads_text_fail(&d->text, err, "'%s' is not a key of a workload", key);
}

static int check_complete(struct descriptor *d, struct jd_error *err)
{
    const struct jd_workload *w = &d->entry->workload;
    const char *missing = !w->name                                 ? "name"
                          : !w->summary                            ? "summary"
                          : !w->file_count                         ? "files"
                          : !w->expected_output                    ? "expected"
                          : w->warm_entry && !d->has_warm_argument ? "warm_argument"
                          : w->warm_entry && !d->has_warm_expected ? "warm_expected"
                          : !w->warm_entry && d->has_warm_argument ? "warm_entry"
                                                                   : NULL;
    return missing ? workloads_text_fail(&d->text, err, "`%s` is missing", missing) : JD_OK;
}

/* The lists gathered on the stack move to the pool. */
static int keep_list(struct descriptor *d, const char *const *list, size_t count,
                     const char *const **out, struct jd_error *err)
{
    const char **kept = workloads_pool_alloc(&d->catalogue->pool, (count + 1) * sizeof *kept, err);
    if (!kept)
        return JD_E_NO_MEMORY;
    memcpy(kept, list, count * sizeof *kept);
    *out = kept;
    return JD_OK;
}

/* First line of a file that the build or a recipe leaves where it could not make the bitcode. */
static const char *reason_in(struct descriptor *d, const char *folder)
{
    struct workloads_text text;
    const char *path =
        folder ? workloads_pool_format(&d->catalogue->pool, NULL, "%s/UNAVAILABLE", folder) : NULL;
    if (!path || workloads_text_open(&text, &d->catalogue->pool, path, NULL))
        return NULL;
    return workloads_text_line(&text);
}

static int note_availability(struct descriptor *d, const char *folder, struct jd_error *err)
{
    struct jd_workload *w = &d->entry->workload;
    size_t i = 0;
    while (i < w->file_count && !access(w->files[i], R_OK))
        i++;
    if (i == w->file_count)
        return workloads_entry_hash(d->entry, err);
    const char *base = strrchr(folder, '/');
    w->unavailable = reason_in(d, d->bitcode_folder);
    if (!w->unavailable) /* or for all of a room: no compiler, say */
        w->unavailable = reason_in(
            d, workloads_pool_format(&d->catalogue->pool, NULL, "%s/..", d->bitcode_folder));
    if (w->unavailable)
        return JD_OK;
    bool is_recipe = !strncmp(folder, "recipes/", 8);
    w->unavailable = workloads_pool_format(
        &d->catalogue->pool, err, "%s is missing: %s%s", w->files[i],
        is_recipe ? "run scripts/build-recipes " : "build the target jd_kernels",
        is_recipe && base ? base + 1 : "");
    return w->unavailable ? JD_OK : JD_E_NO_MEMORY;
}

static int read_lines(struct descriptor *d, struct jd_error *err)
{
    for (char *line; (line = workloads_text_line(&d->text));) {
        const char *key, *value;
        int code = workloads_text_pair(&d->text, line, &key, &value, err);
        if (!code)
            code = take_pair(d, key, value, err);
        if (code)
            return code;
    }
    return check_complete(d, err);
}

int workloads_descriptor_read(struct jd_catalogue *catalogue, const char *folder, const char *name,
                              struct jd_error *err)
{
    struct workloads_pool *pool = &catalogue->pool;
    struct descriptor d = {.catalogue = catalogue};
    d.source_folder = workloads_pool_format(pool, err, "%s/%s", catalogue->source_dir, folder);
    d.bitcode_folder = workloads_pool_format(pool, err, "%s/%s", catalogue->bitcode_dir, folder);
    if (!d.source_folder || !d.bitcode_folder)
        return JD_E_NO_MEMORY;
    const char *path = path_in(&d, d.source_folder, name, err);
    if (!path)
        return JD_E_NO_MEMORY;
    int code = workloads_text_open(&d.text, pool, path, err);
    if (!code)
        code = workloads_entry_add(catalogue, &d.entry, err);
    if (!code)
        code = read_lines(&d, err);
    if (!code)
        code = keep_list(&d, d.files, d.entry->workload.file_count, &d.entry->workload.files, err);
    if (!code)
        code = keep_list(&d, d.args, d.entry->workload.arg_count, &d.entry->workload.args, err);
    if (!code)
        code = note_availability(&d, folder, err);
    return code;
}
