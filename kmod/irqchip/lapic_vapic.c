// SPDX-License-Identifier: GPL-2.0-only
/*
 * The task priority's copy in guest memory, and exits that say who uses the register.
 *
 * 32-bit guests change their task priority often. Userspace, told of each access by
 * KVM_EXIT_TPR_ACCESS, patches the guest's instructions to use the copy instead, which
 * needs no exit. The copy has four bytes: the task priority, for the guest to write;
 * the priority class in service; 0; the highest vector requested. The last two tell the
 * guest whether lowering its priority lets an interrupt in, and then it makes an exit.
 *
 * While there is a copy it is the register: irqchip_peek() looks at it before every
 * entry (vcpu->irq_watch), and whoever shows the register to somebody looks at it first.
 */
#include <linux/uaccess.h>
#include <kvm/memslot.h>
#include <kvm/x86.h>
#include "lapic.h"

static u32 vapic_word(struct kvm_lapic *apic)
{
	u32 isr = apic->isr_top < 0 ? 0 : apic->isr_top & 0xf0;
	int irr = lapic_irr_top(apic);

	return (lapic_reg(apic, APIC_TASKPRI) & APIC_TPRI_MASK) | isr << 8 |
	       (irr < 0 ? 0 : (u32)irr << 24);
}

/* The register takes the copy's value, unless it has a newer one itself. */
static void vapic_take(struct kvm_lapic *apic, u8 tpr)
{
	if (apic->vapic_newer)
		return;
	lapic_set_reg(apic, APIC_TASKPRI, tpr);
	apic->vcpu->regs.cr8 = tpr >> 4;
}

/* Register and copy agree. 0, -EFAULT: not now, if the caller has page faults disabled. */
static int vapic_settle(struct kvm_lapic *apic)
{
	u32 seen, word;

	if (guest_read(apic->vcpu, apic->vapic_addr, &seen, sizeof(seen)))
		return -EFAULT;
	vapic_take(apic, seen);
	word = vapic_word(apic);
	if (word != seen && guest_write(apic->vcpu, apic->vapic_addr, &word, sizeof(word)))
		return -EFAULT;
	apic->vapic_newer = false;
	return 0;
}

void lapic_vapic_sync(struct kvm_lapic *apic)
{
	int r;

	/* Waiting has not helped: there is no memory, and the guest goes on without. */
	if (apic->vapic_skip) {
		apic->vapic_skip = false;
		return;
	}
	pagefault_disable();
	r = vapic_settle(apic);
	pagefault_enable();
	/* The page is being swapped, or migrates: it can be waited for where that is allowed. */
	if (r)
		vcpu_request(apic->vcpu, KVM_REQ_VAPIC);
}

void lapic_vapic_wait(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->lapic;

	if (apic->vapic_addr)
		apic->vapic_skip = vapic_settle(apic);
}

void lapic_vapic_pull(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->lapic;
	u8 tpr;

	if (vcpu->irq_watch && !guest_read(vcpu, apic->vapic_addr, &tpr, sizeof(tpr)))
		vapic_take(apic, tpr);
}

void lapic_tpr_accessed(struct kvm_lapic *apic, u64 rip, bool write)
{
	apic->tpr_rip = rip;
	apic->tpr_write = write;
	vcpu_request(apic->vcpu, KVM_REQ_TPR_ACCESS);
}

void lapic_tpr_exit(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_TPR_ACCESS;
	run->tpr_access.rip = vcpu->lapic->tpr_rip;
	run->tpr_access.is_write = vcpu->lapic->tpr_write;
	run->tpr_access.pad = 0;
}

/**
 * lapic_ioctl_vapic() - KVM_SET_VAPIC_ADDR
 * @apic: own thread, loaded
 * @argp: of userspace; the address must be within one memory slot, 0 ends the copying
 *
 * The memory is not touched now, and may be lost later. Return: 0, -EFAULT, -EINVAL.
 */
long lapic_ioctl_vapic(struct kvm_lapic *apic, const void __user *argp)
{
	struct kvm_memslots *slots = memslots_get(apic->vcpu->kvm);
	struct kvm_memslot *slot;
	struct kvm_vapic_addr va;

	if (copy_from_user(&va, argp, sizeof(va)))
		return -EFAULT;
	if (va.vapic_addr) {
		slot = memslot_find(slots, va.vapic_addr >> PAGE_SHIFT);
		if (!slot || slot != memslot_find(slots, (va.vapic_addr + sizeof(u32) - 1) >>
							 PAGE_SHIFT))
			return -EINVAL;
	}
	apic->vapic_addr = va.vapic_addr;
	apic->vapic_newer = false;
	apic->vapic_skip = false;
	apic->vcpu->irq_watch = va.vapic_addr;
	lapic_look(apic);
	return 0;
}

/**
 * lapic_ioctl_tpr_report() - KVM_TPR_ACCESS_REPORTING
 * @vcpu: own thread
 * @argp: of userspace
 *
 * Where userspace has the APIC it sees the accesses anyway. Return: 0, -EFAULT, -EINVAL.
 */
long lapic_ioctl_tpr_report(struct kvm_vcpu *vcpu, const void __user *argp)
{
	struct kvm_tpr_access_ctl ctl;

	if (copy_from_user(&ctl, argp, sizeof(ctl)))
		return -EFAULT;
	if (ctl.flags)
		return -EINVAL;
	if (vcpu->lapic)
		vcpu->lapic->tpr_report = ctl.enabled;
	return 0;
}
