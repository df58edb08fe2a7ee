// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NMI entry for an NMI taken from a guest: from 6.8 until x86_entry_from_kvm().
 * Exports: asm_exc_nmi_kvm_vmx
 */
#include <asm/idtentry.h>

void *probe(void);
void *probe(void)
{
	return asm_exc_nmi_kvm_vmx;
}
