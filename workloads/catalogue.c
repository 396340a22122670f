/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue: find the descriptors, read them in a fixed order, answer by name.
 * Knows no engine and no LLVM; the formats are in descriptor.c, generated.c and suite.c.
 */
#include "catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int read_file_fn(struct jd_catalogue *catalogue, const char *folder, const char *name,
                         struct jd_error *err);

int workloads_grow(void *list_pointer, size_t *capacity, size_t count, size_t element_bytes,
                   struct jd_error *err)
{
    if (count < *capacity)
        return JD_OK;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *list;
    memcpy(&list, list_pointer, sizeof list);
    list = reallocarray(list, more, element_bytes);
    if (!list)
        return jd_fail(err, JD_E_NO_MEMORY, "workloads", "no memory for %zu entries", more);
    memcpy(list_pointer, &list, sizeof list);
    *capacity = more;
    return JD_OK;
}

int workloads_entry_add(struct jd_catalogue *catalogue, struct workloads_entry **out,
                        struct jd_error *err)
{
    struct workloads_entry *entry = workloads_pool_alloc(&catalogue->pool, sizeof *entry, err);
    *out = NULL;
    if (!entry || workloads_grow(&catalogue->all, &catalogue->capacity, catalogue->count,
                                 sizeof *catalogue->all, err))
        return JD_E_NO_MEMORY;
    entry->workload.hash = entry->hash;
    catalogue->all[catalogue->count++] = &entry->workload;
    *out = entry;
    return JD_OK;
}

