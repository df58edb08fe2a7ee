// SPDX-License-Identifier: GPL-2.0-only
/*
 * The run loop: into the guest and back until userspace is needed.
 */
#define pr_fmt(fmt) "kvm: " fmt

#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <asm/cpufeature.h>

#include <compat/entry.h>
#include <compat/fpu.h>
#include <compat/mitigation.h>
#include <compat/msr.h>
#include <compat/preempt.h>
#include <kvm/debug.h>
#include <kvm/irqchip.h>
#include <kvm/trace.h>
#include <kvm/paravirt.h>
#include <kvm/x86.h>
#include "core.h"

/* Serial number of the vcpu that was in the guest on this CPU last; 0 none. */
static DEFINE_PER_CPU(u64, last_serial);	/* [P] */

/* What the host runs with; 0: no XSAVE, or nothing in XSS that a guest may not see. */
static u64 host_xcr0 __read_mostly;
static u64 host_xss __read_mostly;

#define CR4_OSXSAVE	BIT(18)

static u64 xcr0_read(void)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a" (lo), "=d" (hi) : "c" (0));
	return lo | (u64)hi << 32;
}

static void xcr0_write(u64 val)
{
	asm volatile("xsetbv" : : "a" ((u32)val), "d" ((u32)(val >> 32)), "c" (0));
}

/*
 * SVM cannot take XSAVES from a guest, which would store the supervisor state of
 * the host. VMX can, and does.
 */
void run_init(void)
{
	if (!boot_cpu_has(X86_FEATURE_OSXSAVE))
		return;
	host_xcr0 = xcr0_read();
	if (boot_cpu_has(X86_FEATURE_XSAVES) && kvm_vendor->isa == KVM_ISA_SVM)
		rdmsrq(MSR_IA32_XSS, host_xss);
}

/*
 * A guest that has not set CR4.OSXSAVE cannot tell what it runs with. No guest
 * changes the bit without an exit, so the copy is right even while it is lazy.
 */
static bool vcpu_uses_xsave(const struct kvm_vcpu *vcpu)
{
	return vcpu->regs.cr4 & CR4_OSXSAVE;
}

static bool vcpu_has_own_xstate(const struct kvm_vcpu *vcpu)
{
	return ((host_xcr0 && vcpu->regs.xcr0 != host_xcr0) || host_xss) &&
	       vcpu_uses_xsave(vcpu);
}

static void vcpu_xstate_to_guest(const struct kvm_vcpu *vcpu)
{
	if (vcpu->regs.xcr0 != host_xcr0)
		xcr0_write(vcpu->regs.xcr0);
	if (host_xss)
		wrmsrq(MSR_IA32_XSS, 0);
}

static void vcpu_xstate_to_host(const struct kvm_vcpu *vcpu)
{
	if (vcpu->regs.xcr0 != host_xcr0)
		xcr0_write(host_xcr0);
	if (host_xss)
		wrmsrq(MSR_IA32_XSS, host_xss);
}

/* Bring the vcpu's state to this CPU. [P] */
static void vcpu_cpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	WRITE_ONCE(vcpu->cpu, cpu);
	/* Whoever called us sees it too, and hardware_missing() where it may be called. */
	if (unlikely(!hardware_here()))
		return;
	kvm_vendor->vcpu_load(vcpu, cpu);
	/* What an earlier stay here left in the TLB has missed flushes since. */
	if (vcpu->last_cpu != cpu && !KVM_SEEDED_FAULT(14))
		vcpu->tlb_gen = 0;
	paravirt_sched_in(vcpu, vcpu->last_cpu != cpu);
	vcpu->last_cpu = cpu;
}

static void vcpu_cpu_put(struct kvm_vcpu *vcpu)
{
	if (likely(hardware_here()))
		kvm_vendor->vcpu_put(vcpu);
	vcpu->guest_switched = false;
	WRITE_ONCE(vcpu->cpu, -1);
}

static void vcpu_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct kvm_vcpu *vcpu = container_of(notifier, struct kvm_vcpu, preempt);

	vcpu_cpu_load(vcpu, cpu);
	if (!KVM_PREEMPT_IN_ATOMIC && unlikely(!hardware_here()))
		hardware_missing(vcpu->kvm);
}

