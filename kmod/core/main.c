// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm.ko's life. On its own it does nothing visible: /dev/kvm appears when a
 * vendor module registers (vendor.c).
 */
#define pr_fmt(fmt) "kvm: " fmt

#include <linux/module.h>

#include <compat/mitigation.h>
#include <compat/notifier.h>
#include <compat/preempt.h>
#include <kvm/debug.h>
#include <kvm/paravirt.h>
#include "core.h"

DEFINE_MUTEX(vm_list_lock);	/* vm_list; taken last */
LIST_HEAD(vm_list);

#ifdef KVM_SWAP_FAULT
int kvm_seeded_fault;
EXPORT_SYMBOL_GPL(kvm_seeded_fault);
module_param_named(seeded_fault, kvm_seeded_fault, int, 0644);
MODULE_PARM_DESC(seeded_fault, "test builds: the fault to have, 0 for none");
#endif

static int __init kvm_init(void)
{
	int r;

	r = kvm_mitigation_init();
	if (r)
		return r;
	r = flush_init();
	if (r)
		goto err_mitigation;
	r = strict_init();
	if (r)
		goto err_flush;
	r = async_init();
	if (r)
		goto err_strict;
	r = kvm_notifier_init();
	if (r)
		goto err_async;
	r = kvm_preempt_init();
	if (r)
		goto err_notifier;
	stats_init();
	return 0;

err_notifier:
	kvm_notifier_exit();
err_async:
	async_exit();
err_strict:
	strict_destroy();
err_flush:
	flush_exit();
err_mitigation:
	kvm_mitigation_exit();
	return r;
}

/* Nobody holds a file or a VM here: each of them pins this module. */
static void __exit kvm_exit(void)
{
	stats_exit();
	kvm_preempt_exit();
	kvm_notifier_exit();
	async_exit();
	mmu_module_exit();
	strict_destroy();
	flush_exit();
	kvm_mitigation_exit();
}

module_init(kvm_init);
module_exit(kvm_exit);
MODULE_DESCRIPTION("Kernel-based virtual machine whose guests' memory swaps");
MODULE_AUTHOR("The kvm-swap authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(KVM_SWAP_VERSION);
