// SPDX-License-Identifier: GPL-2.0-only
/* Functions called by tracing got struct ftrace_regs, with the arguments, in 5.11. */
#include <linux/ftrace.h>

static void traced(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		   struct ftrace_regs *regs)
{
}

extern struct ftrace_ops probe;
struct ftrace_ops probe = {
	.func = traced,
};
