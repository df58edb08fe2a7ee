// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread's FS and GS bases as user code left them. Since 5.9, for KVM only.
 * Exports: current_save_fsgs
 */
#include <linux/sched.h>
#include <asm/processor.h>

void probe(void);
void probe(void)
{
	current_save_fsgs();
}
