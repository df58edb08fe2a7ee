// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.17 a thread's FPU state is behind a pointer in struct fpu, which is inside the
 * thread_struct until 6.16.
 * Exports: kernel_fpu_begin_mask kernel_fpu_end switch_fpu_return
 */
#include <linux/sched.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/processor.h>

void probe(struct fpstate *guest);
void probe(struct fpstate *guest)
{
	kernel_fpu_begin_mask(0);
	guest->size = current->thread.fpu.__fpstate.size;
	current->thread.fpu.fpstate = guest;
	current->thread.fpu.last_cpu = -1;
	kernel_fpu_end();
}
