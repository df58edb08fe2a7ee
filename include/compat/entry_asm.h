/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mitigations and annotations of a world switch, as assembler macros with one
 * meaning on every kernel. For .S files only.
 *
 * Their order around the switch is part of the contract:
 *
 *	KVM_FUNC_START(name)
 *	...load the guest's registers...
 *	KVM_CLEAR_CPU_BUFFERS		last thing before the entry; changes only ZF
 *	entry, exit
 *	...store the guest's registers, no RET and no CALL up to here...
 *	KVM_FILL_RSB reg		before the first RET
 *	KVM_SPEC_CTRL_TO_HOST ...	VMX: before the first RET
 *	KVM_UNTRAIN_RET			SVM: before the first RET
 *	KVM_CLEAR_BHB			VMX: before the first indirect branch
 *	...clear every register the guest left behind...
 *	KVM_RET
 *	KVM_FUNC_END(name)
 */
#ifndef KVM_COMPAT_ENTRY_ASM_H
#define KVM_COMPAT_ENTRY_ASM_H

#ifdef __ASSEMBLER__

#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include "config.h"

/* A function in .noinstr.text, with ENDBR and objtool's notes where wanted. */
#define KVM_FUNC_START(name)			\
	.pushsection .noinstr.text, "ax";	\
	SYM_FUNC_START(name)

#define KVM_FUNC_END(name)			\
	SYM_FUNC_END(name);			\
	.popsection

#define KVM_RET		RET

/*
 * Overwrite the return-stack buffer, which the guest may have filled with
 * addresses of its own, where this CPU does not keep the two apart (AMD
 * "Software Techniques for Managing Speculation"; Intel "Post-barrier RSB").
 * Clobbers @reg and the flags.
 */
.macro KVM_FILL_RSB reg:req
	FILL_RETURN_BUFFER \reg, RSB_CLEAR_LOOPS, \
		X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
.endm

/*
 * Undo what the guest taught the predictor of RET (Retbleed, SRSO). Clobbers rax,
 * rcx, rdx and the flags.
 */
.macro KVM_UNTRAIN_RET
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	/* The barrier asked for after guests only, unless UNTRAIN_RET does it anyway. */
	ALTERNATIVE_2 "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT, \
		"", X86_FEATURE_ENTRY_IBPB
	UNTRAIN_RET
#endif
.endm

/* Flush the branch history the guest left (BHI). Clobbers rax, rcx, flags. */
.macro KVM_CLEAR_BHB
#ifdef KVM_HAVE_CLEAR_BHB
	CLEAR_BRANCH_HISTORY_VMEXIT
#endif
.endm

/*
 * Clear the buffers that MDS, TAA, RFDS and TSA read from. Clobbers ZF only. Where
 * a kernel knows "only if the guest reaches MMIO", a VFIO device can be assigned
 * without our knowing: take it as yes.
 */
.macro KVM_CLEAR_CPU_BUFFERS
#ifdef VM_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#else
	ALTERNATIVE_2 "", \
		__CLEAR_CPU_BUFFERS, X86_FEATURE_CLEAR_CPU_BUF_VM, \
		__CLEAR_CPU_BUFFERS, X86_FEATURE_CLEAR_CPU_BUF_VM_MMIO
#endif
.endm

/*
 * Give IA32_SPEC_CTRL the host's value back. @guest, @host: 32-bit memory
 * operands or registers other than eax, ecx, edx; the MSR's upper half is zero.
 * Written even when equal where the host lives by legacy IBRS: a write in the
 * more privileged mode is what bounds the guest's branches. The LFENCE keeps a
 * mispredicted skip from running ahead. Clobbers rax, rcx, rdx, flags.
 */
.macro KVM_SPEC_CTRL_TO_HOST guest:req host:req
	ALTERNATIVE __stringify(jmp .Lno_spec_ctrl_\@), "", X86_FEATURE_MSR_SPEC_CTRL
	movl	\host, %eax
	xorl	%edx, %edx
	cmpl	\guest, %eax
	ALTERNATIVE __stringify(je .Lsame_spec_ctrl_\@), "", X86_FEATURE_KERNEL_IBRS
	movl	$MSR_IA32_SPEC_CTRL, %ecx
	wrmsr
.Lsame_spec_ctrl_\@:
	lfence
.Lno_spec_ctrl_\@:
.endm

#endif /* __ASSEMBLER__ */
#endif
