/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of compat/ only: being called at the entry of functions of
 * the host, by function tracing.
 */
#ifndef KVM_COMPAT_PRIVATE_HOOK_H
#define KVM_COMPAT_PRIVATE_HOOK_H

#include <linux/ftrace.h>
#include <linux/string.h>
#include <compat/config.h>

/*
 * What tracing saved of the caller's registers. Where it saves the arguments for
 * everybody, that is all that is asked for; older kernels save either nothing or
 * everything, and everything it is.
 */
#ifdef KVM_HAVE_FTRACE_REGS
#define HOOK_REGS	struct ftrace_regs *
#define HOOK_FLAGS	FTRACE_OPS_FL_PERMANENT
#ifdef KVM_HAVE_FTRACE_ARCH_REGS
#define hook_regs(regs)	(&arch_ftrace_regs(regs)->regs)
#else
#define hook_regs(regs)	(&(regs)->regs)
#endif
#else
#define HOOK_REGS	struct pt_regs *
/* There, the third flag says that the function may be called directly. */
#define HOOK_FLAGS	(FTRACE_OPS_FL_PERMANENT | FTRACE_OPS_FL_SAVE_REGS | \
			 FTRACE_OPS_FL_RECURSION_SAFE)
#define hook_regs(regs)	(regs)
#endif

/* The arguments of the function whose entry was reached. */
#define hook_arg0(regs)	(hook_regs(regs)->di)
#define hook_arg1(regs)	(hook_regs(regs)->si)
#define hook_arg2(regs)	(hook_regs(regs)->dx)
#define hook_arg3(regs)	(hook_regs(regs)->cx)

/*
 * Defines a function to be called at the entry of others. It must not sleep: the
 * code that leads here goes away when every task has had a chance to schedule.
 * Nor must it call what it is a hook of.
 */
#define HOOK(name) \
	static notrace void name(unsigned long ip, unsigned long parent_ip, \
				 struct ftrace_ops *ops, HOOK_REGS regs)

/* Functions that share a hook; each hook more takes tracing a while to place. */
#define HOOK_FUNCTIONS	2

/* Lifetime: static. Changed by whoever places and removes. */
struct hook {
	const char *functions[HOOK_FUNCTIONS];	/* of the host; the first is always there */
	void (*func)(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		     HOOK_REGS regs);
#ifdef CONFIG_FUNCTION_TRACER
	struct ftrace_ops ops;
#endif
	bool placed;
};

#ifdef CONFIG_FUNCTION_TRACER
/* Has @ops called at the entry of @function, too, or of it alone. Tracing's error. */
static inline int hook_filter(struct ftrace_ops *ops, const char *function, bool alone)
{
	unsigned char name[64];

	/* Tracing takes the name apart. */
	strscpy(name, function, sizeof(name));
	return ftrace_set_filter(ops, name, strlen(name), alone);
}
#endif

/*
 * All of them or none. May sleep, takes locks of tracing and CPU hotplug.
 * Return: 0, or a negative errno and a sentence in the log.
 */
int hooks_place(struct hook *hooks, unsigned int n);
/* No hook runs when it returns. May sleep, for tens of milliseconds. */
void hooks_remove(struct hook *hooks, unsigned int n);

#endif
