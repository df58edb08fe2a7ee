// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faulting the host's page in. The last argument came in 5.9.
 * Needed: handle_mm_fault(vma, address, flags, regs) in <linux/mm.h>
 */
#include <linux/mm.h>

vm_fault_t probe(struct vm_area_struct *vma);
vm_fault_t probe(struct vm_area_struct *vma)
{
	return handle_mm_fault(vma, 0, FAULT_FLAG_KILLABLE | FAULT_FLAG_INTERRUPTIBLE, NULL);
}
