/* SPDX-License-Identifier: Apache-2.0
 *
 * See fingerprint.h.
 */
#include "fingerprint.h"

#include <dirent.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "build_info.h"
#include "rng.h"

static const char unavailable[] = "unavailable";

const struct jd_fact_place jd_fact_places[JD_FACT_COUNT] = {
#define JD_FACT(name, is_stable) {#name, offsetof(struct jd_fingerprint, name), is_stable},
    JD_FACTS(JD_FACT)
#undef JD_FACT
};

bool jd_fact_is_hardware(size_t fact)
{
    return fact == JD_FACT_PLACE_arch || fact == JD_FACT_PLACE_cpu_model ||
           fact == JD_FACT_PLACE_emulation;
}

static void set(char *fact, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set(char *fact, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fact, JD_FACT_BYTES, format, args);
    va_end(args);
    if (!fact[0])
        snprintf(fact, JD_FACT_BYTES, "%s", unavailable);
}

/* First line of a small file, without its end. */
static bool first_line(const char *path, char *out, size_t out_bytes)
{
    FILE *in = fopen(path, "re");
    bool is_there = in && fgets(out, (int)out_bytes, in);
    if (in)
        fclose(in);
    if (!is_there)
        return false;
    out[strcspn(out, "\n")] = '\0';
    return out[0] != '\0';
}

static void set_from_file(char *fact, const char *path)
{
    char line[JD_FACT_BYTES];
    set(fact, "%s", first_line(path, line, sizeof line) ? line : unavailable);
}

/* Value of "key : value" or "key: value" in a /proc file; the first one counts. */
static bool find_value(const char *path, const char *key, char *out, size_t out_bytes)
{
    char line[4096];
    FILE *in = fopen(path, "re");
    bool is_found = false;
    while (in && !is_found && fgets(line, sizeof line, in)) {
        char *colon = strchr(line, ':');
        size_t length = strlen(key);
        if (!colon || strncmp(line, key, length) != 0 ||
            strspn(line + length, " \t") != (size_t)(colon - line) - length)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, out_bytes, "%s", colon + 1 + strspn(colon + 1, " \t"));
        is_found = true;
    }
    if (in)
        fclose(in);
    return is_found;
}

static uint64_t whole_number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    return end == text ? JD_NONE : value;
}

/* ---- the processor ---- */

