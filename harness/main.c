/* SPDX-License-Identifier: Apache-2.0
 *
 * jitduel: find the command and call it. Knows no option of any command.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "heap.h"
#include "jitduel/synth.h"

/* The generator belongs to the workloads and names itself by argv[0]. */
static int synth(int argc, char **argv)
{
    static char name[] = "jitduel synth";
    argv[0] = name;
    return jd_synth_main(argc, argv);
}

static const struct command {
    const char *name;
    int (*call)(int argc, char **argv);
    const char *summary; /* NULL: not for people */
} commands[] = {
    {"list", jd_cmd_list, "show engines, workloads or suites"},
    {"run", jd_cmd_run, "run a program from LLVM IR"},
    {"bench", jd_cmd_bench, "measure workloads under engines and write a report"},
    {"merge", jd_cmd_merge, "make one report of the parts that 'bench --shard' wrote"},
    {"compare", jd_cmd_compare, "say what a newer report has lost or won against an older one"},
    {"synth", synth, "generate IR of a given shape"},
    {"child", jd_cmd_child, NULL},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static int print_help(FILE *out)
{
    fprintf(out, "Usage: jitduel COMMAND [ARGUMENT...]\n"
                 "Runs and measures LLVM IR under JIT engines that compile lazily or eagerly.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].summary)
            fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n  'jitduel COMMAND --help' tells a command's options, 'jitduel --version' the "
                 "version.\n");
    return jd_cli_leave();
}

static int unknown_command(const char *word)
{
    const char *names[COMMAND_COUNT + 1] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].summary)
            names[count++] = commands[i].name;
    const char *nearest = jd_cli_nearest(word, names);
    fprintf(stderr, "jitduel: %s: unknown command%s%s%s (see 'jitduel --help')\n", word,
            nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return JD_EXIT_USAGE;
}

/* LLVM's options and tables are made before main, where they are part of this program: a C++
 * exception for want of memory then ends the process by abort. */
static void on_abort_before_main(int number)
{
    static const char text[] =
        "jitduel: start: LLVM could not be initialised; is there enough memory?\n";
    (void)number;
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    _exit(JD_EXIT_ENVIRONMENT);
}

static void (*inherited_on_abort)(int);

/* The first priority that is a program's to use. */
__attribute__((constructor(101))) static void watch_start(void)
{
    inherited_on_abort = signal(SIGABRT, on_abort_before_main);
}

/* Closed standard streams are opened in a way in which they cannot be used: else the next file, the
 * journal of a run for one, would get their number and what is printed. */
static void keep_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    signal(SIGABRT, inherited_on_abort);
    keep_standard_streams();
    jd_heap_prepare();
    jd_cli_start();
    if (argc < 2) {
        fprintf(stderr, "jitduel: command line: a command is missing (see 'jitduel --help')\n");
        return JD_EXIT_USAGE;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].call(argc - 1, argv + 1);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "-h"))
        return print_help(stdout);
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("jitduel %s (LLVM %s, %s build)\n", JD_VERSION, JD_LLVM_VERSION, JD_PRESET);
        return jd_cli_leave();
    }
    return unknown_command(argv[1]);
}
