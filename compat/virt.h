/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of compat/ only.
 */
#ifndef KVM_COMPAT_PRIVATE_VIRT_H
#define KVM_COMPAT_PRIVATE_VIRT_H

/* The machine goes down from here on; kvm_virt_rebooting() says so. */
void kvm_virt_set_rebooting(void);

#endif
