/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's FPU state, kept apart from the thread's own.
 */
#ifndef KVM_COMPAT_FPU_H
#define KVM_COMPAT_FPU_H

#include <linux/types.h>
#include "config.h"

struct kvm_guest_fpu {
	void *state;		/* private to compat/fpu*.c */
};

/* Guest FPU in its reset state (FCW 0x37f, MXCSR 0x1f80). May sleep. 0 or -ENOMEM. */
int kvm_fpu_alloc(struct kvm_guest_fpu *fpu);
void kvm_fpu_free(struct kvm_guest_fpu *fpu);
/*
 * Make the guest's state the thread's (load) and back (put). Called by the
 * vcpu's thread around its stay in the run loop, preemptible; between the two the
 * thread may be preempted and migrate.
 */
void kvm_fpu_load(struct kvm_guest_fpu *fpu);
void kvm_fpu_put(struct kvm_guest_fpu *fpu);
/* [I] right before an entry: the registers hold the guest's state from here on. */
void kvm_fpu_before_entry(struct kvm_guest_fpu *fpu);
/*
 * Standard-format XSAVE image, 4096 bytes or more, to and from userspace's layout.
 * The guest's state must not be loaded. from: -EINVAL for reserved bits.
 */
void kvm_fpu_to_uabi(struct kvm_guest_fpu *fpu, void *xsave, unsigned int size, u32 pkru);
int kvm_fpu_from_uabi(struct kvm_guest_fpu *fpu, const void *xsave, u64 xcr0, u32 *pkru);
/* XCR0 bits a guest may be offered with this kernel's interface. */
u64 kvm_fpu_supported_xcr0(void);

#endif
