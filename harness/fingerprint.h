/* SPDX-License-Identifier: Apache-2.0
 *
 * What machine, system and build a report comes from. Knows no engine, plan or JSON.
 *
 * Sources: /proc, /sys, uname(2), sysconf(3), the build's definitions. What cannot be read is the
 * text "unavailable" or JD_NONE, never 0 or a guess.
 */
#ifndef JITDUEL_HARNESS_FINGERPRINT_H
#define JITDUEL_HARNESS_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

enum { JD_FACT_BYTES = 160, JD_CACHES_MAX = 8 };

/** JD_FACT(name, is_stable): stable facts make up the hash; the others may change between two runs
 * on one machine. */
#define JD_FACTS(JD_FACT)                                                                          \
    JD_FACT(arch, true)                                                                            \
    JD_FACT(cpu_model, true)                                                                       \
    JD_FACT(governor, true)                                                                        \
    JD_FACT(turbo, true)                                                                           \
    JD_FACT(hypervisor, true)                                                                      \
    JD_FACT(emulation, true)                                                                       \
    JD_FACT(container, true)                                                                       \
    JD_FACT(transparent_huge_pages, true)                                                          \
    JD_FACT(aslr, true)                                                                            \
    JD_FACT(perf_event_paranoid, false)                                                            \
    JD_FACT(kernel, true)                                                                          \
    JD_FACT(libc, true)                                                                            \
    JD_FACT(libgcc, true)                                                                          \
    JD_FACT(llvm_version, true)                                                                    \
    JD_FACT(llvm_library, true)                                                                    \
    JD_FACT(linker, true)                                                                          \
    JD_FACT(compiler, true)                                                                        \
    JD_FACT(build_type, true)                                                                      \
    JD_FACT(sanitizer, true)                                                                       \
    JD_FACT(jit_cpu, true)                                                                         \
    JD_FACT(jit_features, true)                                                                    \
    JD_FACT(relocation_model, true)                                                                \
    JD_FACT(code_model, true)

struct jd_fingerprint {
#define JD_FACT(name, is_stable) char name[JD_FACT_BYTES];
    JD_FACTS(JD_FACT)
#undef JD_FACT
    uint64_t cpu_online_count, memory_total_bytes, page_size_bytes, max_map_count;
    char caches[JD_CACHES_MAX][32]; /**< "L1d 32K", ... */
    size_t cache_count;
    double load_average_1m; /**< below 0: unavailable */
    uint64_t hash;          /**< over stable facts, counts and caches */
    bool is_emulated;
};

/** This build. Texts are static. */
struct jd_build {
    const char *version, *preset, *git_revision; /**< revision: "unavailable" outside git */
    int dirty;                                   /**< 1, 0, or -1: unavailable */
    bool has_assertions;
    bool has_static_llvm; /**< LLVM is a part of the program, not a library beside it */
};

/** Fill `out`; takes a few milliseconds. Never fails. */
void jd_fingerprint_read(struct jd_fingerprint *out);
/** What was known when this program was built. */
struct jd_build jd_build_info(void);
/** Hash over the bytes of a program file; 0 when it cannot be read. */
uint64_t jd_program_hash(const char *path);

/** Every fact by name. */
struct jd_fact_place {
    const char *name;
    size_t offset;
    bool is_stable;
};
enum {
#define JD_FACT(name, is_stable) JD_FACT_PLACE_##name,
    JD_FACTS(JD_FACT)
#undef JD_FACT
        JD_FACT_COUNT
};
extern const struct jd_fact_place jd_fact_places[JD_FACT_COUNT];

/** Whether times of machines that differ in this fact (index in jd_fact_places) say nothing of each
 * other. */
bool jd_fact_is_hardware(size_t fact);

#endif
