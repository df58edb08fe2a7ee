/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of compat/ only.
 */
#ifndef KVM_COMPAT_PRIVATE_FPU_H
#define KVM_COMPAT_PRIVATE_FPU_H

#include <linux/types.h>

struct xregs_state;

/*
 * fpu_image.c: an XSAVE image in the kernel's format, standard or compacted, to and from
 * the standard one that userspace sees; see kvm_fpu_to_uabi() and kvm_fpu_from_uabi().
 */
void fpu_image_to_uabi(struct xregs_state *xs, void *xsave, unsigned int size, u32 pkru);
int fpu_image_from_uabi(struct xregs_state *xs, const void *xsave, u64 xcr0, u32 *pkru);

#endif
