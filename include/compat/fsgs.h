/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The thread's FS and GS, read back from the CPU.
 */
#ifndef KVM_COMPAT_FSGS_H
#define KVM_COMPAT_FSGS_H

#include "config.h"
#include "msr.h"
#include <linux/sched.h>
#include <linux/thread_info.h>
#include <asm/processor.h>
#include <asm/fsgsbase.h>
#ifdef KVM_HAVE_GSSEG_H
#include <asm/gsseg.h>
#endif
#include <asm/special_insns.h>

/*
 * [I] With FSGSBASE user code changes its bases without telling: after this
 * current->thread.fsbase, gsbase, fsindex and gsindex are what the CPU has.
 */
#ifdef KVM_HAVE_SAVE_FSGS

static inline void kvm_save_fsgs(void)
{
	current_save_fsgs();
}

#else

/*
 * Without FSGSBASE a base that user code chose comes from the descriptor its selector
 * names, and is 0 here; with a null selector it is the one that the kernel set.
 */
static inline void kvm_save_fsgs(void)
{
	struct thread_struct *thread = &current->thread;

	savesegment(fs, thread->fsindex);
	savesegment(gs, thread->gsindex);
	if (static_cpu_has(X86_FEATURE_FSGSBASE)) {
		thread->fsbase = rdfsbase();
		rdmsrq(MSR_KERNEL_GS_BASE, thread->gsbase);
		return;
	}
	if (thread->fsindex > 3)
		thread->fsbase = 0;
	if (thread->gsindex > 3)
		thread->gsbase = 0;
}

#endif

#endif
