// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host does to its page tables, done to the sptes: unmapping and aging.
 */
#include <linux/sched.h>

#include <kvm/debug.h>
#include <kvm/trace.h>
#include "spte.h"

/* Entries zapped between two looks at whether somebody else wants the CPU. */
#define ZAP_BUDGET	4096
/* Bytes from which on a flush that may not sleep frees tables instead of emptying them. */
#define FLUSH_TABLES	(64UL << 20)
/* Pages around a single one, of which the unused go along with it; a power of two. */
#define COLD_SPAN	64

static struct kvm *notifier_kvm(struct kvm_notifier *n)
{
	return container_of(n, struct kvm, mmu.notifier);
}

/*
 * Zap [start, end) with mmu->lock held for write; where the caller may block, the
 * lock is dropped now and then so that fills and the scheduler get their turn.
 */
static void zap_gfns(struct mmu_batch *batch, gfn_t start, gfn_t end, bool free_tables,
		     bool may_block)
{
	struct kvm_mmu *mmu = &batch->kvm->mmu;

	for (;;) {
		tables_zap(batch, &start, end, free_tables, ZAP_BUDGET);
		if (start >= end)
			return;
		if (!may_block || !need_resched())
			continue;
		write_unlock(&mmu->lock);
		cond_resched();
		write_lock(&mmu->lock);
	}
}

/* The part of @slot that [start, end) of the host's addresses backs. */
static void slot_clip(const struct kvm_memslot *slot, hva_t start, hva_t end,
		      gfn_t *first, gfn_t *last)
{
	start = max(start, slot->userspace_addr);
	end = min(end, memslot_hva_end(slot));
	*first = memslot_hva_to_gfn(slot, start);
	*last = memslot_hva_to_gfn(slot, end + PAGE_SIZE - 1);
}

/*
 * From here to invalidation_end() no fill touches the range. Addresses, not slots,
 * are what is kept, so both ends agree whatever happens to the memslots between.
 */
static void invalidation_begin(struct kvm_mmu *mmu, hva_t start, hva_t end)
{
	lockdep_assert_held_write(&mmu->lock);
	mmu->in_progress++;
	if (mmu->invals == KVM_INVALS) {
		mmu->inval_any = true;
		return;
	}
	mmu->inval[mmu->invals].start = start;
	mmu->inval[mmu->invals].end = end;
	mmu->invals++;
}

/* A range without an entry leaves a little too much forbidden until all have ended. */
static void invalidation_end(struct kvm_mmu *mmu, hva_t start, hva_t end)
{
	unsigned int i;

	lockdep_assert_held_write(&mmu->lock);
	if (!--mmu->in_progress) {
		mmu->invals = 0;
		mmu->inval_any = false;
		return;
	}
	for (i = 0; i < mmu->invals; i++) {
		if (mmu->inval[i].start != start || mmu->inval[i].end != end)
			continue;
		mmu->inval[i] = mmu->inval[--mmu->invals];
		return;
	}
}

/* Zap what the host's [@start, @end) backs, mmu->lock held for write. */
static void zap_hvas(struct mmu_batch *batch, hva_t start, hva_t end, bool free_tables,
		     bool may_block)
{
	struct kvm_memslots *slots = memslots_get(batch->kvm);
	struct kvm_memslot *slot;
	int pos;

	memslot_for_each_hva(slot, slots, start, end, pos) {
		gfn_t first, last;

		slot_clip(slot, start, end, &first, &last);
		if (!KVM_SEEDED_FAULT(5))
			zap_gfns(batch, first, last, free_tables, may_block);
	}
}

static bool spte_is_cold(u64 spte)
{
	u64 accessed = spte_format()->accessed;

	return spte_is_leaf(spte) && (spte_is_tracked(spte) || (accessed && !(spte & accessed)));
}

/*
 * The host changes single pages in runs: reclaim, compaction, a balloon. Where a vcpu
 * must be interrupted for one of them, what lies around it and has not been used
 * since the host looked last goes too, in the same flush, so that those which follow
 * interrupt nobody. Should the guest want one after all, one fault maps them again.
 */
