// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-table pages, and the one function through which every spte changes.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "spte.h"

struct kvm_mmu_format mmu_format __read_mostly;

/*
 * Access tracking for formats without an Accessed bit: the permissions move to
 * software bits and the entry stops being present. Read, write and execute are
 * bits 0..2 of every such format (EPT).
 */
u64 spte_track(u64 spte)
{
	u64 perms = spte & spte_format()->present;

	return (spte & ~spte_format()->present) | SPTE_TRACKED |
	       (perms << SPTE_TRACKED_SHIFT);
}

u64 spte_untrack(u64 spte)
{
	u64 perms = (spte & SPTE_TRACKED_PERMS) >> SPTE_TRACKED_SHIFT;

	return (spte & ~(SPTE_TRACKED | SPTE_TRACKED_PERMS)) | perms;
}

bool spte_allows(u64 spte, u32 access)
{
	const struct kvm_mmu_format *f = spte_format();

	if (!spte_is_leaf(spte))
		return false;
	if (spte_is_tracked(spte))
		spte = spte_untrack(spte);
	if ((access & KVM_ACCESS_WRITE) && !(spte & f->write))
		return false;
	if (access & KVM_ACCESS_EXEC)
		return f->exec ? spte & f->exec : !(spte & f->exec_off);
	return true;
}

/*
 * A vcpu may hold a translation of @old in its TLB. Gaining rights needs no
 * flush: the CPU drops a translation that faulted and walks again. A tracked
 * entry was present before and was not flushed when it became tracked.
 */
static bool change_needs_flush(u64 old, u64 new)
{
	const struct kvm_mmu_format *f = spte_format();

	if (!old)
		return false;
	if (spte_is_table(old))
		return true;
	if (!spte_is_leaf(new) || spte_hfn(old) != spte_hfn(new))
		return true;
	return (old & f->write) && !(new & f->write) && !KVM_SEEDED_FAULT(8);
}

bool spte_recheck(u64 *sptep, u64 *old, u64 *new)
{
	const struct kvm_mmu_format *f = spte_format();
	u64 ad = f->accessed | f->dirty;
	u64 seen = READ_ONCE(*sptep), last;

	do {
		/* The hardware may set these two at any moment; nothing else may differ. */
		if ((seen ^ *old) & ~ad)
			return false;
		if (spte_is_leaf(*new) && spte_hfn(*new) == spte_hfn(*old))
			*new |= seen & ~*old & ad;
		*old = last = seen;
		seen = cmpxchg64(sptep, last, *new);
	} while (seen != last);
	return true;
}

void spte_weakened(struct mmu_batch *batch, u64 old, u64 new)
{
	if (change_needs_flush(old, new))
		batch->flush = true;
}

void mmu_account(struct mmu_batch *batch)
{
	struct kvm_mmu *mmu = &batch->kvm->mmu;
	int i;

	for (i = 0; i < ARRAY_SIZE(batch->pages); i++) {
		if (batch->pages[i])
			atomic_long_add(batch->pages[i], &mmu->pages[i]);
		batch->pages[i] = 0;
	}
	if (batch->unmapped)
		atomic64_add(batch->unmapped, &mmu->stat.unmapped);
	batch->unmapped = 0;
}

static void table_free_rcu(struct rcu_head *rcu)
{
	struct mmu_table *table = container_of(rcu, struct mmu_table, rcu);

	free_page((unsigned long)table->sptes);
	kfree(table);
}

/* Count what an unlinked table and all below it mapped, and free them. */
static void table_drop(struct mmu_batch *batch, struct mmu_table *table)
{
	int i;

	for (i = 0; i < 512; i++) {
		u64 old = READ_ONCE(table->sptes[i]);

		if (spte_is_table(old)) {
			table_drop(batch, table_of(spte_child(old)));
		} else if (old) {
			batch->pages[table->level - 1]--;
			batch->unmapped += spte_span(table->level);
		}
	}
	atomic_long_dec(&batch->kvm->mmu.tables);
	call_rcu(&table->rcu, table_free_rcu);
}

void mmu_flush(struct mmu_batch *batch)
{
	struct mmu_table *table, *next;

	if (batch->flush)
		vm_flush_tlb(batch->kvm);
	batch->flush = false;
	if (list_empty(&batch->dead))
		return;
	strict_check(batch, "the freeing of a table");
	list_for_each_entry_safe(table, next, &batch->dead, link)
		table_drop(batch, table);
	INIT_LIST_HEAD(&batch->dead);
	mmu_account(batch);
}

struct mmu_table *table_alloc(struct kvm *kvm, int level, gfp_t gfp)
{
	struct mmu_table *table = kmalloc(sizeof(*table), gfp | __GFP_ACCOUNT);

