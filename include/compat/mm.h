/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory-management spellings that differ between kernels.
 */
#ifndef KVM_COMPAT_MM_H
#define KVM_COMPAT_MM_H

#include <linux/mm.h>
#include <linux/slab.h>
#include "config.h"

#ifndef KVM_HAVE_VM_FLAGS_SET
/* In an mmap() method, where the caller holds the lock for writing. */
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

#endif
