/* SPDX-License-Identifier: Apache-2.0
 *
 * Ahead of time, through LLVM's C API and ld: objects in a folder of their own, one shared library,
 * dlopen. The same code model and relocation model as the engines, nothing else in common with
 * them.
 */
#include "native.h"

#include <dlfcn.h>
#include <errno.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 16, FOLDER_BYTES = 512, PATH_BYTES = FOLDER_BYTES + 32 };

static LLVMModuleRef read_module(const struct jd_ir *ir)
{
    LLVMModuleRef module = NULL;
    char *message = NULL;
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(ir->bytes, ir->size_bytes, ir->name);
    if (LLVMParseIRInContext(LLVMGetGlobalContext(), buffer, &module, &message)) {
        fprintf(stderr, "%s: %s\n", ir->name, message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    return module;
}

int native_assemble(const struct jd_ir *text, int fd)
{
    char *message = NULL;
    LLVMModuleRef module = read_module(text);
    if (!module)
        return -1;
    bool is_broken = LLVMVerifyModule(module, LLVMReturnStatusAction, &message);
    if (is_broken)
        fprintf(stderr, "%s: %s\n", text->name, message);
    LLVMDisposeMessage(message);
    if (is_broken || LLVMWriteBitcodeToFD(module, fd, 0, 0) != 0)
        return -1;
    LLVMDisposeModule(module);
    return 0;
}

static LLVMTargetMachineRef make_machine(unsigned opt_level)
{
    char *triple = LLVMGetDefaultTargetTriple(), *message = NULL;
    LLVMTargetRef target;
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    LLVMInitializeNativeAsmParser();
    if (LLVMGetTargetFromTriple(triple, &target, &message)) {
        fprintf(stderr, "%s: %s\n", triple, message);
        return NULL;
    }
    LLVMTargetMachineRef machine = LLVMCreateTargetMachine(
        target, triple, "", "", opt_level ? LLVMCodeGenLevelDefault : LLVMCodeGenLevelNone,
        LLVMRelocPIC, LLVMCodeModelDefault);
    LLVMDisposeMessage(triple);
    return machine;
}

static int compile(LLVMTargetMachineRef machine, const struct jd_ir *ir, char *path)
{
    char *message = NULL;
    LLVMModuleRef module = read_module(ir);
    if (!module)
        return -1;
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    char *triple = LLVMGetTargetMachineTriple(machine);
    LLVMSetModuleDataLayout(module, layout);
    LLVMSetTarget(module, triple);
    LLVMDisposeMessage(triple);
    LLVMDisposeTargetData(layout);
    if (LLVMTargetMachineEmitToFile(machine, module, path, LLVMObjectFile, &message)) {
        fprintf(stderr, "%s: %s\n", ir->name, message);
        return -1;
    }
    LLVMDisposeModule(module);
    return 0;
}

/* Names of the program win over those of this process, as in a program of its own. */
static int link_library(char **objects, size_t count, char *library)
{
    char *arguments[FILES_MAX + 8] = {
        (char *)(uintptr_t) "ld",         (char *)(uintptr_t) "-shared",
        (char *)(uintptr_t) "-Bsymbolic", (char *)(uintptr_t) "--eh-frame-hdr",
        (char *)(uintptr_t) "-o",         library};
    pid_t pid;
    int status, code;
    memcpy(&arguments[6], objects, count * sizeof *objects);
    if ((code = posix_spawnp(&pid, "ld", NULL, NULL, arguments, environ)) != 0) {
        fprintf(stderr, "ld: %s\n", strerror(code));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status == 0 ? 0 : -1;
}

static void *load(const struct jd_ir *files, size_t count, unsigned opt_level, const char *folder)
{
    static char paths[FILES_MAX][PATH_BYTES], library[PATH_BYTES];
    char *objects[FILES_MAX];
    void *handle = NULL;
    bool is_good = true;
    LLVMTargetMachineRef machine = make_machine(opt_level);
    for (size_t i = 0; i < count; i++) {
        objects[i] = paths[i];
        snprintf(paths[i], PATH_BYTES, "%s/%zu.o", folder, i);
        is_good = is_good && machine && compile(machine, &files[i], paths[i]) == 0;
    }
    snprintf(library, sizeof library, "%s/program.so", folder);
    if (is_good && link_library(objects, count, library) == 0)
        handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
    if (is_good && !handle)
        fprintf(stderr, "native: %s\n", dlerror());
    for (size_t i = 0; i < count; i++)
        unlink(paths[i]);
    unlink(library);
    return handle;
}

/* In memory, where the system lets code be loaded from there. */
static bool make_folder(char *out)
{
    const char *bases[] = {"/dev/shm", getenv("TMPDIR"), "/tmp"};
    struct statvfs system;
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        if (!bases[i] || statvfs(bases[i], &system) || system.f_flag & ST_NOEXEC)
            continue;
        snprintf(out, FOLDER_BYTES, "%s/jd-diff-XXXXXX", bases[i]);
        if (mkdtemp(out))
            return true;
    }
    return false;
}

native_main_fn native_load(const struct jd_ir *files, size_t count, unsigned opt_level)
{
    char folder[FOLDER_BYTES];
    if (count > FILES_MAX || !make_folder(folder)) {
        fprintf(stderr, "native: no folder that programs can be loaded from\n");
        return NULL;
    }
    void *handle = load(files, count, opt_level, folder);
    rmdir(folder);
    void *symbol = handle ? dlsym(handle, "main") : NULL;
    native_main_fn entry;
    memcpy(&entry, &symbol, sizeof entry);
    return entry;
}
