/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world switch.
 */
#include <linux/stringify.h>
#include <asm/asm.h>
#include <compat/entry_asm.h>
#include <kvm/debug.h>

/* SDM, appendix "Field Encoding in VMCS". */
#define VMCS_HOST_RSP	0x6c14
#define VMCS_HOST_RIP	0x6c16

/* enum kvm_gpr, in bytes. */
#define G_RAX	0
#define G_RCX	8
#define G_RDX	16
#define G_RBX	24
#define G_RBP	40
#define G_RSI	48
#define G_RDI	56
#define G_R8	64
#define G_R9	72
#define G_R10	80
#define G_R11	88
#define G_R12	96
#define G_R13	104
#define G_R14	112
#define G_R15	120

/* The stack while the guest runs. */
#define ON_STACK_FAILED	0	/* u8 CF, u8 ZF */
#define ON_STACK_GPR	8
#define ON_STACK_GUEST	16	/* u32: the guest's IA32_SPEC_CTRL */
#define ON_STACK_HOST	20	/* u32: the host's */
#define STACK_BYTES	24

/*
 * u32 vmx_world_switch(u64 *gpr, u64 *host_rsp, u32 launched, u32 guest_spec_ctrl,
 *			u32 host_spec_ctrl)
 *
 * Runs the current VMCS with the general registers at @gpr, all but RSP, and
 * stores what the guest left there. Returns 0 after an exit; if the instruction
 * failed, bit 0 is CF (VMfailInvalid) and bit 8 is ZF (VMfailValid). Failure falls
 * through to where an exit arrives, with every register still the guest's: one
 * way out serves both, and RFLAGS, which an exit clears, tells them apart.
 */
KVM_FUNC_START(vmx_world_switch)
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	subq	$STACK_BYTES, %rsp
	movq	%rdi, ON_STACK_GPR(%rsp)
	movl	%ecx, ON_STACK_GUEST(%rsp)
	movl	%r8d, ON_STACK_HOST(%rsp)
	movq	$0, ON_STACK_FAILED(%rsp)

	/* The depth of the stack rarely changes from one entry to the next. */
	cmpq	%rsp, (%rsi)
	je	.Lhost_rsp_known
	movl	$VMCS_HOST_RSP, %eax
	vmwrite	%rsp, %rax
	movq	%rsp, (%rsi)
.Lhost_rsp_known:
	testl	%edx, %edx
	jnz	.Lhost_rip_known
	leaq	.Lexit(%rip), %rbx
	movl	$VMCS_HOST_RIP, %eax
	vmwrite	%rbx, %rax
.Lhost_rip_known:
	/* CF lives through the loads and through VERW. */
	btl	$0, %edx

	movq	G_RAX(%rdi), %rax
	movq	G_RCX(%rdi), %rcx
	movq	G_RDX(%rdi), %rdx
	movq	G_RBX(%rdi), %rbx
	movq	G_RBP(%rdi), %rbp
	movq	G_RSI(%rdi), %rsi
	movq	G_R8(%rdi), %r8
	movq	G_R9(%rdi), %r9
	movq	G_R10(%rdi), %r10
	movq	G_R11(%rdi), %r11
	movq	G_R12(%rdi), %r12
	movq	G_R13(%rdi), %r13
	movq	G_R14(%rdi), %r14
	movq	G_R15(%rdi), %r15
	movq	G_RDI(%rdi), %rdi

	KVM_CLEAR_CPU_BUFFERS
	jnc	.Llaunch
.Lresume:
	vmresume
	jmp	.Lexit
.Llaunch:
	vmlaunch
.Lexit:
	setc	ON_STACK_FAILED(%rsp)
	setz	ON_STACK_FAILED + 1(%rsp)
	pushq	%rdi
	movq	ON_STACK_GPR + 8(%rsp), %rdi
	movq	%rax, G_RAX(%rdi)
	movq	%rcx, G_RCX(%rdi)
	movq	%rdx, G_RDX(%rdi)
	movq	%rbx, G_RBX(%rdi)
	movq	%rbp, G_RBP(%rdi)
	movq	%rsi, G_RSI(%rdi)
	popq	G_RDI(%rdi)
	movq	%r8, G_R8(%rdi)
	movq	%r9, G_R9(%rdi)
	movq	%r10, G_R10(%rdi)
	movq	%r11, G_R11(%rdi)
	movq	%r12, G_R12(%rdi)
	movq	%r13, G_R13(%rdi)
	movq	%r14, G_R14(%rdi)
#if !KVM_SEEDED_FAULT(2)
	movq	%r15, G_R15(%rdi)
#endif

	KVM_FILL_RSB %rax
	KVM_SPEC_CTRL_TO_HOST __stringify(ON_STACK_GUEST(%rsp)), __stringify(ON_STACK_HOST(%rsp))
	KVM_CLEAR_BHB

	/*
	 * Nothing the guest chose may steer the host, not even speculatively; the
	 * registers not named here get the host's values below.
	 */
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d

	movl	ON_STACK_FAILED(%rsp), %eax
	addq	$STACK_BYTES, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	KVM_RET
	/* VMX operation is off already, the machine is restarting: a failed entry. */
.Lfault:
	stc
	jmp	.Lexit
	_ASM_EXTABLE(.Lresume, .Lfault)
	_ASM_EXTABLE(.Llaunch, .Lfault)
KVM_FUNC_END(vmx_world_switch)
