// SPDX-License-Identifier: GPL-2.0-only
/*
 * XSAVE images, to and from userspace's layout, where the kernel has no function for it.
 *
 * Components absent from xstate_bv are in their initial state and their bytes in
 * memory are stale (SDM "XSAVE-Managed Features": init optimization).
 */
#include <compat/config.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#ifdef KVM_HAVE_FPU_XCR_H
#include <asm/fpu/api.h>
#else
#include <asm/fpu/internal.h>
#endif
#include <asm/fpu/types.h>
#include <asm/fpu/xstate.h>
#include <compat/fpu.h>
#include "fpu.h"

#define FPU_XCOMP_COMPACTED	BIT_ULL(63)
#define FPU_CWD_INIT		0x037f
#define FPU_EXTENDED_OFFSET	(FXSAVE_SIZE + XSAVE_HDR_SIZE)
#define FPU_MXCSR_MASK		0xffbf	/* of CPUs that do not tell: all but DAZ */
#define FPU_ALIGNED		BIT(1)	/* CPUID's ECX: starts at a multiple of 64 */

/* Place of component @nr in the standard format. */
static void fpu_component(int nr, u32 *size, u32 *offset)
{
	u32 ecx, edx;

	cpuid_count(XSTATE_CPUID, nr, size, offset, &ecx, &edx);
}

/* Component @nr of an image in either format; the format must have room for it. */
static void *fpu_image_at(struct xregs_state *xs, int nr)
{
	u32 size, standard, ecx, edx, offset;
	int i;

	if (!(xs->header.xcomp_bv & FPU_XCOMP_COMPACTED)) {
		fpu_component(nr, &size, &offset);
		return (u8 *)xs + offset;
	}

	/* SDM "Compacted Format of an XSAVE Area": those of xcomp_bv, one after another. */
	offset = FPU_EXTENDED_OFFSET;
	for (i = FIRST_EXTENDED_XFEATURE; i <= nr; i++) {
		if (!(xs->header.xcomp_bv & BIT_ULL(i)))
			continue;
		cpuid_count(XSTATE_CPUID, i, &size, &standard, &ecx, &edx);
		if (ecx & FPU_ALIGNED)
			offset = ALIGN(offset, 64);
		if (i != nr)
			offset += size;
	}
	return (u8 *)xs + offset;
}

/* SDM "Checking for the Existence of Reserved Bits in MXCSR": FXSAVE tells. */
static u32 fpu_mxcsr_mask(void)
{
	struct fxregs_state fx __aligned(16);

	fx.mxcsr_mask = 0;
	asm volatile("fxsave %0" : "+m" (fx));
	return fx.mxcsr_mask ?: FPU_MXCSR_MASK;
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
	out->mxcsr_mask = fpu_mxcsr_mask();

	if (bv & XFEATURE_MASK_SSE)
		memcpy(out->xmm_space, fx->xmm_space, sizeof(out->xmm_space));
}

void fpu_image_to_uabi(struct xregs_state *xs, void *xsave, unsigned int size, u32 pkru)
{
	struct xregs_state *out = xsave;
	u64 offered = kvm_fpu_supported_xcr0();
	u64 bv = offered ? xs->header.xfeatures & offered : XFEATURE_MASK_FPSSE;
	u32 len, offset;
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
		if (bv & BIT_ULL(nr))
			memcpy(xsave + offset, fpu_image_at(xs, nr), len);
	}
}

static bool fpu_uabi_valid(const struct xregs_state *in, u64 allowed)
{
	if (in->header.xfeatures & ~allowed)
		return false;
	if (in->header.xcomp_bv || memchr_inv(in->header.reserved, 0,
					      sizeof(in->header.reserved)))
		return false;
	return !(in->i387.mxcsr & ~fpu_mxcsr_mask());
}

int fpu_image_from_uabi(struct xregs_state *xs, const void *xsave, u64 xcr0, u32 *pkru)
{
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
		memcpy(fpu_image_at(xs, nr), xsave + offset, len);
	}

	*pkru = 0;
	if (bv & XFEATURE_MASK_PKRU) {
		fpu_component(XFEATURE_PKRU, &len, &offset);
		memcpy(pkru, xsave + offset, sizeof(*pkru));
	}
	return 0;
}
