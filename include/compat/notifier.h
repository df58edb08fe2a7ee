/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One MMU-notifier interface on every kernel: served by the kernel's own
 * mmu_notifier in any of its generations, or by hooks where there is none.
 */
#ifndef KVM_COMPAT_NOTIFIER_H
#define KVM_COMPAT_NOTIFIER_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/mm_types.h>
#include "config.h"
#if defined(KVM_HAVE_MMU_NOTIFIER) && !defined(KVM_SWAP_NOTIFIER_HOOKED)
#define KVM_NOTIFIER_NATIVE
#include <linux/mmu_notifier.h>
#endif

/*
 * Does the host tell of a change only after it was made, by .flush? Then
 * .invalidate_start and _end are never called. If not, .flush is never called.
 */
#ifdef KVM_NOTIFIER_NATIVE
#define KVM_NOTIFIER_LATE	0
#else
#define KVM_NOTIFIER_LATE	1
#endif

struct kvm_notifier;

struct kvm_notifier_range {
	unsigned long start, end;
};

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
	/*
	 * The host has taken entries of these ranges away, or weakened them, and is
	 * about to flush its own TLBs: when this returns no vcpu uses what was read
	 * from those entries before. Never sleeps; runs under the host's page-table
	 * locks. Only the 4 KiB at the start of a hugetlb page may be named.
	 */
	void (*flush)(struct kvm_notifier *n, const struct kvm_notifier_range *ranges,
		      unsigned int nr);
	/* Test and clear the young state; called under the host's page-table lock. */
	bool (*clear_young)(struct kvm_notifier *n, unsigned long start, unsigned long end);
	bool (*test_young)(struct kvm_notifier *n, unsigned long addr);
	/*
	 * The mm is going away: drop everything; no callback comes after. Also called
	 * from within kvm_notifier_unregister() if the mm is still there. May not sleep.
	 */
	void (*release)(struct kvm_notifier *n);
};

struct kvm_notifier {
	const struct kvm_notifier_ops *ops;
	struct mm_struct *mm;
#ifdef KVM_NOTIFIER_NATIVE
	struct mmu_notifier native;
#else
	struct hlist_node link;		/* in the table of registered mms */
	u64 since;			/* which registration this was */
	unsigned long released;		/* bit 0: .release has been or is being called */
#endif
};

/* With the module: can the host be followed at all? May sleep. 0 or negative errno. */
int kvm_notifier_init(void);
void kvm_notifier_exit(void);

/* May sleep. Takes a reference on @mm's structure. 0 or negative errno. */
int kvm_notifier_register(struct kvm_notifier *n, const struct kvm_notifier_ops *ops,
			  struct mm_struct *mm);
/* May sleep; after it no callback runs. */
void kvm_notifier_unregister(struct kvm_notifier *n);

#endif
