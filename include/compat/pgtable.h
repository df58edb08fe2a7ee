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
