/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine check that ended the guest's stay, given to the host.
 */
#ifndef KVM_COMPAT_MCHECK_H
#define KVM_COMPAT_MCHECK_H

#include "config.h"
#include <linux/ptrace.h>
#include <asm/mce.h>

/*
 * [I] The handler is told that user code was interrupted: the host's kernel was
 * not the victim, so the thread is what may have to die. A kernel without a
 * handler runs with CR4.MCE clear, and its CPUs shut down before we are asked.
 */
static inline void kvm_forward_machine_check(void)
{
#ifdef KVM_HAVE_MACHINE_CHECK
	struct pt_regs regs = {
		.cs = 3,
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
#endif
}

#endif
