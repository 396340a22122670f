/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine `aot`: objects as a compiler writes them, linked by the system's compiler driver to a
 * shared library, loaded by the system's loader. The practical limit of run speed, and the price
 * of a process and two files.
 *
 * What is pending together becomes one library. Names that it does not define are absolute symbols
 * of a second one, under names of their own, so that engines do not see each other and the process
 * takes nobody's place; what only the code generator calls comes from the process and from libgcc.
 * Merging definitions is the linker's.
 * Sources: ld(1) (-Bsymbolic, -z); ELF gABI, SHN_ABS (glibc 2.28 and later do not move such
 * symbols); dlopen(3).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elf_read.h"
#include "peer.h"
#include "process_symbols.h"

#ifndef JD_AOT_LINKER
#error "JD_AOT_LINKER is the compiler driver that links for the machine that runs the code"
#endif

extern char **environ;
extern const struct jd_engine_ops jd_aot_ops;

/* A list of strings that grows; owned. */
struct words {
    char **items;
    size_t count;
};

struct aot {
    struct peer peer;
    struct words objects; /* of this batch: paths */
    FILE *symbols;        /* of this batch: a linker script */
    void **libraries;     /* what dlopen gave */
    size_t library_count;
    char folder[64];
    unsigned batch;
    size_t finished; /* modules below this index belong to a library */
};

static struct aot *of(struct peer *peer)
{
    return (struct aot *)peer;
}

/* --- Files
 * ------------------------------------------------------------------------------------------ */

static int add_word(struct words *words, const char *text, struct jd_error *err)
{
    /* One more than counted: execution wants a NULL behind the last. */
    char **items = realloc(words->items, (words->count + 2) * sizeof *items);
    char *copy = items ? strdup(text) : NULL;
    if (items)
        words->items = items;
    if (!copy)
        return jd_fail(err, JD_E_NO_MEMORY, "aot", "no room for the linker's arguments");
    items[words->count++] = copy;
    items[words->count] = NULL;
    return JD_OK;
}

static void free_words(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
    *words = (struct words){0};
}

static void batch_path(const struct aot *aot, const char *what, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%u%s", aot->folder, aot->batch, what);
}

static void forget_batch(struct aot *aot)
{
    static const char *const files[] = {".s", ".so", ".out.so", ".txt"};
    char path[128];
    for (size_t i = 0; i < aot->objects.count; i++)
        unlink(aot->objects.items[i]);
    free_words(&aot->objects);
    if (aot->symbols)
        fclose(aot->symbols);
    aot->symbols = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        batch_path(aot, files[i], path, sizeof path);
        if (aot->folder[0])
            unlink(path);
    }
    if (aot->folder[0])
        rmdir(aot->folder);
    aot->folder[0] = '\0';
    aot->batch++;
}

/* A batch has a folder while it is made: what is loaded needs no file, and a program may end at any
 * moment. */
static int make_folder(struct aot *aot, struct jd_error *err)
{
    const char *folder = getenv("TMPDIR");
    if (aot->folder[0])
        return JD_OK;
    snprintf(aot->folder, sizeof aot->folder, "%s/jitduel-aot-XXXXXX",
             folder && *folder && strlen(folder) < 32 ? folder : "/tmp");
    if (mkdtemp(aot->folder))
        return JD_OK;
    int result = jd_fail(err, JD_E_IO, aot->folder, "cannot be made: %s", strerror(errno));
    aot->folder[0] = '\0';
    return result;
}

static int open_engine(struct peer *peer, struct jd_error *err)
{
    (void)peer;
    (void)err;
    return JD_OK;
}

static void close_engine(struct peer *peer)
{
    struct aot *aot = of(peer);
    forget_batch(aot);
    while (aot->library_count)
        dlclose(aot->libraries[--aot->library_count]);
    free(aot->libraries);
}

/* --- Names from outside
 * ----------------------------------------------------------------------------- */

/* Their names get this prefix, so that nothing of the process takes their place. */
static const char outside_prefix[] = "jitduel:";

