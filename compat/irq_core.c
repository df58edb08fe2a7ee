// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host interrupts and NMIs after a VMX exit where the kernel takes them, by IDT or
 * FRED as the CPU runs.
 */
#include <linux/types.h>
#include <asm/entry-common.h>
#include <asm/irq_vectors.h>
#include <asm/trapnr.h>
#include <compat/irq.h>

int kvm_vmx_forward_init(void)
{
	return 0;
}

noinstr void kvm_vmx_forward_irq(u8 vector)
{
	x86_entry_from_kvm(EVENT_TYPE_EXTINT, vector);
}

noinstr void kvm_vmx_forward_nmi(void)
{
	x86_entry_from_kvm(EVENT_TYPE_NMI, NMI_VECTOR);
}