/* AArch64 kernels give numbers instead of a name. */
static void read_cpu(struct jd_fingerprint *out)
{
    char text[1024], part[64];
    if (find_value("/proc/cpuinfo", "model name", text, sizeof text))
        set(out->cpu_model, "%.150s", text);
    else if (find_value("/proc/cpuinfo", "CPU implementer", text, sizeof text) &&
             find_value("/proc/cpuinfo", "CPU part", part, sizeof part))
        set(out->cpu_model, "implementer %.32s part %s", text, part);
    else
        set(out->cpu_model, "%s", unavailable);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    out->cpu_online_count = online > 0 ? (uint64_t)online : JD_NONE;
    set_from_file(out->governor, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
}

static void read_turbo(struct jd_fingerprint *out)
{
    char text[64];
    if (first_line("/sys/devices/system/cpu/intel_pstate/no_turbo", text, sizeof text))
        set(out->turbo, "%s", !strcmp(text, "0") ? "on" : "off");
    else if (first_line("/sys/devices/system/cpu/cpufreq/boost", text, sizeof text))
        set(out->turbo, "%s", !strcmp(text, "1") ? "on" : "off");
    else
        set(out->turbo, "%s", unavailable);
}

static void read_caches(struct jd_fingerprint *out)
{
    char path[128], level[8], type[24], size[16];
    static const char folder[] = "/sys/devices/system/cpu/cpu0/cache/index";
    for (int i = 0; i < JD_CACHES_MAX; i++) {
        snprintf(path, sizeof path, "%s%d/level", folder, i);
        if (!first_line(path, level, sizeof level))
            break;
        snprintf(path, sizeof path, "%s%d/type", folder, i);
        if (!first_line(path, type, sizeof type))
            break;
        snprintf(path, sizeof path, "%s%d/size", folder, i);
        if (!first_line(path, size, sizeof size))
            break;
        const char *kind = !strcmp(type, "Data") ? "d" : !strcmp(type, "Instruction") ? "i" : "";
        snprintf(out->caches[out->cache_count++], sizeof out->caches[0], "L%s%s %s", level, kind,
                 size);
    }
}

/* ---- what stands between us and the processor ---- */

static void read_hypervisor(struct jd_fingerprint *out)
{
    char text[4096];
    if (first_line("/sys/hypervisor/type", text, sizeof text))
        set(out->hypervisor, "%.100s", text);
    else if (find_value("/proc/cpuinfo", "flags", text, sizeof text))
        set(out->hypervisor, "%s", strstr(text, " hypervisor") ? "yes" : "none");
    else
        set(out->hypervisor, "%s", unavailable);
}

/* qemu-user answers for many files in /proc as the emulated system would, but the process keeps the
 * emulator's name; and AArch64 kernels give cpuinfo no model name, so that one is the host's. */
static void read_emulation(struct jd_fingerprint *out, const struct utsname *names)
{
    char text[256];
    bool is_emulator =
        first_line("/proc/self/comm", text, sizeof text) && !strncmp(text, "qemu-", 5);
    bool is_foreign = !strcmp(names->machine, "aarch64") &&
                      find_value("/proc/cpuinfo", "model name", text, sizeof text);
    out->is_emulated = is_emulator || is_foreign;
    set(out->emulation, "%s", out->is_emulated ? "qemu-user" : "none");
}

static void read_container(struct jd_fingerprint *out)
{
    const char *name = getenv("container");
    if (!access("/.dockerenv", F_OK))
        set(out->container, "docker");
    else if (!access("/run/.containerenv", F_OK))
        set(out->container, "podman");
    else if (name && *name)
        set(out->container, "%.100s", name);
    else
        set(out->container, "none found");
}

/* ---- system ---- */

static void read_memory(struct jd_fingerprint *out)
{
    char text[64];
    long page = sysconf(_SC_PAGESIZE);
    out->page_size_bytes = page > 0 ? (uint64_t)page : JD_NONE;
    out->memory_total_bytes = out->max_map_count = JD_NONE;
    if (find_value("/proc/meminfo", "MemTotal", text, sizeof text) && whole_number(text) != JD_NONE)
        out->memory_total_bytes = whole_number(text) * 1024;
    if (first_line("/proc/sys/vm/max_map_count", text, sizeof text))
        out->max_map_count = whole_number(text);
}

/* "always [madvise] never": the word in brackets. */
static void read_huge_pages(struct jd_fingerprint *out)
{
    char text[64];
    char *word = first_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text)
                     ? strchr(text, '[')
                     : NULL;
    if (word)
        word[strcspn(word, "]")] = '\0';
    set(out->transparent_huge_pages, "%s", word ? word + 1 : unavailable);
}

struct library {
    const char *prefix;
    char *fact;
};

/* The GNU build id of a loaded object (ELF note of type NT_GNU_BUILD_ID), as hex; "" without one.
 */
static void build_id(const struct dl_phdr_info *info, char *out, size_t out_bytes)
{
    out[0] = '\0';
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_NOTE)
            continue;
        const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr);
        const char *end = at + segment->p_memsz;
        while (at + sizeof(ElfW(Nhdr)) < end) {
            ElfW(Nhdr) note;
            memcpy(&note, at, sizeof note);
            const char *name = at + sizeof note;
            const unsigned char *id = (const unsigned char *)name + ((note.n_namesz + 3u) & ~3u);
            if (note.n_type == NT_GNU_BUILD_ID && !strcmp(name, "GNU"))
                for (size_t k = 0; k < note.n_descsz && 2 * k + 3 <= out_bytes; k++)
                    snprintf(out + 2 * k, out_bytes - 2 * k, "%02x", id[k]);
            at = (const char *)id + ((note.n_descsz + 3u) & ~3u);
        }
    }
}

/* The file behind a loaded library, links followed: its name carries the version, where there is
 * one; the build id tells two builds of one version apart. */
