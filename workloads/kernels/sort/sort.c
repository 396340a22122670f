/* SPDX-License-Identifier: Apache-2.0
 *
 * Quicksort with a comparator by pointer, and libc's qsort with the same comparators: code that is
 * called through pointers, by our own code and by the host's.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 2000 };

typedef int compare_fn(const void *a, const void *b);

struct pair {
    uint32_t key, index;
};

int by_key(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    return left->key != right->key ? (left->key < right->key ? -1 : 1)
                                   : (left->index > right->index) - (left->index < right->index);
}

int by_index_down(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    return (left->index < right->index) - (left->index > right->index);
}

static void swap(struct pair *a, struct pair *b)
{
    struct pair kept = *a;
    *a = *b;
    *b = kept;
}

/* Hoare's partition around the middle; recursion into the smaller part bounds the depth. */
void quicksort(struct pair *items, size_t count, compare_fn *compare)
{
    while (count > 1) {
        struct pair pivot = items[count / 2];
        size_t i = 0, j = count - 1;
        for (;; i++, j--) {
            while (compare(&items[i], &pivot) < 0)
                i++;
            while (compare(&items[j], &pivot) > 0)
                j--;
            if (i >= j)
                break;
            swap(&items[i], &items[j]);
        }
        size_t left = i, right = count - i;
        if (left < right) {
            quicksort(items, left, compare);
            items += left;
            count = right;
        } else {
            quicksort(items + left, right, compare);
            count = left;
        }
    }
}

static void fill(struct pair *items, uint32_t count)
{
    uint32_t state = 1;
    for (uint32_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        items[i] = (struct pair){state >> 20, i};
    }
}

static int is_sorted(const struct pair *items, size_t count, compare_fn *compare)
{
    for (size_t i = 1; i < count; i++)
        if (compare(&items[i - 1], &items[i]) >= 0)
            return 0;
    return 1;
}

/* Sum of key times place, which depends on the whole order. */
static uint64_t weigh(const struct pair *items, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (uint64_t)items[i].key * (i + 1);
    return sum;
}

int64_t kernel_step(int64_t n)
{
    static struct pair items[COUNT];
    fill(items, (uint32_t)n);
    quicksort(items, (size_t)n, by_key);
    return (int64_t)weigh(items, (size_t)n);
}

int main(void)
{
    static struct pair ours[COUNT], theirs[COUNT];
    fill(ours, COUNT);
    fill(theirs, COUNT);
    quicksort(ours, COUNT, by_key);
    qsort(theirs, COUNT, sizeof *theirs, by_key);
    printf("sorted: %d\n", is_sorted(ours, COUNT, by_key));
    printf("same as libc: %d\n", memcmp(ours, theirs, sizeof ours) == 0);
    printf("weight: %llu\n", (unsigned long long)weigh(ours, COUNT));
    quicksort(ours, COUNT, by_index_down);
    printf("backwards: %d, first %u\n", is_sorted(ours, COUNT, by_index_down), ours[0].index);
    printf("step(1000) = %lld\n", (long long)kernel_step(1000));
    return 0;
}
