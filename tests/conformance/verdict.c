/* SPDX-License-Identifier: Apache-2.0
 *
 * Expected outcomes and the result matrix. Expectations come from capability bits; expected.json
 * holds, with a reason each, what an engine is known not to do although its capabilities say
 * otherwise. Better than expected is a failure too: the table would be lying.
 */
#include "verdict.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#ifndef CONFORMANCE_LLVM_VERSION
#error "CONFORMANCE_LLVM_VERSION is the version that the engines were built with"
#endif

#if defined(__x86_64__)
#define VERDICT_CPU "x86_64"
#elif defined(__aarch64__)
#define VERDICT_CPU "aarch64"
#endif

struct verdict_book {
    json_t *exceptions; /* engine -> case -> {outcome, reason, and see verdict.h} */
    json_t *cases;      /* array of rows, in the order of the first cell of each */
};

static int check_exceptions(json_t *exceptions, const char *path, struct jd_error *err)
{
    const char *engine, *name;
    json_t *cases, *entry;
    json_object_foreach(exceptions, engine, cases)
    {
        json_object_foreach(cases, name, entry)
        {
            const char *outcome = json_string_value(json_object_get(entry, "outcome"));
            const char *reason = json_string_value(json_object_get(entry, "reason"));
            const char *other = json_string_value(json_object_get(entry, "or"));
            if (other && outcome_find(other) < 0)
                return jd_fail(err, JD_E_BAD_FILE, path, "%s.%s: there is no outcome '%s'", engine,
                               name, other);
            if (!conformance_case_find(name))
                return jd_fail(err, JD_E_BAD_FILE, path, "%s: there is no case '%s'", engine, name);
            if (!outcome || outcome_find(outcome) < 0 || !reason || !*reason)
                return jd_fail(err, JD_E_BAD_FILE, path, "%s.%s wants an outcome and a reason",
                               engine, name);
        }
    }
    return 0;
}

int verdict_open(const char *path, struct verdict_book **out, struct jd_error *err)
{
    json_error_t error;
    struct verdict_book *book = calloc(1, sizeof *book);
    *out = NULL;
    if (!book)
        return jd_fail(err, JD_E_NO_MEMORY, path, "no memory for the expectations");
    book->cases = json_array();
    book->exceptions = path ? json_load_file(path, JSON_REJECT_DUPLICATES, &error) : json_object();
    int code = 0;
    if (!book->exceptions)
        code = jd_fail(err, JD_E_BAD_FILE, path, "line %d: %s", error.line, error.text);
    else
        code = check_exceptions(book->exceptions, path, err);
    if (code)
        verdict_close(book);
    else
        *out = book;
    return code;
}

void verdict_close(struct verdict_book *book)
{
    if (!book)
        return;
    json_decref(book->exceptions);
    json_decref(book->cases);
    free(book);
}

/* The cell's entry; NULL without one, or where it is an exception on another CPU. */
static const json_t *entry_of(const struct verdict_book *book, const struct cell *cell)
{
    const json_t *cases = json_object_get(book->exceptions, cell->ops->name);
    const json_t *entry = json_object_get(cases, cell->item->name);
    const char *cpu = json_string_value(json_object_get(entry, "cpu"));
    return cpu && strcmp(cpu, VERDICT_CPU) ? NULL : entry;
}

enum outcome verdict_expected(const struct verdict_book *book, const struct cell *cell,
                              const char **out_reason)
{
    const json_t *entry = entry_of(book, cell);
    *out_reason = json_string_value(json_object_get(entry, "reason"));
    if (entry)
        return (enum outcome)outcome_find(json_string_value(json_object_get(entry, "outcome")));
    if (cell->item->flags & CASE_REFUSED_BY_ALL)
        return OUTCOME_REFUSED;
    return conformance_case_missing(cell->item, cell->ops) ? OUTCOME_REFUSED : OUTCOME_PASS;
}

bool verdict_is_met(const struct verdict_book *book, const struct cell *cell)
{
    const char *reason;
    const char *other = json_string_value(json_object_get(entry_of(book, cell), "or"));
    return cell->outcome == OUTCOME_SKIPPED ||
           cell->outcome == verdict_expected(book, cell, &reason) ||
           (other && !strcmp(other, outcome_name(cell->outcome)));
}

double verdict_limit(const struct verdict_book *book, const struct cell *cell, double limit_seconds)
{
    double shorter = json_number_value(json_object_get(entry_of(book, cell), "limit_seconds"));
    return shorter > 0 && shorter < limit_seconds ? shorter : limit_seconds;
}

static json_t *row_of(struct verdict_book *book, const struct conformance_case *item)
{
    size_t i;
    json_t *row;
    json_array_foreach(book->cases, i, row)
    {
        if (!strcmp(json_string_value(json_object_get(row, "name")), item->name))
            return row;
    }
    row = json_pack("{s:i, s:s, s:s, s:{}}", "number", (int)item->number, "name", item->name,
                    "topic", item->topic, "results");
    if (json_array_append_new(book->cases, row))
        return NULL;
    return row;
}

int verdict_record(struct verdict_book *book, const struct cell *cell, struct jd_error *err)
{
    const char *reason;
    enum outcome expected = verdict_expected(book, cell, &reason);
    json_t *row = row_of(book, cell->item);
    json_t *result =
        json_pack("{s:s, s:s, s:b, s:f, s:s, s:s*}", "outcome", outcome_name(cell->outcome),
                  "expected", outcome_name(expected), "is_met", verdict_is_met(book, cell),
                  "seconds", cell->seconds, "detail", cell->detail, "reason", reason);
    if (!row || json_object_set_new(json_object_get(row, "results"), cell->ops->name, result))
        return jd_fail(err, JD_E_NO_MEMORY, cell->item->name, "no memory for the matrix");
    return 0;
}

static json_t *engine_list(void)
{
    json_t *engines = json_array();
    for (size_t i = 0; jd_engine_registry[i]; i++)
        json_array_append_new(engines, json_pack("{s:s, s:s}", "name", jd_engine_registry[i]->name,
                                                 "summary", jd_engine_registry[i]->summary));
    return engines;
}

int verdict_write(const struct verdict_book *book, double limit_seconds, const char *path,
                  struct jd_error *err)
{
    struct utsname machine;
    uname(&machine);
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:b, s:f, s:o, s:O}", "schema", "jitduel-conformance/1", "llvm",
                  CONFORMANCE_LLVM_VERSION, "machine", machine.machine, "is_emulated",
                  CONFORMANCE_IS_EMULATED, "time_limit_seconds", limit_seconds, "engines",
                  engine_list(), "cases", book->cases);
    if (!root)
        return jd_fail(err, JD_E_NO_MEMORY, path, "no memory for the matrix");
    int status = json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(4));
    json_decref(root);
    return status ? jd_fail(err, JD_E_IO, path, "cannot be written") : 0;
}
