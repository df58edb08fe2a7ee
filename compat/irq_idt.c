// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host interrupts and NMIs after a VMX exit where the kernel has no function for
 * it: call what the IDT names, with a stack as the CPU would have built it.
 */
#include <linux/kernel.h>
#include <asm/desc.h>
#include <asm/idtentry.h>
#include <compat/irq.h>
#include "irq.h"

/* The read-only alias all CPUs share; set at module init. */
static const gate_desc *irq_idt;

int kvm_vmx_forward_init(void)
{
	struct desc_ptr idt;

	store_idt(&idt);
	irq_idt = (const gate_desc *)idt.address;
	return 0;
}

noinstr void kvm_vmx_forward_irq(u8 vector)
{
	kvm_call_idt_entry(gate_offset(&irq_idt[vector]));
}

noinstr void kvm_vmx_forward_nmi(void)
{
#if defined(KVM_HAVE_NMI_KVM_VMX)
	kvm_call_idt_entry((unsigned long)asm_exc_nmi_kvm_vmx);
#elif defined(KVM_HAVE_NMI_NOIST)
	kvm_call_idt_entry((unsigned long)asm_exc_nmi_noist);
#else
	/*
	 * The host's own gate, on its own stack. The CPU takes it for an exception of
	 * software and does not block NMIs, but the exit has done that already.
	 */
	asm volatile("int $2");
#endif
}