static void zap_cold(struct mmu_batch *batch, hva_t hva)
{
	struct kvm_memslots *slots = memslots_get(batch->kvm);
	struct kvm_memslot *slot;
	int pos, level, i;
	u64 *sptep, spte;
	gfn_t gfn, last;

	lockdep_assert_held_write(&batch->kvm->mmu.lock);
	memslot_for_each_hva(slot, slots, hva, hva + PAGE_SIZE, pos) {
		slot_clip(slot, hva, hva + PAGE_SIZE, &gfn, &last);
		sptep = table_find(&batch->kvm->mmu, gfn & ~(COLD_SPAN - 1ULL), 0, &level);
		for (i = 0; level == SPTE_LEVEL_4K && i < COLD_SPAN; i++, sptep++) {
			spte = READ_ONCE(*sptep);
			if (spte_is_cold(spte) &&
			    spte_change(batch, sptep, spte, 0, SPTE_LEVEL_4K))
				batch->unmapped++;
		}
	}
}

/* The flush of @batch, which is only about [@start, @end), serves for more if it hurts. */
static void zap_more(struct mmu_batch *batch, hva_t start, hva_t end)
{
	if (batch->flush && end - start == PAGE_SIZE && vm_flush_interrupts(batch->kvm))
		zap_cold(batch, start);
}

static void notifier_invalidate_start(struct kvm_notifier *n, unsigned long start,
				      unsigned long end, bool may_block)
{
	struct kvm *kvm = notifier_kvm(n);
	struct mmu_batch batch;
	int idx;

	trace_kvm_unmap_hva_range(start, end);
	mmu_batch_init(&batch, kvm);
	atomic64_inc(&kvm->mmu.stat.unmap_hva);
	idx = srcu_read_lock(&kvm->srcu);
	write_lock(&kvm->mmu.lock);
	invalidation_begin(&kvm->mmu, start, end);
	zap_hvas(&batch, start, end, false, may_block);
	zap_more(&batch, start, end);
	write_unlock(&kvm->mmu.lock);
	srcu_read_unlock(&kvm->srcu, idx);
	mmu_finish(&batch, "an invalidation", KVM_SEEDED_FAULT(7));
}

static void notifier_invalidate_end(struct kvm_notifier *n, unsigned long start,
				    unsigned long end)
{
	struct kvm *kvm = notifier_kvm(n);

	write_lock(&kvm->mmu.lock);
	invalidation_end(&kvm->mmu, start, end);
	write_unlock(&kvm->mmu.lock);
	KVM_VM_BUG_ON(kvm, kvm->mmu.in_progress < 0);
}

/*
 * Of a hugetlb page the host may name the first 4 KiB only: enough for a CPU, whose
 * TLB holds the page as one or in pieces that it drops together.
 */
static void flush_widen(const struct kvm_mmu *mmu, hva_t *start, hva_t *end)
{
	hva_t mask = READ_ONCE(mmu->hugetlb);

	if (KVM_SEEDED_FAULT(47) || !mask)
		return;
	*start &= ~mask;
	if (*end <= ~mask)
		*end = (*end + mask) & ~mask;
}

/*
 * What went away may be a huge range and this may not sleep, so whole tables are
 * unlinked. Nothing needs announcing: who reads the host's entries under mmu->lock
 * from here on reads the new ones.
 */
static void notifier_flush(struct kvm_notifier *n, const struct kvm_notifier_range *ranges,
			   unsigned int nr)
{
	struct kvm *kvm = notifier_kvm(n);
	struct mmu_batch batch;
	bool alone = nr == 1;
	int idx;

	mmu_batch_init(&batch, kvm);
	atomic64_add(nr, &kvm->mmu.stat.unmap_hva);
	idx = srcu_read_lock(&kvm->srcu);
	write_lock(&kvm->mmu.lock);
	while (nr--) {
		hva_t start = ranges[nr].start, end = ranges[nr].end;

		trace_kvm_unmap_hva_range(start, end);
		/* Fills tell of hugetlb pages under the lock, before they map them. */
		flush_widen(&kvm->mmu, &start, &end);
		zap_hvas(&batch, start, end, end - start > FLUSH_TABLES, false);
		if (alone)
			zap_more(&batch, start, end);
	}
	write_unlock(&kvm->mmu.lock);
	srcu_read_unlock(&kvm->srcu, idx);
	mmu_finish(&batch, "a flush of the host", KVM_SEEDED_FAULT(7));
}

