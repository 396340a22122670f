/* SPDX-License-Identifier: Apache-2.0
 *
 * Free ranges in a treap (a search tree by offset, a heap by random priority) in which every node
 * knows the largest size below it, so that first fit needs no walk. Nodes live outside of the
 * memory they describe: that memory may be executable, and a stray write must not break the
 * bookkeeping. Source: R. Seidel and C. Aragon, Randomized Search Trees, Algorithmica 16 (1996).
 */
#include "ranges.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLAB_NODES = 128,
    /* Ranges tried in order before the search asks for one that fits whatever its offset, and,
     * where there is none, before it gives up. */
    FIRST_TRIES = 32,
    LAST_TRIES = 4096
};

struct jd_range_node {
    struct jd_range_node *left, *right;
    size_t offset, size;
    size_t largest; /* of this node and all below it */
    uint32_t priority;
};

struct jd_range_slab {
    struct jd_range_slab *next;
    struct jd_range_node nodes[SLAB_NODES];
};

typedef struct jd_range_node node;

void jd_ranges_init(struct jd_ranges *ranges)
{
    memset(ranges, 0, sizeof *ranges);
}

void jd_ranges_fini(struct jd_ranges *ranges)
{
    while (ranges->slabs) {
        struct jd_range_slab *slab = ranges->slabs;
        ranges->slabs = slab->next;
        free(slab);
    }
    jd_ranges_init(ranges);
}

/* At least one spare node, so that what follows cannot fail half-way. */
static bool has_spare(struct jd_ranges *ranges)
{
    if (ranges->spare)
        return true;
    struct jd_range_slab *slab = malloc(sizeof *slab);
    if (!slab)
        return false;
    slab->next = ranges->slabs;
    ranges->slabs = slab;
    for (size_t i = 0; i < SLAB_NODES; i++) {
        slab->nodes[i].left = ranges->spare;
        ranges->spare = &slab->nodes[i];
    }
    return true;
}

static uint32_t next_priority(struct jd_ranges *ranges)
{
    /* xorshift32; 0 would be its fixed point. */
    uint32_t x = ranges->seed ? ranges->seed : 2463534242u;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return ranges->seed = x;
}

static node *new_node(struct jd_ranges *ranges, size_t offset, size_t size)
{
    node *n = ranges->spare;
    assert(n);
    ranges->spare = n->left;
    *n = (node){.offset = offset, .size = size, .largest = size};
    n->priority = next_priority(ranges);
    ranges->range_count++;
    return n;
}

static void drop_node(struct jd_ranges *ranges, node *n)
{
    n->left = ranges->spare;
    ranges->spare = n;
    ranges->range_count--;
}

static size_t largest_of(const node *n)
{
    return n ? n->largest : 0;
}

static void update(node *n)
{
    size_t largest = n->size;
    if (largest_of(n->left) > largest)
        largest = n->left->largest;
    if (largest_of(n->right) > largest)
        largest = n->right->largest;
    n->largest = largest;
}

/* Nodes below `offset` go to `low`, the others to `high`. */
static void split(node *n, size_t offset, node **low, node **high)
{
    if (!n) {
        *low = *high = NULL;
    } else if (n->offset < offset) {
        split(n->right, offset, &n->right, high);
        *low = n;
        update(n);
    } else {
        split(n->left, offset, low, &n->left);
        *high = n;
        update(n);
    }
}

/* All of `low` lies below all of `high`. */
static node *merge(node *low, node *high)
{
    if (!low || !high)
        return low ? low : high;
    if (low->priority > high->priority) {
        low->right = merge(low->right, high);
        update(low);
        return low;
    }
    high->left = merge(low, high->left);
    update(high);
    return high;
}

static node *insert(node *n, node *fresh)
{
    if (!n)
        return fresh;
    if (fresh->priority > n->priority) {
        split(n, fresh->offset, &fresh->left, &fresh->right);
        n = fresh;
    } else if (fresh->offset < n->offset) {
        n->left = insert(n->left, fresh);
    } else {
        n->right = insert(n->right, fresh);
    }
    update(n);
    return n;
}

