/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share: exit codes, one-line errors, option values, argp in one place.
 * Knows no command.
 *
 * Errors go to standard error as one line, `jitduel: WHERE: TEXT`.
 */
#ifndef JITDUEL_HARNESS_CLI_H
#define JITDUEL_HARNESS_CLI_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

#include "jitduel/error.h"

/** Exit codes of jitduel's own errors (sysexits.h). A program that runs returns its own. */
enum jd_exit {
    JD_EXIT_USAGE = 64,       /**< command line */
    JD_EXIT_INPUT = 65,       /**< IR, or a symbol in it */
    JD_EXIT_NO_INPUT = 66,    /**< an input file is missing or unreadable */
    JD_EXIT_UNSUPPORTED = 69, /**< refused by design */
    JD_EXIT_ENGINE_BUG = 70,  /**< jitduel or LLVM is at fault */
    JD_EXIT_ENVIRONMENT = 71  /**< memory, output files, rights */
};

/** The same as a paragraph for the end of a --help text. */
#define JD_EXIT_CODES_HELP                                                                         \
    "Exit codes of jitduel's own errors: 64 command line, 65 bad IR or unresolved symbol, 66 "     \
    "input file missing or unreadable, 69 unsupported, 70 LLVM or engine failed, 71 system "       \
    "(memory, output file)."

/** Note the time; the first thing that main does. */
void jd_cli_start(void);
/** The time noted, by jd_clock_ns(): times in --stats count from here. */
uint64_t jd_cli_start_ns(void);

/** The exit code that belongs to an error's kind. */
int jd_cli_exit_code(const struct jd_error *err);
/** Print the error as one line; returns its exit code. */
int jd_cli_report(const struct jd_error *err);
/** Write out what is buffered for standard output. 0, or JD_E_IO if any of it was lost. */
int jd_cli_flush(struct jd_error *err);
/** The same for a command that has nothing left to do: prints the error; returns the exit code. */
int jd_cli_leave(void);
/** Record a usage error; returns EINVAL, for argp parsers. */
int jd_cli_usage(struct jd_error *err, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Parse a whole number in [low, high]; a suffix K, M or G (times 1024) where `has_suffix`. 0 or
 * USAGE with `where` set to `option`. */
int jd_cli_number(const char *option, const char *text, unsigned long long low,
                  unsigned long long high, int has_suffix, unsigned long long *out,
                  struct jd_error *err);
/** The nearest of `names` (NULL-terminated) to a mistyped `word`, or NULL when none is near. */
const char *jd_cli_nearest(const char *word, const char *const *names);

/** Parse with argp. argv[0] is the command's name ("run"). Returns 0 to go on, or the exit code
 * after one line was printed: argp's own message, or the error that a parser recorded in *err
 * before it returned EINVAL. `input` reaches the parser as state->input. --help prints and leaves
 * with the exit code of jd_cli_leave. Not reentrant. */
int jd_cli_parse(const struct argp *argp, int argc, char **argv, void *input, struct jd_error *err);

#endif
