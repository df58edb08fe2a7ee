// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of virtualization mode in a crash or emergency restart, where the kernel has
 * nobody to ask for it (from 6.6 with CONFIG_KVM=n): function tracing calls us where each
 * CPU of a dying machine passes through.
 *
 * A CPU in VMX operation blocks INIT, and CR4.VMXE cannot be cleared in it, so that a
 * crash kernel would not come up. Several of the functions may be passed one after the
 * other; what there is to do is done at the first.
 */
#define pr_fmt(fmt) "kvm: " fmt

#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include "hook.h"
#include "virt.h"

static const char * const emergency_places[] = {
	"stop_this_cpu",			/* all CPUs but the last */
	"native_machine_emergency_restart",	/* the last */
#ifdef CONFIG_CRASH_DUMP
	"kdump_nmi_callback",			/* all but the one that crashed */
	"native_machine_crash_shutdown",	/* that one */
#endif
};

static void (*emergency_leave)(void);	/* constant while the hooks are placed */

/* IRQs off or in an NMI, in the middle of anything. */
static notrace void emergency_hook(unsigned long ip, unsigned long parent_ip,
				   struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	emergency_leave();
}

static struct ftrace_ops emergency_ops = {
	.func = emergency_hook,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

int emergency_hook_add(void (*leave)(void))
{
	unsigned int i;
	int ret = 0;

	emergency_leave = leave;
	for (i = 0; i < ARRAY_SIZE(emergency_places) && !ret; i++)
		ret = hook_filter(&emergency_ops, emergency_places[i], i == 0);
	if (!ret)
		ret = register_ftrace_function(&emergency_ops);
	if (ret) {
		ftrace_free_filter(&emergency_ops);
		pr_err("cannot hook the kernel's crash path (error %d), so virtualization would stay on in a crash: function tracing has to be there and on (sysctl kernel.ftrace_enabled=1)\n",
		       ret);
	}
	return ret;
}

void emergency_hook_del(void)
{
	unregister_ftrace_function(&emergency_ops);
	ftrace_free_filter(&emergency_ops);
}
