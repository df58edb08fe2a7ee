// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends of interrupts without an exit: Documentation/virt/kvm/x86/msr.rst,
 * MSR_KVM_EOI_EN.
 *
 * While the one interrupt in service needs nothing but its bit of ISR cleared, a flag
 * in guest memory tells the guest so. It clears the flag instead of writing EOI; the
 * APIC catches up when somebody asks about ISR. As soon as something else is pending
 * the flag is taken back, and the EOI exits as ever.
 */
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <kvm/memslot.h>
#include <kvm/trace_irq.h>
#include "lapic.h"

#define PV_EOI_ENABLE	BIT_ULL(0)
#define PV_EOI_RESERVED	BIT_ULL(1)
#define PV_EOI_ADDRESS	(~GENMASK_ULL(1, 0))

/* The flag's word in the host, or NULL: no RAM there. Loaded. */
static u32 __user *pv_eoi_word(struct kvm_vcpu *vcpu, struct kvm_memslot **slot)
{
	gpa_t gpa = vcpu->pv.eoi & PV_EOI_ADDRESS;
	gfn_t index;

	*slot = memslot_find(memslots_get(vcpu->kvm), gpa >> PAGE_SHIFT);
	if (!*slot || memslot_readonly(*slot))
		return NULL;
	/* The guest chooses the address: no speculation past the slot. */
	index = array_index_nospec((gpa >> PAGE_SHIFT) - (*slot)->base_gfn, (*slot)->npages);
	return (u32 __user *)((*slot)->userspace_addr + (index << PAGE_SHIFT) +
			      offset_in_page(gpa));
}

/* 0, -EFAULT: not now, if the caller has page faults disabled. */
static int pv_eoi_read(struct kvm_vcpu *vcpu, u32 *val)
{
	struct kvm_memslot *slot;
	u32 __user *word = pv_eoi_word(vcpu, &slot);

	return word ? __get_user(*val, word) : -EFAULT;
}

static int pv_eoi_write(struct kvm_vcpu *vcpu, u32 val)
{
	struct kvm_memslot *slot;
	u32 __user *word = pv_eoi_word(vcpu, &slot);

	if (!word || __put_user(val, word))
		return -EFAULT;
	memslot_mark_dirty(slot, (vcpu->pv.eoi & PV_EOI_ADDRESS) >> PAGE_SHIFT);
	return 0;
}

/**
 * lapic_pv_eoi_offer() - let the guest end @vector, just taken, without an exit
 * @apic: own thread; nothing else is in service or pending
 * @vector: in service now
 *
 * Context: must not sleep. If the page is not there at this moment the guest does as ever.
 */
void lapic_pv_eoi_offer(struct kvm_lapic *apic, u8 vector)
{
	struct kvm_vcpu *vcpu = apic->vcpu;

	if (!(vcpu->pv.eoi & PV_EOI_ENABLE) || lapic_eoi_heard(apic, vector))
		return;
	pagefault_disable();
	apic->pv_eoi_offered = !pv_eoi_write(vcpu, 1);
	pagefault_enable();
}

/* The flag is down, or gone. @ended: the guest has lowered it. */
static void pv_eoi_forget(struct kvm_lapic *apic, bool ended)
{
	if (ended)
		trace_kvm_pv_eoi(apic->id, apic->isr_top);
	if (ended || apic->pv_eoi_ended)
		lapic_eoi_finish(apic);
	apic->pv_eoi_offered = false;
	apic->pv_eoi_ended = false;
}

/* 0: ISR is right, and the flag is down. */
static int pv_eoi_settle(struct kvm_lapic *apic)
{
	u32 word;

	if (pv_eoi_read(apic->vcpu, &word))
		return -EFAULT;
	if ((word & 1) && pv_eoi_write(apic->vcpu, word & ~1U))
		return -EFAULT;
	pv_eoi_forget(apic, !(word & 1));
	return 0;
}

void lapic_pv_eoi_sync(struct kvm_lapic *apic)
{
	int r;

	pagefault_disable();
	r = pv_eoi_settle(apic);
	pagefault_enable();
	/* The page is being swapped, or migrates: before the next entry it can be waited for. */
	if (r)
		vcpu_request(apic->vcpu, KVM_REQ_PV_EOI);
}

void lapic_pv_eoi_wait(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->lapic;

	if (!apic || !apic->pv_eoi_offered)
		return;
	/* With its memory gone the guest can only write EOI. */
	if (pv_eoi_settle(apic))
		pv_eoi_forget(apic, false);
	lapic_look(apic);
}

int lapic_pv_eoi_set_msr(struct kvm_vcpu *vcpu, u64 val)
{
	u64 old = vcpu->pv.eoi;
	struct kvm_memslot *slot;

	if (val & PV_EOI_RESERVED)
		return 1;
	lapic_pv_eoi_wait(vcpu);
	vcpu->pv.eoi = val;
	if ((val & PV_EOI_ENABLE) && !pv_eoi_word(vcpu, &slot)) {
		vcpu->pv.eoi = old;
		return 1;
	}
	return 0;
}
