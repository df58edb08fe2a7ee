// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.6, and 6.1.57 among the stable kernels, the copy of a guest's FPU
 * state to userspace is told which components to show.
 */
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>

void probe(struct fpu_guest *guest, void *buf, unsigned int size, u64 xfeatures, u32 pkru);
void probe(struct fpu_guest *guest, void *buf, unsigned int size, u64 xfeatures, u32 pkru)
{
	fpu_copy_guest_fpstate_to_uabi(guest, buf, size, xfeatures, pkru);
}