static bool is_own(const struct peer_symbol *symbol, const struct aot *aot)
{
    return symbol->definer && !symbol->is_user_defined && symbol->definer->number > aot->finished;
}

static int open_symbols(struct aot *aot, struct jd_error *err)
{
    char path[128];
    if (aot->symbols)
        return JD_OK;
    batch_path(aot, ".s", path, sizeof path);
    aot->symbols = fopen(path, "we");
    return aot->symbols ? JD_OK
                        : jd_fail(err, JD_E_IO, path, "cannot be written: %s", strerror(errno));
}

/* Whether an undefined name of an object is one that the front knows the address of. */
static uintptr_t outside_addr(struct aot *aot, const char *name)
{
    static const char tls_prefix[] = "__emutls_v.";
    bool is_tls = !strncmp(name, tls_prefix, sizeof tls_prefix - 1);
    if (is_tls)
        name += sizeof tls_prefix - 1;
    pthread_mutex_lock(&aot->peer.lock);
    const struct peer_symbol *symbol = peer_intern(&aot->peer, name, strlen(name));
    uintptr_t addr = symbol && symbol->is_tls == is_tls && !is_own(symbol, aot) ? symbol->addr : 0;
    pthread_mutex_unlock(&aot->peer.lock);
    return addr ? addr : !strcmp(name, "__emutls_get_address") ? jd_process_symbol(name) : 0;
}

/* An object with room behind it for longer names of its undefined symbols. */
struct renaming {
    unsigned char *bytes;
    size_t used_bytes;
    size_t names_offset; /* of the new table of names in the file */
};

static size_t undefined_names_bytes(const struct jd_elf *elf)
{
    size_t bytes = 0;
    for (uint32_t i = 1; i < elf->symbol_count; i++)
        if (elf->symbols[i].st_shndx == SHN_UNDEF)
            bytes += strlen(jd_elf_symbol_name(elf, i)) + sizeof outside_prefix;
    return bytes;
}

static int begin_renaming(struct renaming *renaming, const struct jd_elf *elf, struct jd_error *err)
{
    renaming->names_offset = elf->size_bytes;
    renaming->used_bytes = elf->size_bytes + elf->symbol_names_bytes;
    renaming->bytes = malloc(renaming->used_bytes + undefined_names_bytes(elf));
    if (!renaming->bytes)
        return jd_fail(err, JD_E_NO_MEMORY, "aot", "no room for an object");
    memcpy(renaming->bytes, elf->bytes, elf->size_bytes);
    memcpy(renaming->bytes + elf->size_bytes, elf->symbol_names, elf->symbol_names_bytes);
    return JD_OK;
}

/* The new table of names takes the place of the old one, whose bytes stay unused. */
static void end_renaming(const struct renaming *renaming, const struct jd_elf *elf)
{
    Elf64_Shdr *sections =
        (Elf64_Shdr *)(renaming->bytes + ((const unsigned char *)elf->sections - elf->bytes));
    Elf64_Shdr *names = &sections[sections[elf->symbol_table].sh_link];
    names->sh_offset = renaming->names_offset;
    names->sh_size = renaming->used_bytes - renaming->names_offset;
}

static int rename_outside(struct aot *aot, const struct jd_elf *elf, struct renaming *renaming,
                          struct jd_error *err)
{
    int result = begin_renaming(renaming, elf, err);
    for (uint32_t i = 1; i < elf->symbol_count && !result; i++) {
        const char *name = jd_elf_symbol_name(elf, i);
        bool is_undefined = elf->symbols[i].st_shndx == SHN_UNDEF;
        uintptr_t addr = is_undefined ? outside_addr(aot, name) : 0;
        if (!addr || (result = open_symbols(aot, err)))
            continue;
        fprintf(aot->symbols, ".globl \"%s%s\"\n.set \"%s%s\", 0x%zx\n", outside_prefix, name,
                outside_prefix, name, (size_t)addr);
        Elf64_Sym *symbols =
            (Elf64_Sym *)(renaming->bytes + ((const unsigned char *)elf->symbols - elf->bytes));
        symbols[i].st_name = (Elf64_Word)(renaming->used_bytes - renaming->names_offset);
        renaming->used_bytes += (size_t)sprintf((char *)renaming->bytes + renaming->used_bytes,
                                                "%s%s", outside_prefix, name) +
                                1;
    }
    if (!result)
        end_renaming(renaming, elf);
    return result;
}

