// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks: capabilities, banks, and errors userspace reports to the guest.
 */
#include "vmm.h"

#include <stdlib.h>

#define MSR_MCG_CAP	0x179
#define MSR_MCG_STATUS	0x17a
#define MSR_MCG_CTL	0x17b
#define MSR_MC(bank, reg) (0x400 + 4 * (bank) + (reg))	/* CTL, STATUS, ADDR, MISC */

#define MCG_CTL_P	(1ull << 8)
#define MCG_SER_P	(1ull << 24)
#define MCG_MCIP	(1ull << 2)
#define ST_VAL		(1ull << 63)
#define ST_OVER		(1ull << 62)
#define ST_UC		(1ull << 61)
#define ST_EN		(1ull << 60)
#define CR4_MCE		(1ull << 6)

/* The handler of #MC keeps MCG_STATUS in RBX and stops. */
GUEST(wait_mc, 64,
	"hlt\n"
	"jmp .\n"
	ORG(0x100)
	"mov $0x17a, %ecx\n"
	"rdmsr\n"
	"mov %eax, %ebx\n"
	"hlt\n");

static struct vmm_vcpu *boot(uint64_t cr4)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, wait_mc);
	struct kvm_sregs sregs;

	if (vmm_cap(vcpu->vm, KVM_CAP_MCE) < 10)
		SKIP("KVM_CAP_MCE is %d", vmm_cap(vcpu->vm, KVM_CAP_MCE));
	vmm_gate(vcpu, 18, GPA_CODE + 0x100);
	sregs = vmm_sregs(vcpu);
	sregs.cr4 |= cr4;
	vmm_set_sregs(vcpu, &sregs);
	return vcpu;
}

static uint64_t get(struct vmm_vcpu *vcpu, uint32_t msr)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = msr };

	CHECKF(ioctl(vcpu->fd, KVM_GET_MSRS, &m) == 1, "MSR 0x%x cannot be read", msr);
	return m.entry.data;
}

static void set(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = msr, .data = value } };

	CHECKF(ioctl(vcpu->fd, KVM_SET_MSRS, &m) == 1, "MSR 0x%x refuses 0x%llx", msr,
	       (unsigned long long)value);
}

static void setup(struct vmm_vcpu *vcpu, uint64_t cap)
{
	OK(ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap));
}

TEST(supported, "KVM_X86_GET_MCE_CAP_SUPPORTED says what QEMU's CPUs have")
{
	struct vmm_vcpu *vcpu = boot(0);
	uint64_t cap = 0;

	OK(ioctl(vcpu->vm->dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap));
	CHECK_EQ(cap & (MCG_CTL_P | MCG_SER_P), MCG_CTL_P | MCG_SER_P);
	CHECK_ERRNO(ioctl(vcpu->vm->dev, KVM_X86_GET_MCE_CAP_SUPPORTED, NULL), EFAULT);
}

TEST(setup, "KVM_X86_SETUP_MCE sets MCG_CAP and turns reporting on")
{
	struct vmm_vcpu *vcpu = boot(0);
	uint64_t cap = MCG_CTL_P | MCG_SER_P | 10;

	setup(vcpu, cap);
	/* AMD's CPUs have nothing above bit 8. */
	CHECK_EQ(get(vcpu, MSR_MCG_CAP) & 0x1ff, cap & 0x1ff);
	CHECK_EQ(get(vcpu, MSR_MCG_CTL), ~0ull);
	CHECK_EQ(get(vcpu, MSR_MC(0, 0)), ~0ull);
	CHECK_EQ(get(vcpu, MSR_MC(9, 0)), ~0ull);
	CHECK_EQ(get(vcpu, MSR_MC(9, 1)), 0);
	set(vcpu, MSR_MC(9, 2), 0x1234);
	CHECK_EQ(get(vcpu, MSR_MC(9, 2)), 0x1234);
	set(vcpu, MSR_MCG_STATUS, 0);
	set(vcpu, MSR_MCG_CTL, ~0ull);
}

