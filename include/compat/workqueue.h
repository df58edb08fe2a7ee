/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A work queue whose works run on the CPU that queued them.
 */
#ifndef KVM_COMPAT_WORKQUEUE_H
#define KVM_COMPAT_WORKQUEUE_H

#include <linux/workqueue.h>
#include "config.h"

#ifdef KVM_HAVE_WQ_PERCPU
#define KVM_WQ_PERCPU	WQ_PERCPU
#else
#define KVM_WQ_PERCPU	0
#endif

#endif
