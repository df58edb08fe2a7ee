// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.12 RCU's deferred wakeups on a tickless CPU wait for somebody to do them. A
 * kernel that has it back-ported but does not export it has a timer that does them later.
 * Exports: rcu_nocb_flush_deferred_wakeup
 */
#include <linux/rcupdate.h>

void probe(void);
void probe(void)
{
	rcu_nocb_flush_deferred_wakeup();
}
