/* SPDX-License-Identifier: Apache-2.0
 *
 * Object files: the ELF reader, placing, symbols, relocation, unwind tables. Any bytes are an
 * object or an error; nothing of them runs.
 */
#include <string.h>

#include "fuzz_support.h"
#include "object.h"

static char target[64];

static int resolve(void *context, const struct jd_object_symbol *symbol, uintptr_t *out_addr,
                   struct jd_error *err)
{
    (void)context;
    (void)err;
    *out_addr = symbol->addr ? symbol->addr : (uintptr_t)target;
    return 0;
}

static void use(struct jd_object *object, struct jd_error *err)
{
    size_t seen = 0;
    for (size_t i = 0; i < jd_object_symbol_count(object); i++)
        seen += strlen(jd_object_symbol_at(object, i)->name);
    for (size_t i = 0; i < jd_object_structor_count(object); i++)
        seen += jd_object_structor_at(object, i).priority;
    if (jd_object_link(object, resolve, &seen, err) == 0)
        jd_object_publish(object, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static struct jd_arena *arena;
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    if (!arena && jd_arena_create(JD_ARENA_DUAL, 64u << 20, &arena, &err) != 0)
        abort();
    const struct jd_object_host host = {.arena = arena, .arch = &jd_stub_arch_native};
    if (jd_object_open(&host, bytes, size_bytes, "input.o", &object, &err) == 0)
        use(object, &err);
    jd_object_close(object);
    return 0;
}
