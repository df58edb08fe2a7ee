// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks in functions of the host, by function tracing: the one way into them that
 * userspace cannot switch off behind our back. Operations marked permanent refuse
 * to start while tracing is disabled and make disabling it fail afterwards.
 * Probes (kprobes) can be disarmed, and are skipped inside one another.
 */
#define pr_fmt(fmt) "kvm: " fmt

#include "hook.h"

#if defined(CONFIG_DYNAMIC_FTRACE_WITH_REGS) && defined(CONFIG_FUNCTION_TRACER) && \
	!defined(CONFIG_PREEMPT_RT)

static int hook_aim(struct hook *hook, const char *function, bool first)
{
	int r = hook_filter(&hook->ops, function, first);

	if (r)
		pr_err("this kernel's %s() cannot be traced (error %d), and without it the host's changes to guest memory would go unseen: no VM can run here\n",
		       function, r);
	return r;
}

static int hook_place(struct hook *hook)
{
	unsigned int i;
	int r;

	hook->ops = (struct ftrace_ops) { .func = hook->func, .flags = HOOK_FLAGS };
	for (i = 0; i < HOOK_FUNCTIONS && hook->functions[i]; i++) {
		r = hook_aim(hook, hook->functions[i], i == 0);
		if (r)
			goto err_filter;
	}
	r = register_ftrace_function(&hook->ops);
	if (r) {
		pr_err("tracing of %s() cannot be switched on (error %d), and without it the host's changes to guest memory would go unseen: set kernel.ftrace_enabled to 1 if it is 0, or boot again\n",
		       hook->functions[0], r);
		goto err_filter;
	}
	hook->placed = true;
	return 0;

err_filter:
	ftrace_set_filter(&hook->ops, NULL, 0, 1);
	return r;
}

void hooks_remove(struct hook *hooks, unsigned int n)
{
	while (n--) {
		if (!hooks[n].placed)
			continue;
		unregister_ftrace_function(&hooks[n].ops);
		/* Frees the filter, which the kernel keeps for another time. */
		ftrace_set_filter(&hooks[n].ops, NULL, 0, 1);
		hooks[n].placed = false;
	}
}

int hooks_place(struct hook *hooks, unsigned int n)
{
	unsigned int i;
	int r;

	for (i = 0; i < n; i++) {
		r = hook_place(&hooks[i]);
		if (r) {
			hooks_remove(hooks, i);
			return r;
		}
	}
	return 0;
}

#else

/* On a real-time kernel the hooks' callers may not wait for the lock they take. */
int hooks_place(struct hook *hooks, unsigned int n)
{
	pr_err("this kernel has neither MMU notifiers nor function tracing that could stand in for them (CONFIG_DYNAMIC_FTRACE_WITH_REGS without PREEMPT_RT): guest memory could not follow the host's, so no VM can run here\n");
	return -EOPNOTSUPP;
}

void hooks_remove(struct hook *hooks, unsigned int n)
{
}

#endif
