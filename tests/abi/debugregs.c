// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debug registers: KVM_GET/SET_DEBUGREGS, breakpoints in the guest, RFLAGS.TF.
 */
#include "vmm.h"

#define DR6_FIXED	0xffff0ff0ull
#define DR7_FIXED	0x400ull
#define DR6_BS		(1ull << 14)

/* Reads DR0 to DR3, DR6, DR7 into RBX, RCX, RDX, RSI, R8, R9; sets DR1 and DR6. */
GUEST(exchange_dr, 64,
	"mov %dr0, %rbx\n"
	"mov %dr1, %rcx\n"
	"mov %dr2, %rdx\n"
	"mov %dr3, %rsi\n"
	"mov %dr6, %r8\n"
	"mov %dr7, %r9\n"
	"mov $0x123456, %eax\n"
	"mov %rax, %dr1\n"
	"mov $0xffff4ff0, %eax\n"
	"mov %rax, %dr6\n"
	"hlt\n");

static void require(struct vmm_vcpu *vcpu)
{
	if (!vmm_cap(vcpu->vm, KVM_CAP_DEBUGREGS))
		SKIP("KVM_CAP_DEBUGREGS is 0");
}

TEST(reset, "a new vcpu's debug registers have their reset values")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, exchange_dr);
	struct kvm_debugregs d;
	int i;

	require(vcpu);
	OK(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &d));
	for (i = 0; i < 4; i++)
		CHECK_EQ(d.db[i], 0);
	CHECK_EQ(d.dr6, DR6_FIXED);
	CHECK_EQ(d.dr7, DR7_FIXED);
	CHECK_EQ(d.flags, 0);
}

TEST(round_trip, "the guest reads what was set, and what it sets is read")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, exchange_dr);
	struct kvm_debugregs d = {
		.db = { 0x1000, 0x2000, 0xffff800000003000ull, 0x4000 },
		.dr6 = DR6_FIXED | 1, .dr7 = DR7_FIXED,
	}, got;
	struct kvm_regs regs;

	require(vcpu);
	OK(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &d));
	OK(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &got));
	CHECK(!memcmp(&got, &d, sizeof(d)));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.rbx, d.db[0]);
	CHECK_EQ(regs.rcx, d.db[1]);
	CHECK_EQ(regs.rdx, d.db[2]);
	CHECK_EQ(regs.rsi, d.db[3]);
	CHECK_EQ(regs.r8, d.dr6);
	CHECK_EQ(regs.r9, d.dr7);
	OK(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &got));
	CHECK_EQ(got.db[1], 0x123456);
	CHECK_EQ(got.db[3], d.db[3]);
	CHECK_EQ(got.dr6, DR6_FIXED | DR6_BS);
}

TEST(bad_input, "flags, upper halves and bad pointers are refused")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, exchange_dr);
	struct kvm_debugregs d = { .dr6 = DR6_FIXED, .dr7 = DR7_FIXED }, got;

	require(vcpu);
	d.db[0] = 0x77;
	d.flags = 1;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &d), EINVAL);
	d.flags = 0;
	d.dr6 |= 1ull << 32;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &d), EINVAL);
	d.dr6 = DR6_FIXED;
	d.dr7 |= 1ull << 32;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &d), EINVAL);
	OK(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &got));
	CHECK_EQ(got.db[0], 0);
	CHECK_EQ(got.dr7, DR7_FIXED);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, NULL), EFAULT);
}

/* The handler of #DB keeps DR6 in RBX, the address of the event in RCX. */
GUEST(breakpoint, 64,
	"nop\n"
	"nop\n"
	"nop\n"
	"hlt\n"
	ORG(0x100)
	"mov %dr6, %rbx\n"
	"mov (%rsp), %rcx\n"
	"out %al, $0x10\n"
	"iretq\n");

TEST(breakpoint_set_by_user, "a breakpoint set by KVM_SET_DEBUGREGS fires in the guest")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, breakpoint);
	struct kvm_debugregs d = {
		.db = { 0, GPA_CODE + 2 },
		.dr6 = DR6_FIXED, .dr7 = DR7_FIXED | 1 << 3 /* G1 */,
	};

	require(vcpu);
	if (vmm_on_tcg())
		SKIP("QEMU's TCG does not arm breakpoints when it enters a guest");
	vmm_gate(vcpu, 1, GPA_CODE + 0x100);
	OK(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &d));
	vmm_run_to_out(vcpu, 0x10, 1);
	CHECK_EQ(vmm_regs(vcpu).rcx, GPA_CODE + 2);
	CHECK_EQ(vmm_regs(vcpu).rbx & 0xf, 2);
	OK(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &d));
	CHECK_EQ(d.dr6 & 0xf, 2);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

TEST(single_step, "TF set by KVM_SET_REGS is the guest's own, and stays readable")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, breakpoint);
	struct kvm_regs regs = vmm_regs(vcpu);

	if (!vmm_cap(vcpu->vm, KVM_CAP_X86_ROBUST_SINGLESTEP))
		SKIP("KVM_CAP_X86_ROBUST_SINGLESTEP is 0");
	vmm_gate(vcpu, 1, GPA_CODE + 0x100);
	regs.rflags |= 0x100;
	vmm_set_regs(vcpu, &regs);
	CHECK_EQ(vmm_regs(vcpu).rflags & 0x100, 0x100);
	vmm_run_to_out(vcpu, 0x10, 1);
	/* In the handler TF is clear; the trap came behind the first NOP. */
	CHECK_EQ(vmm_regs(vcpu).rflags & 0x100, 0);
	CHECK_EQ(vmm_regs(vcpu).rcx, GPA_CODE + 1);
	CHECK_EQ(vmm_regs(vcpu).rbx & DR6_BS, DR6_BS);
}
