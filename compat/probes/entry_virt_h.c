// SPDX-License-Identifier: GPL-2.0-only
/* 6.18 renamed <linux/entry-kvm.h>: other hypervisors use it too. */
#include <linux/entry-virt.h>

bool probe(void);
bool probe(void)
{
	return __xfer_to_guest_mode_work_pending();
}
