// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU where a thread's FPU state is behind a pointer (since 5.17) but the kernel's
 * own second state for a guest is left out (CONFIG_KVM=n).
 *
 * The scheduler, and whoever uses the FPU inside the kernel, save the registers to where
 * current->thread.fpu.fpstate points and load them from there before the thread needs them
 * again. So the guest's state becomes the thread's by changing that pointer, at a moment
 * when the registers hold nothing that is not in memory. kernel_fpu_begin() makes such a
 * moment: it saves the registers and notes (TIF_NEED_FPU_LOAD) that they have to be
 * loaded; and until kernel_fpu_end() nothing else on this CPU touches them.
 */
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/processor.h>
#include <compat/fpu.h>
#include "fpu.h"

#define FPU_XCOMP_COMPACTED	BIT_ULL(63)
#define FPU_CWD_INIT		0x037f

/* Owner: the vcpu's thread; @guest is the thread's while loaded. */
struct fpu_swap {
	struct fpstate *guest;
	struct fpstate *user;	/* the thread's own, while the guest's is loaded */
};

/* SDM "XSAVE Area": all components in their initial state. */
static void fpu_state_reset(struct fpstate *fps, const struct fpstate *like)
{
	fps->size = like->size;
	fps->user_size = like->user_size;
	fps->xfeatures = like->xfeatures;
	fps->user_xfeatures = like->user_xfeatures;
	fps->xfd = like->xfd;

	fps->regs.fxsave.cwd = FPU_CWD_INIT;
	fps->regs.fxsave.mxcsr = MXCSR_DEFAULT;
	/* XRSTORS wants the format named even if nothing is in it. */
	if (like->regs.xsave.header.xcomp_bv & FPU_XCOMP_COMPACTED)
		fps->regs.xsave.header.xcomp_bv = FPU_XCOMP_COMPACTED | fps->xfeatures;
}

int kvm_fpu_alloc(struct kvm_guest_fpu *fpu)
{
	/* The state inside the thread is of the kind that every thread starts with. */
	const struct fpstate *like = &current->thread.fpu.__fpstate;
	struct fpu_swap *swap = kzalloc(sizeof(*swap), GFP_KERNEL_ACCOUNT);
	unsigned int size = offsetof(struct fpstate, regs) + like->size;

	if (!swap)
		return -ENOMEM;
	/* XSAVE wants 64-byte alignment; a power of two gets its own size's. */
	swap->guest = kzalloc(roundup_pow_of_two(size), GFP_KERNEL_ACCOUNT);
	if (!swap->guest) {
		kfree(swap);
		return -ENOMEM;
	}
	fpu_state_reset(swap->guest, like);
	fpu->state = swap;
	return 0;
}

void kvm_fpu_free(struct kvm_guest_fpu *fpu)
{
	struct fpu_swap *swap = fpu->state;

	if (!swap)
		return;
	kfree(swap->guest);
	kfree(swap);
	fpu->state = NULL;
}

void kvm_fpu_load(struct kvm_guest_fpu *fpu)
{
	struct fpu_swap *swap = fpu->state;
	struct fpu *thread = &current->thread.fpu;

	kernel_fpu_begin_mask(0);
	swap->user = thread->fpstate;
	thread->fpstate = swap->guest;
	/* No CPU's registers hold this state, whatever they held of the thread's before. */
	thread->last_cpu = -1;
	kernel_fpu_end();
}

void kvm_fpu_put(struct kvm_guest_fpu *fpu)
{
	struct fpu_swap *swap = fpu->state;
	struct fpu *thread = &current->thread.fpu;

	kernel_fpu_begin_mask(0);
	thread->fpstate = swap->user;
	swap->user = NULL;
	thread->last_cpu = -1;
	kernel_fpu_end();
}

void kvm_fpu_to_uabi(struct kvm_guest_fpu *fpu, void *xsave, unsigned int size, u32 pkru)
{
	struct fpu_swap *swap = fpu->state;

	fpu_image_to_uabi(&swap->guest->regs.xsave, xsave, size, pkru);
}

int kvm_fpu_from_uabi(struct kvm_guest_fpu *fpu, const void *xsave, u64 xcr0, u32 *pkru)
{
	struct fpu_swap *swap = fpu->state;

	return fpu_image_from_uabi(&swap->guest->regs.xsave, xsave, xcr0, pkru);
}
