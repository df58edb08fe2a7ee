// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the host's page table as a hardware walker would: interrupts off, no
 * lock, no page reference.
 *
 * Interrupts off is what keeps the tables themselves alive: the host frees a
 * user page-table page only after every CPU that may be walking it has answered
 * an IPI or passed an RCU grace period, and neither happens meanwhile. The
 * *frames* are kept by the caller's mmu->lock: the host announces every change
 * through the notifier before it lets go of a frame.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/swap.h>

#include "spte.h"

hfn_t host_entry_hfn(u64 entry, int level)
{
	u64 mask = level == SPTE_LEVEL_1G ? PHYSICAL_PUD_PAGE_MASK :
		   level == SPTE_LEVEL_2M ? PHYSICAL_PMD_PAGE_MASK : PTE_PFN_MASK;

	return (entry & mask) >> PAGE_SHIFT;
}

unsigned int host_entry_pat_index(u64 entry, int level)
{
	u64 pat = level == SPTE_LEVEL_4K ? _PAGE_PAT : _PAGE_PAT_LARGE;

	return (entry & pat ? 4 : 0) | (entry & _PAGE_PCD ? 2 : 0) |
	       (entry & _PAGE_PWT ? 1 : 0);
}

/**
 * host_entry_dirty() - what a CPU does to an entry before its first write
 * @entryp: the live entry
 * @entry: what was read from it: writable, not dirty
 *
 * Sets the Dirty bit by the same locked update, or not at all if the entry has
 * changed; the host reckons with it at any moment (SDM "Accessed and Dirty Flags").
 * Context: IRQs off since the walk.
 * Return: the entry as it is now; 0 if it has changed.
 */
u64 host_entry_dirty(u64 *entryp, u64 entry)
{
	u64 dirty = entry | _PAGE_DIRTY;

	return cmpxchg64(entryp, entry, dirty) == entry ? dirty : 0;
}

/*
 * The host knows already that the page behind this clean 4 KiB entry is dirty, as
 * it does for the pieces of a huge page it has split: the entry may say so too.
 */
bool host_page_dirty(u64 entry)
{
	hfn_t hfn = host_entry_hfn(entry, SPTE_LEVEL_4K);

	return pfn_valid(hfn) && PageDirty(pfn_to_page(hfn));
}

/* Pages the host swaps in together: page-cluster's default, as a power of two. */
#define SWAP_CLUSTER_SHIFT	3

/*
 * Where in swap the page of a 4 KiB entry is: equal for pages that the host reads
 * in one go. 0: it is not in swap.
 */
u64 host_entry_swap(u64 entry)
{
	swp_entry_t swap = __pte_to_swp_entry(__pte(entry));

	/* Types beyond are migrations, bad pages and markers. */
	if (pte_none(__pte(entry)) || pte_present(__pte(entry)) ||
	    __swp_type(swap) >= MAX_SWAPFILES)
		return 0;
	return (((u64)__swp_type(swap) << 56) | __swp_offset(swap) >> SWAP_CLUSTER_SHIFT) + 1;
}

/*
 * A seeded fault: a PROT_NONE entry looks as before it became one. Its frame is
 * stored inverted, and it has the Global bit instead of the Present bit.
 */
static u64 host_entry_unprotected(u64 entry)
{
	if ((entry & (_PAGE_PRESENT | _PAGE_PROTNONE)) != _PAGE_PROTNONE)
		return entry;
	return (entry ^ PTE_PFN_MASK) | _PAGE_PRESENT | _PAGE_USER | _PAGE_RW;
}

static bool host_leaf_set(struct host_leaf *leaf, u64 *entryp, u64 entry, int level, hva_t hva)
{
	if (KVM_SEEDED_FAULT(45) && level == SPTE_LEVEL_4K)
		entry = host_entry_unprotected(entry);
	if (!host_entry_usable(entry))
		return false;
	leaf->entryp = entryp;
	leaf->entry = entry;
	leaf->level = level;
	leaf->hfn = host_entry_hfn(entry, level) +
		    ((hva >> PAGE_SHIFT) & (spte_span(level) - 1));
	return true;
}

/**
 * hostwalk() - find the entry that maps @hva in @mm
 * @mm: whose table; it stays alive because the vcpu's thread belongs to it
 * @hva: bytes
 * @leaf: filled in when the answer is true
 *
 * Context: IRQs off until the last use of @leaf.
 * Return: true if a present, user-accessible entry maps @hva.
 */
bool hostwalk(struct mm_struct *mm, hva_t hva, struct host_leaf *leaf)
{
	pgd_t *pgd = pgd_offset(mm, hva);
	p4d_t *p4d;
	pud_t *pud, pud_val_now;
	pmd_t *pmd, pmd_val_now;
	u64 *pte, entry;

	lockdep_assert_irqs_disabled();
	leaf->swap = 0;

	if (!pgd_present(READ_ONCE(*pgd)))
		return false;
	p4d = p4d_offset(pgd, hva);
	if (!p4d_present(READ_ONCE(*p4d)))
		return false;

	pud = pud_offset(p4d, hva);
	pud_val_now = READ_ONCE(*pud);
	if (!(pud_val(pud_val_now) & _PAGE_PRESENT))
		return false;
	if (pud_val(pud_val_now) & _PAGE_PSE)
		return host_leaf_set(leaf, (u64 *)pud, pud_val(pud_val_now), SPTE_LEVEL_1G, hva);

	/* From here on the copies, not the live entries, say where the next table is. */
	pmd = (pmd_t *)__va(pud_val(pud_val_now) & PTE_PFN_MASK) + pmd_index(hva);
	pmd_val_now = READ_ONCE(*pmd);
	if (!(pmd_val(pmd_val_now) & _PAGE_PRESENT))
		return false;
	if (pmd_val(pmd_val_now) & _PAGE_PSE)
		return host_leaf_set(leaf, (u64 *)pmd, pmd_val(pmd_val_now), SPTE_LEVEL_2M, hva);

	pte = (u64 *)__va(pmd_val(pmd_val_now) & PTE_PFN_MASK) + pte_index(hva);
	entry = READ_ONCE(*pte);
	if (host_leaf_set(leaf, pte, entry, SPTE_LEVEL_4K, hva))
		return true;
	leaf->swap = host_entry_swap(entry);
	return false;
}
