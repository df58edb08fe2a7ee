// SPDX-License-Identifier: GPL-2.0-only
/*
 * MMIO stale data: a static key asked for a buffer clear at entry; by 7.2 it was a
 * CPU feature bit for the world switch.
 */
#include <linux/static_key.h>
#include <asm/nospec-branch.h>

bool probe(void);
bool probe(void)
{
	return static_branch_unlikely(&mmio_stale_data_clear);
}
