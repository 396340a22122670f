/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives. All checks are made once, when the index is read; what comes after only looks up.
 * Source: System V ABI, "Archive File".
 */
#include "archive.h"

#include <ar.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char thin_magic[] = "!<thin>\n";

struct entry {
    const char *symbol; /* in the archive's bytes */
    uint32_t member, order;
};

struct jd_archive {
    const char *bytes;
    size_t size_bytes;
    const char *name;
    const char *long_names;
    size_t long_names_bytes;
    struct jd_archive_member *members;
    uint64_t *member_offsets;
    size_t member_count;
    struct entry *entries; /* by symbol, then as in the index */
    size_t entry_count;
};

bool jd_archive_is(const void *bytes, size_t size_bytes)
{
    return size_bytes >= SARMAG &&
           (!memcmp(bytes, ARMAG, SARMAG) || !memcmp(bytes, thin_magic, SARMAG));
}

/* --- Headers ---------------------------------------------------------------------------------- */

struct piece {
    const struct ar_hdr *header;
    const char *bytes;
    size_t size_bytes;
};

static bool read_number(const char *text, size_t text_bytes, uint64_t *out)
{
    size_t i = 0;
    *out = 0;
    for (; i < text_bytes && text[i] >= '0' && text[i] <= '9'; i++)
        *out = *out * 10 + (uint64_t)(text[i] - '0');
    return i && (i == text_bytes || text[i] == ' ' || text[i] == '\n' || text[i] == '/');
}

static int truncated(const struct jd_archive *archive, uint64_t offset, struct jd_error *err)
{
    return jd_fail(err, JD_E_BAD_FILE, archive->name, "truncated or damaged archive at 0x%llx",
                   (unsigned long long)offset);
}

/* What lies at an offset: a header and its file. */
static int read_piece(const struct jd_archive *archive, uint64_t offset, struct piece *out,
                      struct jd_error *err)
{
    uint64_t size;
    if (offset > archive->size_bytes || archive->size_bytes - offset < sizeof *out->header)
        return truncated(archive, offset, err);
    out->header = (const void *)(archive->bytes + offset);
    if (memcmp(out->header->ar_fmag, ARFMAG, sizeof out->header->ar_fmag) ||
        !read_number(out->header->ar_size, sizeof out->header->ar_size, &size) ||
        size > archive->size_bytes - offset - sizeof *out->header)
        return truncated(archive, offset, err);
    out->bytes = archive->bytes + offset + sizeof *out->header;
    out->size_bytes = (size_t)size;
    return JD_OK;
}

static bool is_named(const struct piece *piece, const char *name)
{
    size_t length = strlen(name);
    const char *field = piece->header->ar_name;
    return !memcmp(field, name, length) && field[length] == ' ';
}

/* "name/" in the header, or "/OFFSET" into the long names. */
static char *member_name(const struct jd_archive *archive, const struct piece *piece)
{
    const char *text = piece->header->ar_name;
    size_t most = sizeof piece->header->ar_name;
    uint64_t offset;
    if (text[0] == '/' && read_number(text + 1, most - 1, &offset) &&
        offset < archive->long_names_bytes) {
        text = archive->long_names + offset;
        most = archive->long_names_bytes - (size_t)offset;
    }
    size_t length = 0;
    while (length < most && text[length] != '/' && text[length] != '\n')
        length++;
    char *name = malloc(strlen(archive->name) + length + 3);
    if (name)
        sprintf(name, "%s(%.*s)", archive->name, (int)length, text);
    return name;
}

/* --- Index ------------------------------------------------------------------------------------ */

static uint64_t read_big_endian(const char *bytes, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | (unsigned char)bytes[i];
    return value;
}

static int out_of_memory(const struct jd_archive *archive, struct jd_error *err)
{
    return jd_fail(err, JD_E_NO_MEMORY, archive->name, "no room for its index");
}

/* Members are few for their symbols, which come member by member: the last one first. */
static int find_member(struct jd_archive *archive, uint64_t offset, uint32_t *out,
                       struct jd_error *err)
{
    struct piece piece;
    for (size_t i = archive->member_count; i-- > 0;)
        if (archive->member_offsets[i] == offset) {
            *out = (uint32_t)i;
            return JD_OK;
        }
    int result = read_piece(archive, offset, &piece, err);
    if (result)
        return result;
    char *name = member_name(archive, &piece);
    if (!name)
        return out_of_memory(archive, err);
    *out = (uint32_t)archive->member_count++;
    archive->member_offsets[*out] = offset;
    archive->members[*out] =
        (struct jd_archive_member){.name = name, piece.bytes, piece.size_bytes, false};
    return JD_OK;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *first = a, *second = b;
    int order = strcmp(first->symbol, second->symbol);
    return order ? order : (first->order > second->order) - (first->order < second->order);
}

