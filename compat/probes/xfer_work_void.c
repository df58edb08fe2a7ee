// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.18 the work before an entry is done without looking into a vcpu.
 * Exports: xfer_to_guest_mode_handle_work
 */
#include <linux/entry-virt.h>

int probe(void);
int probe(void)
{
	return xfer_to_guest_mode_handle_work();
}
