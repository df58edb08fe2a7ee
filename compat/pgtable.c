// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making the host map a page, the way a user access would.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <asm/mmu_context.h>
#include <compat/pgtable.h>

static bool fault_allowed(struct vm_area_struct *vma, bool write, bool remote)
{
	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		return false;
	return arch_vma_access_permitted(vma, write, false, remote);
}

static int fault_error(vm_fault_t fault)
{
	if (fault & VM_FAULT_OOM)
		return -ENOMEM;
	if (fault & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE))
		return -EHWPOISON;
	return -EFAULT;
}

/* One attempt; -EAGAIN: the fault waited with the lock dropped, come again. */
static int fault_once(struct mm_struct *mm, unsigned long addr, bool write, unsigned int flags)
{
	struct vm_area_struct *vma;
	vm_fault_t fault;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = find_vma(mm, addr);
	if (!vma || addr < vma->vm_start ||
	    !fault_allowed(vma, write, flags & FAULT_FLAG_REMOTE)) {
		mmap_read_unlock(mm);
		return -EFAULT;
	}

	/* With RETRY, and COMPLETED where it exists, the lock is dropped already. */
	fault = handle_mm_fault(vma, addr, flags, NULL);
	if (fault & VM_FAULT_RETRY)
		return -EAGAIN;
#ifdef KVM_HAVE_VM_FAULT_COMPLETED
	if (fault & VM_FAULT_COMPLETED)
		return 0;
#endif
	mmap_read_unlock(mm);
	return fault & VM_FAULT_ERROR ? fault_error(fault) : 0;
}

void kvm_host_fault_ahead(struct mm_struct *mm, unsigned long first, unsigned long pages,
			  bool write)
{
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT, i;
	struct vm_area_struct *vma;
	unsigned long addr;

	if (write)
		flags |= FAULT_FLAG_WRITE;
	if (!mmap_read_trylock(mm))
		return;
	for_each_set_bit(i, &pages, BITS_PER_LONG) {
		addr = first + i * PAGE_SIZE;
		vma = find_vma(mm, addr);
		/* Only a private mapping's fault is sure to keep the lock for NOWAIT. */
		if (!vma || addr < vma->vm_start || !vma_is_anonymous(vma) ||
		    !fault_allowed(vma, write, false))
			break;
		if (handle_mm_fault(vma, addr, flags, NULL) & (VM_FAULT_RETRY | VM_FAULT_ERROR))
			break;
	}
	mmap_read_unlock(mm);
}

int kvm_host_fault_in_nowait(struct mm_struct *mm, unsigned long addr, bool write)
{
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT;
	struct vm_area_struct *vma;
	vm_fault_t fault;
	int ret = -EBUSY;

	if (write)
		flags |= FAULT_FLAG_WRITE;
	if (!mmap_read_trylock(mm))
		return ret;
	vma = find_vma(mm, addr);
	/* Drivers' own mappings need not know that NOWAIT keeps the lock. */
	if (!vma || addr < vma->vm_start || (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP)) ||
	    !fault_allowed(vma, write, false))
		goto unlock;
	fault = handle_mm_fault(vma, addr, flags, NULL);
	if (fault & VM_FAULT_RETRY)
		ret = -EAGAIN;
	else if (!(fault & VM_FAULT_ERROR))
		ret = 0;
unlock:
	mmap_read_unlock(mm);
	return ret;
}

static int fault_in(struct mm_struct *mm, unsigned long addr, bool write, unsigned int flags)
{
	int ret;

	flags |= FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE | FAULT_FLAG_INTERRUPTIBLE;
	if (write)
		flags |= FAULT_FLAG_WRITE;

	ret = fault_once(mm, addr, write, flags);
	if (ret != -EAGAIN)
		return ret;
	if (signal_pending(current))
		return -EINTR;
	return fault_once(mm, addr, write, flags | FAULT_FLAG_TRIED);
}

int kvm_host_fault_in(struct mm_struct *mm, unsigned long addr, bool write)
{
	return fault_in(mm, addr, write, 0);
}

int kvm_host_fault_in_remote(struct mm_struct *mm, unsigned long addr, bool write)
{
	return fault_in(mm, addr, write, FAULT_FLAG_REMOTE);
}
