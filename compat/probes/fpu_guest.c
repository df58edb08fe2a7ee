// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.17 the kernel keeps a guest's FPU state for a thread: struct fpu_guest.
 * Exports: fpu_swap_kvm_fpstate
 */
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>

int probe(struct fpu_guest *guest);
int probe(struct fpu_guest *guest)
{
	return fpu_swap_kvm_fpstate(guest, true);
}
