/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a catalogue, for the files that fill it: descriptor.c, generated.c, suite.c.
 * Private to workloads/.
 */
#ifndef JITDUEL_WORKLOADS_CATALOGUE_H
#define JITDUEL_WORKLOADS_CATALOGUE_H

#include "jitduel/synth.h"
#include "jitduel/workload.h"
#include "text.h"

/** A workload and what only this room knows of it. The public part comes first, so that a
 * jd_workload of a catalogue leads back to its entry. */
struct workloads_entry {
    struct jd_workload workload;
    char hash[65];
    bool is_generated;
    struct jd_synth_params shape;         /**< when generated */
    char expected[JD_SYNTH_OUTPUT_BYTES]; /**< when generated and materialised */
    const char *output; /**< when generated: file name that the modules' names come from */
};

struct jd_catalogue {
    struct workloads_pool pool;
    const char *source_dir, *bitcode_dir;
    const struct jd_workload **all;
    size_t count, capacity;
    struct jd_suite *suites;
    size_t suite_count, suite_capacity;
};

/** A growing list in malloc'd memory: make room for one more element. Errors: NO_MEMORY. */
int workloads_grow(void *list_pointer, size_t *capacity, size_t count, size_t element_bytes,
                   struct jd_error *err);
/** Add a new, empty entry. Errors: NO_MEMORY. */
int workloads_entry_add(struct jd_catalogue *catalogue, struct workloads_entry **out,
                        struct jd_error *err);
/** Give the entry its name and, from the part before the slash, its group. Errors: BAD_FILE. */
int workloads_entry_name(struct jd_catalogue *catalogue, const struct workloads_text *text,
                         struct workloads_entry *entry, const char *name, struct jd_error *err);

/** Read source_dir/<folder>/<name>.workload; its bitcode is in bitcode_dir/<folder>. */
int workloads_descriptor_read(struct jd_catalogue *catalogue, const char *folder, const char *name,
                              struct jd_error *err);
/** Read source_dir/<folder>/<name>.synth: one generated workload in each line. */
int workloads_generated_read(struct jd_catalogue *catalogue, const char *folder, const char *name,
                             struct jd_error *err);
/** Read source_dir/<folder>/<name>.suite. All workloads must be there already. */
int workloads_suite_read(struct jd_catalogue *catalogue, const char *folder, const char *name,
                         struct jd_error *err);

/** Compute the entry's hash from its files, if it has none yet. Errors: IO. */
int workloads_entry_hash(struct workloads_entry *entry, struct jd_error *err);

#endif