static void vcpu_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct kvm_vcpu *vcpu = container_of(notifier, struct kvm_vcpu, preempt);

	steal_sched_out(vcpu);
	vcpu_cpu_put(vcpu);
	if (KVM_PREEMPT_IN_ATOMIC && kvm_vendor->vcpu_leave && likely(hardware_here()))
		kvm_vendor->vcpu_leave(vcpu);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = vcpu_sched_in,
	.sched_out = vcpu_sched_out,
};

void vcpu_run_init(struct kvm_vcpu *vcpu)
{
	vcpu->cpu = -1;
	vcpu->last_cpu = -1;
	vcpu->mode = KVM_OUTSIDE_GUEST;
	rcuwait_init(&vcpu->halt_wait);
	spin_lock_init(&vcpu->pid_lock);
	preempt_notifier_init(&vcpu->preempt, &vcpu_preempt_ops);
	vcpu_request(vcpu, KVM_REQ_MMU_RELOAD);
}

void vcpu_load(struct kvm_vcpu *vcpu)
{
	lockdep_assert_held(&vcpu->mutex);
	memslots_read_begin(vcpu);
	preempt_disable();
	preempt_notifier_register(&vcpu->preempt);
	vcpu_cpu_load(vcpu, smp_processor_id());
	if (unlikely(!hardware_here()))
		hardware_missing(vcpu->kvm);
	vcpu->loaded = true;
	preempt_enable();
}

void vcpu_put(struct kvm_vcpu *vcpu)
{
	preempt_disable();
	vcpu->loaded = false;
	vcpu_cpu_put(vcpu);
	preempt_notifier_unregister(&vcpu->preempt);
	preempt_enable();
	memslots_read_end(vcpu);
}

static void vcpu_renew_root(struct kvm_vcpu *vcpu)
{
	preempt_disable();
	kvm_vendor->set_root(vcpu, vcpu->kvm->mmu.root_hpa, vcpu->kvm->mmu.levels);
	preempt_enable();
}

static bool vcpu_take_request(struct kvm_vcpu *vcpu, enum kvm_request req)
{
	/* The RMW orders what the request announces after the look at it. */
	return test_bit(req, &vcpu->requests) &&
	       test_and_clear_bit(req, &vcpu->requests);
}

/* kvm_verdict or errno. */
static int vcpu_handle_requests(struct kvm_vcpu *vcpu)
{
	if (vcpu_take_request(vcpu, KVM_REQ_DEAD))
		return -EIO;
	if (vcpu_take_request(vcpu, KVM_REQ_SLOTS))
		memslots_read_renew(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_MMU_RELOAD))
		vcpu_renew_root(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_CLOCK))
		clock_update(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_STEAL))
		steal_update(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_ASYNC_PF))
		async_update(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_PV_EOI))
		lapic_pv_eoi_wait(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_VAPIC))
		lapic_vapic_wait(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_SHUTDOWN)) {
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return KVM_TO_USER;
	}
	if (vcpu_take_request(vcpu, KVM_REQ_IOAPIC_EOI)) {
		vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
		vcpu->run->eoi.vector = vcpu->eoi_exit_vector;
		return KVM_TO_USER;
	}
	if (vcpu_take_request(vcpu, KVM_REQ_TPR_ACCESS)) {
		lapic_tpr_exit(vcpu);
		return KVM_TO_USER;
	}
	if (vcpu_take_request(vcpu, KVM_REQ_APIC))
		x86_apic_events(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_NMI))
		x86_take_nmis(vcpu);
	if (vcpu_take_request(vcpu, KVM_REQ_EVENT))
		vcpu->irq_check = true;
	if (vcpu_take_request(vcpu, KVM_REQ_UNHALT) &&
	    vcpu->mp_state == KVM_MP_STATE_HALTED)
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	return vcpu->mp_state == KVM_MP_STATE_RUNNABLE ? KVM_RESUME : KVM_HALT;
}

