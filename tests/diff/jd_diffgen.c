/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes one generated program as text IR files, to look at and to reduce.
 *
 * usage: jd-diffgen --seed N -o DIR     prints the names of the files, in the order to add them
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "generate.h"

enum { EXIT_USAGE = 64, EXIT_CANNOT_CREATE = 73 };

static int write_file(const char *path, const struct diff_text *text)
{
    FILE *file = fopen(path, "w");
    bool is_written = file && fwrite(text->bytes, 1, text->size_bytes, file) == text->size_bytes;
    if ((file && fclose(file) != 0) || !is_written) {
        fprintf(stderr, "jd-diffgen: %s: cannot be written: %s\n", path, strerror(errno));
        return EXIT_CANNOT_CREATE;
    }
    return 0;
}

static int write_program(const struct diff_program *program, const char *folder)
{
    char path[4096];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "jd-diffgen: %s: cannot be made: %s\n", folder, strerror(errno));
        return EXIT_CANNOT_CREATE;
    }
    for (size_t i = 0; i < program->module_count; i++) {
        snprintf(path, sizeof path, "%s/%zu.ll", folder, i);
        int code = write_file(path, &program->modules[i]);
        if (code)
            return code;
        puts(path);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    const char *folder = NULL, *seed = NULL;
    struct diff_program program;
    int option;
    while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1)
        if (option == 's')
            seed = optarg;
        else if (option == 'o')
            folder = optarg;
        else
            return EXIT_USAGE;
    if (!seed || !folder || optind != argc) {
        fputs("usage: jd-diffgen --seed N -o DIR\n", stderr);
        return EXIT_USAGE;
    }
    diff_generate(strtoull(seed, NULL, 0), DIFF_CPU_HOST, &program);
    int code = write_program(&program, folder);
    diff_program_fini(&program);
    return code;
}
