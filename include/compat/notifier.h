/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One MMU-notifier interface on every kernel: served by the kernel's own
 * mmu_notifier in any of its generations, or by hooks where there is none.
 */
#ifndef KVM_COMPAT_NOTIFIER_H
#define KVM_COMPAT_NOTIFIER_H

#include <linux/types.h>
#include <linux/mm_types.h>
#include "config.h"
#ifdef KVM_HAVE_MMU_NOTIFIER
#include <linux/mmu_notifier.h>
#endif

struct kvm_notifier;

/*
 * Host ranges are [start, end) in bytes of the registered mm.
 * invalidate_start/_end bracket a change of the host's page tables: between
 * them the range must not be mapped anew, and _start must have removed it from
 * every vcpu before it returns. invalidate_start never sleeps if !may_block.
 */
struct kvm_notifier_ops {
	void (*invalidate_start)(struct kvm_notifier *n, unsigned long start,
				 unsigned long end, bool may_block);
	void (*invalidate_end)(struct kvm_notifier *n, unsigned long start,
			       unsigned long end);
	/* Test and clear the young state; called under the host's page-table lock. */
	bool (*clear_young)(struct kvm_notifier *n, unsigned long start, unsigned long end);
	bool (*test_young)(struct kvm_notifier *n, unsigned long addr);
	/*
	 * The mm is going away: drop everything; no callback comes after. Also called
	 * from within kvm_notifier_unregister() if the mm is still there.
	 */
	void (*release)(struct kvm_notifier *n);
};

struct kvm_notifier {
	const struct kvm_notifier_ops *ops;
	struct mm_struct *mm;
#ifdef KVM_HAVE_MMU_NOTIFIER
	struct mmu_notifier native;
#endif
};

/* May sleep. Takes a reference on @mm's structure. 0 or negative errno. */
int kvm_notifier_register(struct kvm_notifier *n, const struct kvm_notifier_ops *ops,
			  struct mm_struct *mm);
/* May sleep; after it no callback runs. */
void kvm_notifier_unregister(struct kvm_notifier *n);

#endif
