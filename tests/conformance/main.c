/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance runner: every case of cases.def on every engine of the registry, each in a child
 * process. An engine that is added to the registry gets its column here without new test code.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verdict.h"

#ifndef CONFORMANCE_EXPECTED_FILE
#error "CONFORMANCE_EXPECTED_FILE names the table of recorded exceptions"
#endif
#ifndef CONFORMANCE_LIMIT_SECONDS
#error "CONFORMANCE_LIMIT_SECONDS is how long a case may take where the runner was built for"
#endif
#ifndef CONFORMANCE_IS_EMULATED
#error "CONFORMANCE_IS_EMULATED is 1 where the runner was built to be run by an emulator, or 0"
#endif
#define TEXT_OF(number) TEXT(number)
#define TEXT(token) #token

enum { MAX_EXTRA = 8 };

/* A crash ends by a signal also where a sanitizer reports it. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__tsan_default_options(void)
{
    return "abort_on_error=1";
}

struct plan {
    const char *engine, *case_name, *json_path, *list_path, *expected_path;
    const char *level_text, *form_text;
    double limit_seconds;
    bool is_list, is_child;
};

enum option_key {
    KEY_LIST = 256,
    KEY_OUTPUT,
    KEY_JSON,
    KEY_EXPECTED,
    KEY_LIMIT,
    KEY_FORM,
    KEY_CHILD
};

static const struct argp_option option_table[] = {
    {"engine", 'e', "NAME[,NAME...]", 0, "only these engines", 0},
    {"case", 'c', "NAME", 0, "only this case", 0},
    {"opt-level", 'O', "N", 0, "only this level (default: 0 and 2)", 0},
    {"form", KEY_FORM, "text|bitcode", 0, "only this form of IR (default: both)", 0},
    {"json", KEY_JSON, "FILE", 0, "write the matrix of results", 0},
    {"expected", KEY_EXPECTED, "FILE", 0, "recorded exceptions (default: the source tree's)", 0},
    {"time-limit", KEY_LIMIT, "SECONDS", 0,
     "for each case (default: " TEXT_OF(CONFORMANCE_LIMIT_SECONDS) ")", 0},
    {"list", KEY_LIST, NULL, 0, "print engine, case and topic of every test", 0},
    {"output", KEY_OUTPUT, "FILE", 0, "where --list prints to", 0},
    {"child", KEY_CHILD, NULL, OPTION_HIDDEN, NULL, 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

/* Is the name among those of a list with commas? */
static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at;) {
        if (!strncmp(at, name, length) && (!at[length] || at[length] == ','))
            return true;
        at = strchr(at, ',');
        at = at ? at + 1 : NULL;
    }
    return false;
}

