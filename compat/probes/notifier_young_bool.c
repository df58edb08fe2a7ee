// SPDX-License-Identifier: GPL-2.0-only
/* The aging callbacks of MMU notifiers answered int until 7.x made it bool. */
#include <linux/mmu_notifier.h>

static bool young(struct mmu_notifier *mn, struct mm_struct *mm,
		  unsigned long start, unsigned long end)
{
	return false;
}

extern const struct mmu_notifier_ops probe;
const struct mmu_notifier_ops probe = {
	.clear_young = young,
};
