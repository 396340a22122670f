/* SPDX-License-Identifier: Apache-2.0
 *
 * One arena's tables: from an .eh_frame section to a search table behind it, and the block's mark.
 * Sources: LSB core 5.0, 10.6 (.eh_frame, augmentations); DWARF 5, 6.4.1 and 7.24.
 */
#include "unwind_tables.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "find_fde.h"

/* libgcc's; without a public header. */
extern void __register_frame(void *begin);
extern void __deregister_frame(void *begin);

/* DW_EH_PE_*: LSB core 5.0, 10.5.1. */
enum {
    FORMAT_MASK = 0x0f,
    FORMAT_ABSPTR = 0x00,
    FORMAT_UDATA4 = 0x03,
    FORMAT_UDATA8 = 0x04,
    FORMAT_SDATA4 = 0x0b,
    FORMAT_SDATA8 = 0x0c,
    BASE_MASK = 0xf0,
    BASE_NONE = 0x00,
    BASE_PCREL = 0x10
};

/* An .eh_frame section while it is read: where it lies, and where code sees it. */
struct frames {
    const unsigned char *bytes;
    size_t size_bytes;
    uintptr_t addr;
};

static const char where[] = ".eh_frame";

static uint32_t word_at(const struct frames *frames, size_t offset)
{
    uint32_t word;
    memcpy(&word, frames->bytes + offset, sizeof word);
    return word;
}

/* The record at *offset, which moves on to the next; false at the end. */
static bool next_record(const struct frames *frames, size_t *offset, size_t *out_record)
{
    size_t at = *offset;
    if (frames->size_bytes - at < 8)
        return false;
    size_t length = word_at(frames, at);
    if (!length || length < 4 || length > frames->size_bytes - at - 4)
        return false;
    *out_record = at;
    *offset = at + 4 + length;
    return true;
}

static bool is_entry(const struct frames *frames, size_t record)
{
    return word_at(frames, record + 4) != 0; /* 0: common information entry */
}

static uint32_t count_entries(const struct frames *frames)
{
    uint32_t count = 0;
    for (size_t at = 0, record; next_record(frames, &at, &record);)
        count += is_entry(frames, record);
    return count;
}

static size_t table_offset(size_t size_bytes)
{
    return (size_bytes + sizeof(uint32_t) + 3) & ~(size_t)3;
}

size_t legacy_unwind_room(const void *bytes, size_t size_bytes)
{
    const struct frames frames = {.bytes = bytes, .size_bytes = size_bytes};
    return table_offset(size_bytes) + sizeof(struct legacy_unwind_table) +
           count_entries(&frames) * sizeof(struct legacy_unwind_row);
}

static size_t skip_leb128(const struct frames *frames, size_t at)
{
    while (at < frames->size_bytes && frames->bytes[at] & 0x80)
        at++;
    return at + 1;
}

static size_t format_bytes(unsigned encoding)
{
    switch (encoding & FORMAT_MASK) {
    case FORMAT_UDATA4:
    case FORMAT_SDATA4:
        return 4;
    case FORMAT_ABSPTR:
    case FORMAT_UDATA8:
    case FORMAT_SDATA8:
        return 8;
    default:
        return 0;
    }
}

