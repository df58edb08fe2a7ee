// SPDX-License-Identifier: GPL-2.0-only
/*
 * Before 5.14 a module saved and loaded FPU states by itself, with these names
 * and this struct fpu.
 */
#include <asm/fpu/internal.h>

void probe(struct fpu *fpu);
void probe(struct fpu *fpu)
{
	fpstate_init(&fpu->state);
	copy_fpregs_to_fpstate(fpu);
	__copy_kernel_to_fpregs(&fpu->state, ~XFEATURE_MASK_PKRU);
	fpregs_mark_activate();
}
