/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The thread's FS and GS, read back from the CPU.
 */
#ifndef KVM_COMPAT_FSGS_H
#define KVM_COMPAT_FSGS_H

#include "config.h"
#include <linux/sched.h>
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
static inline void kvm_save_fsgs(void)
{
	current_save_fsgs();
}

#endif