/* Unlinks the node at exactly `offset`, which must exist. */
static node *unlink_at(node *n, size_t offset, node **out)
{
    assert(n);
    if (n->offset == offset) {
        *out = n;
        return merge(n->left, n->right);
    }
    if (offset < n->offset)
        n->left = unlink_at(n->left, offset, out);
    else
        n->right = unlink_at(n->right, offset, out);
    update(n);
    return n;
}

static node *take_node(struct jd_ranges *ranges, size_t offset)
{
    node *n = NULL;
    ranges->root = unlink_at(ranges->root, offset, &n);
    return n;
}

static void add(struct jd_ranges *ranges, size_t offset, size_t size)
{
    if (size)
        ranges->root = insert(ranges->root, new_node(ranges, offset, size));
}

/* Last node that begins below `offset`. */
static node *before(const struct jd_ranges *ranges, size_t offset)
{
    node *best = NULL;
    for (node *n = ranges->root; n;) {
        if (n->offset < offset) {
            best = n;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return best;
}

static node *at(const struct jd_ranges *ranges, size_t offset)
{
    node *n = ranges->root;
    while (n && n->offset != offset)
        n = offset < n->offset ? n->left : n->right;
    return n;
}

bool jd_ranges_put(struct jd_ranges *ranges, size_t offset, size_t size)
{
    node *below = before(ranges, offset);
    node *above = at(ranges, offset + size);
    bool joins_below = below && below->offset + below->size == offset;
    assert(size && (!below || below->offset + below->size <= offset));
    if (!joins_below && !above && !has_spare(ranges))
        return false;
    if (above) {
        size += above->size;
        drop_node(ranges, take_node(ranges, above->offset));
    }
    if (joins_below) {
        offset = below->offset;
        size += below->size;
        drop_node(ranges, take_node(ranges, offset));
    }
    add(ranges, offset, size);
    return true;
}

static size_t align_up(size_t offset, size_t align)
{
    return (offset + align - 1) & ~(align - 1);
}

static bool fits(const node *n, size_t size, size_t align)
{
    size_t pad = align_up(n->offset, align) - n->offset;
    return n->size >= size && n->size - size >= pad;
}

/* Lowest node that fits; gives up after `tries` that are long enough but lie badly. */
static node *first_fit(node *n, size_t size, size_t align, int *tries)
{
    if (largest_of(n) < size)
        return NULL;
    node *found = first_fit(n->left, size, align, tries);
    if (found || *tries <= 0)
        return found;
    if (n->size >= size) {
        if (fits(n, size, align))
            return n;
        --*tries;
    }
    return first_fit(n->right, size, align, tries);
}

static node *find(struct jd_ranges *ranges, size_t size, size_t align)
{
    int tries = FIRST_TRIES;
    node *n = first_fit(ranges->root, size, align, &tries);
    if (n || tries > 0)
        return n;
    tries = 1;
    n = first_fit(ranges->root, size + align - 1, 1, &tries);
    tries = LAST_TRIES;
    return n ? n : first_fit(ranges->root, size, align, &tries);
}

bool jd_ranges_take(struct jd_ranges *ranges, size_t size, size_t align, size_t *out_offset)
{
    node *n = find(ranges, size, align);
    if (!n || !has_spare(ranges))
        return false;
    size_t begin = n->offset, end = n->offset + n->size, taken = align_up(begin, align);
    drop_node(ranges, take_node(ranges, begin));
    add(ranges, begin, taken - begin);
    add(ranges, taken + size, end - taken - size);
    *out_offset = taken;
    return true;
}

bool jd_ranges_take_ending_at(struct jd_ranges *ranges, size_t end, size_t *out_offset)
{
    node *n = before(ranges, end);
    if (!n || n->offset + n->size != end)
        return false;
    *out_offset = n->offset;
    drop_node(ranges, take_node(ranges, n->offset));
    return true;
}

void jd_ranges_remove(struct jd_ranges *ranges, size_t low, size_t high)
{
    for (node *n = before(ranges, high); n && n->offset + n->size > low; n = before(ranges, high)) {
        size_t begin = n->offset, end = n->offset + n->size;
        drop_node(ranges, take_node(ranges, begin));
        if (begin < low)
            add(ranges, begin, low - begin);
        if (end > high && has_spare(ranges))
            add(ranges, high, end - high);
        if (begin < low)
            break;
    }
}

size_t jd_ranges_largest(const struct jd_ranges *ranges)
{
    return largest_of(ranges->root);
}
