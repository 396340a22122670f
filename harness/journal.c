/* SPDX-License-Identifier: Apache-2.0
 *
 * Journals; see journal.h.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_memory.h"
#include "record_json.h"

struct jd_journal {
    char *path;
    int fd;
    off_t end; /* after the last whole line */
    size_t replayed_count;
};

static int io_error(const struct jd_journal *journal, const char *what, struct jd_error *err)
{
    return jd_fail(err, JD_E_IO, journal->path, "%s: %s", what, strerror(errno));
}

/* All or nothing: what a full disk left of a line is cut off again. */
static int append_line(struct jd_journal *journal, const json_t *value, struct jd_error *err)
{
    char *text = json_dumps(value, JSON_COMPACT);
    size_t length = text ? strlen(text) : 0, done = 0;
    int rc = JD_OK;
    if (!text || jd_json_memory_is_short()) {
        free(text);
        return jd_fail(err, JD_E_NO_MEMORY, journal->path, "out of memory");
    }
    text[length] = '\n'; /* in place of the terminator */
    while (done <= length && !rc) {
        ssize_t n = pwrite(journal->fd, text + done, length + 1 - done, journal->end + (off_t)done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            rc = io_error(journal, "a sample cannot be saved", err);
    }
    if (!rc)
        journal->end += (off_t)length + 1;
    else if (ftruncate(journal->fd, journal->end))
        rc = JD_E_IO; /* the next open drops the torn line */
    free(text);
    return rc;
}

int jd_journal_append(struct jd_journal *journal, const struct jd_sample *sample,
                      struct jd_error *err)
{
    json_t *object = jd_sample_to_json(sample);
    if (!object)
        return jd_fail(err, JD_E_NO_MEMORY, journal->path, "out of memory");
    int rc = append_line(journal, object, err);
    json_decref(object);
    return rc;
}

size_t jd_journal_replayed_count(const struct jd_journal *journal)
{
    return journal->replayed_count;
}

void jd_journal_close(struct jd_journal *journal, bool is_done)
{
    if (!journal)
        return;
    if (is_done)
        unlink(journal->path);
    if (journal->fd >= 0)
        close(journal->fd);
    free(journal->path);
    free(journal);
}

/* ---- reading what is there ---- */

static int check_identity(const struct jd_journal *journal, const json_t *found,
                          const json_t *wanted, struct jd_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(
        (json_t *)(uintptr_t)wanted, key,
        value) if (!json_equal(json_object_get(found, key),
                               value)) return jd_fail(err, JD_E_USAGE, journal->path,
                                                      "belongs to another run: %s differs (repeat "
                                                      "that run's command and "
                                                      "build, or remove the journal)",
                                                      key);
    return JD_OK;
}

struct replay {
    const json_t *identity;
    jd_journal_replay_fn call;
    void *context;
};

static int replay_line(struct jd_journal *journal, const struct replay *replay, size_t number,
                       const json_t *line, struct jd_error *err)
{
    struct jd_sample sample;
    if (number == 1)
        return check_identity(journal, line, replay->identity, err);
    int rc = jd_sample_from_json(line, &sample, err);
    if (!rc)
        rc = replay->call(replay->context, &sample, err);
    if (!rc)
        journal->replayed_count++;
    return rc;
}

static int damaged(const struct jd_journal *journal, size_t number, const char *why,
                   struct jd_error *err)
{
    return jd_json_memory_is_short()
               ? jd_fail(err, JD_E_NO_MEMORY, journal->path, "out of memory at line %zu", number)
               : jd_fail(err, JD_E_BAD_FILE, journal->path, "line %zu is damaged: %s", number, why);
}

/* Stops at the torn line that a kill leaves; `end` then stands before it. What follows `end` is cut
 * off, so that the end of the file must be told from everything else that ends reading. */
static int replay_all(struct jd_journal *journal, const struct replay *replay, FILE *in,
                      struct jd_error *err)
{
    char *text = NULL;
    size_t size = 0, number = 0;
    ssize_t length = 0;
    int rc = JD_OK;
    while (!rc && (length = getline(&text, &size, in)) > 0) {
        json_error_t why;
        bool is_whole = text[length - 1] == '\n';
        json_t *line = is_whole ? json_loadb(text, (size_t)length, 0, &why) : NULL;
        number++;
        if (line)
            rc = replay_line(journal, replay, number, line, err);
        else if (is_whole)
            rc = damaged(journal, number, why.text, err);
        json_decref(line);
        if (!is_whole)
            break;
        journal->end += length;
    }
    if (!rc && length < 0 && !feof(in)) /* an error of reading, or no memory for the line */
        rc = errno == ENOMEM ? jd_fail(err, JD_E_NO_MEMORY, journal->path, "out of memory")
                             : io_error(journal, "cannot be read", err);
    free(text);
    return rc;
}

static int read_back(struct jd_journal *journal, const struct replay *replay, struct jd_error *err)
{
    int copy = dup(journal->fd);
    FILE *in = copy >= 0 ? fdopen(copy, "r") : NULL;
    if (!in) {
        if (copy >= 0)
            close(copy);
        return io_error(journal, "cannot be read", err);
    }
    int rc = replay_all(journal, replay, in, err);
    fclose(in);
    if (!rc && ftruncate(journal->fd, journal->end))
        rc = io_error(journal, "cannot be cut to its last whole line", err);
    return rc;
}

static int open_locked(struct jd_journal *journal, struct jd_error *err)
{
    journal->fd = open(journal->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (journal->fd < 0)
        return io_error(journal, "cannot be opened", err);
    if (flock(journal->fd, LOCK_EX | LOCK_NB))
        return jd_fail(err, JD_E_STATE, journal->path, "another run writes this journal");
    return JD_OK;
}

static int start(struct jd_journal *journal, const struct replay *replay, bool can_resume,
                 struct jd_error *err)
{
    struct stat status;
    int rc = JD_OK;
    if (fstat(journal->fd, &status))
        return io_error(journal, "cannot be read", err);
    if (status.st_size && !can_resume)
        return jd_fail(err, JD_E_STATE, journal->path,
                       "holds the samples of a run that did not end (go on with --resume, or "
                       "remove it)");
    if (status.st_size)
        rc = read_back(journal, replay, err);
    if (!rc && !journal->end) /* new, or torn within its first line: nothing was measured */
        rc = append_line(journal, replay->identity, err);
    return rc;
}

int jd_journal_open(const char *path, const json_t *identity, bool can_resume,
                    jd_journal_replay_fn call, void *context, struct jd_journal **out,
                    struct jd_error *err)
{
    const struct replay replay = {identity, call, context};
    struct jd_journal *journal = calloc(1, sizeof *journal);
    int rc = JD_E_NO_MEMORY;
    *out = NULL;
    if (!journal || !(journal->path = strdup(path))) {
        free(journal);
        return jd_fail(err, rc, path, "out of memory");
    }
    journal->fd = -1;
    rc = open_locked(journal, err);
    if (!rc)
        rc = start(journal, &replay, can_resume, err);
    if (!rc)
        *out = journal;
    else
        jd_journal_close(journal, false);
    return rc;
}