	if (!table)
		return NULL;
	table->sptes = (u64 *)__get_free_page(gfp | __GFP_ACCOUNT | __GFP_ZERO);
	if (!table->sptes) {
		kfree(table);
		return NULL;
	}
	table->level = level;
	set_page_private(virt_to_page(table->sptes), (unsigned long)table);
	atomic_long_inc(&kvm->mmu.tables);
	return table;
}

/* For tables no hardware and no reader has ever seen, or can see any more. */
void table_free(struct kvm *kvm, struct mmu_table *table)
{
	atomic_long_dec(&kvm->mmu.tables);
	table_free_rcu(&table->rcu);
}

struct mmu_table *table_of(u64 *sptes)
{
	return (struct mmu_table *)page_private(virt_to_page(sptes));
}

u64 table_entry(const struct mmu_table *table)
{
	return __sme_pa(table->sptes) | spte_format()->table;
}

/**
 * table_split() - map with 512 small leaves what one large leaf maps
 * @batch: of this section
 * @sptep: the large leaf's entry
 * @old: its value
 * @level: its level, 2 or 3
 * @table: an unused table; it belongs to the tree if the answer is true
 *
 * The same frames with the same rights, so a stale large translation stays
 * valid; the flush that spte_change() asks for is for CPUs that must not hold
 * two sizes of one address. Large leaves never use the PAT bit (fault.c), so
 * the memory type has the same bits at every level.
 */
bool table_split(struct mmu_batch *batch, u64 *sptep, u64 old, int level,
		 struct mmu_table *table)
{
	u64 small = level == SPTE_LEVEL_2M ? old & ~spte_format()->huge : old;
	int i;

	table->level = level - 1;
	for (i = 0; i < 512; i++)
		table->sptes[i] = small + ((u64)i * spte_span(level - 1) << PAGE_SHIFT);
	if (!spte_change(batch, sptep, old, table_entry(table), level)) {
		memset(table->sptes, 0, PAGE_SIZE);
		return false;
	}
	batch->pages[level - 2] += 512;
	batch->flush = true;
	atomic64_inc(&batch->kvm->mmu.stat.splits);
	return true;
}

static __always_inline u64 spte_zap(struct mmu_batch *batch, u64 *sptep, int level)
{
	u64 old;

	do {
		old = READ_ONCE(*sptep);
	} while (old && !spte_change(batch, sptep, old, 0, level));
	return old;
}

void table_unlink(struct mmu_batch *batch, u64 *sptep, int level)
{
	u64 old = spte_zap(batch, sptep, level);

	if (spte_is_table(old))
		list_add_tail(&table_of(spte_child(old))->link, &batch->dead);
}

/*
 * Zap what stands at *sptep, above level 1, as far as it lies in [gfn, end). Of a
 * leaf only part of which goes away the rest stays mapped, if memory allows.
 * Return: the first frame not done with.
 */
static gfn_t zap_large(struct mmu_batch *batch, u64 *sptep, int level, gfn_t gfn, gfn_t end)
{
	gfn_t base = gfn & ~(spte_span(level) - 1), next = base + spte_span(level);
	u64 old = READ_ONCE(*sptep);
	struct mmu_table *table;

	if (spte_is_table(old)) {
		table_unlink(batch, sptep, level);
		return next;
	}
	if (old && (gfn > base || end < next) && !spte_is_tracked(old)) {
		table = table_alloc(batch->kvm, level - 1, GFP_NOWAIT | __GFP_NOWARN);
		if (table && table_split(batch, sptep, old, level, table))
			return gfn;
		if (table)
			table_free(batch->kvm, table);
	}
	if (spte_is_leaf(spte_zap(batch, sptep, level)))
		batch->unmapped += spte_span(level);
	return next;
}

void tables_zap(struct mmu_batch *batch, gfn_t *start, gfn_t end, bool free_tables,
		long budget)
{
	struct kvm_mmu *mmu = &batch->kvm->mmu;
	gfn_t gfn = *start, stop;

	lockdep_assert_held_write(&mmu->lock);
	while (gfn < end && budget > 0) {
		int level;
		u64 *sptep = table_find(mmu, gfn, free_tables ? end : 0, &level);

		if (level > SPTE_LEVEL_4K) {
			gfn = zap_large(batch, sptep, level, gfn, end);
			budget--;
			continue;
		}
		stop = min(end, (gfn | 511) + 1);
		budget -= stop - gfn;
		for (; gfn < stop; gfn++, sptep++)
			if (READ_ONCE(*sptep) && spte_zap(batch, sptep, SPTE_LEVEL_4K))
				batch->unmapped++;
	}
	*start = min(gfn, end);
}

/* After the last vcpu is gone and the notifier is unregistered: nobody looks any more. */
void tables_destroy(struct kvm *kvm)
{
	struct kvm_mmu *mmu = &kvm->mmu;
	struct mmu_batch batch;

	if (!mmu->root)
		return;
	mmu_batch_init(&batch, kvm);
	table_drop(&batch, table_of(mmu->root));
	mmu_account(&batch);
	mmu->root = NULL;
}