/* A count, offsets of members, and as many names: big-endian words of `word` bytes. */
static int read_index(struct jd_archive *archive, const struct piece *index, unsigned word,
                      struct jd_error *err)
{
    uint64_t offset = (uint64_t)(index->bytes - archive->bytes);
    uint64_t count = index->size_bytes >= word ? read_big_endian(index->bytes, word) : 0;
    if (index->size_bytes < word || count > (index->size_bytes - word) / (word + 1))
        return truncated(archive, offset, err);
    archive->entries = calloc(count + 1, sizeof *archive->entries);
    archive->members = calloc(count + 1, sizeof *archive->members);
    archive->member_offsets = calloc(count + 1, sizeof *archive->member_offsets);
    if (!archive->entries || !archive->members || !archive->member_offsets)
        return out_of_memory(archive, err);
    const char *name = index->bytes + word + count * word, *end = index->bytes + index->size_bytes;
    for (uint64_t i = 0; i < count; i++) {
        struct entry *entry = &archive->entries[i];
        const char *stop = memchr(name, '\0', (size_t)(end - name));
        if (!stop)
            return truncated(archive, offset, err);
        *entry = (struct entry){.symbol = name, .order = (uint32_t)i};
        int result = find_member(archive, read_big_endian(index->bytes + word + i * word, word),
                                 &entry->member, err);
        if (result)
            return result;
        name = stop + 1;
        archive->entry_count++;
    }
    if (count)
        qsort(archive->entries, count, sizeof *archive->entries, compare_entries);
    return JD_OK;
}

/* The index comes first, then the long names; both may be missing. */
static int read_all(struct jd_archive *archive, struct jd_error *err)
{
    struct piece index = {0}, piece;
    uint64_t offset = SARMAG;
    unsigned word = 0;
    for (; offset < archive->size_bytes;
         offset += sizeof *piece.header + piece.size_bytes + piece.size_bytes % 2) {
        int result = read_piece(archive, offset, &piece, err);
        if (result)
            return result;
        if (is_named(&piece, "//")) {
            archive->long_names = piece.bytes;
            archive->long_names_bytes = piece.size_bytes;
        } else if (is_named(&piece, "/") || is_named(&piece, "/SYM64/")) {
            index = piece;
            word = is_named(&piece, "/") ? 4 : 8;
        } else {
            break;
        }
    }
    if (!word && offset < archive->size_bytes)
        return jd_fail(err, JD_E_BAD_FILE, archive->name,
                       "archive without a symbol index: run "
                       "ranlib on it");
    return word ? read_index(archive, &index, word, err) : JD_OK;
}

int jd_archive_open(const void *bytes, size_t size_bytes, const char *name, struct jd_archive **out,
                    struct jd_error *err)
{
    struct jd_archive *archive = calloc(1, sizeof *archive);
    int result = JD_OK;
    *out = NULL;
    if (!archive)
        return jd_fail(err, JD_E_NO_MEMORY, name, "no room for an archive");
    *archive = (struct jd_archive){.bytes = bytes, .size_bytes = size_bytes, .name = name};
    if (!jd_archive_is(bytes, size_bytes))
        result = jd_fail(err, JD_E_BAD_FILE, name, "not an archive");
    else if (!memcmp(bytes, thin_magic, SARMAG))
        result = jd_fail(err, JD_E_UNSUPPORTED, name, "a thin archive: its members are elsewhere");
    else
        result = read_all(archive, err);
    if (result) {
        jd_archive_close(archive);
        return result;
    }
    *out = archive;
    return JD_OK;
}

void jd_archive_close(struct jd_archive *archive)
{
    if (!archive)
        return;
    for (size_t i = 0; i < archive->member_count; i++)
        free((char *)(uintptr_t)archive->members[i].name);
    free(archive->members);
    free(archive->member_offsets);
    free(archive->entries);
    free(archive);
}

/* --- Look-up ---------------------------------------------------------------------------------- */

/* The first entry that is not below the name. */
static size_t lower_bound(const struct jd_archive *archive, const char *symbol)
{
    size_t low = 0, high = archive->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(archive->entries[middle].symbol, symbol) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct jd_archive_member *find(const struct jd_archive *archive, const char *symbol)
{
    for (size_t i = lower_bound(archive, symbol);
         i < archive->entry_count && !strcmp(archive->entries[i].symbol, symbol); i++)
        if (!archive->members[archive->entries[i].member].is_taken)
            return &archive->members[archive->entries[i].member];
    return NULL;
}

bool jd_archive_has(const struct jd_archive *archive, const char *symbol)
{
    return find(archive, symbol) != NULL;
}

const struct jd_archive_member *jd_archive_take(struct jd_archive *archive, const char *symbol)
{
    struct jd_archive_member *member = find(archive, symbol);
    if (member)
        member->is_taken = true;
    return member;
}
