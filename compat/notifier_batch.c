// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notes about pages unmapped in batches, see notifier_batch.h.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <kvm/debug.h>
#include "notifier_batch.h"

static struct batch_slot *batch_slots;
static atomic_t batch_used;	/* slots that are some task's */
static bool batch_full;		/* once there was no slot for a task */

int batch_init(void)
{
	batch_slots = kvcalloc(BATCH_SLOTS, sizeof(*batch_slots), GFP_KERNEL);
	return batch_slots ? 0 : -ENOMEM;
}

void batch_exit(void)
{
	kvfree(batch_slots);
	batch_slots = NULL;
	atomic_set(&batch_used, 0);
	batch_full = false;
}

bool batch_ready(void)
{
	return batch_slots;
}

bool batch_any(void)
{
	return atomic_read(&batch_used) || READ_ONCE(batch_full);
}

bool batch_lost(void)
{
	return READ_ONCE(batch_full);
}

/* Tests lower the two bounds, and take out what comes when one is reached. */
static unsigned int slot_ranges(void)
{
	if (KVM_SEEDED_FAULT(50) || KVM_SEEDED_FAULT(51))
		return 2;
	return KVM_SEEDED_FAULT(52) || KVM_SEEDED_FAULT(53) ? 0 : BATCH_RANGES;
}

static unsigned int slot_count(void)
{
	return KVM_SEEDED_FAULT(54) || KVM_SEEDED_FAULT(55) ? 0 : BATCH_SLOTS;
}

static struct batch_slot *slot_nth(unsigned int i)
{
	return &batch_slots[(hash_ptr(current, 5) + i) % BATCH_SLOTS];
}

struct batch_slot *batch_mine(void)
{
	unsigned int i;

	if (!atomic_read(&batch_used))
		return NULL;
	for (i = 0; i < BATCH_SLOTS; i++)
		if (READ_ONCE(slot_nth(i)->task) == current)
			return slot_nth(i);
	return NULL;
}

static struct batch_slot *slot_claim(void)
{
	struct batch_slot *slot;
	unsigned int i;

	for (i = 0; i < slot_count(); i++) {
		slot = slot_nth(i);
		if (READ_ONCE(slot->task) || cmpxchg(&slot->task, NULL, current))
			continue;
		atomic_inc(&batch_used);
		slot->nr = 0;
		slot->lost = false;
		return slot;
	}
	/* Who had no slot cannot be known later, so this never goes away. */
	WRITE_ONCE(batch_full, !KVM_SEEDED_FAULT(55));
	return NULL;
}

/* No room: let a range of the same address space reach to here. */
static void slot_stretch(struct batch_slot *slot, struct mm_struct *mm, unsigned long start,
			 unsigned long end)
{
	unsigned int i;

	for (i = 0; i < slot->nr; i++) {
		if (slot->mm[i] != mm || KVM_SEEDED_FAULT(51))
			continue;
		slot->range[i].start = min(slot->range[i].start, start);
		slot->range[i].end = max(slot->range[i].end, end);
		return;
	}
	slot->lost = !KVM_SEEDED_FAULT(51) && !KVM_SEEDED_FAULT(53);
}

void batch_add(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct batch_slot *slot = batch_mine();

	if (!slot)
		slot = slot_claim();
	if (!slot)
		return;
	if (slot->nr >= slot_ranges()) {
		slot_stretch(slot, mm, start, end);
		return;
	}
	slot->mm[slot->nr] = mm;
	slot->range[slot->nr].start = start;
	slot->range[slot->nr].end = end;
	slot->nr++;
}

unsigned int batch_next(struct batch_slot *slot, struct mm_struct **mm,
			struct kvm_notifier_range **ranges)
{
	unsigned int i, first = slot->nr;

	if (!slot->nr)
		return 0;
	*mm = slot->mm[slot->nr - 1];
	for (i = slot->nr; i--;) {
		if (slot->mm[i] != *mm)
			continue;
		first--;
		swap(slot->mm[i], slot->mm[first]);
		swap(slot->range[i], slot->range[first]);
	}
	*ranges = &slot->range[first];
	i = slot->nr - first;
	slot->nr = first;
	return i;
}

void batch_done(struct batch_slot *slot)
{
	slot->nr = 0;
	atomic_dec(&batch_used);
	/* The next owner finds the slot as this one left it. */
	smp_store_release(&slot->task, NULL);
}
