/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting for an eventfd from inside the kernel, before any other waiter.
 */
#ifndef KVM_COMPAT_EVENTFD_H
#define KVM_COMPAT_EVENTFD_H

#include <linux/eventfd.h>
#include <linux/wait.h>
#include "config.h"

/*
 * Put @entry into an eventfd's queue. If its function answers 1 to a wakeup, others in
 * the queue are not woken, on kernels that can do that. 0, or -EBUSY: somebody else
 * is first already.
 */
static inline int kvm_eventfd_wait_first(struct wait_queue_head *head,
					 struct wait_queue_entry *entry)
{
#ifdef KVM_HAVE_ADD_WAIT_QUEUE_PRIORITY_EXCLUSIVE
	return add_wait_queue_priority_exclusive(head, entry);
#else
#ifdef KVM_HAVE_ADD_WAIT_QUEUE_PRIORITY
	add_wait_queue_priority(head, entry);
#else
	add_wait_queue(head, entry);
#endif
	return 0;
#endif
}

/*
 * In the function of such an entry: take what has been signalled, so that nobody else
 * sees it. Kernels where that is impossible leave it for eventfd_ctx_remove_wait_queue().
 */
static inline void kvm_eventfd_take(struct eventfd_ctx *ctx)
{
#ifdef KVM_HAVE_ADD_WAIT_QUEUE_PRIORITY
	u64 count;

	eventfd_ctx_do_read(ctx, &count);
#endif
}

#endif
