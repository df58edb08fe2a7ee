// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's own SPEC_CTRL value and the selector for VERW: in every kernel that
 * has the fixes for Retbleed (July 2022) and RFDS (March 2024).
 * Needed: x86_spec_ctrl_current and x86_verw_sel in <asm/nospec-branch.h>
 */
#include <linux/percpu.h>
#include <asm/nospec-branch.h>

u64 probe(void);
u64 probe(void)
{
	return this_cpu_read(x86_spec_ctrl_current) + x86_verw_sel;
}
