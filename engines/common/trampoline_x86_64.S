/* SPDX-License-Identifier: Apache-2.0
 *
 * The trampoline for x86-64: from a stub that is not compiled to the function, with everything an
 * argument can travel in unchanged. Sources: System V ABI, AMD64 supplement, 3.2 and 3.7 (CFI);
 * Intel SDM volume 1, chapter 13 (XSAVE).
 *
 *   what                     why it can be live          where it is kept
 *   rdi rsi rdx rcx r8 r9    integer arguments           stack
 *   rax                      vector count of varargs     stack
 *   r10                      static chain (nest)         stack
 *   r11                      argument of regcall         stack
 *   rbx rbp r12-r15          arguments of ghccc, swift;  callee-saved: the C resolver keeps them
 *                            callee-saved elsewhere
 *   x87, xmm/ymm/zmm, k,     arguments; control words    XSAVE area, components of
 *   mxcsr, x87 control       are the caller's            jd_xsave_mask
 *   flags                    not live at a call; DF is 0 by the ABI
 *
 * Stack on entry, from the top: struct jd_stubs, stub index, return address into the caller. The
 * target goes where the index was, and `ret` jumps to it: no register has to be given up.
 * The resolver runs with the default rounding mode, whatever the caller's is.
 */

	.section .rodata
	.align 4
.Ldefault_mxcsr:
	.long 0x1f80
.Ldefault_x87_control:
	.word 0x037f

	.text
	.globl jd_trampoline
	.hidden jd_trampoline
	.type jd_trampoline, @function
	.align 16
jd_trampoline:
	.cfi_startproc
	.cfi_def_cfa rsp, 24
	endbr64
	pushq %rbp
	.cfi_def_cfa_offset 32
	.cfi_offset rbp, -32
	movq %rsp, %rbp
	.cfi_def_cfa rbp, 32
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	subq jd_xsave_bytes(%rip), %rsp
	andq $-64, %rsp
	/* XRSTOR faults on a header with stray bits (SDM 13.4.2). */
	xorl %eax, %eax
	movq %rax, 512(%rsp)
	movq %rax, 520(%rsp)
	movq %rax, 528(%rsp)
	movq %rax, 536(%rsp)
	movq %rax, 544(%rsp)
	movq %rax, 552(%rsp)
	movq %rax, 560(%rsp)
	movq %rax, 568(%rsp)
	movl jd_xsave_mask(%rip), %eax
	xorl %edx, %edx
	testl %eax, %eax
	jz 1f
	xsave64 (%rsp)
	jmp 2f
1:	fxsave64 (%rsp)
2:	ldmxcsr .Ldefault_mxcsr(%rip)
	fldcw .Ldefault_x87_control(%rip)
	movq 8(%rbp), %rdi
	movl 16(%rbp), %esi
	call jd_stub_resolve
	movq %rax, 16(%rbp)
	movl jd_xsave_mask(%rip), %eax
	xorl %edx, %edx
	testl %eax, %eax
	jz 3f
	xrstor64 (%rsp)
	jmp 4f
3:	fxrstor64 (%rsp)
4:	leaq -72(%rbp), %rsp
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	popq %rbp
	.cfi_def_cfa rsp, 24
	.cfi_restore rbp
	/* leaq, not addq: it leaves even the flags alone */
	leaq 8(%rsp), %rsp
	.cfi_def_cfa_offset 16
	ret
	.cfi_endproc
	.size jd_trampoline, . - jd_trampoline

/* void jd_call_on_stack(void *stack_top, void (*function)(void *), void *argument)
 * The frame is found through rbp, so that unwinders walk from the new stack to the old. */
	.globl jd_call_on_stack
	.hidden jd_call_on_stack
	.type jd_call_on_stack, @function
	.align 16
jd_call_on_stack:
	.cfi_startproc
	endbr64
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register rbp
	movq %rdi, %rsp
	movq %rdx, %rdi
	call *%rsi
	movq %rbp, %rsp
	popq %rbp
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size jd_call_on_stack, . - jd_call_on_stack

	.section .note.GNU-stack, "", @progbits
