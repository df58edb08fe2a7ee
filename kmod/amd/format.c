// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page tables as data: they look like the host's own page tables, and
 * every guest access counts as a user access ("Nested Paging").
 */
#include <linux/mem_encrypt.h>
#include <asm/cpufeature.h>
#include <asm/pgtable_types.h>
#include <asm/processor.h>
#include "svm.h"

/*
 * The nested tables' PWT, PCD and PAT select from the host's PAT MSR, which is
 * the one the host's entry selected from: copy the index.
 */
static u64 npt_memtype(unsigned int pat_index, int level)
{
	u64 bits = 0;

	if (pat_index & 1)
		bits |= _PAGE_PWT;
	if (pat_index & 2)
		bits |= _PAGE_PCD;
	if (pat_index & 4)
		bits |= level > 1 ? _PAGE_PAT_LARGE : _PAGE_PAT;
	return bits;
}

struct kvm_mmu_format svm_format = {
	.name = "NPT",
	.table = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED,
	.present = _PAGE_PRESENT,
	.leaf = _PAGE_PRESENT | _PAGE_USER,
	.huge = _PAGE_PSE,
	.write = _PAGE_RW,
	.exec_off = _PAGE_NX,
	.accessed = _PAGE_ACCESSED,
	.dirty = _PAGE_DIRTY,
	.memtype = npt_memtype,
};

/* What depends on the machine. Context: module init. */
void svm_format_init(void)
{
	unsigned int bits = boot_cpu_data.x86_phys_bits;

	svm_format.addr_mask = GENMASK_ULL(bits - 1, PAGE_SHIFT) & ~sme_me_mask;
	svm_format.table |= sme_me_mask;
	svm_format.gb_pages = boot_cpu_has(X86_FEATURE_GBPAGES);
}