int workloads_entry_name(struct jd_catalogue *catalogue, const struct workloads_text *text,
                         struct workloads_entry *entry, const char *name, struct jd_error *err)
{
    const char *slash = strchr(name, '/');
    if (!slash || slash == name || !slash[1] || strpbrk(name, " \t*"))
        return workloads_text_fail(text, err, "'%s' is not a name such as kernel/fib", name);
    if (jd_catalogue_find(catalogue, name))
        return workloads_text_fail(text, err, "there is another workload named %s", name);
    entry->workload.name = name;
    entry->workload.group =
        workloads_pool_copy(&catalogue->pool, name, (size_t)(slash - name), err);
    return entry->workload.group ? JD_OK : JD_E_NO_MEMORY;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* Names in a folder that pass, sorted: the order of a directory is no order. A folder that is not
 * there has none. */
static int list_folder(struct jd_catalogue *catalogue, const char *folder, const char *suffix,
                       const char ***out_names, size_t *out_count, struct jd_error *err)
{
    size_t capacity = 0, suffix_length = strlen(suffix);
    int code = JD_OK;
    *out_names = NULL;
    *out_count = 0;
    char *path =
        workloads_pool_format(&catalogue->pool, err, "%s/%s", catalogue->source_dir, folder);
    if (!path)
        return JD_E_NO_MEMORY;
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT || errno == ENOTDIR
                   ? JD_OK
                   : jd_fail(err, JD_E_IO, path, "cannot be listed: %s", strerror(errno));
    for (struct dirent *item; !code && (item = readdir(directory));) {
        size_t length = strlen(item->d_name);
        if (item->d_name[0] == '.' || length < suffix_length ||
            strcmp(item->d_name + length - suffix_length, suffix))
            continue;
        code = workloads_grow(out_names, &capacity, *out_count, sizeof **out_names, err);
        const char *name =
            code ? NULL : workloads_pool_copy(&catalogue->pool, item->d_name, length, err);
        if (name)
            (*out_names)[(*out_count)++] = name;
        else
            code = JD_E_NO_MEMORY;
    }
    closedir(directory);
    if (*out_count)
        qsort(*out_names, *out_count, sizeof **out_names, compare_names);
    return code;
}

static int read_folder(struct jd_catalogue *catalogue, const char *folder, const char *suffix,
                       read_file_fn *read_file, struct jd_error *err)
{
    const char **names;
    size_t count;
    int code = list_folder(catalogue, folder, suffix, &names, &count, err);
    for (size_t i = 0; i < count && !code; i++)
        code = read_file(catalogue, folder, names[i], err);
    free(names);
    return code;
}

/* One level down: every folder in `room` may hold descriptors. */
static int read_room(struct jd_catalogue *catalogue, const char *room, struct jd_error *err)
{
    const char **names;
    size_t count;
    int code = list_folder(catalogue, room, "", &names, &count, err);
    for (size_t i = 0; i < count && !code; i++) {
        const char *folder = workloads_pool_format(&catalogue->pool, err, "%s/%s", room, names[i]);
        code = folder ? read_folder(catalogue, folder, ".workload", workloads_descriptor_read, err)
                      : JD_E_NO_MEMORY;
    }
    free(names);
    return code;
}

static int compare_workloads(const void *a, const void *b)
{
    const struct jd_workload *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static int absolute(struct jd_catalogue *catalogue, const char *path, const char **out,
                    struct jd_error *err)
{
    char *real = realpath(path, NULL);
    if (!real)
        return jd_fail(err, JD_E_IO, path, "no such folder: %s", strerror(errno));
    *out = workloads_pool_copy(&catalogue->pool, real, strlen(real), err);
    free(real);
    return *out ? JD_OK : JD_E_NO_MEMORY;
}

static int fill(struct jd_catalogue *catalogue, const char *source_dir, const char *bitcode_dir,
                struct jd_error *err)
{
    int code = absolute(catalogue, source_dir, &catalogue->source_dir, err);
    if (!code)
        code = absolute(catalogue, bitcode_dir, &catalogue->bitcode_dir, err);
    if (!code)
        code = read_room(catalogue, "kernels", err);
    if (!code)
        code = read_room(catalogue, "recipes", err);
    if (!code)
        code = read_folder(catalogue, "synth", ".synth", workloads_generated_read, err);
    if (code)
        return code;
    if (catalogue->count)
        qsort(catalogue->all, catalogue->count, sizeof *catalogue->all, compare_workloads);
    return read_folder(catalogue, "suites", ".suite", workloads_suite_read, err);
}

int jd_catalogue_open(const char *source_dir, const char *bitcode_dir, struct jd_catalogue **out,
                      struct jd_error *err)
{
    *out = NULL;
    struct jd_catalogue *catalogue = calloc(1, sizeof *catalogue);
    if (!catalogue)
        return jd_fail(err, JD_E_NO_MEMORY, source_dir, "no memory for the catalogue");
    int code = fill(catalogue, source_dir, bitcode_dir, err);
    if (code) {
        jd_catalogue_close(catalogue);
        return code;
    }
    *out = catalogue;
    return JD_OK;
}

void jd_catalogue_close(struct jd_catalogue *catalogue)
{
    if (!catalogue)
        return;
    workloads_pool_fini(&catalogue->pool);
    free(catalogue->all);
    free(catalogue->suites);
    free(catalogue);
}

const struct jd_workload *const *jd_catalogue_all(const struct jd_catalogue *catalogue,
                                                  size_t *out_count)
{
    *out_count = catalogue->count;
    return catalogue->all;
}

/* Also used while the list is still being filled, when names may be missing and out of order. */
const struct jd_workload *jd_catalogue_find(const struct jd_catalogue *catalogue, const char *name)
{
    for (size_t i = 0; i < catalogue->count; i++)
        if (catalogue->all[i]->name && !strcmp(catalogue->all[i]->name, name))
            return catalogue->all[i];
    return NULL;
}

const struct jd_suite *jd_catalogue_suites(const struct jd_catalogue *catalogue, size_t *out_count)
{
    *out_count = catalogue->suite_count;
    return catalogue->suites;
}

const struct jd_suite *jd_catalogue_suite(const struct jd_catalogue *catalogue, const char *name)
{
    for (size_t i = 0; i < catalogue->suite_count; i++)
        if (!strcmp(catalogue->suites[i].name, name))
            return &catalogue->suites[i];
    return NULL;
}