/* `take` asks for the address when the object needs it. */
static int define(struct peer *peer, struct peer_symbol *symbol, struct jd_error *err)
{
    (void)peer;
    (void)symbol;
    (void)err;
    return JD_OK;
}

/* --- Emission
 * ----------------------------------------------------------------------------------------- */

struct emission {
    struct peer *peer;
    LLVMModuleRef module;
    const char *name;
    LLVMMemoryBufferRef object;
};

static int emit(void *argument, struct jd_error *err)
{
    struct emission *emission = argument;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(emission->peer->machine, emission->module,
                                            LLVMObjectFile, &message, &emission->object))
        return jd_llvm_take_message(err, JD_E_COMPILE, emission->name, message);
    int result =
        jd_diagnostics_take(&emission->peer->diagnostics, JD_E_COMPILE, emission->name, err);
    if (result)
        LLVMDisposeMemoryBuffer(emission->object);
    return result;
}

static int emit_guarded(struct emission *emission, struct jd_error *err)
{
    struct jd_error error = JD_ERROR_INIT;
    emission->object = NULL;
    int result = jd_llvm_guard(emit, emission, emission->name, &error);
    if (!result)
        return JD_OK;
    /* A fatal error names nothing but its reason; what `emit` returned is in order. */
    emission->peer->is_undefined = error.code == JD_E_COMPILE && !emission->object &&
                                   !strcmp(error.where, emission->name) &&
                                   emission->peer->diagnostics.has_error;
    return jd_fail(err, result, error.where, "%s", error.text);
}

static int write_file(struct aot *aot, const void *bytes, size_t size_bytes, struct jd_error *err)
{
    char path[128], what[32];
    snprintf(what, sizeof what, ".%zu.o", aot->objects.count);
    batch_path(aot, what, path, sizeof path);
    FILE *file = fopen(path, "we");
    bool is_written = file && fwrite(bytes, 1, size_bytes, file) == size_bytes;
    if (file && fclose(file))
        is_written = false;
    if (!is_written)
        return jd_fail(err, JD_E_IO, path, "cannot be written: %s", strerror(errno));
    return add_word(&aot->objects, path, err);
}

static int write_object(struct aot *aot, LLVMMemoryBufferRef object, struct jd_error *err)
{
    struct jd_elf elf;
    struct renaming renaming = {0};
    int result = jd_elf_open(&elf, LLVMGetBufferStart(object), LLVMGetBufferSize(object), err);
    if (!result)
        result = rename_outside(aot, &elf, &renaming, err);
    if (!result)
        result = write_file(aot, renaming.bytes, renaming.used_bytes, err);
    free(renaming.bytes);
    return result;
}

static int take(struct peer *peer, struct peer_module *module, struct jd_error *err)
{
    struct aot *aot = of(peer);
    struct emission emission = {.peer = peer, .module = module->llvm, .name = module->name};
    int result = make_folder(aot, err);
    if (!result)
        result = peer_run_passes(peer, module->llvm, err);
    uint64_t bodies = peer_count_bodies(module->llvm);
    if (!result) {
        peer_phase_push(peer, JD_PHASE_CODEGEN);
        result = emit_guarded(&emission, err);
        if (!result) {
            peer_count_object(peer, LLVMGetBufferStart(emission.object),
                              LLVMGetBufferSize(emission.object));
            result = write_object(aot, emission.object, err);
            LLVMDisposeMemoryBuffer(emission.object);
        }
        peer_phase_pop(peer);
    }
    if (!peer->is_undefined)
        LLVMDisposeModule(module->llvm);
    if (result)
        return result;
    pthread_mutex_lock(&peer->lock);
    peer->counters.functions_compiled += bodies;
    peer->counters.modules_compiled += !module->is_helper;
    pthread_mutex_unlock(&peer->lock);
    return JD_OK;
}