/* How a common information entry says that its entries' addresses are written. */
static int read_encoding(const struct frames *frames, size_t cie, unsigned *out,
                         struct jd_error *err)
{
    const unsigned char *end = frames->bytes + frames->size_bytes;
    size_t at = cie + 9; /* length, id, version */
    const char *augmentation = (const char *)frames->bytes + at;
    *out = FORMAT_ABSPTR;
    at += strnlen(augmentation, frames->size_bytes - at) + 1;
    at = skip_leb128(frames, skip_leb128(frames, at)); /* code and data alignment factors */
    at = skip_leb128(frames, at);                      /* return address; a byte in version 1 */
    if (!*augmentation)
        return JD_OK;
    if (*augmentation != 'z')
        return jd_fail(err, JD_E_UNSUPPORTED, where, "augmentation '%s'", augmentation);
    at = skip_leb128(frames, at);
    for (const char *letter = augmentation + 1; *letter; letter++) {
        if (frames->bytes + at >= end)
            return jd_fail(err, JD_E_BAD_OBJECT, where, "augmentation beyond the section's end");
        if (*letter == 'R') {
            *out = frames->bytes[at];
            return JD_OK;
        }
        if (*letter == 'P')
            at += format_bytes(frames->bytes[at]);
        if (*letter == 'P' || *letter == 'L')
            at++;
        else if (!strchr("SBG", *letter))
            return jd_fail(err, JD_E_UNSUPPORTED, where, "augmentation '%s'", augmentation);
    }
    return JD_OK;
}

static uint64_t read_format(const unsigned char *at, unsigned encoding)
{
    uint64_t wide;
    uint32_t narrow;
    if (format_bytes(encoding) == 8) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return (encoding & FORMAT_MASK) == FORMAT_SDATA4 ? (uint64_t)(int64_t)(int32_t)narrow : narrow;
}

/* The range of code that an entry is about. */
static int read_entry(const struct frames *frames, size_t entry, uintptr_t *out_addr,
                      uint64_t *out_bytes, struct jd_error *err)
{
    unsigned encoding;
    size_t distance = word_at(frames, entry + 4), begin = entry + 8;
    *out_addr = 0;
    *out_bytes = 0;
    if (distance > entry + 4 || frames->size_bytes - (entry + 4 - distance) < 12)
        return jd_fail(err, JD_E_BAD_OBJECT, where, "entry without its common part");
    int result = read_encoding(frames, entry + 4 - distance, &encoding, err);
    if (result)
        return result;
    size_t bytes = format_bytes(encoding);
    if (!bytes || ((encoding & BASE_MASK) != BASE_NONE && (encoding & BASE_MASK) != BASE_PCREL))
        return jd_fail(err, JD_E_UNSUPPORTED, where, "pointer encoding 0x%x", encoding);
    if (4 + word_at(frames, entry) < 8 + 2 * bytes)
        return jd_fail(err, JD_E_BAD_OBJECT, where, "entry too short");
    uintptr_t value = read_format(frames->bytes + begin, encoding);
    *out_addr = (encoding & BASE_MASK) == BASE_PCREL ? frames->addr + begin + value : value;
    *out_bytes = read_format(frames->bytes + begin + bytes, encoding);
    return JD_OK;
}

static int compare_rows(const void *a, const void *b)
{
    uint32_t first = ((const struct legacy_unwind_row *)a)->begin;
    uint32_t second = ((const struct legacy_unwind_row *)b)->begin;
    return (first > second) - (first < second);
}

static int fill_table(const struct frames *frames, const struct jd_arena_block *code,
                      struct legacy_unwind_table *table, struct jd_error *err)
{
    bool is_sorted = true;
    for (size_t at = 0, record; next_record(frames, &at, &record);) {
        uintptr_t addr;
        uint64_t bytes;
        if (!is_entry(frames, record))
            continue;
        int result = read_entry(frames, record, &addr, &bytes, err);
        if (result)
            return result;
        if (addr - code->addr > code->size_bytes || bytes > code->size_bytes - (addr - code->addr))
            return jd_fail(err, JD_E_BAD_OBJECT, where, "entry for 0x%zx, which is not of the code",
                           (size_t)addr);
        struct legacy_unwind_row row = {.begin = (uint32_t)(addr - code->addr),
                                        .bytes = (uint32_t)bytes,
                                        .entry = (uint32_t)record};
        is_sorted =
            is_sorted && (!table->count || table->rows[table->count - 1].begin <= row.begin);
        table->rows[table->count++] = row;
    }
    if (!is_sorted)
        qsort(table->rows, table->count, sizeof *table->rows, compare_rows);
    return JD_OK;
}

