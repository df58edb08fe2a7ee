// SPDX-License-Identifier: GPL-2.0-only
/* Since 6.0 a fault handler may say "done, and the lock is dropped". */
#include <linux/mm_types.h>

int probe(vm_fault_t fault);
int probe(vm_fault_t fault)
{
	return !!(fault & VM_FAULT_COMPLETED);
}
