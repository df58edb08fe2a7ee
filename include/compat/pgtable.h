/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's page tables as a hardware walker sees them, on every kernel.
 *
 * Reading them is safe without a lock or a page reference while IRQs are off on
 * this CPU: x86 frees a table only after every CPU that may walk it has taken a
 * TLB-flush IPI or passed an RCU grace period, and IRQs off delays both.
 */
#ifndef KVM_COMPAT_PGTABLE_H
#define KVM_COMPAT_PGTABLE_H

#include <linux/mm.h>
#include <linux/pgtable.h>
#include "config.h"

/* The top-level entry for @addr. [I] */
static inline pgd_t *kvm_host_pgd(struct mm_struct *mm, unsigned long addr)
{
	return pgd_offset(mm, addr);
}

/* Present and a leaf: a 1 GiB (2 MiB) page, transparent, hugetlb or device. */
static inline bool kvm_pud_leaf(pud_t pud)
{
	return pud_present(pud) && pud_leaf(pud);
}

static inline bool kvm_pmd_leaf(pmd_t pmd)
{
	return pmd_present(pmd) && pmd_leaf(pmd);
}

/*
 * Does the hardware accept the entry? Unlike pte_present(), false for a
 * PROT_NONE or NUMA-hinting entry: those exist to make the access fault.
 */
static inline bool kvm_pte_usable(pte_t pte)
{
	return pte_flags(pte) & _PAGE_PRESENT;
}

static inline bool kvm_pmd_usable(pmd_t pmd)
{
	return pmd_flags(pmd) & _PAGE_PRESENT;
}

static inline bool kvm_pud_usable(pud_t pud)
{
	return pud_flags(pud) & _PAGE_PRESENT;
}

/* No struct page stands behind it for the memory manager (VM_PFNMAP and such). */
static inline bool kvm_pte_special(pte_t pte)
{
	return pte_special(pte);
}

/* The table below @pmd; valid while IRQs stay off. x86-64 has all of it mapped. */
static inline pte_t *kvm_host_pte(pmd_t *pmd, unsigned long addr)
{
	return pte_offset_kernel(pmd, addr);
}

/* One read of an entry that others are changing. */
static inline pte_t kvm_ptep_get(pte_t *ptep)
{
	return READ_ONCE(*ptep);
}

static inline pmd_t kvm_pmdp_get(pmd_t *pmdp)
{
	return READ_ONCE(*pmdp);
}

static inline pud_t kvm_pudp_get(pud_t *pudp)
{
	return READ_ONCE(*pudp);
}

/* Which entry of the host's PAT (0..7) a leaf selects; the PAT bit of large leaves is elsewhere. */
static inline unsigned int kvm_pte_pat_index(pte_t pte)
{
	pteval_t val = pte_flags(pte);

	return (val & _PAGE_PWT ? 1 : 0) | (val & _PAGE_PCD ? 2 : 0) |
	       (val & _PAGE_PAT ? 4 : 0);
}

static inline unsigned int kvm_large_pat_index(u64 val)
{
	return (val & _PAGE_PWT ? 1 : 0) | (val & _PAGE_PCD ? 2 : 0) |
	       (val & _PAGE_PAT_LARGE ? 4 : 0);
}

/**
 * kvm_host_fault_in() - make the host map @addr, as an access would
 * @mm: the current thread's mm
 * @addr: user address
 * @write: for writing: breaks copy-on-write and leaves the entry dirty
 *
 * Takes no page reference and touches no memory, so it is right for device
 * mappings too. The entry may be gone again on return: walk and retry.
 *
 * Context: may sleep; mmap_lock not held.
 * Return: 0, -EFAULT (no such mapping, or not this way), -EHWPOISON, -ENOMEM,
 * -EINTR (signal pending), -EAGAIN (try again).
 */
int kvm_host_fault_in(struct mm_struct *mm, unsigned long addr, bool write);

/**
 * kvm_user_touch_dirty() - write to user memory without changing it
 * @uaddr: user address in the current thread's mm
 *
 * One locked OR of zero: the CPU itself sets Accessed and Dirty. Never for a
 * device mapping (VM_IO, VM_PFNMAP): it would reach the device.
 *
 * Context: may sleep, or with page faults disabled.
 * Return: 0 or -EFAULT.
 */
int kvm_user_touch_dirty(unsigned long uaddr);

#endif
