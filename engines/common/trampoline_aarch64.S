/* SPDX-License-Identifier: Apache-2.0
 *
 * The trampoline for AArch64: from a stub that is not compiled to the function, with everything an
 * argument can travel in unchanged, and what the rarer calling conventions want kept besides.
 * Sources: AAPCS64, 6.1 and 6.4; Vector Function ABI for AArch64, 3.1; DWARF for the Arm 64-bit
 * Architecture, 4.1 (CFI, return addresses that are signed).
 *
 *   what           why it can be live                        where it is kept
 *   x0-x7          integer arguments                         stack
 *   x8             address of the result (sret)              stack
 *   x9-x15         static chain (nest), arguments of          stack
 *                  preserve_none; kept by preserve_most
 *   x18            the platform's, or nest                   stack
 *   x19-x28        arguments of ghccc, swift, preserve_none; callee-saved: the C resolver keeps them
 *                  callee-saved elsewhere
 *   x29 x30        frame and return address                  stack, x30 signed
 *   q0-q31         arguments; q8-q23 and q8-q31 are kept by  stack, whole, where there is no SVE
 *                  aarch64_vector_pcs and preserve_all
 *   z0-z31 p0-p15  the same for functions with SVE           stack, at the length the CPU has now
 *   fpcr fpsr      are the caller's                          stack
 *   x16 x17        not live: the stub has used them
 *   flags          not live at a call
 *   FFR, SME       never arguments of the conventions that LLVM offers to functions called through
 *                  a stub; a first call in streaming mode is not supported
 *
 * On entry, at sp: the stub's slot and its chunk's cells: struct jd_stubs, trampoline, number of the
 * chunk's first stub; the slots follow.
 * The resolver runs with the default rounding mode, whatever the caller's is.
 */

#define CELL_FIRST_STUB 16
#define CELLS_BYTES 24

/* Frame, from x29 */
#define FRAME_BYTES 176
#define FRAME_X0 16
#define FRAME_FPCR 144
#define FRAME_X18 160
#define FRAME_SLOT FRAME_BYTES
#define PUSHED_BYTES 16

	.arch armv8-a+sve

