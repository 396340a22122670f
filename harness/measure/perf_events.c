/* SPDX-License-Identifier: Apache-2.0
 *
 * See perf_events.h.
 */
#include "measure/perf_events.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_one(uint64_t config)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof attr,
        .config = config,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        .inherit = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t read_one(int fd)
{
    uint64_t raw[3]; /* value, time enabled, time running */
    if (fd < 0 || read(fd, raw, sizeof raw) != (ssize_t)sizeof raw || !raw[2])
        return JD_PERF_UNKNOWN;
    if (raw[1] == raw[2])
        return raw[0];
    return (uint64_t)((double)raw[0] * ((double)raw[1] / (double)raw[2]));
}

void jd_perf_open(struct jd_perf *perf)
{
    perf->instructions_fd = open_one(PERF_COUNT_HW_INSTRUCTIONS);
    perf->cycles_fd = open_one(PERF_COUNT_HW_CPU_CYCLES);
}

void jd_perf_read(const struct jd_perf *perf, struct jd_perf_counts *out)
{
    out->instructions = read_one(perf->instructions_fd);
    out->cycles = read_one(perf->cycles_fd);
}

void jd_perf_close(struct jd_perf *perf)
{
    if (perf->instructions_fd >= 0)
        close(perf->instructions_fd);
    if (perf->cycles_fd >= 0)
        close(perf->cycles_fd);
    perf->instructions_fd = perf->cycles_fd = -1;
}
