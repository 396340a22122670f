/* SPDX-License-Identifier: Apache-2.0
 *
 * A function that only code generation calls: libatomic's, for loads of what no instruction can
 * load at once. Not atomic here.
 */
#include <stddef.h>
#include <string.h>

void load(size_t size, const void *from, void *to, int order) __asm__("__atomic_load");

void load(size_t size, const void *from, void *to, int order)
{
    (void)order;
    memcpy(to, from, size);
}