/* --- Linking and loading
 * ---------------------------------------------------------------------------- */

static int add_words(struct words *out, const char *const *texts, struct jd_error *err)
{
    int result = JD_OK;
    for (; *texts && !result; texts++)
        result = add_word(out, *texts, err);
    return result;
}

/* Many objects: more than a command line holds. */
static int list_objects(struct aot *aot, char *path, size_t path_bytes, struct jd_error *err)
{
    batch_path(aot, ".txt", path, path_bytes);
    FILE *list = fopen(path, "we");
    for (size_t i = 0; list && i < aot->objects.count; i++)
        fprintf(list, "%s\n", aot->objects.items[i]);
    return list && !fclose(list) ? JD_OK : jd_fail(err, JD_E_IO, path, "cannot be written");
}

static int library_arguments(struct aot *aot, bool has_outside, struct words *out,
                             struct jd_error *err)
{
    /* Own definitions win, as in one program; nothing of the C library's start is wanted. */
    static const char *const fixed[] = {JD_AOT_LINKER,
                                        "-shared",
                                        "-nostartfiles",
                                        "-Wl,-Bsymbolic",
                                        "-Wl,-z,noexecstack",
                                        "-Wl,--build-id=none",
                                        "-Wl,--hash-style=gnu",
                                        "-o",
                                        NULL};
    char library[128], list[128], outside[128], response[160];
    batch_path(aot, ".so", library, sizeof library);
    batch_path(aot, ".out.so", outside, sizeof outside);
    int result = list_objects(aot, list, sizeof list, err);
    snprintf(response, sizeof response, "@%s", list);
    const char *const files[] = {library, response, has_outside ? outside : NULL, NULL};
    if (!result)
        result = add_words(out, fixed, err);
    return result ? result : add_words(out, files, err);
}

/* A library of nothing but absolute symbols: names from outside, and where they are. */
static int outside_arguments(struct aot *aot, struct words *out, struct jd_error *err)
{
    char source[128], library[128];
    batch_path(aot, ".s", source, sizeof source);
    batch_path(aot, ".out.so", library, sizeof library);
    const char *const texts[] = {JD_AOT_LINKER, "-shared", "-nostdlib", "-Wl,-z,noexecstack",
                                 "-o",          library,   source,      NULL};
    return add_words(out, texts, err);
}

