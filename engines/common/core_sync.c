/* SPDX-License-Identifier: Apache-2.0
 *
 * See core_sync.h. Knows no arena.
 */
#include "core_sync.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool jd_core_sync_init(void)
{
    return !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
}

bool jd_core_sync(void)
{
    int saved_errno = errno;
    bool is_done = !syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    errno = saved_errno;
    return is_done;
}
