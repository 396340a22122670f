/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparison and its report. A difference names the program, the command that shows it, and the
 * first line in which the outputs differ; the program's files and both outputs are kept.
 */
#include "compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 512 };

static const char *end_text(const struct trial_outcome *outcome, char *room, size_t room_bytes)
{
    static const char *const names[] = {[TRIAL_EXITED] = "exit code",
                                        [TRIAL_REFUSED] = "refused, exit code",
                                        [TRIAL_DIED] = "killed by signal",
                                        [TRIAL_TIMED_OUT] = "timed out, signal"};
    snprintf(room, room_bytes, "%s %d", names[outcome->end], outcome->code);
    return room;
}

static void write_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        fprintf(stderr, "jd-diff: %s: %s\n", path, strerror(errno));
}

/* Returns the names of the program's files, as a command line wants them; borrowed. */
static const char *keep_program(const struct compare_plan *plan, const char *title,
                                const struct trial_program *program, char *out_folder)
{
    static char names[TRIAL_FILES_MAX * PATH_BYTES];
    size_t used = 0;
    if (plan->keep_folder) {
        mkdir(plan->keep_folder, 0777);
        snprintf(out_folder, PATH_BYTES, "%s/%s", plan->keep_folder, title);
        mkdir(out_folder, 0777);
    }
    for (size_t i = 0; i < program->file_count; i++) {
        const struct jd_ir *file = &program->files[i];
        char name[32];
        snprintf(name, sizeof name, "%zu.%s", i, jd_ir_is_bitcode(file) ? "bc" : "ll");
        if (plan->keep_folder)
            write_file(out_folder, name, file->bytes, file->size_bytes);
        used += (size_t)snprintf(names + used, sizeof names - used, " %s%s%s",
                                 plan->keep_folder ? out_folder : "", plan->keep_folder ? "/" : "",
                                 plan->keep_folder ? name : file->name);
    }
    return names;
}

static void print_first_difference(const char *a, const char *b)
{
    unsigned line = 1;
    while (*a && *a == *b) {
        line += *a == '\n';
        a++;
        b++;
    }
    if (*a || *b)
        printf("  line %u: wanted '%.*s', got '%.*s' (from the first differing character)\n", line,
               (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}

static void report(const struct compare_plan *plan, const char *title,
                   const struct trial_config *config, const struct trial_program *program,
                   const struct trial_outcome *wanted, const struct trial_outcome *got)
{
    char folder[PATH_BYTES] = "", end[64], name[TRIAL_NAME_BYTES + 16];
    const char *files = keep_program(plan, title, program, folder);
    printf("DIFFERENCE %s %s\n", title, config->name);
    if (config->ops)
        printf("  command: jitduel run %s%s\n", config->options, files);
    printf("  wanted %s", end_text(wanted, end, sizeof end));
    printf(", got %s\n", end_text(got, end, sizeof end));
    print_first_difference(wanted->output, got->output);
    if (*got->messages)
        printf("  messages: %.300s\n", got->messages);
    if (plan->keep_folder) {
        write_file(folder, "wanted.txt", wanted->output, wanted->output_bytes);
        snprintf(name, sizeof name, "got-%s.txt", config->name);
        write_file(folder, name, got->output, got->output_bytes);
        snprintf(name, sizeof name, "messages-%s.txt", config->name);
        write_file(folder, name, got->messages, strlen(got->messages));
    }
    fflush(stdout);
}

/* The outcome that this setting must have; NULL when it is the first and there is none. */
static const struct trial_outcome *reference_of(const struct compare_plan *plan,
                                                const struct trial_outcome *outcomes, size_t index,
                                                const struct trial_outcome *expected)
{
    const struct trial_config *config = &plan->configs[index];
    if (expected)
        return expected;
    if (!config->ops)
        return NULL; /* whether LLVM's levels agree with each other is LLVM's affair */
    for (size_t i = 0; i < index; i++)
        if (!plan->configs[i].ops && plan->configs[i].opt_level == config->opt_level)
            return &outcomes[i];
    for (size_t i = 0; i < index; i++)
        if (outcomes[i].end != TRIAL_REFUSED)
            return &outcomes[i];
    return NULL;
}

bool compare_program(const struct compare_plan *plan, const char *title,
                     const struct trial_program *program, const struct trial_outcome *expected,
                     struct compare_totals *totals)
{
    struct trial_outcome outcomes[TRIAL_CONFIGS_MAX];
    bool is_equal = true;
    char end[64];
    for (size_t i = 0; i < plan->config_count; i++) {
        const struct trial_config *config = &plan->configs[i];
        trial_run(config, program, &outcomes[i]);
        totals->runs++;
        totals->refused += outcomes[i].end == TRIAL_REFUSED;
        if (plan->is_verbose)
            printf("%s %s: %s, %zu bytes\n", title, config->name,
                   end_text(&outcomes[i], end, sizeof end), outcomes[i].output_bytes);
        const struct trial_outcome *wanted = reference_of(plan, outcomes, i, expected);
        if (!wanted || outcomes[i].end == TRIAL_REFUSED ||
            trial_outcomes_agree(wanted, &outcomes[i]))
            continue;
        is_equal = false;
        report(plan, title, config, program, wanted, &outcomes[i]);
    }
    for (size_t i = 0; i < plan->config_count; i++)
        trial_outcome_fini(&outcomes[i]);
    totals->programs++;
    totals->differing += !is_equal;
    return is_equal;
}
