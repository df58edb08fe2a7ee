/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * perf's question when a sample hits: was a guest running, and where?
 */
#ifndef KVM_COMPAT_PERF_H
#define KVM_COMPAT_PERF_H

#include <linux/types.h>
#include "config.h"

/* Called in NMI context on the CPU that was sampled. */
struct kvm_perf_ops {
	bool (*in_guest)(void);			/* this CPU is handling an exit's NMI */
	bool (*user)(void);			/* the guest was at CPL 3 */
	unsigned long (*ip)(void);		/* the guest's linear RIP */
};

/* One client, @ops valid until unregistered. May sleep. */
void kvm_perf_register(const struct kvm_perf_ops *ops);
void kvm_perf_unregister(void);

#endif
