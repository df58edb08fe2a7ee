// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks at the entry of the kernel's functions, with their arguments.
 * Exports: register_ftrace_function ftrace_set_filter
 */
#include <linux/ftrace.h>

#if !defined(CONFIG_DYNAMIC_FTRACE) || \
	!(defined(CONFIG_DYNAMIC_FTRACE_WITH_REGS) || defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS))
#error "no function tracing that modules can use"
#endif

int probe(struct ftrace_ops *ops);
int probe(struct ftrace_ops *ops)
{
	ops->flags = FTRACE_OPS_FL_PERMANENT | FTRACE_OPS_FL_SAVE_REGS;
	return register_ftrace_function(ops);
}
