// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample module for the lab's test of itself: makes the host fail in the way
 * its parameter names, so that the lab can show that it notices.
 */
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *how = "";
module_param(how, charp, 0444);
MODULE_PARM_DESC(how, "failure to cause when the module is loaded");

int lab_sample(void);

/* For the dependency of the vendor samples. */
int lab_sample(void)
{
	return 0;
}
EXPORT_SYMBOL_GPL(lab_sample);

static DEFINE_SPINLOCK(lab_lock);

static void lab_sleep_atomic(void)
{
	spin_lock(&lab_lock);
	preempt_disable();
	schedule();
	preempt_enable();
	spin_unlock(&lab_lock);
}

static void lab_slab_leak(void)
{
	struct kmem_cache *cache;

	cache = kmem_cache_create("lab_sample", 40, 0, SLAB_POISON,
				  NULL);
	if (!cache)
		return;
	if (!kmem_cache_alloc(cache, GFP_KERNEL))
		pr_info("nothing to leak\n");
	kmem_cache_destroy(cache);
}

/* What only debug kernels see. */
static void lab_leak(void)
{
	void *lost = kmalloc(123, GFP_KERNEL);

	/* Else the compiler drops an allocation that nobody looks at. */
	barrier_data(lost);
}

static void lab_use_after_free(void)
{
	int *gone = kmalloc(64, GFP_KERNEL);

	if (!gone)
		return;
	kfree(gone);
	/* barrier: the compiler must not notice either. */
	OPTIMIZER_HIDE_VAR(gone);
	WRITE_ONCE(*gone, 1);
}

static void lab_mutex_in_spinlock(void)
{
	static DEFINE_MUTEX(mutex);

	spin_lock(&lab_lock);
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	spin_unlock(&lab_lock);
}

static void lab_lock_order(void)
{
	static DEFINE_MUTEX(a);
	static DEFINE_MUTEX(b);

	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);
	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
}

static void lab_rcu(void)
{
	static int __rcu *pointer;

	if (rcu_dereference(pointer))
		pr_info("not empty\n");
}

static void lab_bounds(void)
{
	static int table[4];
	int place = 4;

	OPTIMIZER_HIDE_VAR(place);
	WRITE_ONCE(table[place], 0);
}

static int lab_counter;

static int lab_racer(void *unused)
{
	while (!kthread_should_stop()) {
		lab_counter++;
		cond_resched();
	}
	return 0;
}

static void lab_race(void)
{
	struct task_struct *other = kthread_run(lab_racer, NULL, "racer");
	unsigned long end = jiffies + 10 * HZ;

	if (IS_ERR(other))
		return;
	while (time_before(jiffies, end)) {
		lab_counter++;
		cond_resched();
	}
	kthread_stop(other);
}

static const struct {
	const char *name;
	void (*run)(void);
} debug_ways[] = {
	{ "leak", lab_leak },
	{ "uaf", lab_use_after_free },
	{ "sleep", lab_mutex_in_spinlock },
	{ "order", lab_lock_order },
	{ "rcu", lab_rcu },
	{ "bounds", lab_bounds },
	{ "race", lab_race },
};

static void lab_debug_ways(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(debug_ways); i++)
		if (!strcmp(how, debug_ways[i].name))
			debug_ways[i].run();
}

static void lab_stall(void)
{
	preempt_disable();
	mdelay(30000);
	preempt_enable();
}

static int __init lab_init(void)
{
	pr_info("sample loaded, how=%s\n", how);
	lab_debug_ways();
	if (!strcmp(how, "warn"))
		WARN(1, "asked for\n");
	else if (!strcmp(how, "bug"))
		BUG();
	else if (!strcmp(how, "oops"))
		*(volatile int *)8 = 1;
	else if (!strcmp(how, "atomic"))
		lab_sleep_atomic();
	else if (!strcmp(how, "slab"))
		lab_slab_leak();
	else if (!strcmp(how, "stall"))
		lab_stall();
	else if (!strcmp(how, "panic"))
		panic("asked for");
	else if (!strcmp(how, "gp"))
		*(volatile int *)0xdead000000000000ul = 1;
	return 0;
}

static void __exit lab_exit(void)
{
}

module_init(lab_init);
module_exit(lab_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Lab sample");
