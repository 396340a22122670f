/* SPDX-License-Identifier: Apache-2.0
 *
 * Unwind tables: libgcc's registration. Source: LSB core, 10.6 (.eh_frame); libgcc's
 * unwind-dw2-fde.h. Knows no engine.
 */
#include "internal.h"

extern void __register_frame(void *begin);
extern void __deregister_frame(void *begin);

void legacy_unwind_register(uintptr_t frame_addr)
{
    __register_frame((void *)frame_addr);
}

void legacy_unwind_deregister(uintptr_t frame_addr)
{
    __deregister_frame((void *)frame_addr);
}
