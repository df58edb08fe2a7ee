/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of compat/ only.
 */
#ifndef KVM_COMPAT_PRIVATE_VIRT_H
#define KVM_COMPAT_PRIVATE_VIRT_H

/* The machine goes down from here on; kvm_virt_rebooting() says so. */
void kvm_virt_set_rebooting(void);

/*
 * emergency_hooked.c: call @leave on every CPU of a dying machine, IRQs off or in an NMI,
 * possibly more than once. May sleep. 0 or negative errno, which it explains.
 */
int emergency_hook_add(void (*leave)(void));
void emergency_hook_del(void);

#endif