/* The first entry since the vcpu came to this CPU. [P] False: it must not be. */
static bool vcpu_switch_to_guest(struct kvm_vcpu *vcpu)
{
	if (unlikely(!hardware_here()))
		return false;
	if (__this_cpu_read(last_serial) != vcpu->serial) {
		__this_cpu_write(last_serial, vcpu->serial);
		if (kvm_mitigate_ibpb_on_switch())
			kvm_ibpb();
	}
	kvm_vendor->switch_to_guest(vcpu);
	vcpu->guest_switched = true;
	vcpu->stat.host_state_reload++;
	return true;
}

/*
 * The stay in the guest proper, IRQs off, decided upon. The vendor's enter()
 * brackets its world switch with kvm_guest_enter_irqoff() and _exit_irqoff().
 */
static void vcpu_world_switch(struct kvm_vcpu *vcpu)
{
	u64 gen = atomic64_read(&vcpu->kvm->tlb_gen);
	bool own_xstate, failed;

	vcpu->tlb_gen_entry = gen;
	if (unlikely(vcpu->tlb_gen != gen)) {
		kvm_vendor->flush_tlb(vcpu);
		vcpu->stat.tlb_flush++;
	}
	if (!KVM_SEEDED_FAULT(3))
		kvm_fpu_before_entry(&vcpu->fpu);
	trace_kvm_entry(vcpu);
	own_xstate = vcpu_has_own_xstate(vcpu);
	if (unlikely(own_xstate))
		vcpu_xstate_to_guest(vcpu);

	/* A flush counts only if the guest has really been entered with it. */
	failed = kvm_vendor->enter(vcpu);
	strict_exit(vcpu, failed);
	if (likely(!failed))
		vcpu->tlb_gen = vcpu->tlb_gen_entry;

	if (unlikely(own_xstate))
		vcpu_xstate_to_host(vcpu);
	kvm_mark_ibpb_exit_to_user();
	/* The guest's walks of the tables are over when this is seen, see flush.c. */
	smp_store_release(&vcpu->mode, KVM_OUTSIDE_GUEST);
	kvm_vendor->host_event(vcpu);
}

/* Once into the guest and back. False: something has to be done first. */
static bool vcpu_enter(struct kvm_vcpu *vcpu)
{
	preempt_disable();
	if (unlikely(!vcpu->guest_switched) && !vcpu_switch_to_guest(vcpu)) {
		preempt_enable();
		hardware_missing(vcpu->kvm);
		return false;
	}
	if (unlikely(x86_events_to_inject(vcpu)))
		x86_events_inject(vcpu);

	local_irq_disable();
	/* The barrier is one half of a pair, see flush.c. */
	smp_store_mb(vcpu->mode, KVM_IN_GUEST);
	if (unlikely(READ_ONCE(vcpu->requests) || kvm_guest_work_pending())) {
		WRITE_ONCE(vcpu->mode, KVM_OUTSIDE_GUEST);
		local_irq_enable();
		x86_events_cancel(vcpu);
		preempt_enable();
		return false;
	}
	vcpu_world_switch(vcpu);

	/*
	 * What ended the stay is taken here, and a tick among it is accounted
	 * to the guest. The store keeps one instruction between STI and CLI,
	 * without which no interrupt would be.
	 */
	local_irq_enable();
	WRITE_ONCE(vcpu->stat.exits, vcpu->stat.exits + 1);
	local_irq_disable();
	kvm_guest_time_end();
	local_irq_enable();
	preempt_enable();
	return true;
}

/* kvm_verdict or errno: -EINTR for a signal. */
static int vcpu_before_entry(struct kvm_vcpu *vcpu)
{
	int r = KVM_RESUME;

	if (READ_ONCE(vcpu->requests)) {
		r = vcpu_handle_requests(vcpu);
		if (r < KVM_RESUME)
			return r;
	}
	if (kvm_guest_work_pending()) {
		int left = kvm_guest_work_handle(vcpu->sigset_active);

		if (left) {
			vcpu->run->exit_reason = KVM_EXIT_INTR;
			vcpu->stat.signal_exits++;
			return left;
		}
	}
	return r;
}

