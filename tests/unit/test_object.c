/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole objects in the arena, as the build's own compiler writes them (tests/support/objects): what
 * they define and want, code that runs, constructors, and every way of being cut short.
 */
#include "expect.h"

#include <elf.h>
#include <stdlib.h>

#include "object.h"
#include "read_file.h"

static struct jd_arena *arena;

static int set_up(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    return jd_arena_create(JD_ARENA_DUAL, 0, &arena, &err);
}

static int tear_down(void **state)
{
    (void)state;
    jd_arena_destroy(arena);
    return 0;
}

static int open_bytes(const void *bytes, size_t size_bytes, struct jd_object **out,
                      struct jd_error *err)
{
    const struct jd_object_host host = {.arena = arena, .arch = &jd_stub_arch_native};
    return jd_object_open(&host, bytes, size_bytes, "test.o", out, err);
}

static int open_file(const char *path, struct jd_object **out, struct jd_error *err)
{
    size_t size_bytes;
    void *bytes = read_file(path, &size_bytes);
    int result = open_bytes(bytes, size_bytes, out, err);
    free(bytes); /* the object has a copy */
    return result;
}

static const struct jd_object_symbol *find(const struct jd_object *object, const char *name)
{
    for (size_t i = 0; i < jd_object_symbol_count(object); i++)
        if (!strcmp(jd_object_symbol_at(object, i)->name, name))
            return jd_object_symbol_at(object, i);
    return NULL;
}

/* The other half of the program. */
static int ir_data = 99;
static unsigned prints;

static int from_ir(int x)
{
    return 3 * x;
}

static int count_print(const char *format, ...)
{
    (void)format;
    return (int)++prints;
}

static int do_nothing(void)
{
    return 0;
}

static int resolve(void *context, const struct jd_object_symbol *symbol, uintptr_t *out_addr,
                   struct jd_error *err)
{
    const char *missing = context;
    *out_addr = symbol->addr;
    if (symbol->addr)
        return JD_OK;
    if (missing && !strcmp(symbol->name, missing))
        return jd_fail(err, JD_E_UNRESOLVED, symbol->name, "unresolved symbol");
    if (!strcmp(symbol->name, "from_ir"))
        *out_addr = (uintptr_t)from_ir;
    else if (!strcmp(symbol->name, "ir_data"))
        *out_addr = (uintptr_t)&ir_data;
    else if (strstr(symbol->name, "printf"))
        *out_addr = (uintptr_t)count_print;
    else
        *out_addr = (uintptr_t)do_nothing;
    return JD_OK;
}

static void tells_what_it_has_and_wants(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    (void)state;
    expect_ok(open_file(JD_OBJECT_ANSWER, &object, &err), &err);
    const struct jd_object_symbol *answer = find(object, "object_answer");
    const struct jd_object_symbol *table = find(object, "object_table");
    const struct jd_object_symbol *wanted = find(object, "from_ir");
    assert_non_null(answer);
    assert_int_equal(answer->rank, JD_OBJECT_STRONG);
    assert_true(answer->is_function && answer->addr);
    assert_true(!table->is_function && table->addr);
    assert_true(jd_arena_is_kind(arena, answer->addr, JD_ARENA_CODE));
    assert_true(jd_arena_is_kind(arena, table->addr, JD_ARENA_DATA));
    assert_int_equal(wanted->rank, JD_OBJECT_UNDEFINED);
    assert_false(wanted->is_weak);
    assert_null(find(object, "constructed")); /* a local */
    assert_int_equal(jd_object_structor_count(object), 2);
    assert_int_equal(jd_object_structor_at(object, 0).addr, 0);
    jd_object_close(object); /* never linked */
    jd_object_close(NULL);
}

