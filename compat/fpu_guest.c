// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU where the kernel keeps a second state for a thread's guest
 * (struct fpu_guest, since 5.17) and switches it with the thread.
 */
#include <linux/slab.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <compat/fpu.h>

int kvm_fpu_alloc(struct kvm_guest_fpu *fpu)
{
	struct fpu_guest *guest = kzalloc(sizeof(*guest), GFP_KERNEL_ACCOUNT);

	if (!guest)
		return -ENOMEM;
	if (!fpu_alloc_guest_fpstate(guest)) {
		kfree(guest);
		return -ENOMEM;
	}
	fpu->state = guest;
	return 0;
}

void kvm_fpu_free(struct kvm_guest_fpu *fpu)
{
	struct fpu_guest *guest = fpu->state;

	if (!guest)
		return;
	fpu_free_guest_fpstate(guest);
	kfree(guest);
	fpu->state = NULL;
}

void kvm_fpu_load(struct kvm_guest_fpu *fpu)
{
	fpu_swap_kvm_fpstate(fpu->state, true);
}

void kvm_fpu_put(struct kvm_guest_fpu *fpu)
{
	fpu_swap_kvm_fpstate(fpu->state, false);
}

void kvm_fpu_to_uabi(struct kvm_guest_fpu *fpu, void *xsave, unsigned int size, u32 pkru)
{
	struct fpu_guest *guest = fpu->state;

#ifdef KVM_HAVE_FPU_UABI_XFEATURES
	fpu_copy_guest_fpstate_to_uabi(guest, xsave, size, guest->fpstate->user_xfeatures,
				       pkru);
#else
	fpu_copy_guest_fpstate_to_uabi(guest, xsave, size, pkru);
#endif
}

int kvm_fpu_from_uabi(struct kvm_guest_fpu *fpu, const void *xsave, u64 xcr0, u32 *pkru)
{
	return fpu_copy_uabi_to_guest_fpstate(fpu->state, xsave, xcr0, pkru);
}
