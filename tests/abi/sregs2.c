// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET/SET_SREGS2: as SREGS, with the PDPTEs of PAE paging instead of interrupts.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <stddef.h>

#define CAP_SREGS2	200
#define PDPTRS_VALID	1

/* As newer headers have it. */
struct sregs2 {
	struct kvm_segment cs, ds, es, fs, gs, ss, tr, ldt;
	struct kvm_dtable gdt, idt;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, apic_base, flags, pdptrs[4];
};

#define GET_SREGS2	_IOR(KVMIO, 0xcc, struct sregs2)
#define SET_SREGS2	_IOW(KVMIO, 0xcd, struct sregs2)

GUEST(nothing, 64, "hlt\n");
GUEST(nothing32, 32, "mov 0x7000, %eax\nhlt\n");

static struct vmm_vcpu *boot(enum vmm_mode mode, struct vmm_blob blob)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, mode, blob);

	if (!vmm_cap(vcpu->vm, CAP_SREGS2))
		SKIP("KVM_CAP_SREGS2 is 0");
	return vcpu;
}

static struct sregs2 get(struct vmm_vcpu *vcpu)
{
	struct sregs2 s;

	memset(&s, 0xee, sizeof(s));
	OK(ioctl(vcpu->fd, GET_SREGS2, &s));
	return s;
}

TEST(same, "KVM_GET_SREGS2 agrees with KVM_GET_SREGS in long mode")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, nothing);
	struct kvm_sregs old = vmm_sregs(vcpu);
	struct sregs2 s = get(vcpu);

	CHECK(!memcmp(&s, &old, offsetof(struct sregs2, flags)));
	CHECK_EQ(s.flags, 0);
}

TEST(set, "KVM_SET_SREGS2 sets what KVM_GET_SREGS shows; the guest runs with it")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, nothing);
	struct sregs2 s = get(vcpu);
	struct kvm_sregs old;

	s.cr2 = 0x123000;
	s.fs.base = 0x45678;
	OK(ioctl(vcpu->fd, SET_SREGS2, &s));
	old = vmm_sregs(vcpu);
	CHECK(!memcmp(&s, &old, offsetof(struct sregs2, flags)));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

TEST(pae, "under PAE paging the PDPTEs are shown and can be set")
{
	struct vmm_vcpu *vcpu = boot(VMM_PAE, nothing32);
	struct sregs2 s = get(vcpu);
	uint64_t *table = (uint64_t *)(vcpu->vm->ram + (s.cr3 & ~0x1full));
	struct kvm_regs regs = vmm_regs(vcpu);
	int i;

	CHECK_EQ(s.flags, PDPTRS_VALID);
	for (i = 0; i < 4; i++)
		CHECK_EQ(s.pdptrs[i], table[i]);
	OK(ioctl(vcpu->fd, SET_SREGS2, &s));
	*(uint32_t *)(vcpu->vm->ram + GPA_DATA) = 0x1234567;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ((uint32_t)vmm_regs(vcpu).rax, 0x1234567);
	/* And without them, as after KVM_SET_SREGS. */
	s = get(vcpu);
	s.flags = 0;
	OK(ioctl(vcpu->fd, SET_SREGS2, &s));
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ((uint32_t)vmm_regs(vcpu).rax, 0x1234567);
}

TEST(no_interrupt, "KVM_SET_SREGS2 leaves an interrupt alone")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, nothing);
	struct kvm_interrupt irq = { .irq = 0x41 };
	struct sregs2 s = get(vcpu);

	OK(ioctl(vcpu->fd, KVM_INTERRUPT, &irq));
	OK(ioctl(vcpu->fd, SET_SREGS2, &s));
	CHECK_EQ(vmm_sregs(vcpu).interrupt_bitmap[1], 2);
}

TEST(bad_input, "flags, impossible states and bad pointers are refused")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, nothing);
	struct sregs2 s = get(vcpu), bad = s;

	bad.flags = 2;
	CHECK_ERRNO(ioctl(vcpu->fd, SET_SREGS2, &bad), EINVAL);
	bad.flags = PDPTRS_VALID;
	CHECK_ERRNO(ioctl(vcpu->fd, SET_SREGS2, &bad), EINVAL);
	bad = s;
	bad.cr4 &= ~X86_CR4_PAE;
	CHECK_ERRNO(ioctl(vcpu->fd, SET_SREGS2, &bad), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, SET_SREGS2, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, GET_SREGS2, NULL), EFAULT);
	OK(ioctl(vcpu->fd, SET_SREGS2, &s));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}
