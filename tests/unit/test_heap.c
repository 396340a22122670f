/* SPDX-License-Identifier: Apache-2.0
 *
 * The prepared heap: on huge pages, kept once taken, and left alone where the user has set it up.
 */
#include "expect.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "emulated.h"
#include "heap.h"

enum { BLOCKS = 4096, BLOCK_BYTES = 4096, SKIPPED = 77 };

/* Is the mapping of the address advised to be on huge pages ("hg" in proc_pid_smaps(5))? */
static bool is_advised(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool is_ours = false, is_advised = false;
    while (file && fgets(line, sizeof line, file)) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            is_ours = (unsigned long)address >= begin && (unsigned long)address < end;
        else if (is_ours && !strncmp(line, "VmFlags:", 8))
            is_advised = strstr(line, " hg") != NULL;
    }
    if (file)
        fclose(file);
    return is_advised;
}

static void test_user_settings_win(void **state)
{
    (void)state;
    const char *before = sbrk(0);
    setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0", 1);
    jd_heap_prepare();
    unsetenv("GLIBC_TUNABLES");
    assert_true(before == (char *)sbrk(0));
}

static void test_heap_is_large_and_stays(void **state)
{
    (void)state;
    static void *blocks[BLOCKS];
    jd_heap_prepare();
    const char *top = sbrk(0);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_non_null(blocks[i] = malloc(BLOCK_BYTES));
    const void *last = blocks[BLOCKS - 1];
    if (is_emulated()) /* qemu-user takes madvise and passes nothing on */
        puts("not looked at under an emulator: huge pages");
    else
        assert_true(is_advised(last));
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    assert_true(top == (char *)sbrk(0)); /* neither grown for 16 MiB nor given back after */
}

static bool has_huge_pages(void)
{
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED && !madvise(page, 4096, MADV_HUGEPAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_settings_win),
        cmocka_unit_test(test_heap_is_large_and_stays),
    };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    puts("skipped: the sanitizer brings a heap of its own");
    return SKIPPED;
#endif
    if (!has_huge_pages()) {
        puts("skipped: the kernel has no transparent huge pages");
        return SKIPPED;
    }
    if (getenv("GLIBC_TUNABLES")) {
        puts("skipped: GLIBC_TUNABLES is set");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
