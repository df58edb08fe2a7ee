/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of compat/ only: whose pages a task has unmapped without
 * flushing yet.
 *
 * The flush that ends a batch of reclaim names CPUs, not address spaces. So what is
 * unmapped in batches is noted per task, and the flush by the same task looks it up.
 */
#ifndef KVM_COMPAT_PRIVATE_NOTIFIER_BATCH_H
#define KVM_COMPAT_PRIVATE_NOTIFIER_BATCH_H

#include <linux/sched.h>
#include <compat/notifier.h>

/* Ranges told apart within one batch: twice what reclaim isolates at once. */
#define BATCH_RANGES	64
/* Tasks that reclaim at once and are told apart. */
#define BATCH_SLOTS	32

/*
 * One task's notes. .task is claimed by compare-and-exchange and given back by a
 * release; while it is set, the rest is that task's alone.
 */
struct batch_slot {
	struct task_struct *task;	/* only ever compared */
	unsigned int nr;
	bool lost;			/* it has unmapped more than is noted here */
	struct mm_struct *mm[BATCH_RANGES];	/* only ever compared */
	struct kvm_notifier_range range[BATCH_RANGES];
};

int batch_init(void);	/* may sleep */
void batch_exit(void);
bool batch_ready(void);	/* between the two */

/* Is there anything noted, by anybody? Cheap. */
bool batch_any(void);
/* A task's notes had no room: any flush may be about any address space, for good. */
bool batch_lost(void);
/* current is about to unmap [@start, @end) of @mm, and may flush later. */
void batch_add(struct mm_struct *mm, unsigned long start, unsigned long end);
/* current's notes; NULL: none. */
struct batch_slot *batch_mine(void);
/*
 * The notes about one of the address spaces in @slot: they are moved to its end,
 * and taken off it. Return: how many; *mm and *ranges say of whom and what.
 */
unsigned int batch_next(struct batch_slot *slot, struct mm_struct **mm,
			struct kvm_notifier_range **ranges);
/* current has flushed, or has nothing to flush. */
void batch_done(struct batch_slot *slot);

#endif
