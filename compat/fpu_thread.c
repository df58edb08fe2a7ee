// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU where the kernel knows one state per thread (before 5.17).
 *
 * While the guest's state is loaded it lives where the thread's own does, in
 * the registers or current->thread.fpu, so the scheduler switches it like any
 * other; the thread's own waits in .user. Components absent from xstate_bv are
 * in their initial state and their bytes in memory are stale (SDM "XSAVE
 * Managed Features": init optimization).
 */
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/internal.h>
#include <asm/fpu/xstate.h>
#include <asm/processor.h>
#include <compat/fpu.h>

/* Owner: the vcpu's thread. Which of the two is current follows load and put. */
struct fpu_pair {
	struct fpu *guest;	/* valid while not loaded */
	struct fpu *user;	/* valid while loaded */
};

#define FPU_XCOMP_COMPACTED	BIT_ULL(63)
#define FPU_CWD_INIT		0x037f

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

/* Place of component @nr in the standard format. */
static void fpu_component(int nr, u32 *size, u32 *offset)
{
	u32 ecx, edx;

	cpuid_count(XSTATE_CPUID, nr, size, offset, &ecx, &edx);
}

static void fpu_legacy_to_uabi(const struct xregs_state *xs, u64 bv, struct fxregs_state *out)
{
	const struct fxregs_state *fx = &xs->i387;
	bool compacted = xs->header.xcomp_bv & FPU_XCOMP_COMPACTED;

	if (bv & XFEATURE_MASK_FP) {
		memcpy(out, fx, offsetof(struct fxregs_state, mxcsr));
		memcpy(out->st_space, fx->st_space, sizeof(out->st_space));
	} else {
		out->cwd = FPU_CWD_INIT;
	}

	/* The standard format writes MXCSR whatever xstate_bv says. */
	out->mxcsr = MXCSR_DEFAULT;
	if (!compacted || bv & XFEATURE_MASK_SSE)
		out->mxcsr = fx->mxcsr;
	out->mxcsr_mask = mxcsr_feature_mask;

	if (bv & XFEATURE_MASK_SSE)
		memcpy(out->xmm_space, fx->xmm_space, sizeof(out->xmm_space));
}

void kvm_fpu_to_uabi(struct kvm_guest_fpu *fpu, void *xsave, unsigned int size, u32 pkru)
{
	struct fpu_pair *pair = fpu->state;
	struct xregs_state *xs = &pair->guest->state.xsave;
	struct xregs_state *out = xsave;
	u64 offered = kvm_fpu_supported_xcr0();
	u64 bv = offered ? xs->header.xfeatures & offered : XFEATURE_MASK_FPSSE;
	u32 len, offset;
	void *src;
	int nr;

	memset(xsave, 0, size);
	fpu_legacy_to_uabi(xs, bv, &out->i387);
	out->header.xfeatures = bv | XFEATURE_MASK_FPSSE;

	for (nr = FIRST_EXTENDED_XFEATURE; nr < XFEATURE_MAX; nr++) {
		if (!(offered & BIT_ULL(nr)))
			continue;
		fpu_component(nr, &len, &offset);
		if (offset + len > size)
			continue;
		if (nr == XFEATURE_PKRU) {
			memcpy(xsave + offset, &pkru, sizeof(pkru));
			out->header.xfeatures |= XFEATURE_MASK_PKRU;
			continue;
		}
		src = get_xsave_addr(xs, nr);
		if (src)
			memcpy(xsave + offset, src, len);
	}
}

static bool fpu_uabi_valid(const struct xregs_state *in, u64 allowed)
{
	if (in->header.xfeatures & ~allowed)
		return false;
	if (in->header.xcomp_bv || memchr_inv(in->header.reserved, 0,
					      sizeof(in->header.reserved)))
		return false;
	return !(in->i387.mxcsr & ~mxcsr_feature_mask);
}

int kvm_fpu_from_uabi(struct kvm_guest_fpu *fpu, const void *xsave, u64 xcr0, u32 *pkru)
{
	struct fpu_pair *pair = fpu->state;
	struct xregs_state *xs = &pair->guest->state.xsave;
	const struct xregs_state *in = xsave;
	u64 offered = kvm_fpu_supported_xcr0();
	u64 bv = in->header.xfeatures;
	u32 len, offset;
	int nr;

	if (!fpu_uabi_valid(in, offered ? xcr0 & offered : XFEATURE_MASK_FPSSE))
		return -EINVAL;

	memcpy(&xs->i387, &in->i387, sizeof(xs->i387));
	if (!(bv & (XFEATURE_MASK_SSE | XFEATURE_MASK_YMM)))
		xs->i387.mxcsr = MXCSR_DEFAULT;
	if (!offered)
		return 0;

	/* With YMM alone MXCSR counts too, but XRSTORS would take SSE's initial one. */
	if ((bv & XFEATURE_MASK_YMM) && !(bv & XFEATURE_MASK_SSE)) {
		memset(xs->i387.xmm_space, 0, sizeof(xs->i387.xmm_space));
		bv |= XFEATURE_MASK_SSE;
	}
	xs->header.xfeatures = bv;
	for (nr = FIRST_EXTENDED_XFEATURE; nr < XFEATURE_MAX; nr++) {
		if (!(bv & BIT_ULL(nr)))
			continue;
		fpu_component(nr, &len, &offset);
		memcpy(get_xsave_addr(xs, nr), xsave + offset, len);
	}

	*pkru = 0;
	if (bv & XFEATURE_MASK_PKRU) {
		fpu_component(XFEATURE_PKRU, &len, &offset);
		memcpy(pkru, xsave + offset, sizeof(*pkru));
	}
	return 0;
}
