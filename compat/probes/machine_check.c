// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine check taken from a guest goes to the host's handler, with one argument
 * since 5.8. A kernel without CONFIG_X86_MCE (Debian's cloud flavour up to 6.1) has none.
 */
#include <asm/mce.h>

#ifndef CONFIG_X86_MCE
#error This kernel does not handle machine checks.
#endif

void probe(struct pt_regs *regs);
void probe(struct pt_regs *regs)
{
	do_machine_check(regs);
}
