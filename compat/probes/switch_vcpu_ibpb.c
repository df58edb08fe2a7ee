// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.16 the kernel says by a static key of its own whether a change of vcpu
 * needs a branch-predictor barrier; before, the barrier was always asked for.
 */
#include <linux/static_key.h>
#include <asm/nospec-branch.h>

bool probe(void);
bool probe(void)
{
	return static_branch_likely(&switch_vcpu_ibpb);
}
