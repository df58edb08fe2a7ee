/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two borders of the guest: work the host wants done before an entry, and
 * the accounting around the world switch.
 *
 * The run loop's shape:
 *
 *	while (kvm_guest_work_pending())	IRQs off for the last look
 *		IRQs on; kvm_guest_work_handle(); IRQs off
 *	kvm_guest_enter_irqoff();
 *	world switch
 *	kvm_guest_exit_irqoff();
 *	IRQs on, so that what ended the guest's stay is accounted to it; IRQs off
 *	kvm_guest_time_end();
 */
#ifndef KVM_COMPAT_ENTRY_H
#define KVM_COMPAT_ENTRY_H

#include <linux/context_tracking.h>
#include <linux/instrumentation.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/vtime.h>
#include "config.h"
#if defined(KVM_HAVE_ENTRY_VIRT_H)
#include <linux/entry-virt.h>
#elif defined(KVM_HAVE_XFER_WORK_VCPU)
#include <linux/entry-kvm.h>
#endif

#if defined(KVM_HAVE_XFER_WORK_VOID) || defined(KVM_HAVE_XFER_WORK_VCPU)
#define KVM_XFER_WORK
#endif

#ifdef _TIF_NOTIFY_SIGNAL
#define KVM_TIF_NOTIFY_SIGNAL	_TIF_NOTIFY_SIGNAL
#else
#define KVM_TIF_NOTIFY_SIGNAL	0
#endif

/* What the kernel without a function for it has to see before an entry. */
#define KVM_GUEST_WORK	(_TIF_NEED_RESCHED | _TIF_SIGPENDING |	\
			 KVM_TIF_NOTIFY_SIGNAL | _TIF_NOTIFY_RESUME)

/**
 * kvm_guest_work_pending() - does the host want this thread before the guest does?
 *
 * A signal, a reschedule or return-to-user work is waiting. Context: any for a
 * racy look; with IRQs off the answer holds until they are on again.
 */
static __always_inline bool kvm_guest_work_pending(void)
{
#ifdef KVM_XFER_WORK
#if defined(KVM_HAVE_XFER_PREPARE) || defined(KVM_HAVE_ENTRY_VIRT_H)
	if (irqs_disabled())
		xfer_to_guest_mode_prepare();
#endif
	return __xfer_to_guest_mode_work_pending();
#else
#ifdef KVM_HAVE_RCU_NOCB_FLUSH
	if (irqs_disabled())
		rcu_nocb_flush_deferred_wakeup();
#endif
	return READ_ONCE(current_thread_info()->flags) & KVM_GUEST_WORK;
#endif
}

/**
 * kvm_guest_work_handle() - do what kvm_guest_work_pending() saw
 *
 * Context: the vcpu's thread, preemptible, IRQs on; sleeps. No lock may be held
 * that a reschedule would keep others waiting for (SRCU is fine). @masked: KVM_RUN
 * has put a signal mask in place, the thread's own is in ->real_blocked.
 * Return: 0 (look again), -EINTR: a signal is pending, leave to userspace, or
 * -ERESTARTNOHAND: leave the system call, which will be made again.
 */
int kvm_guest_work_handle(bool masked);

/*
 * The last thing in the system call, after signal masks are back: what KVM_RUN
 * answers when its loop ended with @ret.
 */
#ifdef KVM_XFER_WORK
static inline int kvm_guest_work_result(int ret, bool masked)
{
	return ret;
}
#else
int kvm_guest_work_result(int ret, bool masked);
#endif

/* Jiffy in which RCU was last told that this CPU entered a guest. */
DECLARE_PER_CPU(unsigned long, kvm_rcu_noted);

/*
 * Entering a guest is a quiescent state, as entering userspace is. Once per tick is
 * enough: a longer stay is ended by the next tick, which moves the jiffy.
 */
static __always_inline void kvm_rcu_note(void)
{
	unsigned long now = jiffies;

	if (__this_cpu_read(kvm_rcu_noted) == now)
		return;
	__this_cpu_write(kvm_rcu_noted, now);
#ifdef KVM_HAVE_RCU_VIRT_NOTE_ARG
	rcu_virt_note_context_switch(smp_processor_id());
#else
	rcu_virt_note_context_switch();
#endif
}

/*
 * [I] Last thing before the world switch: from here on time is the guest's and
 * RCU does not wait for this CPU. Inline, so that it is usable from noinstr code.
 */
static __always_inline void kvm_guest_enter_irqoff(void)
{
#ifdef KVM_HAVE_VTIME_ACCOUNT_GUEST_ENTER
	instrumentation_begin();
	vtime_account_guest_enter();
	instrumentation_end();

	if (!context_tracking_guest_enter()) {
		instrumentation_begin();
		kvm_rcu_note();
		instrumentation_end();
	}
#else
	guest_enter_irqoff();
#endif
}

/* [I] First thing after the world switch: RCU watches this CPU again. */
static __always_inline void kvm_guest_exit_irqoff(void)
{
	context_tracking_guest_exit();
}

/*
 * [I] Time is the host's again. To be called after IRQs were on once since the
 * exit: a tick that ended the guest's stay is accounted to the guest only if it
 * is taken before this.
 */
static __always_inline void kvm_guest_time_end(void)
{
	vtime_account_guest_exit();
}

#endif
