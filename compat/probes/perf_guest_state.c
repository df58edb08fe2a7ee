// SPDX-License-Identifier: GPL-2.0-only
/* Since 5.17 perf's two questions (in a guest? in its user mode?) are one. */
#include <linux/perf_event.h>

unsigned int probe(struct perf_guest_info_callbacks *cbs);
unsigned int probe(struct perf_guest_info_callbacks *cbs)
{
	return cbs->state() & PERF_GUEST_ACTIVE;
}
