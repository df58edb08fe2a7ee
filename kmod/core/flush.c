// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting vcpus out of the guest, and forgetting what their TLBs hold.
 *
 * A vcpu and whoever wants something of it meet in two variables, each writing
 * one and then, after a full barrier, reading the other:
 *
 *	vcpu (vcpu_enter(), IRQs off)		the other side
 *	mode = KVM_IN_GUEST			tlb_gen++ (or a request bit)
 *	full barrier				full barrier
 *	read requests, tlb_gen			read mode
 *	flush if tlb_gen moved, enter		IPI unless KVM_OUTSIDE_GUEST
 *
 * At least one of them sees the other's write. If the vcpu does, it flushes
 * before it enters. If the other side does, it sends an IPI to vcpu->cpu: the
 * vcpu has its IRQs off until it has left the guest, so the IPI is taken, and
 * the sender of a flush goes on, only after that; the next entry reads tlb_gen
 * again. What the sender changed before, sptes say, is ordered by the same
 * barriers: the guest walks tables only between the read of tlb_gen and the
 * exit.
 *
 * vcpu->cpu is constant while the mode is not KVM_OUTSIDE_GUEST. If it is read
 * after the vcpu has left, the IPI goes astray, which does no harm.
 */
#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <compat/smp.h>
#include <kvm/debug.h>

#include "core.h"

/* Scratch space of vm_flush_tlb(), used by its CPU with preemption off. */
static DEFINE_PER_CPU(cpumask_var_t, flush_mask);

void vcpu_kick(struct kvm_vcpu *vcpu)
{
	int cpu, me = get_cpu();

	/* cmpxchg() is the full barrier between the request and the mode. */
	if (cmpxchg(&vcpu->mode, KVM_IN_GUEST, KVM_EXITING) == KVM_IN_GUEST) {
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu >= 0 && cpu != me && cpu_online(cpu))
			smp_send_reschedule(cpu);
	}
	put_cpu();
}
EXPORT_SYMBOL_GPL(vcpu_kick);

void vm_request_all(struct kvm *kvm, enum kvm_request req)
{
	struct kvm_vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(i, vcpu, kvm) {
		vcpu_post(vcpu, req);
	}
}

/* Its arrival is all that matters. */
static void flush_ipi(void *unused)
{
}

void vm_flush_tlb(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	struct cpumask *mask = NULL;
	int cpu, me;
	u32 i;

	atomic64_inc(&kvm->stat.remote_tlb_flush_requests);
	if (!KVM_SEEDED_FAULT(12))
		atomic64_inc(&kvm->tlb_gen);
	/* Pairs with the store of the mode in vcpu_enter(). */
	smp_mb__after_atomic();

	me = get_cpu();
	vm_for_each_vcpu(i, vcpu, kvm) {
		/* KVM_EXITING was kicked but may be in the guest still. */
		if (smp_load_acquire(&vcpu->mode) == KVM_OUTSIDE_GUEST)
			continue;
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu < 0 || cpu == me)
			continue;
		if (!mask) {
			mask = this_cpu_cpumask_var_ptr(flush_mask);
			cpumask_clear(mask);
		}
		__cpumask_set_cpu(cpu, mask);
	}
	if (mask && !KVM_SEEDED_FAULT(13)) {
		smp_call_function_many(mask, flush_ipi, NULL, true);
		atomic64_inc(&kvm->stat.remote_tlb_flush);
	}
	put_cpu();
}

bool vm_flush_interrupts(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(i, vcpu, kvm)
		if (READ_ONCE(vcpu->mode) != KVM_OUTSIDE_GUEST)
			return true;
	return false;
}

int flush_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (!zalloc_cpumask_var_node(&per_cpu(flush_mask, cpu), GFP_KERNEL,
					     cpu_to_node(cpu))) {
			flush_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

void flush_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_cpumask_var(per_cpu(flush_mask, cpu));
}