static bool is_marked(const struct legacy_unwind *unwind, uintptr_t code_addr)
{
    size_t granule = (code_addr - unwind->base_addr) / LEGACY_UNWIND_GRANULE_BYTES;
    uint64_t word = atomic_load_explicit(&unwind->starts[granule / 64], memory_order_relaxed);
    return word >> granule % 64 & 1;
}

static void mark(struct legacy_unwind *unwind, uintptr_t code_addr, bool is_start)
{
    size_t granule = (code_addr - unwind->base_addr) / LEGACY_UNWIND_GRANULE_BYTES;
    _Atomic uint64_t *word = &unwind->starts[granule / 64];
    uint64_t bit = (uint64_t)1 << granule % 64;
    /* Release: whoever sees the mark sees the prefix and the table. */
    if (is_start)
        atomic_fetch_or_explicit(word, bit, memory_order_release);
    else
        atomic_fetch_and_explicit(word, ~bit, memory_order_release);
}

int legacy_unwind_add(struct legacy_unwind *unwind, const struct jd_arena_block *code, void *bytes,
                      uintptr_t frames_addr, size_t size_bytes, struct jd_error *err)
{
    struct legacy_unwind_prefix prefix = {.frames_addr = frames_addr};
    if (bytes) {
        const struct frames frames = {bytes, size_bytes, frames_addr};
        struct legacy_unwind_table *table = (void *)((char *)bytes + table_offset(size_bytes));
        table->count = 0;
        int result = fill_table(&frames, code, table, err);
        if (result)
            return result;
        prefix.table_addr = frames_addr + table_offset(size_bytes);
    }
    memcpy(code->write, &prefix, sizeof prefix);
    mark(unwind, code->addr, true);
    if (bytes && legacy_unwind_mode() == LEGACY_UNWIND_LIBGCC)
        __register_frame((void *)frames_addr);
    return JD_OK;
}

void legacy_unwind_remove(struct legacy_unwind *unwind, const struct jd_arena_block *code)
{
    struct legacy_unwind_prefix prefix;
    if (!unwind->starts || !is_marked(unwind, code->addr))
        return;
    memcpy(&prefix, code->write, sizeof prefix);
    mark(unwind, code->addr, false);
    if (prefix.frames_addr && legacy_unwind_mode() == LEGACY_UNWIND_LIBGCC)
        __deregister_frame((void *)prefix.frames_addr);
}

static size_t starts_bytes(const struct legacy_unwind *unwind)
{
    return (unwind->bytes / LEGACY_UNWIND_GRANULE_BYTES / 64 + 1) * sizeof *unwind->starts;
}

static void drop_starts(struct legacy_unwind *unwind)
{
    if (unwind->starts)
        munmap(unwind->starts, starts_bytes(unwind));
}

int legacy_unwind_init(struct legacy_unwind *unwind, const struct jd_arena *arena,
                       struct jd_error *err)
{
    *unwind = (struct legacy_unwind){.arena = arena};
    jd_arena_get_range(arena, &unwind->base_addr, &unwind->bytes);
    /* Large and mostly never touched: a mapping gets its pages when they are. */
    void *starts = mmap(NULL, starts_bytes(unwind), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unwind->starts = starts == MAP_FAILED ? NULL : starts;
    if (unwind->starts && legacy_unwind_publish(unwind))
        return JD_OK;
    drop_starts(unwind);
    *unwind = (struct legacy_unwind){0};
    return jd_fail(err, JD_E_NO_MEMORY, NULL, "no memory for unwind tables");
}

void legacy_unwind_fini(struct legacy_unwind *unwind)
{
    if (unwind->starts)
        legacy_unwind_retract(unwind);
    drop_starts(unwind);
    *unwind = (struct legacy_unwind){0};
}
