/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of compat/ only.
 */
#ifndef KVM_COMPAT_PRIVATE_IRQ_H
#define KVM_COMPAT_PRIVATE_IRQ_H

/* [I] Run the interrupt entry at @entry; comes back through its IRET. irq_idt_asm.S */
void kvm_call_idt_entry(unsigned long entry);

#endif
