// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preempt notifiers where the kernel has none (CONFIG_PREEMPT_NOTIFIERS is selected by
 * the in-tree KVM only), made of the scheduler's tracepoint sched_switch.
 *
 * The tracepoint is hit at every context switch, with IRQs off and the run queue
 * locked, as the thread that leaves and on the CPU that the next one gets. Userspace
 * cannot switch it off: a probe of our own is not trace events' business.
 *
 * The notifiers of the running thread are on a list of their CPU, those of threads
 * that are out in a hash by thread. So a switch between threads that have none costs
 * two loads.
 */
#define pr_fmt(fmt) "kvm: " fmt

#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/sched.h>
#include <compat/preempt.h>

#define OUT_BITS	6

/* Taken under the run queue's lock, hence raw. */
struct out_bucket {
	raw_spinlock_t lock;
	struct hlist_head list;		/* @lock; looked at without it for being empty */
};

static struct out_bucket out_buckets[1 << OUT_BITS];

/* Notifiers of this CPU's running thread. [P] */
static DEFINE_PER_CPU(struct hlist_head, running);

/* Found once; tracepoints of the kernel proper stay where they are. */
static struct tracepoint *switch_tracepoint;

static struct out_bucket *out_bucket(const struct task_struct *thread)
{
	return &out_buckets[hash_ptr(thread, OUT_BITS)];
}

static void preempt_out(struct hlist_head *here, struct task_struct *next)
{
	struct preempt_notifier *notifier;
	struct out_bucket *bucket;
	struct hlist_node *tmp;

	hlist_for_each_entry_safe(notifier, tmp, here, link) {
		notifier->ops->sched_out(notifier, next);
		bucket = out_bucket(notifier->thread);
		hlist_del(&notifier->link);
		raw_spin_lock(&bucket->lock);
		hlist_add_head(&notifier->link, &bucket->list);
		raw_spin_unlock(&bucket->lock);
	}
}

/* Nobody but @thread takes its notifiers from the hash, and it is on its way in here. */
static void preempt_in(struct out_bucket *bucket, const struct task_struct *thread)
{
	struct hlist_head *here = this_cpu_ptr(&running);
	struct preempt_notifier *notifier;
	struct hlist_node *tmp;

	raw_spin_lock(&bucket->lock);
	hlist_for_each_entry_safe(notifier, tmp, &bucket->list, link) {
		if (notifier->thread != thread)
			continue;
		hlist_del(&notifier->link);
		hlist_add_head(&notifier->link, here);
	}
	raw_spin_unlock(&bucket->lock);

	hlist_for_each_entry(notifier, here, link)
		notifier->ops->sched_in(notifier, smp_processor_id());
}

static void preempt_switch(struct task_struct *prev, struct task_struct *next)
{
	struct hlist_head *here = this_cpu_ptr(&running);
	struct out_bucket *bucket = out_bucket(next);

	if (unlikely(!hlist_empty(here)))
		preempt_out(here, next);
	/*
	 * What @next left in the hash when it was switched out is visible here: the
	 * scheduler orders a thread's stays on CPUs.
	 */
	if (unlikely(!hlist_empty(&bucket->list)))
		preempt_in(bucket, next);
}

#ifdef KVM_HAVE_SCHED_SWITCH_STATE

static void preempt_probe(void *data, bool preempt, struct task_struct *prev,
			  struct task_struct *next, unsigned int prev_state)
{
	preempt_switch(prev, next);
}

#else

static void preempt_probe(void *data, bool preempt, struct task_struct *prev,
			  struct task_struct *next)
{
	preempt_switch(prev, next);
}

#endif

static void preempt_find(struct tracepoint *tp, void *priv)
{
	if (!strcmp(tp->name, "sched_switch"))
		switch_tracepoint = tp;
}

int kvm_preempt_init(void)
{
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(out_buckets); i++)
		raw_spin_lock_init(&out_buckets[i].lock);

	/* The name is looked up because the kernel does not export the tracepoint. */
	for_each_kernel_tracepoint(preempt_find, NULL);
	if (!switch_tracepoint) {
		pr_err("this kernel has neither preempt notifiers nor the tracepoint sched_switch: use one built with CONFIG_TRACEPOINTS\n");
		return -EOPNOTSUPP;
	}
	check_trace_callback_type_sched_switch(preempt_probe);
	ret = tracepoint_probe_register(switch_tracepoint, preempt_probe, NULL);
	if (ret)
		pr_err("cannot attach to the tracepoint sched_switch (error %d), without which no vcpu can be scheduled\n",
		       ret);
	return ret;
}

void kvm_preempt_exit(void)
{
	tracepoint_probe_unregister(switch_tracepoint, preempt_probe, NULL);
	tracepoint_synchronize_unregister();
}

void preempt_notifier_register(struct preempt_notifier *notifier)
{
	lockdep_assert_preemption_disabled();
	notifier->thread = current;
	hlist_add_head(&notifier->link, this_cpu_ptr(&running));
}

void preempt_notifier_unregister(struct preempt_notifier *notifier)
{
	lockdep_assert_preemption_disabled();
	WARN_ON_ONCE(notifier->thread != current);
	hlist_del_init(&notifier->link);
}
