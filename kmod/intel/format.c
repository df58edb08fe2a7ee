// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT as data for the walker: SDM "The Extended Page Table Mechanism".
 *
 * The walker's own bits must come from 62:52, which the hardware ignores in every
 * entry. Write without read, and a reserved memory type, are misconfigurations:
 * both are impossible here, since every leaf is readable and the type comes from
 * the list below.
 */
#include <linux/bits.h>
#include <asm/msr-index.h>
#include <compat/msr.h>
#include "vmx.h"

#define EPT_LARGE	BIT_ULL(7)
#define EPT_MEMTYPE_UC	0
#define EPT_MEMTYPE_WC	1
#define EPT_MEMTYPE_WT	4
#define EPT_MEMTYPE_WP	5
#define EPT_MEMTYPE_WB	6

/* By entry of the host's PAT. */
static u64 ept_memtype_of[8] __ro_after_init;

static u64 ept_memtype(unsigned int pat_index, int level)
{
	return ept_memtype_of[pat_index & 7];
}

/*
 * Ordinary memory is cached whatever the guest's PAT says, as the host's own
 * mappings of it are. Uncached memory is a device's: there the guest may choose
 * write-combining, and nothing stronger.
 */
static u64 ept_memtype_bits(u8 pat_type)
{
	u64 type;

	switch (pat_type) {
	case EPT_MEMTYPE_WC:
	case EPT_MEMTYPE_WT:
	case EPT_MEMTYPE_WP:
	case EPT_MEMTYPE_WB:
		type = pat_type;
		break;
	default:	/* UC, and UC- which EPT does not have */
		return EPT_MEMTYPE_UC << VMX_EPT_MT_EPTE_SHIFT;
	}
	return type << VMX_EPT_MT_EPTE_SHIFT | VMX_EPT_IPAT_BIT;
}

static struct kvm_mmu_format ept_format __ro_after_init = {
	.name = "EPT",
	.table = VMX_EPT_RWX_MASK,
	.present = VMX_EPT_RWX_MASK,
	.leaf = VMX_EPT_READABLE_MASK,
	.huge = EPT_LARGE,
	.write = VMX_EPT_WRITABLE_MASK,
	.exec = VMX_EPT_EXECUTABLE_MASK,
	.addr_mask = GENMASK_ULL(51, PAGE_SHIFT),
	.memtype = ept_memtype,
};

const struct kvm_mmu_format * __init vmx_format_init(void)
{
	u64 pat;
	int i;

	rdmsrq(MSR_IA32_CR_PAT, pat);
	for (i = 0; i < 8; i++)
		ept_memtype_of[i] = ept_memtype_bits((pat >> (8 * i)) & 7);
	if (vmx_use_eptad) {
		ept_format.accessed = VMX_EPT_ACCESS_BIT;
		ept_format.dirty = VMX_EPT_DIRTY_BIT;
	}
	ept_format.gb_pages = vmx_caps.ept_vpid & VMX_EPT_1GB_PAGE_BIT;
	return &ept_format;
}