TEST(setup_bad, "KVM_X86_SETUP_MCE refuses bank numbers and capabilities there are not")
{
	struct vmm_vcpu *vcpu = boot(0);
	uint64_t cap = 0;

	CHECK_ERRNO(ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	cap = 200;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	cap = 10 | 1ull << 63;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_X86_SETUP_MCE, NULL), EFAULT);
}

TEST(corrected, "a corrected error is stored and does not interrupt the guest")
{
	struct vmm_vcpu *vcpu = boot(CR4_MCE);
	struct kvm_x86_mce mce = {
		.status = ST_VAL | ST_EN | 0x9, .addr = 0x1000, .misc = 0x85, .bank = 3,
	};

	setup(vcpu, MCG_CTL_P | MCG_SER_P | 10);
	OK(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce));
	CHECK_EQ(get(vcpu, MSR_MC(3, 1)), mce.status);
	CHECK_EQ(get(vcpu, MSR_MC(3, 2)), mce.addr);
	CHECK_EQ(get(vcpu, MSR_MC(3, 3)), mce.misc);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 1);
	mce.status |= 0x100;
	OK(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce));
	CHECK_EQ(get(vcpu, MSR_MC(3, 1)), mce.status | ST_OVER);
}

TEST(uncorrected, "an uncorrected error is #MC in the guest, with MCG_STATUS set")
{
	struct vmm_vcpu *vcpu = boot(CR4_MCE);
	struct kvm_x86_mce mce = {
		.status = ST_VAL | ST_UC | ST_EN | 0x9, .addr = 0x1000, .misc = 0x85,
		.mcg_status = MCG_MCIP | 1, .bank = 3,
	};

	setup(vcpu, MCG_CTL_P | MCG_SER_P | 10);
	OK(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, MCG_MCIP | 1);
	CHECK_EQ(get(vcpu, MSR_MC(3, 1)), mce.status);
	CHECK_EQ(get(vcpu, MSR_MC(3, 2)), mce.addr);
	/* MCIP is still set: the next one is the end. */
	OK(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce));
	vmm_run_to(vcpu, KVM_EXIT_SHUTDOWN);
}

TEST(without_cr4_mce, "an uncorrected error shuts down a CPU with CR4.MCE clear")
{
	struct vmm_vcpu *vcpu = boot(0);
	struct kvm_x86_mce mce = {
		.status = ST_VAL | ST_UC | ST_EN | 0x9, .mcg_status = MCG_MCIP, .bank = 3,
	};

	setup(vcpu, MCG_CTL_P | MCG_SER_P | 10);
	OK(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce));
	vmm_run_to(vcpu, KVM_EXIT_SHUTDOWN);
}

TEST(turned_off, "an uncorrected error in a bank the guest has turned off is dropped")
{
	struct vmm_vcpu *vcpu = boot(CR4_MCE);
	struct kvm_x86_mce mce = {
		.status = ST_VAL | ST_UC | ST_EN | 0x9, .mcg_status = MCG_MCIP, .bank = 3,
	};

	setup(vcpu, MCG_CTL_P | MCG_SER_P | 10);
	set(vcpu, MSR_MC(3, 0), 0);
	OK(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce));
	CHECK_EQ(get(vcpu, MSR_MC(3, 1)), 0);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 1);
}

TEST(bad_input, "KVM_X86_SET_MCE refuses banks there are not and errors that are none")
{
	struct vmm_vcpu *vcpu = boot(CR4_MCE);
	struct kvm_x86_mce mce = { .status = ST_VAL, .bank = 10 };

	setup(vcpu, MCG_CTL_P | MCG_SER_P | 10);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce), EINVAL);
	mce.bank = 255;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce), EINVAL);
	mce.bank = 3;
	mce.status = ST_UC;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_X86_SET_MCE, NULL), EFAULT);
}