static int note_library(struct dl_phdr_info *info, size_t size, void *context)
{
    struct library *library = context;
    const char *slash = strrchr(info->dlpi_name, '/');
    char *path, id[17];
    (void)size;
    if (!slash || strncmp(slash + 1, library->prefix, strlen(library->prefix)) != 0 ||
        !(path = realpath(info->dlpi_name, NULL)))
        return 0;
    build_id(info, id, sizeof id);
    set(library->fact, "%.100s%s%s", strrchr(path, '/') + 1, id[0] ? ", build " : "", id);
    free(path);
    return 1;
}

static void read_libraries(struct jd_fingerprint *out)
{
    struct library llvm = {"libLLVM", out->llvm_library}, gcc = {"libgcc_s", out->libgcc};
    set(out->llvm_library, "%s", JD_BUILD_LLVM_STATIC ? "linked statically" : unavailable);
    set(out->libgcc, "%s", unavailable);
    dl_iterate_phdr(note_library, &llvm);
    dl_iterate_phdr(note_library, &gcc);
    set(out->libc, "glibc %s", gnu_get_libc_version());
    set(out->llvm_version, "%s", JD_BUILD_LLVM_VERSION);
}

static void read_build(struct jd_fingerprint *out)
{
    set(out->linker, "%s", JD_BUILD_LINKER);
    set(out->compiler, "%s", JD_BUILD_COMPILER);
    set(out->build_type, "%s", JD_BUILD_TYPE);
    set(out->sanitizer, "%s", JD_BUILD_SANITIZER[0] ? JD_BUILD_SANITIZER : "none");
    /* The contract: without a CPU string, LLVM's generic one, and no features. The models are the
     * engines' common set-up; nothing tells them to the harness. */
    set(out->jit_cpu, "generic");
    set(out->jit_features, "none");
    set(out->relocation_model, "PIC");
    set(out->code_model, "small");
}

/* ---- together ---- */

static void hash_facts(struct jd_fingerprint *out)
{
    const uint64_t numbers[] = {out->cpu_online_count, out->memory_total_bytes,
                                out->page_size_bytes, out->max_map_count};
    uint64_t hash = jd_hash64(JD_HASH64_INIT, numbers, sizeof numbers);
    for (size_t i = 0; i < JD_FACT_COUNT; i++)
        if (jd_fact_places[i].is_stable)
            hash = jd_hash64_text(hash, (const char *)out + jd_fact_places[i].offset);
    for (size_t i = 0; i < out->cache_count; i++)
        hash = jd_hash64_text(hash, out->caches[i]);
    out->hash = hash;
}

void jd_fingerprint_read(struct jd_fingerprint *out)
{
    struct utsname names;
    memset(out, 0, sizeof *out);
    if (uname(&names))
        memset(&names, 0, sizeof names);
    set(out->arch, "%s", names.machine);
    set(out->kernel, "%.60s %.90s", names.sysname, names.release);
    read_cpu(out);
    read_turbo(out);
    read_caches(out);
    read_hypervisor(out);
    read_emulation(out, &names);
    read_container(out);
    read_memory(out);
    read_huge_pages(out);
    set_from_file(out->aslr, "/proc/sys/kernel/randomize_va_space");
    set_from_file(out->perf_event_paranoid, "/proc/sys/kernel/perf_event_paranoid");
    read_libraries(out);
    read_build(out);
    if (getloadavg(&out->load_average_1m, 1) != 1)
        out->load_average_1m = -1;
    hash_facts(out);
}

struct jd_build jd_build_info(void)
{
    return (struct jd_build){JD_BUILD_VERSION,
                             JD_BUILD_PRESET,
                             JD_BUILD_GIT_REVISION,
                             JD_BUILD_GIT_DIRTY,
#ifdef NDEBUG
                             false,
#else
                             true,
#endif
                             JD_BUILD_LLVM_STATIC};
}

uint64_t jd_program_hash(const char *path)
{
    unsigned char bytes[1 << 13];
    uint64_t hash = JD_HASH64_INIT;
    size_t count;
    FILE *in = fopen(path, "re");
    if (!in)
        return 0;
    while ((count = fread(bytes, 1, sizeof bytes, in)) > 0)
        hash = jd_hash64(hash, bytes, count);
    if (ferror(in))
        hash = 0;
    fclose(in);
    return hash;
}
