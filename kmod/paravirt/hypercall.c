// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls: what a guest asks for by number. Arguments are the guest's and not to
 * be trusted; a vcpu is named by its APIC ID.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <kvm/irqchip.h>
#include <kvm/trace.h>
#include "paravirt.h"

static struct kvm_vcpu *hypercall_target(struct kvm *kvm, u64 apic_id)
{
	struct kvm_vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(i, vcpu, kvm) {
		if (vcpu->id == apic_id)
			return vcpu;
	}
	return NULL;
}

/*
 * End another vcpu's halt. It may be on its way there: then the halt ends at once,
 * see exit_hlt().
 */
static long hypercall_kick(struct kvm_vcpu *vcpu, u64 apic_id)
{
	struct kvm_vcpu *target = hypercall_target(vcpu->kvm, apic_id);

	if (!irqchip_in_kernel(vcpu->kvm))
		return -KVM_ENOSYS;
	if (target) {
		WRITE_ONCE(target->pv.kicked, true);
		vcpu_post(target, KVM_REQ_UNHALT);
	}
	return 0;
}

/* Give this CPU's time to the thread of another vcpu, if that waits for a CPU. */
static long hypercall_yield(struct kvm_vcpu *vcpu, u64 apic_id)
{
	struct kvm_vcpu *target = hypercall_target(vcpu->kvm, apic_id);
	struct task_struct *task = NULL;

	vcpu->stat.directed_yield_attempted++;
	if (!target || target == vcpu || READ_ONCE(target->cpu) >= 0)
		return 0;
	spin_lock(&target->pid_lock);
	task = get_pid_task(target->pid, PIDTYPE_PID);
	spin_unlock(&target->pid_lock);
	if (!task)
		return 0;
	if (yield_to(task, true) > 0)
		vcpu->stat.directed_yield_successful++;
	put_task_struct(task);
	return 0;
}

/**
 * hypercall() - do what the guest asks for
 * @vcpu: its own thread, loaded; the guest is at CPL 0
 * @nr: KVM_HC_*
 * @args: RBX, RCX, RDX, RSI
 * @wide: asked in 64-bit mode
 *
 * Context: may sleep. Return: what RAX is to say, a negative KVM_E* for failures.
 */
long hypercall(struct kvm_vcpu *vcpu, u64 nr, const u64 args[4], bool wide)
{
	trace_kvm_hypercall(nr, args);
	switch (nr) {
	case KVM_HC_VAPIC_POLL_IRQ:
		return 0;	/* the exit was all it asked for */
	case KVM_HC_KICK_CPU:
		return hypercall_kick(vcpu, args[1]);
	case KVM_HC_CLOCK_PAIRING:
		return clock_pair(vcpu, args[0], args[1]);
	case KVM_HC_SEND_IPI:
		if (!irqchip_in_kernel(vcpu->kvm))
			return -KVM_ENOSYS;
		return lapic_send_ipis(vcpu->kvm, args[0], args[1], args[2], args[3], wide);
	case KVM_HC_SCHED_YIELD:
		return hypercall_yield(vcpu, args[0]);
	default:
		return -KVM_ENOSYS;
	}
}
