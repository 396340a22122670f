/* SPDX-License-Identifier: Apache-2.0
 *
 * The fingerprint: repeatable, complete, and silent about what it does not know.
 */
#include "expect.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fingerprint.h"

static const char *fact(const struct jd_fingerprint *from, size_t i)
{
    return (const char *)from + jd_fact_places[i].offset;
}

static void test_repeatable(void **state)
{
    struct jd_fingerprint first, second;
    (void)state;
    jd_fingerprint_read(&first);
    jd_fingerprint_read(&second);
    assert_int_equal(first.hash, second.hash);
    for (size_t i = 0; i < JD_FACT_COUNT; i++)
        assert_string_equal(fact(&first, i), fact(&second, i));
}

static void test_complete(void **state)
{
    struct jd_fingerprint found;
    struct utsname names;
    (void)state;
    jd_fingerprint_read(&found);
    for (size_t i = 0; i < JD_FACT_COUNT; i++)
        assert_true(fact(&found, i)[0] != '\0');
    assert_int_equal(uname(&names), 0);
    assert_string_equal(found.arch, names.machine);
    assert_non_null(strstr(found.kernel, names.release));
    assert_int_equal(found.page_size_bytes, sysconf(_SC_PAGESIZE));
    assert_int_equal(found.cpu_online_count, sysconf(_SC_NPROCESSORS_ONLN));
    assert_true(found.memory_total_bytes > 1024 * 1024);
    assert_non_null(strstr(found.libc, "glibc 2."));
}

/* This test is not linked to LLVM, which is a matter of the build where no library is expected. */
static void test_unknown_is_said(void **state)
{
    struct jd_fingerprint found;
    (void)state;
    jd_fingerprint_read(&found);
    assert_string_equal(found.llvm_library,
                        jd_build_info().has_static_llvm ? "linked statically" : "unavailable");
}

static void test_program_hash(void **state)
{
    char path[] = "/tmp/jd-fingerprint-XXXXXX";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "foobar", 6) == 6);
    assert_int_equal(jd_program_hash(path), UINT64_C(0x85944171f73967e8)); /* FNV-1a's own */
    assert_int_equal(write(fd, "!", 1), 1);
    assert_true(jd_program_hash(path) != UINT64_C(0x85944171f73967e8));
    close(fd);
    unlink(path);
    assert_int_equal(jd_program_hash(path), 0);
}

static void test_build(void **state)
{
    struct jd_build build = jd_build_info();
    size_t length = strlen(build.git_revision);
    (void)state;
    assert_true(build.version[0] && build.preset[0]);
    assert_true(length == 40 || !strcmp(build.git_revision, "unavailable"));
    assert_int_equal(build.dirty < 0, length != 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeatable),      cmocka_unit_test(test_complete),
        cmocka_unit_test(test_unknown_is_said), cmocka_unit_test(test_program_hash),
        cmocka_unit_test(test_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