/* Not runnable: wait for what makes it so. kvm_verdict or errno. */
static int vcpu_halt(struct kvm_vcpu *vcpu)
{
	int r;

	for (;;) {
		r = vcpu_before_entry(vcpu);
		if (r < KVM_RESUME)
			return r;
		if (vcpu->mp_state == KVM_MP_STATE_HALTED && x86_events_pending(vcpu))
			vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		if (vcpu->mp_state == KVM_MP_STATE_RUNNABLE)
			return KVM_RESUME;
		vcpu_wait(vcpu);
	}
}

/* Runs the guest until a handler says otherwise: KVM_TO_USER or an errno. */
static int vcpu_loop(struct kvm_vcpu *vcpu)
{
	struct kvm_exit exit;
	int r = vcpu->mp_state == KVM_MP_STATE_RUNNABLE ? KVM_RESUME : KVM_HALT;

	for (;;) {
		if (unlikely(r == KVM_HALT))
			r = vcpu_halt(vcpu);
		if (unlikely(r != KVM_RESUME))
			return r;
		if (!vcpu_enter(vcpu)) {
			r = vcpu_before_entry(vcpu);
			continue;
		}
		kvm_vendor->exit_facts(vcpu, &exit);
		trace_kvm_exit(vcpu, &exit);
		x86_events_complete(vcpu, &exit);
		r = x86_handle_exit(vcpu, &exit);
	}
}

/* Userspace keeps the TPR while there is no in-kernel APIC. 0 or -EINVAL. */
static int vcpu_sync_cr8(struct kvm_vcpu *vcpu)
{
	u64 cr8 = READ_ONCE(vcpu->run->cr8);

	if (vcpu->lapic || cr8 == vcpu->regs.cr8)
		return 0;
	return x86_set_cr8(vcpu, cr8) ? -EINVAL : 0;
}

static int vcpu_run_loaded(struct kvm_vcpu *vcpu)
{
	int r = vcpu_sync_cr8(vcpu);

	if (r)
		return r;
	/* Userspace's answer is taken in even if the guest must not go on. */
	if (vcpu->pending_io != KVM_IO_NONE) {
		r = x86_complete_io(vcpu);
		if (r != KVM_RESUME)
			return r;
	}
	if (READ_ONCE(vcpu->run->immediate_exit))
		return -EINTR;
	async_run_begin(vcpu);
	return vcpu_loop(vcpu);
}

/*
 * Signals unblocked only for KVM_RUN interrupt it but are delivered when the
 * thread unblocks them itself; ->real_blocked keeps them from being dropped if
 * they are ignored.
 */
static void vcpu_signals_enter(struct kvm_vcpu *vcpu)
{
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
}

static void vcpu_signals_leave(struct kvm_vcpu *vcpu)
{
	if (!vcpu->sigset_active)
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}

/* Remember the thread for debugfs and, later, for directed yields. */
static void vcpu_note_thread(struct kvm_vcpu *vcpu)
{
	struct pid *new = task_pid(current), *old = vcpu->pid;

	if (likely(old == new))
		return;
	get_pid(new);
	spin_lock(&vcpu->pid_lock);
	vcpu->pid = new;
	spin_unlock(&vcpu->pid_lock);
	put_pid(old);
}

int vcpu_run(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int r;

	/* KVM_CAP_SYNC_REGS is not offered. */
	if (READ_ONCE(run->kvm_valid_regs) || READ_ONCE(run->kvm_dirty_regs))
		return -EINVAL;

	vcpu_note_thread(vcpu);
	vcpu_load(vcpu);
	vcpu_signals_enter(vcpu);
	if (!KVM_SEEDED_FAULT(3))
		kvm_fpu_load(&vcpu->fpu);
	vcpu->fpu_loaded = true;

	r = vcpu_run_loaded(vcpu);

	vcpu->fpu_loaded = false;
	if (!KVM_SEEDED_FAULT(3))
		kvm_fpu_put(&vcpu->fpu);
	x86_run_publish(vcpu);
	vcpu_signals_leave(vcpu);
	vcpu_put(vcpu);
	trace_kvm_userspace_exit(READ_ONCE(run->exit_reason), r);
	return kvm_guest_work_result(r, vcpu->sigset_active);
}
