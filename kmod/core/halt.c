// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vcpu with nothing to do: first it spins a little, then its thread sleeps.
 *
 * Documentation/virt/kvm/halt-polling.rst describes the spinning, which saves the
 * way through the scheduler when the next event is near, and its parameters.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>

#include <compat/entry.h>
#include "core.h"

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "longest spin of an idle vcpu before it sleeps, in ns");

static unsigned int halt_poll_ns_grow = 2;
module_param(halt_poll_ns_grow, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_grow, "factor by which the spin grows; 0: never");

static unsigned int halt_poll_ns_grow_start = 10000;
module_param(halt_poll_ns_grow_start, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_grow_start, "first spin to grow to from 0, in ns");

static unsigned int halt_poll_ns_shrink;
module_param(halt_poll_ns_shrink, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_shrink, "divisor by which the spin shrinks; 0: to nothing");

void vcpu_post(struct kvm_vcpu *vcpu, enum kvm_request req)
{
	vcpu_request(vcpu, req);
	/* It is a full barrier between the request and the look at who sleeps. */
	if (!rcuwait_wake_up(&vcpu->halt_wait))
		vcpu_kick(vcpu);
}

void vcpu_post_nmi(struct kvm_vcpu *vcpu)
{
	atomic_inc(&vcpu->nmi_posted);
	vcpu_post(vcpu, KVM_REQ_NMI);
}

void vcpu_post_init(struct kvm_vcpu *vcpu)
{
	/* A SIPI sent before this INIT is void. */
	clear_bit(KVM_APIC_EVENT_SIPI, &vcpu->apic_events);
	set_bit(KVM_APIC_EVENT_INIT, &vcpu->apic_events);
	vcpu_post(vcpu, KVM_REQ_APIC);
}

void vcpu_post_sipi(struct kvm_vcpu *vcpu, u8 vector)
{
	WRITE_ONCE(vcpu->sipi_vector, vector);
	/* Whoever sees the bit sees the vector. */
	smp_wmb();
	set_bit(KVM_APIC_EVENT_SIPI, &vcpu->apic_events);
	vcpu_post(vcpu, KVM_REQ_APIC);
}

void vcpu_post_ioapic_eoi(struct kvm_vcpu *vcpu, u8 vector)
{
	vcpu->eoi_exit_vector = vector;
	vcpu_request(vcpu, KVM_REQ_IOAPIC_EOI);
}

static bool vcpu_must_wake(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || kvm_guest_work_pending();
}

/* Spin until @end. True: there is something to do. */
static bool halt_poll(struct kvm_vcpu *vcpu, ktime_t end)
{
	do {
		if (vcpu_must_wake(vcpu))
			return true;
		cpu_relax();
	} while (ktime_before(ktime_get(), end) && single_task_running());
	return false;
}

static void halt_sleep(struct kvm_vcpu *vcpu)
{
	/* Who changes the memory slots does not have to wait for a sleeper. */
	memslots_read_end(vcpu);
	prepare_to_rcuwait(&vcpu->halt_wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (vcpu_must_wake(vcpu))
			break;
		schedule();
	}
	finish_rcuwait(&vcpu->halt_wait);
	memslots_read_begin(vcpu);
}

/* It slept for @ns although it had spun before, or was not allowed to. */
static void halt_adapt(struct kvm_vcpu *vcpu, u64 ns)
{
	u64 max = READ_ONCE(halt_poll_ns), next = vcpu->halt_poll_ns;
	unsigned int shrink = READ_ONCE(halt_poll_ns_shrink);

	if (ns > max) {
		next = shrink ? next / shrink : 0;
	} else if (next < max) {
		next *= READ_ONCE(halt_poll_ns_grow);
		next = max_t(u64, next, READ_ONCE(halt_poll_ns_grow_start));
	}
	vcpu->halt_poll_ns = min(next, max);
}

/*
 * Wait until there is a request or a signal, or the thread must be scheduled.
 * Context: the vcpu's thread, loaded.
 */
void vcpu_wait(struct kvm_vcpu *vcpu)
{
	ktime_t start, spun;
	u64 poll = min(vcpu->halt_poll_ns, READ_ONCE(halt_poll_ns));

	if (vcpu_must_wake(vcpu))
		return;
	start = ktime_get();
	if (poll && !vcpu->pv.no_poll) {
		vcpu->stat.halt_attempted_poll++;
		if (halt_poll(vcpu, ktime_add_ns(start, poll))) {
			vcpu->stat.halt_successful_poll++;
			vcpu->stat.halt_poll_success_ns += ktime_to_ns(ktime_sub(ktime_get(),
										 start));
			return;
		}
		spun = ktime_get();
		vcpu->stat.halt_poll_fail_ns += ktime_to_ns(ktime_sub(spun, start));
	} else {
		spun = start;
	}
	halt_sleep(vcpu);
	vcpu->stat.halt_wakeup++;
	vcpu->stat.halt_wait_ns += ktime_to_ns(ktime_sub(ktime_get(), spun));
	halt_adapt(vcpu, ktime_to_ns(ktime_sub(ktime_get(), start)));
}
