/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: formatting and tables. Knows no LLVM, no engine, no allocation.
 */
#include "jitduel/error.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum jd_kind kind;
    const char *text;
} codes[JD_E_COUNT] = {
    [JD_OK] = {"OK", JD_KIND_NONE, "no error"},
#define JD_ERROR(name, kind, text) [JD_E_##name] = {#name, JD_KIND_##kind, text},
#include "jitduel/errors.def"
#undef JD_ERROR
};

static int known(int code)
{
    return code >= 0 && code < JD_E_COUNT ? code : JD_E_INTERNAL;
}

enum jd_kind jd_code_kind(int code)
{
    return code >= 0 && code < JD_E_COUNT ? codes[code].kind : JD_KIND_NONE;
}

const char *jd_code_name(int code)
{
    return codes[known(code)].name;
}

const char *jd_code_text(int code)
{
    return codes[known(code)].text;
}

const char *jd_kind_name(enum jd_kind kind)
{
    static const char *const names[] = {"none",        "usage", "environment",
                                        "unsupported", "input", "engine-bug"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "none";
}

/* One error is one line: foreign messages may bring line ends of their own. */
static void join_lines(char *text)
{
    char *end = text + strlen(text);
    while (end > text && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
        *--end = '\0';
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = c[1] && c[1] != '\n' ? ';' : ' ';
}

int jd_vfail(struct jd_error *err, int code, const char *where, const char *format, va_list args)
{
    if (!err || err->code != JD_OK)
        return code;
    err->code = (enum jd_code)known(code);
    err->kind = jd_code_kind(err->code);
    snprintf(err->where, sizeof err->where, "%s", where ? where : "");
    vsnprintf(err->text, sizeof err->text, format, args);
    join_lines(err->text);
    return code;
}

int jd_fail(struct jd_error *err, int code, const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    jd_vfail(err, code, where, format, args);
    va_end(args);
    return code;
}

int jd_error_prefix(struct jd_error *err, const char *prefix)
{
    char old[JD_ERROR_WHERE_BYTES];
    if (!err || err->code == JD_OK)
        return JD_OK;
    memcpy(old, err->where, sizeof old);
    int n = snprintf(err->where, sizeof err->where, "%s%s", prefix, old[0] ? ": " : "");
    if (n >= 0 && (size_t)n < sizeof err->where)
        snprintf(err->where + n, sizeof err->where - (size_t)n, "%s", old);
    return err->code;
}

void jd_error_clear(struct jd_error *err)
{
    if (err)
        memset(err, 0, sizeof *err);
}

char *jd_error_line(const struct jd_error *err, char *out, unsigned long out_bytes)
{
    const char *text = err->text[0] ? err->text : jd_code_text(err->code);
    snprintf(out, out_bytes, "%s%s%s", err->where, err->where[0] ? ": " : "", text);
    for (char *c = out; *c; c++) /* a file's name may have line ends, or a terminal's commands */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = *c == '\t' ? ' ' : '?';
    return out;
}
