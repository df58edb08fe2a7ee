// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler's tracepoint, which a module has to look up by its name.
 * Exports: for_each_kernel_tracepoint tracepoint_probe_register
 */
#include <linux/tracepoint.h>
#include <trace/events/sched.h>

#ifndef CONFIG_TRACEPOINTS
#error "no tracepoints"
#endif

int probe(struct tracepoint *tp, void *func);
int probe(struct tracepoint *tp, void *func)
{
	return tracepoint_probe_register(tp, func, NULL);
}