static int start(struct words *words, int output_fd, pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output_fd, STDERR_FILENO);
    int failure = posix_spawnp(out_pid, words->items[0], &actions, NULL, words->items, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

static int failed(int output_fd, struct jd_error *err)
{
    char text[512];
    ssize_t bytes = pread(output_fd, text, sizeof text - 1, 0);
    text[bytes > 0 ? bytes : 0] = '\0';
    return jd_fail(err, strstr(text, "undefined") ? JD_E_UNRESOLVED : JD_E_COMPILE, "aot",
                   "the linker failed: %s", text);
}

static int run_linker(struct words *words, struct jd_error *err)
{
    int status = 0, result = JD_OK;
    pid_t pid;
    int output_fd = memfd_create("jitduel-aot", MFD_CLOEXEC);
    if (output_fd < 0)
        return jd_fail(err, JD_E_IO, "aot", "memfd_create: %s", strerror(errno));
    int failure = start(words, output_fd, &pid);
    if (failure)
        result = jd_fail(err, JD_E_IO, words->items[0], "cannot be run: %s", strerror(failure));
    else
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
    if (!result && status)
        result = failed(output_fd, err);
    close(output_fd);
    return result;
}

static int load(struct aot *aot, struct jd_error *err)
{
    char path[128];
    void **list = peer_grow(aot->libraries, aot->library_count, sizeof *list);
    if (!list)
        return jd_fail(err, JD_E_NO_MEMORY, "aot", "no room for another library");
    aot->libraries = list;
    batch_path(aot, ".so", path, sizeof path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *text = dlerror();
        bool is_denied =
            strstr(text, "cannot") && (strstr(text, "ermission") || strstr(text, "ermitted"));
        int code = strstr(text, "undefined symbol") ? JD_E_UNRESOLVED
                   : is_denied                      ? JD_E_EXEC_DENIED
                                                    : JD_E_IO;
        return jd_fail(err, code, "aot", "the library cannot be loaded: %s", text);
    }
    list[aot->library_count++] = library;
    return JD_OK;
}

static uintptr_t address_in(void *library, const struct peer_symbol *symbol)
{
    char name[JD_ERROR_TEXT_BYTES];
    snprintf(name, sizeof name, "%s%s", symbol->is_tls ? "__emutls_v." : "", symbol->name);
    return (uintptr_t)dlsym(library, name);
}

static void take_addresses(struct aot *aot)
{
    struct peer *peer = &aot->peer;
    void *library = aot->libraries[aot->library_count - 1];
    for (size_t i = aot->finished; i < peer->module_count; i++) {
        const struct peer_module *module = peer->modules[i];
        for (size_t j = 0; module->state == PEER_TAKEN && j < module->definition_count; j++) {
            struct peer_symbol *symbol = module->definitions[j];
            uintptr_t addr = is_own(symbol, aot) ? address_in(library, symbol) : 0;
            if (!addr)
                continue;
            pthread_mutex_lock(&peer->lock);
            symbol->addr = addr;
            pthread_mutex_unlock(&peer->lock);
            if (symbol->kind == JD_SYMBOL_FUNCTION)
                jd_probe_compiled(peer->options.probe, symbol->name, addr, 0);
        }
    }
}

static int link_batch(struct aot *aot, struct jd_error *err)
{
    struct words outside = {0}, library = {0};
    bool has_outside = aot->symbols != NULL;
    int result = JD_OK;
    if (has_outside && fclose(aot->symbols))
        result = jd_fail(err, JD_E_IO, aot->folder, "the list of symbols cannot be written");
    aot->symbols = NULL;
    if (!result && has_outside && !(result = outside_arguments(aot, &outside, err)))
        result = run_linker(&outside, err);
    if (!result && !(result = library_arguments(aot, has_outside, &library, err)))
        result = run_linker(&library, err);
    if (!result)
        result = load(aot, err);
    free_words(&outside);
    free_words(&library);
    return result;
}

static int finish(struct peer *peer, struct jd_error *err)
{
    struct aot *aot = of(peer);
    int result = JD_OK;
    peer_phase_push(peer, JD_PHASE_LINK);
    if (aot->objects.count)
        result = link_batch(aot, err);
    if (!result && aot->library_count)
        take_addresses(aot);
    for (size_t i = aot->finished; result && i < peer->module_count; i++)
        if (peer->modules[i]->state == PEER_TAKEN)
            peer_module_drop(peer, peer->modules[i]);
    forget_batch(aot);
    aot->finished = peer->module_count;
    peer_phase_pop(peer);
    return result;
}

/* All addresses are known once the library is loaded. */
static int find(struct peer *peer, struct peer_symbol *symbol, uintptr_t *out_addr,
                struct jd_error *err)
{
    (void)peer;
    *out_addr = 0;
    return jd_fail(err, JD_E_NOT_FOUND, symbol->name, "the library does not have it");
}

/* --- The table
 * ---------------------------------------------------------------------------------------- */

static const struct peer_backend backend = {.ops = &jd_aot_ops,
                                            .size_bytes = sizeof(struct aot),
                                            .open = open_engine,
                                            .close = close_engine,
                                            .define = define,
                                            .take = take,
                                            .finish = finish,
                                            .find = find};

static int create(const struct jd_engine_options *options, struct jd_engine **out,
                  struct jd_error *err)
{
    return peer_create(&backend, options, out, err);
}

const struct jd_engine_ops jd_aot_ops = {
    .name = "aot",
    .summary = "ahead of time: objects, the system's linker, a shared library",
    .caps = JD_CAP_PEER,
    .create = create,
    PEER_OPS,
};
