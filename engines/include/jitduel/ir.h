/* SPDX-License-Identifier: Apache-2.0
 *
 * IR as the harness hands it to an engine: bytes with a name.
 */
#ifndef JITDUEL_IR_H
#define JITDUEL_IR_H

#include <stdbool.h>
#include <stddef.h>

/** LLVM IR, bitcode or text. The bytes are borrowed by an engine until the module is removed or the
 * engine destroyed. Text is copied if the parser needs a terminating NUL. */
struct jd_ir {
    const void *bytes;
    size_t size_bytes;
    const char *name; /**< file name or other label for messages; borrowed as long as the bytes */
};

/** True when the bytes start with the bitcode magic or the bitcode wrapper magic. */
static inline bool jd_ir_is_bitcode(const struct jd_ir *ir)
{
    const unsigned char *b = (const unsigned char *)ir->bytes;
    if (ir->size_bytes < 4)
        return false;
    return (b[0] == 'B' && b[1] == 'C' && b[2] == 0xC0 && b[3] == 0xDE) ||
           (b[0] == 0xDE && b[1] == 0xC0 && b[2] == 0x17 && b[3] == 0x0B);
}

#endif
