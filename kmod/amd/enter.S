/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world switch.
 */
#include <compat/entry_asm.h>

#define GPR(n)		((n) * 8)(%rdi)	/* kvm_vcpu_regs.gpr[], by ModRM number */

/*
 * int svm_world_switch(struct kvm_vcpu_regs *regs, hpa_t vmcb_pa, hpa_t host_pa)
 *
 * Run the guest until the next #VMEXIT. rax, rsp, rip and rflags are the control
 * block's, every other general register is in regs. IRQs are off on entry and on
 * return. 0, or -1 if SVM is off on this CPU and nothing happened.
 *
 * With GIF clear nothing reaches this CPU, so IF can be set: VMRUN keeps it as
 * the mask of physical interrupts while the guest runs ("Virtualizing
 * APIC.TPR", V_INTR_MASKING). VMLOAD takes away the host's GS base and TSS, so
 * until host_pa is loaded again there is no per-CPU data and no exception.
 */
KVM_FUNC_START(svm_world_switch)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi
	push	%rdx

	mov	%rsi, %rax
	mov	GPR(1), %rcx
	mov	GPR(2), %rdx
	mov	GPR(3), %rbx
	mov	GPR(5), %rbp
	mov	GPR(6), %rsi
	mov	GPR(8), %r8
	mov	GPR(9), %r9
	mov	GPR(10), %r10
	mov	GPR(11), %r11
	mov	GPR(12), %r12
	mov	GPR(13), %r13
	mov	GPR(14), %r14
	mov	GPR(15), %r15
	mov	GPR(7), %rdi

1:	clgi
	sti
	KVM_CLEAR_CPU_BUFFERS
	vmload	%rax
	vmrun	%rax
	vmsave	%rax

	pop	%rax
	vmload	%rax
	xchg	%rdi, (%rsp)
	mov	%rcx, GPR(1)
	mov	%rdx, GPR(2)
	mov	%rbx, GPR(3)
	mov	%rbp, GPR(5)
	mov	%rsi, GPR(6)
	mov	%r8, GPR(8)
	mov	%r9, GPR(9)
	mov	%r10, GPR(10)
	mov	%r11, GPR(11)
	mov	%r12, GPR(12)
	mov	%r13, GPR(13)
	mov	%r14, GPR(14)
	mov	%r15, GPR(15)
	pop	%rax
	mov	%rax, GPR(7)

	/*
	 * RET must not follow what the guest taught the predictors, and no
	 * register may carry the guest's values into speculation: the ones not
	 * cleared here are popped below.
	 */
	KVM_FILL_RSB %rax
	KVM_UNTRAIN_RET
	cli
	stgi

	xor	%eax, %eax
2:	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	KVM_RET

	/* CLGI raised #UD: EFER.SVME has been cleared under us. */
3:	pop	%rax
	pop	%rax
	mov	$-1, %eax
	jmp	2b
	_ASM_EXTABLE(1b, 3b)
KVM_FUNC_END(svm_world_switch)