/* Predicates below, an eighth of a vector long each; vectors above. Offsets count lengths. */
	.macro sve_each instruction
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	\instruction p\n, [sp, #\n, mul vl]
	.endr
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	\instruction z\n, [sp, #2 + \n, mul vl]
	.endr
	.irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\instruction z\n, [sp, #2 + \n, mul vl]
	.endr
	.endm

	.macro neon_each instruction
	\instruction q0, q1, [sp]
	\instruction q2, q3, [sp, #32]
	\instruction q4, q5, [sp, #64]
	\instruction q6, q7, [sp, #96]
	\instruction q8, q9, [sp, #128]
	\instruction q10, q11, [sp, #160]
	\instruction q12, q13, [sp, #192]
	\instruction q14, q15, [sp, #224]
	\instruction q16, q17, [sp, #256]
	\instruction q18, q19, [sp, #288]
	\instruction q20, q21, [sp, #320]
	\instruction q22, q23, [sp, #352]
	\instruction q24, q25, [sp, #384]
	\instruction q26, q27, [sp, #416]
	\instruction q28, q29, [sp, #448]
	\instruction q30, q31, [sp, #480]
	.endm

	.text
	.globl jd_trampoline
	.hidden jd_trampoline
	.type jd_trampoline, %function
	.align 4
jd_trampoline:
	.cfi_startproc
	.cfi_def_cfa sp, PUSHED_BYTES
	hint #34	/* bti c: the landing pad for br x17 */
	/* Unwinders authenticate with the CFA (AAPCS64 DWARF, 4.5), not with what sp is here. */
	add x16, sp, #PUSHED_BYTES
	mov x17, x30
	hint #8		/* pacia1716 */
	mov x30, x17
	.cfi_negate_ra_state
	stp x29, x30, [sp, #-FRAME_BYTES]!
	.cfi_def_cfa_offset FRAME_BYTES + PUSHED_BYTES
	.cfi_offset x29, -(FRAME_BYTES + PUSHED_BYTES)
	.cfi_offset x30, -(FRAME_BYTES + PUSHED_BYTES) + 8
	mov x29, sp
	.cfi_def_cfa_register x29
	stp x0, x1, [sp, #FRAME_X0]
	stp x2, x3, [sp, #FRAME_X0 + 16]
	stp x4, x5, [sp, #FRAME_X0 + 32]
	stp x6, x7, [sp, #FRAME_X0 + 48]
	stp x8, x9, [sp, #FRAME_X0 + 64]
	stp x10, x11, [sp, #FRAME_X0 + 80]
	stp x12, x13, [sp, #FRAME_X0 + 96]
	stp x14, x15, [sp, #FRAME_X0 + 112]
	str x18, [sp, #FRAME_X18]
	mrs x9, fpcr
	mrs x10, fpsr
	stp x9, x10, [sp, #FRAME_FPCR]
	adrp x9, jd_has_sve
	ldrb w9, [x9, :lo12:jd_has_sve]
	cbnz w9, 1f
	sub sp, sp, #512
	neon_each stp
	b 2f
1:	addvl sp, sp, #-32	/* vectors */
	addvl sp, sp, #-2	/* predicates */
	sve_each str
2:	msr fpcr, xzr
	ldp x9, x10, [x29, #FRAME_SLOT]
	ldr x0, [x10]
	ldr x1, [x10, #CELL_FIRST_STUB]
	sub x9, x9, x10
	sub x9, x9, #CELLS_BYTES
	add x1, x1, x9, lsr #3
	bl jd_stub_resolve
	mov x16, x0
	adrp x9, jd_has_sve
	ldrb w9, [x9, :lo12:jd_has_sve]
	cbnz w9, 3f
	neon_each ldp
	b 4f
3:	sve_each ldr
4:	mov sp, x29
	ldp x9, x10, [sp, #FRAME_FPCR]
	msr fpcr, x9
	msr fpsr, x10
	ldr x18, [sp, #FRAME_X18]
	ldp x0, x1, [sp, #FRAME_X0]
	ldp x2, x3, [sp, #FRAME_X0 + 16]
	ldp x4, x5, [sp, #FRAME_X0 + 32]
	ldp x6, x7, [sp, #FRAME_X0 + 48]
	ldp x8, x9, [sp, #FRAME_X0 + 64]
	ldp x10, x11, [sp, #FRAME_X0 + 80]
	ldp x12, x13, [sp, #FRAME_X0 + 96]
	ldp x14, x15, [sp, #FRAME_X0 + 112]
	ldp x29, x30, [sp], #FRAME_BYTES
	.cfi_def_cfa sp, PUSHED_BYTES
	.cfi_restore x29
	.cfi_restore x30
	add sp, sp, #PUSHED_BYTES
	.cfi_def_cfa_offset 0
	autiasp
	.cfi_negate_ra_state
	br x16
	.cfi_endproc
	.size jd_trampoline, . - jd_trampoline

/* void jd_call_on_stack(void *stack_top, void (*function)(void *), void *argument)
 * The frame is found through x29, so that unwinders walk from the new stack to the old. */
	.globl jd_call_on_stack
	.hidden jd_call_on_stack
	.type jd_call_on_stack, %function
	.align 4
jd_call_on_stack:
	.cfi_startproc
	paciasp
	.cfi_negate_ra_state
	stp x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	mov x29, sp
	.cfi_def_cfa_register x29
	mov sp, x0
	mov x0, x2
	blr x1
	mov sp, x29
	ldp x29, x30, [sp], #16
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	autiasp
	.cfi_negate_ra_state
	ret
	.cfi_endproc
	.size jd_call_on_stack, . - jd_call_on_stack

/* Without this note of every object the program's pages would lose their protection (ELF for the
 * Arm 64-bit Architecture, "Program Property"): BTI and PAC. */
	.section .note.gnu.property, "a", %note
	.align 3
	.word 4, 16, 5
	.asciz "GNU"
	.word 0xc0000000, 4, 3, 0

	.section .note.GNU-stack, "", %progbits
