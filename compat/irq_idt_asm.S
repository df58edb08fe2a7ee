/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call that looks like an interrupt. SDM "64-Bit Mode Stack Frame": RSP is
 * aligned to 16 bytes, then SS, RSP, RFLAGS, CS and RIP are pushed; the CALL
 * pushes the last. The entry's IRET pops all five, which puts RSP where %rbp
 * points and goes on after the CALL.
 */
#include <linux/linkage.h>
#include <asm/segment.h>
#include <compat/entry_asm.h>

KVM_FUNC_START(kvm_call_idt_entry)
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	push	$__KERNEL_DS
	push	%rbp
	pushf
	push	$__KERNEL_CS
	CALL_NOSPEC rdi
	mov	%rbp, %rsp
	pop	%rbp
	KVM_RET
KVM_FUNC_END(kvm_call_idt_entry)
