// SPDX-License-Identifier: GPL-2.0-only
/* struct ftrace_regs became opaque, behind arch_ftrace_regs(), in 6.13 and its backports. */
#include <linux/ftrace.h>

unsigned long probe(struct ftrace_regs *regs);
unsigned long probe(struct ftrace_regs *regs)
{
	return arch_ftrace_regs(regs)->regs.di;
}
