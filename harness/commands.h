/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands behind main. argv[0] is the command's own name; each returns the exit code.
 */
#ifndef JITDUEL_HARNESS_COMMANDS_H
#define JITDUEL_HARNESS_COMMANDS_H

int jd_cmd_list(int argc, char **argv);
int jd_cmd_run(int argc, char **argv);
int jd_cmd_bench(int argc, char **argv);
int jd_cmd_merge(int argc, char **argv);
int jd_cmd_compare(int argc, char **argv);
/** One sample of a bench run, started by it; not for people. */
int jd_cmd_child(int argc, char **argv);

#endif
