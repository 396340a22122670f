/* SPDX-License-Identifier: Apache-2.0
 *
 * The one list of engines. To add an engine: declare its table here, list it, link its library.
 */
#include "jitduel/engine.h"

#include <string.h>

extern const struct jd_engine_ops jd_legacy_ops;
extern const struct jd_engine_ops jd_mcjit_ops;
extern const struct jd_engine_ops jd_orc_ops;
extern const struct jd_engine_ops jd_orc_rtdyld_ops;
extern const struct jd_engine_ops jd_orc_lazy_ops;
extern const struct jd_engine_ops jd_orc_lazy_split_ops;
extern const struct jd_engine_ops jd_aot_ops;
extern const struct jd_engine_ops jd_interp_ops;

extern const struct jd_engine_ops jd_mcjit_linked_ops;
extern const struct jd_engine_ops jd_mcjit_module_ops;

const struct jd_engine_ops *const jd_engine_registry[] = {
    &jd_legacy_ops,     &jd_mcjit_ops,    &jd_orc_ops,
    &jd_orc_rtdyld_ops, &jd_orc_lazy_ops, &jd_orc_lazy_split_ops,
    &jd_aot_ops,        &jd_interp_ops,   NULL,
};

const struct jd_engine_ops *const jd_engine_arms[] = {
    &jd_mcjit_linked_ops,
    &jd_mcjit_module_ops,
    NULL,
};

static const struct jd_engine_ops *find_in(const struct jd_engine_ops *const *list,
                                           const char *name)
{
    while (*list && strcmp((*list)->name, name) != 0)
        list++;
    return *list;
}

const struct jd_engine_ops *jd_engine_find(const char *name)
{
    const struct jd_engine_ops *ops = find_in(jd_engine_registry, name);
    return ops ? ops : find_in(jd_engine_arms, name);
}

static void list_names(char *out, size_t out_bytes)
{
    out[0] = '\0';
    for (size_t i = 0; jd_engine_registry[i]; i++) {
        size_t used = strlen(out);
        const char *separator = i ? ", " : "";
        const char *name = jd_engine_registry[i]->name;
        if (used + strlen(separator) + strlen(name) + 1 > out_bytes)
            return;
        strcat(strcat(out, separator), name);
    }
}

int jd_engine_create(const char *name, const struct jd_engine_options *options,
                     struct jd_engine **out, struct jd_error *err)
{
    const struct jd_engine_ops *ops = jd_engine_find(name);
    char names[256];
    *out = NULL;
    if (!ops) {
        list_names(names, sizeof names);
        return jd_fail(err, JD_E_NOT_FOUND, name, "unknown engine (there are: %s)", names);
    }
    return ops->create(options, out, err);
}

void jd_engine_destroy(struct jd_engine *engine)
{
    if (engine)
        engine->ops->destroy(engine);
}
