// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf asks hypervisors about guests; since 5.17 only with CONFIG_GUEST_PERF_EVENTS.
 * Exports: perf_register_guest_info_callbacks
 */
#include <linux/perf_event.h>

void probe(struct perf_guest_info_callbacks *cbs);
void probe(struct perf_guest_info_callbacks *cbs)
{
	perf_register_guest_info_callbacks(cbs);
}
