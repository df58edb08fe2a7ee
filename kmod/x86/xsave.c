// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctl views of the extended state: XSAVE images and XCR0.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <compat/uapi.h>
#include "x86_private.h"

#define XCR0_NUMBER	0	/* as XGETBV counts */

static_assert(sizeof(struct kvm_xsave) == KVM_XSAVE_BYTES);
static_assert(sizeof(struct kvm_xcrs) == 392);

/**
 * xsave_get() - KVM_GET_XSAVE, KVM_GET_XSAVE2
 * @vcpu: loaded, its FPU state not in the registers
 * @argp: KVM_XSAVE_BYTES of userspace
 *
 * Only components this guest can have are shown, so that the image can be set on any
 * host that offers those. Context: may sleep. Return: 0, -ENOMEM, -EFAULT.
 */
int xsave_get(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct xregs_state *image = kvzalloc(KVM_XSAVE_BYTES, GFP_KERNEL_ACCOUNT);
	int ret = 0;

	if (!image)
		return -ENOMEM;
	kvm_fpu_to_uabi(&vcpu->fpu, image, KVM_XSAVE_BYTES, 0);
	image->header.xfeatures &= vcpu->xcr0_allowed | XFEATURE_MASK_FPSSE;
	if (copy_to_user(argp, image, KVM_XSAVE_BYTES))
		ret = -EFAULT;
	kvfree(image);
	return ret;
}

/**
 * xsave_set() - KVM_SET_XSAVE
 * @vcpu: loaded, its FPU state not in the registers
 * @argp: KVM_XSAVE_BYTES of userspace
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EFAULT, -EINVAL (a component no guest has here, reserved bits).
 */
int xsave_set(struct kvm_vcpu *vcpu, const void __user *argp)
{
	void *image = memdup_user(argp, KVM_XSAVE_BYTES);
	u32 pkru;
	int ret;

	if (IS_ERR(image))
		return PTR_ERR(image);
	ret = kvm_fpu_from_uabi(&vcpu->fpu, image,
				x86_caps.xcr0 | XFEATURE_MASK_FPSSE, &pkru);
	kfree(image);
	return ret;
}

/* KVM_GET_XCRS. 0, -EINVAL (the host has no XSAVE), -EFAULT. */
int xcrs_get(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return -EINVAL;
	xcrs.xcrs[0].xcr = XCR0_NUMBER;
	xcrs.xcrs[0].value = vcpu->regs.xcr0;
	return copy_to_user(argp, &xcrs, sizeof(xcrs)) ? -EFAULT : 0;
}

/*
 * KVM_SET_XCRS. Registers other than XCR0 do not exist yet and are passed over.
 * 0, -EINVAL (a value this guest's XSETBV would refuse), -EFAULT.
 */
int xcrs_set(struct kvm_vcpu *vcpu, const void __user *argp)
{
	struct kvm_xcrs xcrs;
	unsigned int i;

	if (copy_from_user(&xcrs, argp, sizeof(xcrs)))
		return -EFAULT;
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return -EINVAL;
	if (xcrs.nr_xcrs > KVM_MAX_XCRS || xcrs.flags)
		return -EINVAL;
	for (i = 0; i < xcrs.nr_xcrs; i++) {
		if (xcrs.xcrs[i].xcr != XCR0_NUMBER)
			continue;
		return x86_set_xcr0(vcpu, xcrs.xcrs[i].value) ? -EINVAL : 0;
	}
	return 0;
}