/* Without an Accessed bit: let the next access fault. */
static noinline void age_track(struct kvm *kvm, u64 *sptep, u64 spte, int level)
{
	struct mmu_batch batch;

	mmu_batch_init(&batch, kvm);
	spte_change(&batch, sptep, spte, spte_track(spte), level);
}

/* Was the leaf used since the last look? Clear that if asked to. */
static __always_inline bool age_leaf(struct kvm *kvm, u64 *sptep, int level, bool clear)
{
	u64 accessed = spte_format()->accessed;
	u64 spte = READ_ONCE(*sptep);

	if (!spte_is_leaf(spte) || spte_is_tracked(spte) ||
	    (accessed && !(spte & accessed)))
		return false;
	if (!clear)
		return true;
	if (accessed)
		clear_bit(__ffs64(accessed), (unsigned long *)sptep);
	else
		age_track(kvm, sptep, spte, level);
	return true;
}

/*
 * No lock and no flush: tables stay readable until an RCU grace period after
 * they were unlinked, and a translation that outlives its Accessed bit only
 * makes the page look colder than it is until the next real walk.
 */
static bool age_gfns(struct kvm *kvm, gfn_t gfn, gfn_t end, bool clear)
{
	bool young = false;

	while (gfn < end && (clear || !young)) {
		int level;
		u64 *sptep = table_find(&kvm->mmu, gfn, 0, &level);
		gfn_t stop;

		if (level > SPTE_LEVEL_4K) {
			young |= age_leaf(kvm, sptep, level, clear);
			gfn = (gfn | (spte_span(level) - 1)) + 1;
			continue;
		}
		for (stop = min(end, (gfn | 511) + 1); gfn < stop; gfn++, sptep++)
			young |= age_leaf(kvm, sptep, SPTE_LEVEL_4K, clear);
	}
	return young;
}

static bool age_range(struct kvm *kvm, hva_t start, hva_t end, bool clear)
{
	struct kvm_memslots *slots;
	struct kvm_memslot *slot;
	bool young = false;
	int pos;

	if (KVM_SEEDED_FAULT(6))
		return false;
	rcu_read_lock();
	slots = memslots_get(kvm);
	memslot_for_each_hva(slot, slots, start, end, pos) {
		gfn_t first, last;

		slot_clip(slot, start, end, &first, &last);
		young |= age_gfns(kvm, first, last, clear);
	}
	rcu_read_unlock();
	return young;
}

static bool notifier_clear_young(struct kvm_notifier *n, unsigned long start,
				 unsigned long end)
{
	struct kvm *kvm = notifier_kvm(n);
	bool young;

	trace_kvm_age_hva(start, end);
	young = age_range(kvm, start, end, true);
	atomic64_inc(&kvm->mmu.stat.age_hva);
	if (young)
		atomic64_inc(&kvm->mmu.stat.aged);

	return young;
}

static bool notifier_test_young(struct kvm_notifier *n, unsigned long addr)
{
	struct kvm *kvm = notifier_kvm(n);

	trace_kvm_test_age_hva(addr);
	atomic64_inc(&kvm->mmu.stat.test_age_hva);
	return age_range(kvm, addr, addr + 1, false);
}

/* The mm is going: nothing may be mapped any more, and nothing will be again. */
static void notifier_release(struct kvm_notifier *n)
{
	struct kvm *kvm = notifier_kvm(n);
	struct mmu_batch batch;

	mmu_batch_init(&batch, kvm);
	atomic64_inc(&kvm->mmu.stat.zap_all);
	write_lock(&kvm->mmu.lock);
	invalidation_begin(&kvm->mmu, 0, ULONG_MAX);
	/* The tables go as a whole: it takes no time, and may not sleep. */
	zap_gfns(&batch, 0, spte_span(kvm->mmu.levels + 1), true, false);
	write_unlock(&kvm->mmu.lock);
	/* Nobody is in the guest: a vcpu's thread would hold the mm. */
	mmu_finish(&batch, "the release of the mm", true);
}

