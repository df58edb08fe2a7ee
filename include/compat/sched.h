/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long the running thread has waited for a CPU.
 */
#ifndef KVM_COMPAT_SCHED_H
#define KVM_COMPAT_SCHED_H

#include <linux/sched.h>
#include <linux/sched/stat.h>

/* Kernels may be built, or told at boot, not to count it. */
static inline bool kvm_run_delay_counted(void)
{
	return sched_info_on();
}

/* Nanoseconds since the thread began. */
static inline u64 kvm_run_delay(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

#endif
