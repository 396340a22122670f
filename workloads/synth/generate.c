/* SPDX-License-Identifier: Apache-2.0
 *
 * From parameters to files: one module after the other, each whole or not at all. Bytes go through
 * memory and our own writes, since LLVM's file writer ends the process when the disk is full.
 */
#include "emit.h"

#include <errno.h>
#include <llvm-c/BitWriter.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* Errors name the file that was asked for, whatever it is called while it is being written. */
static int write_bytes(const char *path, const char *temporary, const char *bytes,
                       size_t size_bytes, struct jd_error *err)
{
    FILE *file = fopen(temporary, "wbe");
    if (!file)
        return jd_fail(err, JD_E_IO, path, "cannot be made: %s", strerror(errno));
    int error = fwrite(bytes, 1, size_bytes, file) == size_bytes ? 0 : errno;
    if (fclose(file) && !error)
        error = errno;
    return error ? jd_fail(err, JD_E_IO, path, "cannot be written: %s", strerror(error)) : JD_OK;
}

static int write_module(LLVMModuleRef module, const char *path, const char *temporary, bool is_text,
                        struct jd_error *err)
{
    int code;
    if (is_text) {
        char *text = LLVMPrintModuleToString(module);
        code = write_bytes(path, temporary, text, strlen(text), err);
        LLVMDisposeMessage(text);
        return code;
    }
    LLVMMemoryBufferRef buffer = LLVMWriteBitcodeToMemoryBuffer(module);
    code = write_bytes(path, temporary, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer), err);
    LLVMDisposeMemoryBuffer(buffer);
    return code;
}

/* A device or a pipe: there is nothing to be replaced there, and rename() would put a file in its
 * place. */
static bool is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/* The name while it is being written: of this process, so that two at once do not meet. */
static int temporary_name(const char *path, char *out, struct jd_error *err)
{
    int length = is_special(path) ? snprintf(out, PATH_BYTES, "%s", path)
                                  : snprintf(out, PATH_BYTES, "%s.%ld.tmp", path, (long)getpid());
    return length < 0 || length >= PATH_BYTES
               ? jd_fail(err, JD_E_LIMIT, path, "the name is too long")
               : JD_OK;
}

static int module_names(const struct synth_plan *plan, const char *output, bool is_text,
                        uint64_t index, char *path, char *temporary, struct jd_error *err)
{
    int code =
        jd_synth_file_name(output, plan->params.modules, index, is_text, path, PATH_BYTES, err);
    return code ? code : temporary_name(path, temporary, err);
}

static int make_module(const struct synth_plan *plan, const char *output, bool is_text,
                       uint64_t index, struct jd_error *err)
{
    struct synth_emitter emitter;
    char path[PATH_BYTES], temporary[PATH_BYTES];
    int code = module_names(plan, output, is_text, index, path, temporary, err);
    if (code)
        return code;
    code = synth_emitter_init(&emitter, plan, index, err);
    if (!code)
        code = write_module(emitter.module, path, temporary, is_text, err);
    synth_emitter_fini(&emitter);
    return code;
}

static int rename_module(const struct synth_plan *plan, const char *output, bool is_text,
                         uint64_t index, struct jd_error *err)
{
    char path[PATH_BYTES], temporary[PATH_BYTES];
    int code = module_names(plan, output, is_text, index, path, temporary, err);
    if (!code && strcmp(temporary, path) != 0 && rename(temporary, path))
        code = jd_fail(err, JD_E_IO, path, "cannot be made: %s", strerror(errno));
    return code;
}

static void drop_module(const struct synth_plan *plan, const char *output, bool is_text,
                        uint64_t index)
{
    char path[PATH_BYTES], temporary[PATH_BYTES];
    if (!module_names(plan, output, is_text, index, path, temporary, NULL) &&
        strcmp(temporary, path) != 0)
        unlink(temporary);
}

int jd_synth_generate(const struct jd_synth_params *params, const char *output, bool is_text,
                      struct jd_error *err)
{
    struct synth_plan plan;
    uint64_t made = 0, renamed = 0;
    int code = synth_plan_init(&plan, params, err);
    if (code)
        return code;
    for (; made < params->modules && !code; made++)
        code = make_module(&plan, output, is_text, made, err);
    for (; renamed < params->modules && !code; renamed++)
        code = rename_module(&plan, output, is_text, renamed, err);
    for (uint64_t i = 0; i < made && code; i++)
        drop_module(&plan, output, is_text, i);
    synth_plan_fini(&plan);
    return code;
}
