// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMSCAPE: since 6.17, and in the stable kernels of September 2025, a per-CPU
 * flag asks for a barrier before the next return to userspace.
 */
#include <linux/percpu.h>
#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>

void probe(void);
void probe(void)
{
	if (boot_cpu_has(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
}
