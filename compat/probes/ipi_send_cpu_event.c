// SPDX-License-Identifier: GPL-2.0-only
/* Since 6.4 sending an IPI is a trace event, and smp_send_reschedule() a macro that uses it. */
#include <linux/smp.h>
#include <trace/events/ipi.h>

void probe(void);
void probe(void)
{
	trace_ipi_send_cpu(0, 0, NULL);
}
