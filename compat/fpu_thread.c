// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU where the kernel knows one state per thread (before 5.17).
 *
 * While the guest's state is loaded it lives where the thread's own does, in
 * the registers or current->thread.fpu, so the scheduler switches it like any
 * other; the thread's own waits in .user.
 */
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/internal.h>
#include <compat/fpu.h>
#include "fpu.h"

/* Owner: the vcpu's thread. Which of the two is current follows load and put. */
struct fpu_pair {
	struct fpu *guest;	/* valid while not loaded */
	struct fpu *user;	/* valid while loaded */
};

static struct fpu *fpu_state_alloc(void)
{
	unsigned int size = offsetof(struct fpu, state) + fpu_kernel_xstate_size;

	/* XSAVE wants 64-byte alignment; a power of two gets its own size's. */
	return kzalloc(roundup_pow_of_two(size), GFP_KERNEL_ACCOUNT);
}

int kvm_fpu_alloc(struct kvm_guest_fpu *fpu)
{
	struct fpu_pair *pair = kzalloc(sizeof(*pair), GFP_KERNEL_ACCOUNT);

	if (!pair)
		return -ENOMEM;
	pair->guest = fpu_state_alloc();
	if (!pair->guest)
		goto err_pair;
	pair->user = fpu_state_alloc();
	if (!pair->user)
		goto err_guest;

	fpstate_init(&pair->guest->state);
	fpu->state = pair;
	return 0;

err_guest:
	kfree(pair->guest);
err_pair:
	kfree(pair);
	return -ENOMEM;
}

void kvm_fpu_free(struct kvm_guest_fpu *fpu)
{
	struct fpu_pair *pair = fpu->state;

	if (!pair)
		return;
	kfree(pair->user);
	kfree(pair->guest);
	kfree(pair);
	fpu->state = NULL;
}

/* Move the thread's state to @from and make @to the thread's, PKRU excepted. */
static void fpu_switch(struct fpu *from, struct fpu *to)
{
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		memcpy(&from->state, &current->thread.fpu.state, fpu_kernel_xstate_size);
	else
		copy_fpregs_to_fpstate(from);

	__copy_kernel_to_fpregs(&to->state, ~XFEATURE_MASK_PKRU);
	fpregs_mark_activate();
	fpregs_unlock();
}

void kvm_fpu_load(struct kvm_guest_fpu *fpu)
{
	struct fpu_pair *pair = fpu->state;

	fpu_switch(pair->user, pair->guest);
}

void kvm_fpu_put(struct kvm_guest_fpu *fpu)
{
	struct fpu_pair *pair = fpu->state;

	fpu_switch(pair->guest, pair->user);
}

void kvm_fpu_to_uabi(struct kvm_guest_fpu *fpu, void *xsave, unsigned int size, u32 pkru)
{
	struct fpu_pair *pair = fpu->state;

	fpu_image_to_uabi(&pair->guest->state.xsave, xsave, size, pkru);
}

int kvm_fpu_from_uabi(struct kvm_guest_fpu *fpu, const void *xsave, u64 xcr0, u32 *pkru)
{
	struct fpu_pair *pair = fpu->state;

	return fpu_image_from_uabi(&pair->guest->state.xsave, xsave, xcr0, pkru);
}
