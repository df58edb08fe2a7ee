// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.10 fields of struct kvm_run that userspace may change under our feet have
 * another name inside the kernel, so that every use is thought about.
 */
#include <linux/kvm.h>

u8 probe(struct kvm_run *run);
u8 probe(struct kvm_run *run)
{
	return run->immediate_exit__unsafe;
}
