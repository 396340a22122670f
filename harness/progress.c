/* SPDX-License-Identifier: Apache-2.0
 *
 * See progress.h.
 */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "measure/clock.h"

enum { BAR_CELLS = 24, USUAL_COLUMNS = 80, LINE_BYTES = 256 };

void jd_progress_init(struct jd_progress *progress, size_t total, size_t done_before, bool is_quiet)
{
    const char *term = getenv("TERM");
    *progress = (struct jd_progress){.total = total,
                                     .done = done_before,
                                     .done_before = done_before,
                                     .start_ns = jd_clock_ns(),
                                     .is_quiet = is_quiet};
    progress->is_terminal = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
    progress->last_tenth = total ? 10 * done_before / total : 0;
}

/* "3 min 20 s" from the speed so far; "" before there is one. */
static void time_left(const struct jd_progress *progress, char *out, size_t out_bytes)
{
    size_t done = progress->done - progress->done_before;
    out[0] = '\0';
    if (!done)
        return;
    double elapsed_s = (double)(jd_clock_ns() - progress->start_ns) / 1e9;
    unsigned long left_s =
        (unsigned long)(elapsed_s / (double)done * (double)(progress->total - progress->done));
    if (left_s >= 60)
        snprintf(out, out_bytes, ", %lu min %lu s left", left_s / 60, left_s % 60);
    else
        snprintf(out, out_bytes, ", %lu s left", left_s);
}

/* Of the terminal now: it may have been made smaller. */
static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                           : USUAL_COLUMNS;
}

/* What a narrow terminal has no room for is left out from the right: a line that wraps could not be
 * taken back. */
void jd_progress_show(struct jd_progress *progress, const char *what)
{
    char bar[BAR_CELLS + 1], left[48], line[LINE_BYTES];
    if (progress->is_quiet || !progress->is_terminal)
        return;
    size_t full = progress->total ? BAR_CELLS * progress->done / progress->total : 0;
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', full);
    bar[BAR_CELLS] = '\0';
    time_left(progress, left, sizeof left);
    snprintf(line, sizeof line, "%zu/%zu%s  [%s]  %s", progress->done, progress->total, left, bar,
             what);
    fprintf(stderr, "\r\033[K%.*s", columns() - 1, line);
    fflush(stderr);
}

static void clear_bar(const struct jd_progress *progress)
{
    if (progress->is_terminal && !progress->is_quiet)
        fputs("\r\033[K", stderr);
}

void jd_progress_step(struct jd_progress *progress, const char *what, const char *problem)
{
    char left[48];
    progress->done++;
    if (problem) {
        clear_bar(progress);
        fprintf(stderr, "jitduel: %s: %s\n", what, problem);
    }
    size_t tenth = 10 * progress->done / progress->total;
    if (progress->is_quiet || progress->is_terminal || tenth == progress->last_tenth)
        return;
    progress->last_tenth = tenth;
    time_left(progress, left, sizeof left);
    fprintf(stderr, "jitduel: %zu of %zu samples%s\n", progress->done, progress->total,
            progress->done < progress->total ? left : "");
}

void jd_progress_end(struct jd_progress *progress)
{
    clear_bar(progress);
    fflush(stderr);
}
