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

/*
 * Task work, rseq and cgroup throttling are done by the kernel when it returns from the
 * system call, and by nobody else. ERESTARTNOHAND brings the thread back without
 * userspace having seen anything, unless a signal's handler runs.
 */
int kvm_guest_work_handle(void)
{
	if (need_resched())
		schedule();
	if (signal_pending(current))
		return -EINTR;
	if (test_thread_flag(TIF_NOTIFY_RESUME))
		return -ERESTARTNOHAND;
	return 0;
}

/* The kernel looks at ERESTARTNOHAND only on its way to deliver signals. */
int kvm_guest_work_result(int ret)
{
	if (ret == -ERESTARTNOHAND)
		set_thread_flag(TIF_SIGPENDING);
	return ret;
}
