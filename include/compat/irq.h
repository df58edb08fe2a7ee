/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of the host that VMX took out of the guest, given to the host's own
 * handlers. For kvm-intel.ko; SVM leaves them pending and needs none of this.
 */
#ifndef KVM_COMPAT_IRQ_H
#define KVM_COMPAT_IRQ_H

#include <linux/types.h>
#include "config.h"

/*
 * [I] The exit acknowledged external interrupt @vector: run its handler as if
 * the interrupt had come here. SDM "External Interrupts", acknowledge on exit.
 */
void kvm_vmx_forward_irq(u8 vector);

/*
 * [I] An NMI ended the guest's stay: run the host's handler. NMIs are blocked
 * from the exit until the handler's IRET, so nothing may fault or IRET between.
 */
void kvm_vmx_forward_nmi(void);

int kvm_vmx_forward_init(void);		/* module init of kvm-intel.ko */

#endif
