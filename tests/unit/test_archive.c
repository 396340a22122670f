/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives, written byte by byte from the System V ABI: which member defines a name, long member
 * names, both sizes of index words, and every way of being cut short.
 */
#include "expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "archive.h"

/* An archive that grows at its end. */
struct writer {
    char bytes[2048];
    size_t used;
};

static size_t put_header(struct writer *w, const char *name, size_t size_bytes)
{
    size_t offset = w->used;
    w->used += (size_t)sprintf(w->bytes + w->used, "%-16s%-12d%-6d%-6d%-8o%-10zu`\n", name, 0, 0, 0,
                               0644, size_bytes);
    return offset;
}

static void put(struct writer *w, const void *bytes, size_t size_bytes)
{
    memcpy(w->bytes + w->used, bytes, size_bytes);
    w->used += size_bytes;
    if (w->used % 2)
        w->bytes[w->used++] = '\n';
}

static void put_word(unsigned char *at, unsigned word, uint64_t value)
{
    for (unsigned i = 0; i < word; i++)
        at[i] = (unsigned char)(value >> 8 * (word - 1 - i));
}

static const char symbols[] = "alpha\0beta\0both\0gamma\0both";
enum { SYMBOLS = 5, SYMBOL_BYTES = sizeof symbols };

/* Members: one.o defines alpha, beta and both; the second, with a long name, gamma and both. */
static void write_sample(struct writer *w, unsigned word)
{
    static const char long_names[] = "a_member_with_a_long_name.o/\n";
    unsigned char index[8 * (SYMBOLS + 1) + SYMBOL_BYTES];
    size_t index_bytes = word * (SYMBOLS + 1) + SYMBOL_BYTES, members[2];
    *w = (struct writer){.used = 8};
    memcpy(w->bytes, "!<arch>\n", 8);
    size_t index_at = put_header(w, word == 4 ? "/" : "/SYM64/", index_bytes);
    put(w, index, index_bytes);
    put_header(w, "//", sizeof long_names - 1);
    put(w, long_names, sizeof long_names - 1);
    members[0] = put_header(w, "one.o/", 3);
    put(w, "ONE", 3);
    members[1] = put_header(w, "/0", 4);
    put(w, "TWO!", 4);
    put_word(index, word, SYMBOLS);
    for (unsigned i = 0; i < SYMBOLS; i++)
        put_word(index + word * (i + 1), word, members[i >= 3]);
    memcpy(index + word * (SYMBOLS + 1), symbols, SYMBOL_BYTES);
    memcpy(w->bytes + index_at + 60, index, index_bytes);
}

static void finds_members_by_symbol(void **state)
{
    (void)state;
    for (unsigned word = 4; word <= 8; word += 4) {
        struct jd_error err = JD_ERROR_INIT;
        struct jd_archive *archive;
        struct writer w;
        write_sample(&w, word);
        assert_true(jd_archive_is(w.bytes, w.used));
        expect_ok(jd_archive_open(w.bytes, w.used, "lib.a", &archive, &err), &err);
        assert_true(jd_archive_has(archive, "both"));
        assert_false(jd_archive_has(archive, "delta"));
        assert_null(jd_archive_take(archive, "alph"));
        const struct jd_archive_member *first = jd_archive_take(archive, "both");
        assert_string_equal(first->name, "lib.a(one.o)");
        assert_int_equal(first->size_bytes, 3);
        assert_memory_equal(first->bytes, "ONE", 3);
        assert_false(jd_archive_has(archive, "alpha")); /* its member is out */
        assert_null(jd_archive_take(archive, "beta"));
        const struct jd_archive_member *second = jd_archive_take(archive, "both");
        assert_string_equal(second->name, "lib.a(a_member_with_a_long_name.o)");
        assert_memory_equal(second->bytes, "TWO!", 4);
        assert_null(jd_archive_take(archive, "both"));
        assert_null(jd_archive_take(archive, "gamma"));
        jd_archive_close(archive);
    }
}

static void refuses_what_it_cannot_read(void **state)
{
    static const char thin[] = "!<thin>\n", empty[] = "!<arch>\n";
    struct jd_error err = JD_ERROR_INIT;
    struct jd_archive *archive;
    struct writer w = {.used = 8};
    (void)state;
    expect_error(jd_archive_open("\177ELF....", 8, "x.o", &archive, &err), JD_E_BAD_FILE,
                 "x.o: not an archive", &err);
    expect_error(jd_archive_open(thin, 8, "t.a", &archive, &err), JD_E_UNSUPPORTED, "t.a: a thin",
                 &err);
    assert_true(jd_archive_is(thin, 8));
    expect_ok(jd_archive_open(empty, 8, "e.a", &archive, &err), &err);
    assert_false(jd_archive_has(archive, "alpha"));
    jd_archive_close(archive);
    memcpy(w.bytes, empty, 8);
    put_header(&w, "one.o/", 3);
    put(&w, "ONE", 3);
    expect_error(jd_archive_open(w.bytes, w.used, "n.a", &archive, &err), JD_E_BAD_FILE,
                 "n.a: archive without a symbol index", &err);
    jd_archive_close(NULL);
}

/* Cut anywhere or with any byte wrong: an error or an archive, never a wild read (the copy lies at
 * the end of its allocation). */
static void survives_damage(void **state)
{
    struct jd_archive *archive;
    struct writer w;
    (void)state;
    write_sample(&w, 4);
    for (size_t size = 0; size < w.used; size++) {
        char *copy = malloc(size ? size : 1);
        memcpy(copy, w.bytes, size);
        if (size > 8) {
            struct jd_error err = JD_ERROR_INIT;
            int result = jd_archive_open(copy, size, "cut.a", &archive, &err);
            assert_true(result == JD_E_BAD_FILE || !result);
            jd_archive_close(archive);
        }
        free(copy);
    }
    for (size_t at = 8; at < w.used; at++)
        for (unsigned value = 0; value < 256; value += 51) {
            char *copy = malloc(w.used);
            memcpy(copy, w.bytes, w.used);
            copy[at] = (char)value;
            if (!jd_archive_open(copy, w.used, "bad.a", &archive, NULL))
                jd_archive_take(archive, "both");
            jd_archive_close(archive);
            free(copy);
        }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_members_by_symbol),
        cmocka_unit_test(refuses_what_it_cannot_read),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
