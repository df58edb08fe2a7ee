// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.12 RCU's deferred wakeups on a tickless CPU are done before the last
 * look at pending work. Where <linux/entry-virt.h> is, it is there.
 */
#include <linux/entry-kvm.h>

void probe(void);
void probe(void)
{
	xfer_to_guest_mode_prepare();
}
