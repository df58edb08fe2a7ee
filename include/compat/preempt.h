/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Preempt notifiers: told when the thread is scheduled out and in.
 *
 * preempt_notifier_{init,register,unregister} and struct preempt_ops have the
 * kernel's own shape everywhere; where the kernel has none, compat/preempt_switch.c
 * is behind them.
 */
#ifndef KVM_COMPAT_PREEMPT_H
#define KVM_COMPAT_PREEMPT_H

#include <linux/preempt.h>
#include <linux/types.h>
#include "config.h"

#ifdef KVM_HAVE_PREEMPT_NOTIFIER

/*
 * May sched_in not wait for other CPUs? Then sched_out has to leave nothing behind
 * that the next CPU would have to ask this one for.
 */
#define KVM_PREEMPT_IN_ATOMIC	false

/* From here to kvm_preempt_exit() notifiers may be registered. May sleep. 0 or errno. */
static inline int kvm_preempt_init(void)
{
	preempt_notifier_inc();
	return 0;
}

static inline void kvm_preempt_exit(void)
{
	preempt_notifier_dec();
}

#else

#define KVM_PREEMPT_IN_ATOMIC	true

struct preempt_notifier;
struct task_struct;

/*
 * Both with IRQs off and the run queue's lock held: nothing may be woken or printed.
 * sched_out runs as the thread, sched_in on the thread's CPU but before the switch to
 * it, so that `current` is its predecessor.
 */
struct preempt_ops {
	void (*sched_in)(struct preempt_notifier *notifier, int cpu);
	void (*sched_out)(struct preempt_notifier *notifier, struct task_struct *next);
};

struct preempt_notifier {
	struct hlist_node link;		/* list of the CPU, or of those that are out */
	struct preempt_ops *ops;	/* constant */
	struct task_struct *thread;	/* who registered it */
};

int kvm_preempt_init(void);
void kvm_preempt_exit(void);

static inline void preempt_notifier_init(struct preempt_notifier *notifier,
					 struct preempt_ops *ops)
{
	INIT_HLIST_NODE(&notifier->link);
	notifier->ops = ops;
}

/* [P] By the thread that is to be watched, for itself. */
void preempt_notifier_register(struct preempt_notifier *notifier);
void preempt_notifier_unregister(struct preempt_notifier *notifier);

#endif

#endif
