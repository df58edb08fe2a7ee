/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupting other CPUs: smp_send_reschedule() traces its sender on newer
 * kernels and then needs the event's declaration.
 */
#ifndef KVM_COMPAT_SMP_H
#define KVM_COMPAT_SMP_H

#include <linux/smp.h>
#include "config.h"
#ifdef KVM_HAVE_IPI_SEND_CPU_EVENT
#include <trace/events/ipi.h>
#endif

#endif
