// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rate of the guest's TSC. It is the host's: what userspace asks for may differ
 * by what NTP corrects anyway.
 */
#include <linux/math64.h>
#include <asm/tsc.h>
#include "x86_private.h"

#define TSC_TOLERANCE_PPM	250

/* KVM_GET_TSC_KHZ: kHz, or -EIO: the host's TSC does not keep its rate. */
long tsc_get_khz(struct kvm_vcpu *vcpu)
{
	if (check_tsc_unstable())
		return -EIO;
	return vcpu->tsc_khz;
}

/**
 * tsc_set_khz() - KVM_SET_TSC_KHZ
 * @vcpu: loaded
 * @khz: rate the guest is told, 0 for the host's
 *
 * Return: 0, or -EINVAL: too far from the host's rate, and the TSC is not scaled.
 */
int tsc_set_khz(struct kvm_vcpu *vcpu, unsigned long khz)
{
	u64 slack = div_u64((u64)tsc_khz * TSC_TOLERANCE_PPM, 1000000);

	if (!khz)
		khz = tsc_khz;
	if (khz < tsc_khz - slack || khz > tsc_khz + slack)
		return -EINVAL;
	vcpu->tsc_khz = khz;
	return 0;
}
