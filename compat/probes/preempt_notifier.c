// SPDX-License-Identifier: GPL-2.0-only
/*
 * CONFIG_PREEMPT_NOTIFIERS is selected by the in-tree KVM only.
 * Exports: preempt_notifier_register
 */
#include <linux/preempt.h>

void probe(struct preempt_notifier *pn);
void probe(struct preempt_notifier *pn)
{
	preempt_notifier_register(pn);
}
