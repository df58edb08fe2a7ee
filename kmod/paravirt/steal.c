// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time: how long the vcpu's thread wanted a CPU and had none, and whether it
 * has one now. The latter lets other vcpus ask for a TLB flush without interrupting
 * one that does not run: it is done before it runs again.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <linux/srcu.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>
#include <compat/sched.h>
#include <kvm/memslot.h>
#include <kvm/paravirt.h>
#include <kvm/trace.h>
#include <kvm/x86.h>
#include "paravirt.h"

/* A guest that changes the word all the time could keep the thread here for ever. */
#define STEAL_TRIES	100
#define STEAL_ENABLE	BIT_ULL(0)
#define STEAL_RESERVED	GENMASK_ULL(5, 1)
#define STEAL_ADDRESS	(~GENMASK_ULL(5, 0))

static_assert(sizeof(struct kvm_steal_time) == 64);
static_assert(offsetof(struct kvm_steal_time, preempted) == 16);

int steal_available(void)
{
	return kvm_run_delay_counted();
}

int steal_get_msr(struct kvm_vcpu *vcpu, u64 *val)
{
	*val = vcpu->pv.steal;
	return 0;
}

int steal_set_msr(struct kvm_vcpu *vcpu, u64 val)
{
	if (!steal_available() || (val & STEAL_RESERVED))
		return 1;
	vcpu->pv.steal = val;
	vcpu->pv.steal_away = false;
	if (val & STEAL_ENABLE) {
		vcpu->pv.run_delay = kvm_run_delay();
		vcpu_request(vcpu, KVM_REQ_STEAL);
	}
	return 0;
}

static void steal_flush(struct kvm_vcpu *vcpu)
{
	preempt_disable();
	vcpu->tlb_gen = 0;	/* no generation: the next entry flushes */
	preempt_enable();
	vcpu->stat.tlb_flush++;
}

/*
 * The vcpu is back. False: no RAM there. Others set KVM_VCPU_FLUSH_TLB with a locked
 * instruction as long as they see it away, so taking it must be one step as well.
 */
static bool steal_come_back(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	int tries = STEAL_TRIES, ret;
	u32 word;

	do {
		if (paravirt_read(vcpu, gpa, &word, sizeof(word)))
			return false;
		ret = guest_cmpxchg(vcpu, gpa, word, word & ~0xffU, sizeof(word));
	} while (ret == -EAGAIN && --tries);
	if (ret)
		return false;
	trace_kvm_pv_tlb_flush(vcpu->id, word & KVM_VCPU_FLUSH_TLB);
	if (word & KVM_VCPU_FLUSH_TLB)
		steal_flush(vcpu);
	return true;
}

/**
 * steal_update() - tell the guest what its thread has lost
 * @vcpu: its own thread, loaded
 *
 * Context: may sleep, before an entry.
 */
void steal_update(struct kvm_vcpu *vcpu)
{
	gpa_t gpa = vcpu->pv.steal & STEAL_ADDRESS;
	u64 run_delay = kvm_run_delay();
	struct kvm_steal_time info;

	if (!(vcpu->pv.steal & STEAL_ENABLE))
		return;
	if (!steal_come_back(vcpu, gpa + offsetof(struct kvm_steal_time, preempted))) {
		/* Whether a flush was asked for meanwhile cannot be known. */
		if (vcpu->pv.steal_away)
			steal_flush(vcpu);
		return;
	}
	vcpu->pv.steal_away = false;
	if (paravirt_read(vcpu, gpa, &info, sizeof(info)))
		return;
	/* A version left odd is garbage, or an update another host was stopped in. */
	info.version = (info.version + 1) | 1;
	paravirt_write(vcpu, gpa + offsetof(struct kvm_steal_time, version), &info.version,
		       sizeof(info.version));
	/* Odd, then the time, then even: the guest reads in the other order. */
	smp_wmb();
	/* Another thread of the VMM may have been here last. */
	if (run_delay > vcpu->pv.run_delay)
		info.steal += run_delay - vcpu->pv.run_delay;
	vcpu->pv.run_delay = run_delay;
	paravirt_write(vcpu, gpa + offsetof(struct kvm_steal_time, steal), &info.steal,
		       sizeof(info.steal));
	/* As above. */
	smp_wmb();
	info.version++;
	paravirt_write(vcpu, gpa + offsetof(struct kvm_steal_time, version), &info.version,
		       sizeof(info.version));
}

/* One byte of guest memory, if it can be had without waiting. Any context. */
static bool steal_poke(struct kvm_vcpu *vcpu, gpa_t gpa, u8 val)
{
	struct kvm_memslot *slot = memslot_find(memslots_get(vcpu->kvm), gpa_to_gfn(gpa));
	u8 __user *hva;
	gfn_t index;
	int ret;

	if (!slot || memslot_readonly(slot))
		return false;
	index = array_index_nospec(gpa_to_gfn(gpa) - slot->base_gfn, slot->npages);
	hva = (u8 __user *)(slot->userspace_addr + (index << PAGE_SHIFT) + offset_in_page(gpa));
	pagefault_disable();
	ret = __put_user(val, hva);
	pagefault_enable();
	if (!ret)
		memslot_mark_dirty(slot, gpa_to_gfn(gpa));
	return !ret;
}

/**
 * steal_sched_out() - the thread leaves the CPU
 * @vcpu: loaded
 *
 * If the page is not there at the moment the guest goes on believing that the vcpu
 * runs, which is only slower. Context: the scheduler's; must not sleep.
 */
void steal_sched_out(struct kvm_vcpu *vcpu)
{
	gpa_t gpa = (vcpu->pv.steal & STEAL_ADDRESS) + offsetof(struct kvm_steal_time, preempted);
	int srcu;

	/* Still away: there may be a flush in it. */
	if (!(vcpu->pv.steal & STEAL_ENABLE) || vcpu->pv.steal_away)
		return;
	/* A halted vcpu does not hold the memory slots. */
	srcu = srcu_read_lock(&vcpu->kvm->srcu);
	if (steal_poke(vcpu, gpa, KVM_VCPU_PREEMPTED)) {
		vcpu->pv.steal_away = true;
		vcpu->stat.preemption_reported++;
	} else {
		vcpu->stat.preemption_other++;
	}
	srcu_read_unlock(&vcpu->kvm->srcu, srcu);
}
