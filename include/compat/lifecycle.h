/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUs that come and go, suspend and resume, the machine's last moments.
 */
#ifndef KVM_COMPAT_LIFECYCLE_H
#define KVM_COMPAT_LIFECYCLE_H

#include <linux/types.h>
#include "config.h"

/*
 * cpu_up, cpu_down: on @cpu, preemption and IRQs off. cpu_up's error refuses the
 * CPU where the kernel lets it be refused at that point; elsewhere the CPU comes
 * up all the same, so the callback has to remember that it could not be enabled.
 * suspend, resume: on the last CPU online, IRQs off; the others went through
 * cpu_down before and come back through cpu_up. shutdown: process context, once,
 * in a restart, halt or kexec; userspace may still be running.
 */
struct kvm_lifecycle_ops {
	int (*cpu_up)(unsigned int cpu);
	void (*cpu_down)(unsigned int cpu);
	int (*suspend)(void);
	void (*resume)(void);
	void (*shutdown)(void);
};

/*
 * Only CPUs that come up or go down from now on are reported: the caller looks
 * after those online already, under cpus_read_lock(). One client at a time.
 * @ops stays valid until unregistered. May sleep. 0 or negative errno.
 */
int kvm_lifecycle_register(const struct kvm_lifecycle_ops *ops);
void kvm_lifecycle_unregister(void);

#endif
