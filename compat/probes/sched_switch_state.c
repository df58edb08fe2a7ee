// SPDX-License-Identifier: GPL-2.0-only
/* Since 5.18 sched_switch also tells the state in which the thread leaves. */
#include <linux/tracepoint.h>
#include <trace/events/sched.h>

void probe(void (*func)(void *data, bool preempt, struct task_struct *prev,
			struct task_struct *next, unsigned int prev_state));
void probe(void (*func)(void *data, bool preempt, struct task_struct *prev,
			struct task_struct *next, unsigned int prev_state))
{
	check_trace_callback_type_sched_switch(func);
}
