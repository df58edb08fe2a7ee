// SPDX-License-Identifier: GPL-2.0-only
/*
 * Return-to-user work on the way into the guest where the kernel has no function for it
 * (CONFIG_KVM=n): what a module can do is done here, for the rest the thread goes to the
 * border of userspace.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <compat/entry.h>

DEFINE_PER_CPU(unsigned long, kvm_rcu_noted);
EXPORT_PER_CPU_SYMBOL_GPL(kvm_rcu_noted);

/* Would signals come through that only KVM_RUN's mask holds back? */
static bool signals_held_back(void)
{
	sigset_t held;

	sigorsets(&held, &current->pending.signal, &current->signal->shared_pending.signal);
	sigandnsets(&held, &held, &current->real_blocked);
	return !sigisemptyset(&held);
}

/*
 * Task work, rseq and cgroup throttling are done by the kernel when it returns from the
 * system call, and by nobody else. ERESTARTNOHAND brings the thread back without
 * userspace having seen anything, unless a signal's handler runs. A handler that KVM_RUN's
 * mask is to hold back would run as well: then the work waits for the end of KVM_RUN.
 */
int kvm_guest_work_handle(bool masked)
{
	if (need_resched())
		schedule();
	if (signal_pending(current))
		return -EINTR;
	if (!test_thread_flag(TIF_NOTIFY_RESUME))
		return 0;
	if (!masked || !signals_held_back())
		return -ERESTARTNOHAND;
	/* kvm_guest_work_result() sets it again; what comes meanwhile does so, too. */
	clear_thread_flag(TIF_NOTIFY_RESUME);
	return 0;
}

/* The kernel looks at ERESTARTNOHAND only on its way to deliver signals. */
int kvm_guest_work_result(int ret, bool masked)
{
	if (ret == -ERESTARTNOHAND)
		set_thread_flag(TIF_SIGPENDING);
	/* In case it was put off. */
	if (masked)
		set_thread_flag(TIF_NOTIFY_RESUME);
	return ret;
}
