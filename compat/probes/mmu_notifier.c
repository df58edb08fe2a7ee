// SPDX-License-Identifier: GPL-2.0-only
/*
 * CONFIG_MMU_NOTIFIER can be off, then the kernel does not tell of its unmaps.
 * Exports: mmu_notifier_register
 */
#include <linux/mmu_notifier.h>

#ifndef CONFIG_MMU_NOTIFIER
#error The kernel has no MMU notifiers.
#endif

int probe(struct mmu_notifier *mn, struct mm_struct *mm);
int probe(struct mmu_notifier *mn, struct mm_struct *mm)
{
	return mmu_notifier_register(mn, mm);
}
