/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory instrument against memory that the test takes itself.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "expect.h"
#include "measure/memory.h"

/* A machine that is short of memory may take pages away between the touch and the look. */
enum { TAKEN_BYTES = 32 << 20, SLACK_BYTES = 4 << 20, TRIES = 20 };

static int near(uint64_t before, uint64_t after)
{
    uint64_t grown = after - before;
    return grown >= TAKEN_BYTES - SLACK_BYTES && grown <= TAKEN_BYTES + SLACK_BYTES;
}

static void touched_pages_are_seen(void **state)
{
    struct jd_memory before, after;
    (void)state;
#if defined(__SANITIZE_THREAD__)
    print_message("skipped: ThreadSanitizer keeps a shadow of each page that is touched\n");
    skip();
#endif
    jd_memory_read(JD_MEMORY_FULL, &before);
    if (before.private_dirty_bytes == JD_MEMORY_UNKNOWN ||
        before.rss_anon_bytes == JD_MEMORY_UNKNOWN)
        skip(); /* an emulator's /proc */
    void *taken =
        mmap(NULL, TAKEN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(taken, MAP_FAILED);
    bool is_seen = false;
    for (int try = 0; try < TRIES && !is_seen; try++) {
        memset(taken, 1, TAKEN_BYTES);
        jd_memory_read(JD_MEMORY_FULL, &after);
        is_seen = near(before.rss_anon_bytes, after.rss_anon_bytes) &&
                  near(before.private_dirty_bytes, after.private_dirty_bytes);
    }
    assert_true(is_seen);
    assert_true(after.vm_hwm_bytes >= TAKEN_BYTES);
    assert_true(after.minor_faults > before.minor_faults);
    munmap(taken, TAKEN_BYTES);
}

static void heap_is_seen(void **state)
{
    struct jd_memory before, after;
    (void)state;
    jd_memory_read(JD_MEMORY_CHEAP, &before);
    char *volatile large = malloc(TAKEN_BYTES);
    assert_non_null(large);
    jd_memory_read(JD_MEMORY_CHEAP, &after);
    free(large);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* the sanitizer's own malloc tells mallinfo2 nothing */
#endif
    assert_true(near(before.heap_in_use_bytes, after.heap_in_use_bytes));
}

static void cheap_does_not_walk_the_mappings(void **state)
{
    struct jd_memory memory;
    (void)state;
    jd_memory_read(JD_MEMORY_CHEAP, &memory);
    assert_true(memory.private_dirty_bytes == JD_MEMORY_UNKNOWN);
    assert_true(memory.minor_faults != JD_MEMORY_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(touched_pages_are_seen),
        cmocka_unit_test(heap_is_seen),
        cmocka_unit_test(cheap_does_not_walk_the_mappings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
