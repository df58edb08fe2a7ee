// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu ioctls that save and restore guest state: which there are, and the ones that
 * need no file of their own.
 */
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/processor.h>
#include <asm/msr-index.h>
#include <compat/uapi.h>
#include "x86_private.h"

#define CR3_PAE_TABLE	0xffffffe0ULL

/* Up to .apic_base struct kvm_sregs and struct kvm_sregs2 are the same. */
#define SREGS_COMMON	offsetof(struct kvm_sregs2, flags)
static_assert(offsetof(struct kvm_sregs, interrupt_bitmap) == SREGS_COMMON);
static_assert(offsetof(struct kvm_sregs, cr0) == offsetof(struct kvm_sregs2, cr0));
static_assert(sizeof(struct kvm_debugregs) == 128);

/* KVM_GET_DEBUGREGS */
static int debugregs_get(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_debugregs debug = { };

	x86_event_settle(vcpu);
	memcpy(debug.db, vcpu->regs.dr, sizeof(debug.db));
	debug.dr6 = vcpu->regs.dr6;
	debug.dr7 = vcpu->regs.dr7;
	return copy_to_user(argp, &debug, sizeof(debug)) ? -EFAULT : 0;
}

/* KVM_SET_DEBUGREGS. 0, -EFAULT, -EINVAL (flags; more than 32 bits of DR6 or DR7). */
static int debugregs_set(struct kvm_vcpu *vcpu, const void __user *argp)
{
	struct kvm_debugregs debug;

	if (copy_from_user(&debug, argp, sizeof(debug)))
		return -EFAULT;
	if (debug.flags || debug.dr6 >> 32 || debug.dr7 >> 32)
		return -EINVAL;
	x86_restore_debugregs(vcpu, debug.db, debug.dr6, debug.dr7);
	return 0;
}

/* PAE paging: the CPU holds four entries of its own, read when CR3 was loaded. */
static bool sregs2_pae(const struct kvm_sregs *sregs)
{
	return (sregs->cr0 & X86_CR0_PG) && (sregs->cr4 & X86_CR4_PAE) &&
	       !(sregs->efer & EFER_LMA);
}

/* Where the hardware has no such registers, it reads the entries when it walks. */
static bool sregs2_get_pdptrs(struct kvm_vcpu *vcpu, u64 cr3, u64 *pdptrs)
{
	if (kvm_vendor->get_pdptrs) {
		kvm_vendor->get_pdptrs(vcpu, pdptrs);
		return true;
	}
	return !guest_read(vcpu, cr3 & CR3_PAE_TABLE, pdptrs, 4 * sizeof(*pdptrs));
}

/* KVM_GET_SREGS2 */
static int sregs2_get(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs2 sregs2 = { };
	struct kvm_sregs sregs;

	x86_get_sregs(vcpu, &sregs);
	memcpy(&sregs2, &sregs, SREGS_COMMON);
	if (sregs2_pae(&sregs) && sregs2_get_pdptrs(vcpu, sregs.cr3, sregs2.pdptrs))
		sregs2.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return copy_to_user(argp, &sregs2, sizeof(sregs2)) ? -EFAULT : 0;
}

/*
 * KVM_SET_SREGS2: as KVM_SET_SREGS, without an interrupt, and with the PDPTEs the
 * guest is to go on with. 0, -EFAULT, -EINVAL.
 */
static int sregs2_set(struct kvm_vcpu *vcpu, const void __user *argp)
{
	struct kvm_sregs sregs = { };
	struct kvm_sregs2 sregs2;
	bool pdptrs;
	int ret;

	if (copy_from_user(&sregs2, argp, sizeof(sregs2)))
		return -EFAULT;
	if (sregs2.flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	memcpy(&sregs, &sregs2, SREGS_COMMON);
	pdptrs = sregs2.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	if (pdptrs && !sregs2_pae(&sregs))
		return -EINVAL;
	ret = x86_set_sregs(vcpu, &sregs);
	if (!ret && pdptrs && kvm_vendor->set_pdptrs)
		kvm_vendor->set_pdptrs(vcpu, sregs2.pdptrs);
	return ret;
}

/**
 * x86_state_ioctl() - the vcpu ioctls of this room's saved state
 * @vcpu: loaded
 * @ioctl: number
 * @argp: argument, of userspace
 *
 * Context: may sleep. Return: 0 or a value for userspace, a negative errno, or -ENOTTY:
 * no ioctl of this room.
 */
long x86_state_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_GET_VCPU_EVENTS:
		return events_get_ioctl(vcpu, argp);
	case KVM_SET_VCPU_EVENTS:
		return events_set_ioctl(vcpu, argp);
	case KVM_GET_DEBUGREGS:
		return debugregs_get(vcpu, argp);
	case KVM_SET_DEBUGREGS:
		return debugregs_set(vcpu, argp);
	case KVM_GET_XSAVE:
	case KVM_GET_XSAVE2:
		return xsave_get(vcpu, argp);
	case KVM_SET_XSAVE:
		return xsave_set(vcpu, argp);
	case KVM_GET_XCRS:
		return xcrs_get(vcpu, argp);
	case KVM_SET_XCRS:
		return xcrs_set(vcpu, argp);
	case KVM_GET_SREGS2:
		return sregs2_get(vcpu, argp);
	case KVM_SET_SREGS2:
		return sregs2_set(vcpu, argp);
	case KVM_X86_SETUP_MCE:
		return x86_mce_setup(vcpu, argp);
	case KVM_X86_SET_MCE:
		return x86_mce_inject(vcpu, argp);
	case KVM_GET_TSC_KHZ:
		return tsc_get_khz(vcpu);
	case KVM_SET_TSC_KHZ:
		return tsc_set_khz(vcpu, (unsigned long)argp);
	default:
		return -ENOTTY;
	}
}
