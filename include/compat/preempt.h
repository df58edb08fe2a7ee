/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Preempt notifiers: told when the thread is scheduled out and in.
 */
#ifndef KVM_COMPAT_PREEMPT_H
#define KVM_COMPAT_PREEMPT_H

#include <linux/preempt.h>
#include "config.h"

/* preempt_notifier_{inc,dec,init,register,unregister} in the kernel's own shape. */

#endif
