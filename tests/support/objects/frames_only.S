/* SPDX-License-Identifier: Apache-2.0
 *
 * Unwind tables and data, but no code: what is left of an object whose functions were all dropped.
 */
    .section .eh_frame,"a",%progbits
begin:
    .4byte  end_of_common - after_length
after_length:
    .4byte  0   /* a CIE */
    .byte   1   /* version */
    .asciz  ""
    .uleb128 1
    .sleb128 -8
    .byte   16
    .balign 8
end_of_common:
    .data
    .globl  frames_only_data
frames_only_data:
    .4byte  7
    .section .note.GNU-stack,"",%progbits
