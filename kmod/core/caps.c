// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CHECK_EXTENSION: what works. Anything not listed is 0. VMMs enable what
 * is reported here and stop if that fails, so an entry comes with its feature
 * and not before. Booleans are exactly 1.
 */
#include <linux/cpumask.h>

#include "core.h"

static int caps_nr_vcpus(void)
{
	return min_t(int, num_online_cpus(), KVM_VCPUS_MAX);
}

static const struct cap {
	u32 cap;
	int value;
	int (*get)(void);	/* used instead of .value where it is set */
} caps[] = {
	{ .cap = KVM_CAP_HLT, .value = 1 },
	{ .cap = KVM_CAP_USER_MEMORY, .value = 1 },
	{ .cap = KVM_CAP_SET_TSS_ADDR, .value = 1 },
	{ .cap = KVM_CAP_EXT_CPUID, .value = 1 },
	{ .cap = KVM_CAP_NR_VCPUS, .get = caps_nr_vcpus },
	{ .cap = KVM_CAP_NR_MEMSLOTS, .value = KVM_SLOTS_MAX },
	{ .cap = KVM_CAP_MP_STATE, .value = 1 },
	{ .cap = KVM_CAP_COALESCED_MMIO, .value = KVM_COALESCED_MMIO_PAGE_OFFSET },
	{ .cap = KVM_CAP_SYNC_MMU, .value = 1 },
	{ .cap = KVM_CAP_DESTROY_MEMORY_REGION_WORKS, .value = 1 },
	{ .cap = KVM_CAP_USER_NMI, .value = 1 },
	{ .cap = KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, .value = 1 },
	{ .cap = KVM_CAP_IOEVENTFD, .value = 1 },
	{ .cap = KVM_CAP_SET_IDENTITY_MAP_ADDR, .value = 1 },
	{ .cap = KVM_CAP_INTERNAL_ERROR_DATA, .value = 1 },
	{ .cap = KVM_CAP_MAX_VCPUS, .value = KVM_VCPUS_MAX },
	{ .cap = KVM_CAP_READONLY_MEM, .value = 1 },
	{ .cap = KVM_CAP_IOEVENTFD_NO_LENGTH, .value = 1 },
	{ .cap = KVM_CAP_CHECK_EXTENSION_VM, .value = 1 },
	{ .cap = KVM_CAP_IOEVENTFD_ANY_LENGTH, .value = 1 },
	{ .cap = KVM_CAP_MAX_VCPU_ID, .value = KVM_VCPU_ID_MAX },
	{ .cap = KVM_CAP_IMMEDIATE_EXIT, .value = 1 },
	{ .cap = KVM_CAP_COALESCED_PIO, .value = 1 },
	{ .cap = KVM_CAP_LAST_CPU, .value = 1 },
};

int caps_check(unsigned long cap)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].get ? caps[i].get() : caps[i].value;
	return 0;
}