static void links_and_runs(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    (void)state;
    expect_ok(open_file(JD_OBJECT_ANSWER, &object, &err), &err);
    expect_error(jd_object_link(object, resolve, (void *)"from_ir", &err), JD_E_UNRESOLVED,
                 "test.o: from_ir", &err);
    expect_ok(jd_object_link(object, resolve, NULL, &err), &err);
    expect_ok(jd_object_link(object, resolve, NULL, &err), &err); /* as if once */
    expect_ok(jd_object_publish(object, &err), &err);
    assert_true(jd_object_relocation_count(object) > 5);
    for (size_t i = 0; i < 2; i++) {
        struct jd_object_structor structor = jd_object_structor_at(object, i);
        assert_int_equal(structor.priority, structor.is_destructor ? 65535 : 200);
        assert_true(jd_arena_is_kind(arena, structor.addr, JD_ARENA_CODE));
        if (!structor.is_destructor)
            ((void (*)(void))structor.addr)();
    }
    int (*answer)(int) = (int (*)(int))find(object, "object_answer")->addr;
    assert_int_equal(answer(20), 3 * 20 + 3);
    assert_true(prints >= 1);
    jd_object_close(object);
}

static void refuses_thread_local_variables(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    (void)state;
    expect_error(open_file(JD_OBJECT_THREAD_LOCAL, &object, &err), JD_E_UNSUPPORTED,
                 "test.o: ", &err);
    assert_null(object);
}

static void refuses_other_cpus_and_damage(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    size_t size_bytes;
    unsigned char *bytes = read_file(JD_OBJECT_ANSWER, &size_bytes);
    (void)state;
    unsigned char machine = bytes[18];
    bytes[18] = 40;
    expect_error(open_bytes(bytes, size_bytes, &object, &err), JD_E_WRONG_TARGET,
                 "object is for ELF machine 40", &err);
    bytes[18] = machine;
    for (size_t size = 0; size < size_bytes; size += 1 + size / 50) {
        int result = open_bytes(bytes, size, &object, &err);
        assert_true(result == JD_E_BAD_FILE || result == JD_E_UNSUPPORTED || !result);
        jd_object_close(object);
        jd_error_clear(&err);
    }
    bytes[16] = 3; /* a shared library */
    expect_error(open_bytes(bytes, size_bytes, &object, &err), JD_E_BAD_FILE,
                 "test.o: damaged object: type 3 is not relocatable", &err);
    free(bytes);
}

static Elf64_Shdr *section_named(unsigned char *bytes, const char *name)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)bytes;
    Elf64_Shdr *sections = (Elf64_Shdr *)(bytes + header->e_shoff);
    const char *names = (const char *)bytes + sections[header->e_shstrndx].sh_offset;
    for (uint32_t i = 1; i < header->e_shnum; i++)
        if (!strncmp(names + sections[i].sh_name, name, strlen(name)))
            return &sections[i];
    fail_msg("no section %s", name);
    return NULL;
}

/* Its file would be small and its list of any length. */
static void refuses_constructors_without_contents(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    size_t size_bytes;
    unsigned char *bytes = read_file(JD_OBJECT_ANSWER, &size_bytes);
    (void)state;
    Elf64_Shdr *constructors = section_named(bytes, ".init_array");
    Elf64_Shdr *relas = section_named(bytes, ".rela.init_array");
    constructors->sh_type = SHT_NOBITS;
    constructors->sh_size = 1u << 20;
    relas->sh_size = 0;
    expect_error(open_bytes(bytes, size_bytes, &object, &err), JD_E_BAD_FILE, "has no contents",
                 &err);
    assert_null(object);
    free(bytes);
}

/* The type says that the other members of the header mean nothing; a sum with them would wrap. */
static void leaves_out_null_sections(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    size_t size_bytes;
    unsigned char *bytes = read_file(JD_OBJECT_ANSWER, &size_bytes);
    (void)state;
    Elf64_Shdr *comment = section_named(bytes, ".comment");
    comment->sh_type = SHT_NULL;
    comment->sh_flags = SHF_ALLOC | SHF_WRITE;
    comment->sh_size = UINT64_MAX - 64;
    expect_ok(open_bytes(bytes, size_bytes, &object, &err), &err);
    expect_ok(jd_object_link(object, resolve, NULL, &err), &err);
    jd_object_close(object);
    free(bytes);
}

/* As a member of an archive may be. */
static void is_read_from_any_address(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    size_t size_bytes;
    void *bytes = read_file(JD_OBJECT_ANSWER, &size_bytes);
    char *shifted = malloc(size_bytes + 2);
    (void)state;
    assert_non_null(shifted);
    memcpy(shifted + 2, bytes, size_bytes);
    expect_ok(open_bytes(shifted + 2, size_bytes, &object, &err), &err);
    assert_non_null(find(object, "object_answer"));
    jd_object_close(object);
    free(shifted);
    free(bytes);
}

