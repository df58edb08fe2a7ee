// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample module for the lab's test of itself: makes the host fail in the way
 * its parameter names, so that the lab can show that it notices.
 */
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/module.h>
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

static void lab_stall(void)
{
	preempt_disable();
	mdelay(30000);
	preempt_enable();
}

static int __init lab_init(void)
{
	pr_info("sample loaded, how=%s\n", how);
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
