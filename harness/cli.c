/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share. argp does the parsing, the help and the layout; its messages are brought
 * to one line of our form through the name that it prints.
 */
#include "cli.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/clock.h"

static uint64_t start_ns;

void jd_cli_start(void)
{
    start_ns = jd_clock_ns();
}

uint64_t jd_cli_start_ns(void)
{
    return start_ns;
}

int jd_cli_exit_code(const struct jd_error *err)
{
    static const int codes[] = {[JD_KIND_NONE] = 0,
                                [JD_KIND_USAGE] = JD_EXIT_USAGE,
                                [JD_KIND_ENVIRONMENT] = JD_EXIT_ENVIRONMENT,
                                [JD_KIND_UNSUPPORTED] = JD_EXIT_UNSUPPORTED,
                                [JD_KIND_INPUT] = JD_EXIT_INPUT,
                                [JD_KIND_ENGINE_BUG] = JD_EXIT_ENGINE_BUG};
    return codes[err->kind];
}

int jd_cli_report(const struct jd_error *err)
{
    char line[sizeof err->where + sizeof err->text + 8];
    fprintf(stderr, "jitduel: %s\n", jd_error_line(err, line, sizeof line));
    return jd_cli_exit_code(err);
}

int jd_cli_flush(struct jd_error *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return JD_OK;
    return jd_fail(err, JD_E_IO, "standard output", "cannot be written: %s",
                   strerror(errno ? errno : EIO));
}

int jd_cli_leave(void)
{
    struct jd_error err = JD_ERROR_INIT;
    return jd_cli_flush(&err) ? jd_cli_report(&err) : 0;
}

int jd_cli_usage(struct jd_error *err, const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    jd_vfail(err, JD_E_USAGE, where, format, args);
    va_end(args);
    return EINVAL;
}

/* K, M, G: 10, 20, 30 bits; -1 for anything else. */
static int suffix_bits(const char *suffix)
{
    static const char letters[] = "KMG";
    const char *letter = suffix[0] ? strchr(letters, suffix[0] & ~0x20) : NULL;
    if (!suffix[0])
        return 0;
    return letter && !suffix[1] ? 10 * (int)(letter - letters + 1) : -1;
}

int jd_cli_number(const char *option, const char *text, unsigned long long low,
                  unsigned long long high, int has_suffix, unsigned long long *out,
                  struct jd_error *err)
{
    char *end = NULL;
    int bits = -1;
    unsigned long long value = 0;
    *out = 0;
    errno = 0;
    if (text[0] >= '0' && text[0] <= '9') {
        value = strtoull(text, &end, 10);
        bits = has_suffix || !*end ? suffix_bits(end) : -1;
    }
    if (bits < 0) {
        jd_cli_usage(err, option, "'%s' is not a number%s", text,
                     has_suffix ? " (a suffix K, M or G is allowed)" : "");
        return JD_E_USAGE;
    }
    if (errno == ERANGE || value > (high >> bits) || (value << bits) < low) {
        jd_cli_usage(err, option, "%s is not in %llu..%llu", text, low, high);
        return JD_E_USAGE;
    }
    *out = value << bits;
    return JD_OK;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edit distance (Levenshtein) of two short words; long ones are far from everything. */
static unsigned distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    unsigned row[LONGEST + 1];
    size_t a_count = strlen(a), b_count = strlen(b);
    if (a_count > LONGEST || b_count > LONGEST)
        return LONGEST;
    for (unsigned j = 0; j <= b_count; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_count; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_count; j++) {
            unsigned above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_count];
}

const char *jd_cli_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    unsigned best = (unsigned)strlen(word) / 3 + 1;
    for (; *names; names++) {
        unsigned d = distance(word, *names);
        if (d <= best && d < strlen(*names)) {
            nearest = *names;
            best = d ? d - 1 : 0;
        }
    }
    return nearest;
}

/* argp names the program once for both its messages and its help; here they differ ("jitduel: run:
 * ..." and "jitduel run"), so --help and --usage are options of ours around the command's own. */
enum { KEY_USAGE = 0x10000 };
static char help_name[64];

static error_t outer_parser(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    state->name = help_name;
    switch (key) {
    case ARGP_KEY_INIT:
        state->err_stream = NULL; /* no second line "Try ..." after getopt's message */
        state->child_inputs[0] = state->input;
        return 0;
    case '?':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK);
        exit(jd_cli_leave());
    case KEY_USAGE:
        argp_state_help(state, state->out_stream, ARGP_HELP_USAGE);
        exit(jd_cli_leave());
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int jd_cli_parse(const struct argp *argp, int argc, char **argv, void *input, struct jd_error *err)
{
    static const struct argp_option help_options[] = {
        {"help", '?', NULL, 0, "print this and leave", -1},
        {"usage", KEY_USAGE, NULL, 0, "print the options in short and leave", -1},
        {0}};
    struct argp inner = *argp;
    const struct argp_child children[] = {{&inner, 0, NULL, 0}, {0}};
    const struct argp outer = {help_options, outer_parser,      argp->args_doc,   argp->doc,
                               children,     argp->help_filter, argp->argp_domain};
    char *command = argv[0];
    char message_name[64];
    inner.args_doc = inner.doc = NULL;
    snprintf(help_name, sizeof help_name, "jitduel %s", command);
    snprintf(message_name, sizeof message_name, "jitduel: %s", command);
    argv[0] = message_name;
    int code = argp_parse(&outer, argc, argv, ARGP_NO_HELP, NULL, input);
    argv[0] = command;
    if (code == 0)
        return 0;
    if (err->code == JD_OK && code == ENOMEM) /* argp's own, of which it says nothing */
        jd_fail(err, JD_E_NO_MEMORY, "command line", "there is no memory to read it");
    return err->code != JD_OK ? jd_cli_report(err) : JD_EXIT_USAGE;
}
