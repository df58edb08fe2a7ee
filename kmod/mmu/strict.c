// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model of the CPUs' TLBs, see include/kvm/strict.h. Only in strict builds.
 *
 * Who enters and who flushes meet as in core/flush.c: the vcpu publishes
 * .in_guest with IRQs off after the last look at tlb_gen, and a flush that sees
 * the vcpu in the guest waits until its IRQs are on again; so what is read here
 * after a flush is either a stay that the flush has ended, or a later one.
 */
#include <linux/export.h>
#include <linux/hash.h>
#include <linux/percpu.h>

#include <kvm/strict.h>
#include "spte.h"

#define TAGS_BITS	9
#define TAG_PROBES	16

/* What one CPU may hold under one tag. [I] on that CPU. */
struct strict_tag {
	u64 tag;
	u64 owner;
	u64 epoch;		/* of the CPU; another one: flushed since */
	u64 since;		/* the owner's VM's count at the last flush */
};

struct strict_tlb {
	u64 epoch;		/* starts at 1: no fresh entry is valid */
	struct strict_tag tags[1 << TAGS_BITS];
};

static struct strict_tlb __percpu *strict_tlb;

int strict_init(void)
{
	int cpu;

	strict_tlb = alloc_percpu(struct strict_tlb);
	if (!strict_tlb)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		per_cpu_ptr(strict_tlb, cpu)->epoch = 1;
	return 0;
}

void strict_destroy(void)
{
	free_percpu(strict_tlb);
}

void strict_vm_init(struct strict_vm *vm)
{
	static atomic64_t last_id;

	vm->id = atomic64_inc_return(&last_id);
}

/* What the hardware may do with @spte; tracking takes nothing away until a flush. */
static u64 strict_rights(u64 spte)
{
	const struct kvm_mmu_format *f = spte_format();

	if (spte_is_tracked(spte))
		spte = spte_untrack(spte);
	return spte & (f->present | f->write | f->exec);
}

/*
 * Is something that was allowed by @old not, or not in the same way, by @new? Two
 * sizes of one address in a TLB are trouble even if they say the same.
 */
static bool strict_weaker(u64 old, u64 new)
{
	const struct kvm_mmu_format *f = spte_format();

	if (!old)
		return false;
	if (!spte_is_leaf(old) || !spte_is_leaf(new))
		return true;
	if ((old ^ new) & (f->addr_mask | f->huge))
		return true;
	if (strict_rights(old) & ~strict_rights(new))
		return true;
	return new & ~old & f->exec_off;
}

void strict_change(struct mmu_batch *batch, u64 old, u64 new, int level)
{
	if (!strict_weaker(old, new))
		return;
	/* Ordered after the change: who reads the count walks the new tables. */
	batch->strict.seq = atomic64_inc_return(&batch->kvm->strict.weakened);
	batch->strict.old = old;
	batch->strict.new = new;
	batch->strict.level = level;
}

void strict_check(const struct mmu_batch *batch, const char *what)
{
	struct kvm_vcpu *vcpu;
	u32 i;

	if (!batch->strict.seq)
		return;
	vm_for_each_vcpu(i, vcpu, batch->kvm) {
		/* .since is this stay's: pairs with strict_enter(). */
		if (!smp_load_acquire(&vcpu->strict.in_guest))
			continue;
		WARN_ONCE(READ_ONCE(vcpu->strict.since) < batch->strict.seq,
			  "kvm strict: %s ended while vcpu %u may still use spte %llx (now %llx, level %d): a TLB flush is missing\n",
			  what, vcpu->id, batch->strict.old, batch->strict.new,
			  batch->strict.level);
	}
}

void strict_settle(struct mmu_batch *batch, const char *what)
{
	atomic64_t *settled = &batch->kvm->strict.settled;
	s64 seq = batch->strict.seq, seen;

	strict_check(batch, what);
	for (seen = atomic64_read(settled); seen < seq;) {
		s64 found = atomic64_cmpxchg(settled, seen, seq);

		if (found == seen)
			break;
		seen = found;
	}
	batch->strict.seq = 0;
}

static bool tag_valid(const struct strict_tlb *tlb, const struct strict_tag *t)
{
	return t->epoch == tlb->epoch;
}

/* The entry of @tag, or with @make one for it: free, or taken from another tag. */
static struct strict_tag *tag_find(struct strict_tlb *tlb, u64 tag, bool make)
{
	u32 start = hash_64(tag, TAGS_BITS), i;
	struct strict_tag *t, *room = NULL;

	for (i = 0; i < TAG_PROBES; i++) {
		t = &tlb->tags[(start + i) & (ARRAY_SIZE(tlb->tags) - 1)];
		if (tag_valid(tlb, t) && t->tag == tag)
			return t;
		if (!room && !tag_valid(tlb, t))
			room = t;
	}
	if (!make)
		return NULL;
	if (!room)
		room = &tlb->tags[start];
	room->epoch = 0;
	room->tag = tag;
	return room;
}

void strict_flush_tag(u64 tag)
{
	struct strict_tlb *tlb = get_cpu_ptr(strict_tlb);
	struct strict_tag *t = tag_find(tlb, tag, false);

	if (t)
		t->epoch = 0;
	put_cpu_ptr(strict_tlb);
}
EXPORT_SYMBOL_GPL(strict_flush_tag);

void strict_flush_cpu(void)
{
	struct strict_tlb *tlb = get_cpu_ptr(strict_tlb);

	tlb->epoch++;
	put_cpu_ptr(strict_tlb);
}
EXPORT_SYMBOL_GPL(strict_flush_cpu);

void strict_enter(struct kvm_vcpu *vcpu, u64 tag, u64 owner)
{
	struct strict_vm *vm = &vcpu->kvm->strict;
	struct strict_tlb *tlb = this_cpu_ptr(strict_tlb);
	struct strict_tag *t;

	lockdep_assert_irqs_disabled();
	t = tag_find(tlb, tag, true);
	vcpu->strict.tag = t;
	vcpu->strict.before = tag_valid(tlb, t) ? t->since : 0;
	if (!tag_valid(tlb, t)) {
		t->epoch = tlb->epoch;
		t->owner = owner;
		t->since = atomic64_read(&vm->weakened);
	}
	WARN_ONCE(t->owner != owner,
		  "kvm strict: vcpu %u enters with tag %llx, under which the CPU may hold translations of another guest: a TLB flush is missing\n",
		  vcpu->id, tag);
	WARN_ONCE(t->since < atomic64_read(&vm->settled),
		  "kvm strict: vcpu %u enters with tag %llx last flushed at %llu, but sptes weakened up to %lld are gone: a TLB flush is missing\n",
		  vcpu->id, tag, t->since, atomic64_read(&vm->settled));
	WRITE_ONCE(vcpu->strict.since, t->since);
	/* .since is there for whoever sees the vcpu in the guest. */
	smp_store_release(&vcpu->strict.in_guest, true);
}
EXPORT_SYMBOL_GPL(strict_enter);

void strict_exit(struct kvm_vcpu *vcpu, bool failed)
{
	/* What the guest did is done when it is seen outside. */
	smp_store_release(&vcpu->strict.in_guest, false);
	if (failed)
		vcpu->strict.tag->since = vcpu->strict.before;
}
EXPORT_SYMBOL_GPL(strict_exit);