static void memory_is_given_back(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_arena_stats before, after;
    struct jd_object *object;
    (void)state;
    jd_arena_get_stats(arena, &before);
    for (int i = 0; i < 100; i++) {
        expect_ok(open_file(JD_OBJECT_ANSWER, &object, &err), &err);
        expect_ok(jd_object_link(object, resolve, NULL, &err), &err);
        expect_ok(jd_object_publish(object, &err), &err);
        jd_object_close(object);
    }
    jd_arena_get_stats(arena, &after);
    assert_int_equal(after.used_bytes[JD_ARENA_CODE], before.used_bytes[JD_ARENA_CODE]);
    assert_true(after.committed_bytes <= before.committed_bytes + (1 << 20));
}

/* The assembler makes an empty .text even where nothing is in it: make it a comment. */
static void *read_without_text(const char *path, size_t *out_bytes)
{
    char *bytes = read_file(path, out_bytes);
    const Elf64_Ehdr *header = (const void *)bytes;
    Elf64_Shdr *sections = (void *)(bytes + header->e_shoff);
    for (unsigned i = 0; i < header->e_shnum; i++)
        if (sections[i].sh_flags & SHF_EXECINSTR)
            sections[i].sh_flags = 0;
    return bytes;
}

/* libgcc aborts when it is told to forget what it was never told of. */
static void frames_without_code_are_nobodys(void **state)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    size_t size_bytes;
    void *bytes = read_without_text(JD_OBJECT_FRAMES_ONLY, &size_bytes);
    (void)state;
    expect_ok(open_bytes(bytes, size_bytes, &object, &err), &err);
    free(bytes);
    expect_ok(jd_object_link(object, resolve, NULL, &err), &err);
    expect_ok(jd_object_publish(object, &err), &err);
    const struct jd_object_symbol *data = find(object, "frames_only_data");
    assert_non_null(data);
    assert_int_equal(*(const int *)data->addr, 7);
    jd_object_close(object);
}

static unsigned frames_added, frames_removed;

static int count_added(void *context, const struct jd_arena_block *code, void *write,
                       uintptr_t frames_addr, size_t size_bytes, struct jd_error *err)
{
    (void)context;
    (void)write;
    (void)frames_addr;
    (void)size_bytes;
    (void)err;
    assert_true(code->size_bytes > 0);
    frames_added++;
    return JD_OK;
}

static void count_removed(void *context, const struct jd_arena_block *code)
{
    (void)context;
    assert_true(code->size_bytes > 0);
    frames_removed++;
}

static void add_and_close(void *bytes, size_t size_bytes)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_object *object;
    const struct jd_object_host host = {.arena = arena,
                                        .arch = &jd_stub_arch_native,
                                        .add_frames = count_added,
                                        .remove_frames = count_removed};
    expect_ok(jd_object_open(&host, bytes, size_bytes, "test.o", &object, &err), &err);
    free(bytes);
    expect_ok(jd_object_link(object, resolve, NULL, &err), &err);
    expect_ok(jd_object_publish(object, &err), &err);
    jd_object_close(object);
}

static void what_was_added_is_removed_once(void **state)
{
    size_t size_bytes;
    void *bytes = read_without_text(JD_OBJECT_FRAMES_ONLY, &size_bytes);
    (void)state;
    frames_added = frames_removed = 0;
    add_and_close(bytes, size_bytes);
    assert_int_equal(frames_added, 0);
    assert_int_equal(frames_removed, 0);
    bytes = read_file(JD_OBJECT_ANSWER, &size_bytes);
    add_and_close(bytes, size_bytes);
    assert_int_equal(frames_added, 1);
    assert_int_equal(frames_removed, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_it_has_and_wants),
        cmocka_unit_test(links_and_runs),
        cmocka_unit_test(refuses_thread_local_variables),
        cmocka_unit_test(refuses_other_cpus_and_damage),
        cmocka_unit_test(refuses_constructors_without_contents),
        cmocka_unit_test(leaves_out_null_sections),
        cmocka_unit_test(is_read_from_any_address),
        cmocka_unit_test(memory_is_given_back),
        cmocka_unit_test(frames_without_code_are_nobodys),
        cmocka_unit_test(what_was_added_is_removed_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
