// SPDX-License-Identifier: GPL-2.0-only
/*
 * 6.6 moved KVM's hotplug callback from the starting section, where it cannot fail,
 * to the online section.
 */
#include <linux/cpuhotplug.h>

int probe(void);
int probe(void)
{
	return CPUHP_AP_KVM_ONLINE;
}
