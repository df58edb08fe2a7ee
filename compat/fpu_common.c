// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guest FPU handling has in common on every kernel.
 */
#include <compat/config.h>
#include <linux/sched.h>
#include <linux/thread_info.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#ifdef KVM_HAVE_FPU_XCR_H
#include <asm/fpu/xcr.h>
#else
#include <asm/fpu/internal.h>
#endif
#include <compat/fpu.h>

/* Components whose state the kernel saves for every thread without being asked. */
#define KVM_XCR0_OFFERED	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM |	\
				 XFEATURE_MASK_BNDREGS | XFEATURE_MASK_BNDCSR |	\
				 XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU)

u64 kvm_fpu_supported_xcr0(void)
{
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	return xgetbv(XCR_XFEATURE_ENABLED_MASK) & KVM_XCR0_OFFERED;
}

void kvm_fpu_before_entry(struct kvm_guest_fpu *fpu)
{
	/* Debian's kernels have the check built in, and it is not for free. */
#ifdef KVM_SWAP_STRICT
	fpregs_assert_state_consistent();
#endif
	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
}
