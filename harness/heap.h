/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JD_HARNESS_HEAP_H
#define JD_HARNESS_HEAP_H

/* Set up the C library's heap for a process that compiles: on huge pages where the system grants
 * them to who asks, and never given back and faulted in again. All engines get the same heap. To be
 * called once, before other threads exist; cannot fail, a heap that cannot be prepared stays as it
 * was. A program's own mallopt or GLIBC_TUNABLES win over it.
 * Source: mallopt(3), madvise(2). */
void jd_heap_prepare(void);

#endif