const struct kvm_notifier_ops mmu_notifier_callbacks = {
	.invalidate_start = notifier_invalidate_start,
	.invalidate_end = notifier_invalidate_end,
	.flush = notifier_flush,
	.clear_young = notifier_clear_young,
	.test_young = notifier_test_young,
	.release = notifier_release,
};

void mmu_slot_zap(struct kvm *kvm, const struct kvm_memslot *slot)
{
	struct mmu_batch batch;

	lockdep_assert_held(&kvm->slots_lock);
	mmu_batch_init(&batch, kvm);
	write_lock(&kvm->mmu.lock);
	zap_gfns(&batch, slot->base_gfn, slot->base_gfn + slot->npages, true, true);
	write_unlock(&kvm->mmu.lock);
	mmu_finish(&batch, "the removal of a slot", KVM_SEEDED_FAULT(9));
}

/* Large leaves go: what is logged is mapped page by page. */
static void protect_leaf(struct mmu_batch *batch, u64 *sptep, int level)
{
	u64 write = spte_format()->write, old, new;

	do {
		old = READ_ONCE(*sptep);
		if (level > SPTE_LEVEL_4K || spte_is_tracked(old))
			new = 0;
		else
			new = old & ~write;
	} while (new != old && !spte_change(batch, sptep, old, new, level));
}

static void protect_gfns(struct mmu_batch *batch, gfn_t gfn, gfn_t end)
{
	lockdep_assert_held_write(&batch->kvm->mmu.lock);
	while (gfn < end) {
		int level;
		u64 *sptep = table_find(&batch->kvm->mmu, gfn, 0, &level);
		gfn_t next = (gfn | (spte_span(level) - 1)) + 1;

		if (level == SPTE_LEVEL_4K)
			next = min(end, (gfn | 511) + 1);
		else
			gfn = next - 1;
		for (; gfn < next; gfn++, sptep++)
			if (READ_ONCE(*sptep))
				protect_leaf(batch, sptep, level);
	}
}

void mmu_slot_write_protect(struct kvm *kvm, const struct kvm_memslot *slot)
{
	struct mmu_batch batch;

	lockdep_assert_held(&kvm->slots_lock);
	mmu_batch_init(&batch, kvm);
	write_lock(&kvm->mmu.lock);
	protect_gfns(&batch, slot->base_gfn, slot->base_gfn + slot->npages);
	write_unlock(&kvm->mmu.lock);
	mmu_finish(&batch, "write-protection", KVM_SEEDED_FAULT(10));
}

int mmu_vm_init(struct kvm *kvm)
{
	struct kvm_mmu *mmu = &kvm->mmu;
	struct mmu_table *root;
	int r;

	rwlock_init(&mmu->lock);
	strict_vm_init(&kvm->strict);
	mmu->levels = kvm_vendor->caps.tdp_levels;
	root = table_alloc(kvm, mmu->levels, GFP_KERNEL);
	if (!root)
		return -ENOMEM;
	mmu->root = root->sptes;
	mmu->root_hpa = __sme_pa(root->sptes);
	r = kvm_notifier_register(&mmu->notifier, &mmu_notifier_callbacks, kvm->mm);
	if (r)
		goto err_root;
	mmu->registered = true;
	return 0;

err_root:
	tables_destroy(kvm);
	return r;
}

void mmu_vm_release(struct kvm *kvm)
{
	if (!kvm->mmu.registered)
		return;
	kvm_notifier_unregister(&kvm->mmu.notifier);
	kvm->mmu.registered = false;
}

void mmu_vm_destroy(struct kvm *kvm)
{
	mmu_vm_release(kvm);
	tables_destroy(kvm);
}

/* No VM exists, so nobody reads it. */
void mmu_vendor_init(void)
{
	mmu_format = *kvm_vendor->format;
}

/* Tables handed to RCU run our code when their grace period ends. */
void mmu_module_exit(void)
{
	rcu_barrier();
}
