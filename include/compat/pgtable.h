/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making the host map a page, on every kernel. (Reading its tables needs nothing
 * of this: kmod/mmu/hostwalk.c.)
 */
#ifndef KVM_COMPAT_PGTABLE_H
#define KVM_COMPAT_PGTABLE_H

#include <linux/mm.h>
#include <linux/pgtable.h>
#include "config.h"

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
 * kvm_host_fault_in_nowait() - kvm_host_fault_in(), unless it takes long
 * @mm: the current thread's mm
 * @addr: user address
 * @write: as there
 *
 * Context: may sleep, but waits for no I/O and nobody else's work; mmap_lock not held.
 * Return: 0; -EAGAIN: the page is on its way, if it is on disk; -EBUSY: cannot tell,
 * nothing has been done.
 */
int kvm_host_fault_in_nowait(struct mm_struct *mm, unsigned long addr, bool write);

/* kvm_host_fault_in() for another thread's @mm, which stays meanwhile. */
int kvm_host_fault_in_remote(struct mm_struct *mm, unsigned long addr, bool write);

/**
 * kvm_host_fault_ahead() - make the host map pages it need not wait for
 * @mm: the current thread's mm
 * @first: user address of a page
 * @pages: which pages from there on, as bits; they are in swap
 * @write: for writing
 *
 * For pages that are in the swap cache, or whose swap answers at once. Stops at the
 * first that would have to be waited for. Context: may sleep; mmap_lock not held.
 */
void kvm_host_fault_ahead(struct mm_struct *mm, unsigned long first, unsigned long pages,
			  bool write);

#endif
