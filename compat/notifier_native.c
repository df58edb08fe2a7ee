// SPDX-License-Identifier: GPL-2.0-only
/*
 * MMU notifiers where the kernel has them.
 *
 * change_pte, which some kernels offer, is left out: its callers bracket the
 * change with invalidate_range_start and _end, so what it would update is gone.
 * The secondary-TLB callback is for devices that walk the host's own tables.
 */
#include <linux/export.h>
#include <linux/mmu_notifier.h>
#include <compat/notifier.h>

#ifdef KVM_HAVE_NOTIFIER_YOUNG_BOOL
#define YOUNG_RESULT	bool
#else
#define YOUNG_RESULT	int
#endif

static struct kvm_notifier *notifier_of(struct mmu_notifier *native)
{
	return container_of(native, struct kvm_notifier, native);
}

static void notifier_release(struct mmu_notifier *native, struct mm_struct *mm)
{
	struct kvm_notifier *n = notifier_of(native);

	n->ops->release(n);
}

static int notifier_start(struct mmu_notifier *native, const struct mmu_notifier_range *range)
{
	struct kvm_notifier *n = notifier_of(native);

	n->ops->invalidate_start(n, range->start, range->end,
				 mmu_notifier_range_blockable(range));
	return 0;
}

static void notifier_end(struct mmu_notifier *native, const struct mmu_notifier_range *range)
{
	struct kvm_notifier *n = notifier_of(native);

	n->ops->invalidate_end(n, range->start, range->end);
}

/* Flushing or not is the same here: x86 does not flush for its own Accessed bit either. */
static YOUNG_RESULT notifier_clear_young(struct mmu_notifier *native, struct mm_struct *mm,
					 unsigned long start, unsigned long end)
{
	struct kvm_notifier *n = notifier_of(native);

	return n->ops->clear_young(n, start, end);
}

static YOUNG_RESULT notifier_test_young(struct mmu_notifier *native, struct mm_struct *mm,
					unsigned long addr)
{
	struct kvm_notifier *n = notifier_of(native);

	return n->ops->test_young(n, addr);
}

static const struct mmu_notifier_ops notifier_native_ops = {
	.release = notifier_release,
	.invalidate_range_start = notifier_start,
	.invalidate_range_end = notifier_end,
	.clear_flush_young = notifier_clear_young,
	.clear_young = notifier_clear_young,
	.test_young = notifier_test_young,
};

int kvm_notifier_register(struct kvm_notifier *n, const struct kvm_notifier_ops *ops,
			  struct mm_struct *mm)
{
	n->ops = ops;
	n->mm = mm;
	n->native.ops = &notifier_native_ops;
	return mmu_notifier_register(&n->native, mm);
}

void kvm_notifier_unregister(struct kvm_notifier *n)
{
	mmu_notifier_unregister(&n->native, n->mm);
}

int kvm_notifier_init(void)
{
	return 0;
}

void kvm_notifier_exit(void)
{
}