/* Every name of the list is an engine's, or the process ends. */
static void check_engines(const char *list, struct argp_state *state)
{
    size_t named = 1, known = 0;
    for (const char *at = list; *at; at++)
        named += *at == ',';
    for (size_t i = 0; jd_engine_registry[i]; i++)
        known += is_listed(list, jd_engine_registry[i]->name);
    if (named != known)
        argp_error(state, "unknown engine in '%s'", list);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct plan *plan = state->input;
    switch (key) {
    case 'e':
        plan->engine = argument;
        check_engines(argument, state);
        return 0;
    case 'c':
        plan->case_name = argument;
        if (!conformance_case_find(argument))
            argp_error(state, "unknown case '%s'", argument);
        return 0;
    case 'O':
        plan->level_text = argument;
        if (strlen(argument) != 1 || !strchr("0123", argument[0]))
            argp_error(state, "-O takes 0 to 3");
        return 0;
    case KEY_FORM:
        plan->form_text = argument;
        if (strcmp(argument, "text") && strcmp(argument, "bitcode"))
            argp_error(state, "--form takes text or bitcode");
        return 0;
    case KEY_LIMIT:
        plan->limit_seconds = strtod(argument, NULL);
        if (plan->limit_seconds <= 0)
            argp_error(state, "--time-limit takes seconds");
        return 0;
    case KEY_JSON:
        plan->json_path = argument;
        return 0;
    case KEY_EXPECTED:
        plan->expected_path = argument;
        return 0;
    case KEY_LIST:
        plan->is_list = true;
        return 0;
    case KEY_OUTPUT:
        plan->list_path = argument;
        return 0;
    case KEY_CHILD:
        plan->is_child = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp_table = {
    .options = option_table,
    .parser = parse_option,
    .doc = "Runs the conformance cases.\vEXIT STATUS\n 0 all as expected, 1 not, 77 a single case "
           "was skipped (its last line says why), 64 wrong use.",
};

/* --- list --- */

static int list_cells(const struct plan *plan)
{
    FILE *out = plan->list_path ? fopen(plan->list_path, "w") : stdout;
    if (!out) {
        fprintf(stderr, "%s: %s\n", plan->list_path, strerror(errno));
        return 1;
    }
    for (size_t i = 0; jd_engine_registry[i]; i++)
        for (const struct conformance_case *item = conformance_cases;
             item->name && (!plan->engine || is_listed(plan->engine, jd_engine_registry[i]->name));
             item++)
            fprintf(out, "%s %s %s\n", jd_engine_registry[i]->name, item->name, item->topic);
    return fclose(out) ? 1 : 0;
}

/* --- child --- */

static bool is_wanted(const struct plan *plan, unsigned level, enum trial_form form, unsigned flags)
{
    if (plan->level_text && (unsigned)(plan->level_text[0] - '0') != level)
        return false;
    if ((flags & CASE_BITCODE_ONLY && form == TRIAL_TEXT) ||
        (flags & CASE_TEXT_ONLY && form == TRIAL_BITCODE))
        return false;
    return !plan->form_text || (form == TRIAL_TEXT) == !strcmp(plan->form_text, "text");
}

/* Levels 0 and 2, in either form; under an emulator each level in one form. */
static bool is_default_level(const struct conformance_case *item, unsigned level,
                             enum trial_form form)
{
    bool has_two_forms = !(item->flags & (CASE_TEXT_ONLY | CASE_BITCODE_ONLY));
    if (item->flags & CASE_LONG)
        return level == 0;
    if (!CONFORMANCE_IS_EMULATED)
        return level == 0 || level == 2;
    return level == (has_two_forms && form == TRIAL_BITCODE ? 2 : 0);
}

static int run_in_this_process(const struct plan *plan)
{
    const struct conformance_case *item = conformance_case_find(plan->case_name);
    const struct jd_engine_ops *ops = jd_engine_find(plan->engine);
    uint32_t missing = conformance_case_missing(item, ops);
    for (enum trial_form form = TRIAL_TEXT; form <= TRIAL_BITCODE; form++) {
        for (unsigned level = 0; level <= 3; level++) {
            if ((!plan->level_text && !is_default_level(item, level, form)) ||
                !is_wanted(plan, level, form, item->flags))
                continue;
            struct trial t = {
                .ops = ops, .case_name = item->name, .opt_level = level, .form = form};
            if (missing)
                trial_check_refusal(&t, missing);
            else
                item->run(&t);
            trial_end(&t);
        }
    }
    return missing || item->flags & CASE_REFUSED_BY_ALL ? TRIAL_EXIT_REFUSED : TRIAL_EXIT_PASS;
}

/* --- all --- */

static void print_cell(const struct verdict_book *book, const struct cell *cell)
{
    const char *reason;
    enum outcome expected = verdict_expected(book, cell, &reason);
    printf("%-4s %s.%s: %s", verdict_is_met(book, cell) ? "ok" : "BAD", cell->ops->name,
           cell->item->name, outcome_name(cell->outcome));
    if (cell->outcome != expected && cell->outcome != OUTCOME_SKIPPED)
        printf(", expected %s", outcome_name(expected));
    printf(" (%.2f s)%s%s%s%s\n", cell->seconds, cell->detail[0] ? ": " : "", cell->detail,
           reason ? "; recorded: " : "", reason ? reason : "");
    fflush(stdout);
}

static size_t fill_extra(const struct plan *plan, const char **extra)
{
    size_t count = 0;
    if (plan->level_text) {
        extra[count++] = "-O";
        extra[count++] = plan->level_text;
    }
    if (plan->form_text) {
        extra[count++] = "--form";
        extra[count++] = plan->form_text;
    }
    extra[count] = NULL;
    return count;
}

/* What is recorded as skipped is not even tried. */
static int run_cell(const struct plan *plan, const struct verdict_book *book,
                    const char *const *extra, struct cell *cell, struct jd_error *err)
{
    const char *reason;
    if (verdict_expected(book, cell, &reason) == OUTCOME_SKIPPED) {
        cell->outcome = OUTCOME_SKIPPED;
        return JD_OK;
    }
    double limit_seconds = verdict_limit(book, cell, plan->limit_seconds);
    return supervise_cell("/proc/self/exe", extra, limit_seconds, cell, err);
}

struct tally {
    unsigned cells, unmet, skipped;
};

static int run_cells(const struct plan *plan, struct verdict_book *book, struct tally *tally,
                     struct jd_error *err)
{
    const char *extra[MAX_EXTRA];
    fill_extra(plan, extra);
    for (const struct conformance_case *item = conformance_cases; item->name; item++) {
        for (size_t i = 0; jd_engine_registry[i]; i++) {
            struct cell cell = {.ops = jd_engine_registry[i], .item = item};
            if ((plan->engine && !is_listed(plan->engine, cell.ops->name)) ||
                (plan->case_name && strcmp(plan->case_name, item->name)))
                continue;
            int code = run_cell(plan, book, extra, &cell, err);
            if (!code)
                code = verdict_record(book, &cell, err);
            if (code)
                return code;
            print_cell(book, &cell);
            tally->cells++;
            tally->unmet += !verdict_is_met(book, &cell);
            tally->skipped += cell.outcome == OUTCOME_SKIPPED;
        }
    }
    return 0;
}

static int run_children(const struct plan *plan)
{
    struct jd_error err = JD_ERROR_INIT;
    struct verdict_book *book = NULL;
    struct tally tally = {0};
    sigset_t child_ended;
    char line[1100];
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_ended, NULL);

    int code = verdict_open(plan->expected_path, &book, &err);
    if (!code)
        code = run_cells(plan, book, &tally, &err);
    if (!code && plan->json_path)
        code = verdict_write(book, plan->limit_seconds, plan->json_path, &err);
    verdict_close(book);
    if (code) {
        fprintf(stderr, "%s\n", jd_error_line(&err, line, sizeof line));
        return 1;
    }
    if (tally.unmet)
        return 1;
    return tally.cells == 1 && tally.skipped == 1 ? TRIAL_EXIT_SKIP : 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.limit_seconds = CONFORMANCE_LIMIT_SECONDS,
                        .expected_path = CONFORMANCE_EXPECTED_FILE};
    argp_err_exit_status = 64;
    argp_parse(&argp_table, argc, argv, 0, NULL, &plan);
    if (plan.is_list)
        return list_cells(&plan);
    if (plan.is_child && plan.engine && plan.case_name)
        return run_in_this_process(&plan);
    return run_children(&plan);
}
