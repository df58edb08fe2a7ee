// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling the second TLB after a second-level fault.
 *
 * The host's entry is read and the spte installed in one section under
 * mmu->lock held for read. An invalidation takes the lock for write before it
 * lets the host change anything, so it either comes later and finds the spte,
 * or has announced its range before the entry was read here.
 */
#include <linux/delay.h>
#include <linux/hugetlb.h>
#include <linux/mem_encrypt.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <compat/pgtable.h>
#include <compat/mitigation.h>
#include <kvm/paravirt.h>
#include <kvm/trace.h>
#include "spte.h"

/* How many host entries around a page that had to be faulted in are worth a look. */
#define REFILL_AROUND		16
/* Tries before the guest is let run into the fault again, so that signals are seen. */
#define FAULT_TRIES		16

/* What one attempt to install found; KVM_RESUME and errnos come besides these. */
enum fault_step {
	FAULT_DONE = KVM_RESUME,
	FAULT_ABSENT = 16,	/* the host must fault the page in */
	FAULT_BUSY,		/* an invalidation of this page is in progress */
	FAULT_EXCLUSIVE,	/* a table stands where a large leaf goes */
	FAULT_MEMORY,		/* the table cache ran dry */
};

/* One fault, on the stack of the vcpu's thread. */
struct fault {
	struct kvm_vcpu *vcpu;
	struct kvm *kvm;
	const struct kvm_memslot *slot;
	gfn_t gfn;
	hva_t hva;
	u32 access;
	bool exclusive;		/* mmu->lock is held for write */
	bool faulted_in;	/* the host page was absent at the first look */
	struct host_leaf host;
	struct mmu_batch batch;
};

int mmu_vcpu_init(struct kvm_vcpu *vcpu)
{
	vcpu->mmu_cache.count = 0;
	return 0;
}

void mmu_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	while (vcpu->mmu_cache.count)
		table_free(vcpu->kvm, vcpu->mmu_cache.table[--vcpu->mmu_cache.count]);
}

static int cache_topup(struct kvm_vcpu *vcpu)
{
	while (vcpu->mmu_cache.count < ARRAY_SIZE(vcpu->mmu_cache.table)) {
		struct mmu_table *table = table_alloc(vcpu->kvm, SPTE_LEVEL_4K, GFP_KERNEL);

		if (!table)
			return -ENOMEM;
		vcpu->mmu_cache.table[vcpu->mmu_cache.count++] = table;
	}
	return 0;
}

/* Is any of [start, end) being invalidated? mmu->lock held. */
static bool invalidating(const struct kvm_mmu *mmu, hva_t start, hva_t end)
{
	unsigned int i;

	for (i = 0; i < mmu->invals; i++)
		if (start < mmu->inval[i].end && end > mmu->inval[i].start)
			return true;
	return mmu->inval_any;
}

static bool slot_holds(const struct kvm_memslot *slot, gfn_t gfn, int level)
{
	gfn_t base = gfn & ~(spte_span(level) - 1);

	return base >= slot->base_gfn &&
	       base + spte_span(level) <= slot->base_gfn + slot->npages;
}

/* The largest leaf that host leaf, slot and rules allow. */
static int fault_level(const struct fault *f)
{
	int level = f->host.level;

	if (f->slot->dirty_bitmap || host_entry_pat_index(f->host.entry, level) >= 4)
		return SPTE_LEVEL_4K;
	if ((f->access & KVM_ACCESS_EXEC) && kvm_itlb_multihit())
		return SPTE_LEVEL_4K;
	if (level == SPTE_LEVEL_1G && !spte_format()->gb_pages)
		level = SPTE_LEVEL_2M;
	for (; level > SPTE_LEVEL_4K; level--) {
		u64 mask = spte_span(level) - 1;

		if (!((f->gfn ^ (f->hva >> PAGE_SHIFT)) & mask) &&
		    slot_holds(f->slot, f->gfn, level))
			break;
	}
	return level;
}

/* An spte for host entry @entry that maps @hfn: never stronger than the entry. */
static u64 fault_spte(const struct fault *f, u64 entry, hfn_t hfn, int level, bool write)
{
	const struct kvm_mmu_format *fmt = spte_format();
	u64 spte = fmt->leaf | SPTE_LEAF | (hfn << PAGE_SHIFT) | (entry & sme_me_mask);

	spte |= fmt->memtype(host_entry_pat_index(entry, f->host.level), level);
	if (level > SPTE_LEVEL_4K)
		spte |= fmt->huge;
	if (level > SPTE_LEVEL_4K && kvm_itlb_multihit())
		spte |= fmt->exec_off;
	else
		spte |= fmt->exec;
	if (write)
		spte |= fmt->write | fmt->dirty;
	return spte;
}

static bool fault_may_write(const struct fault *f, u64 entry)
{
	if (memslot_readonly(f->slot))
		return false;
	if (host_entry_special(entry))
		return entry & _PAGE_RW;
	return host_entry_writable(entry);
}

/* Make *sptep point to a table, from the cache or by splitting a large leaf. */
static int fault_descend(struct fault *f, u64 *sptep, int level)
{
	struct kvm_vcpu *vcpu = f->vcpu;
	u64 old = READ_ONCE(*sptep);
	struct mmu_table *table;
	bool linked;

	if (spte_is_table(old))
		return 0;
	if (spte_is_tracked(old)) {
		spte_change(&f->batch, sptep, old, 0, level);
		return -EAGAIN;
	}
	if (!vcpu->mmu_cache.count)
		return FAULT_MEMORY;
	table = vcpu->mmu_cache.table[vcpu->mmu_cache.count - 1];
	if (old) {
		linked = table_split(&f->batch, sptep, old, level, table);
	} else {
		table->level = level - 1;
		linked = spte_change(&f->batch, sptep, 0, table_entry(table), level);
	}
	if (!linked)
		return -EAGAIN;
	vcpu->mmu_cache.count--;
	return 0;
}

/* The entry for f->gfn at @level, with the tables above it. */
static int fault_walk(struct fault *f, int level, u64 **out)
{
	struct kvm_mmu *mmu = &f->kvm->mmu;
	u64 *sptes = mmu->root;
	int l, r;

	for (l = mmu->levels; l > level; l--) {
		u64 *sptep = &sptes[spte_index(f->gfn, l)];

		do {
			r = fault_descend(f, sptep, l);
		} while (r == -EAGAIN);
		if (r)
			return r;
		sptes = spte_child(READ_ONCE(*sptep));
	}
	*out = &sptes[spte_index(f->gfn, level)];
	return 0;
}

/* The entries around one fault's that the fault may fill as well. */
struct refill {
	long lo, hi;		/* relative to the faulting page, hi not included */
	u64 *sptep;		/* the faulting page's */
	u64 base;		/* what every read-only spte here has besides its frame */
	u64 rights;		/* what a writable one has besides that */
	bool readonly;
};

/* As far as slot, both tables and prudence allow; false: not at all. */
static bool refill_init(const struct fault *f, struct refill *r, u64 *sptep)
{
	const struct kvm_memslot *slot = f->slot;
	long hidx = (f->hva >> PAGE_SHIFT) & 511;
	long sidx = f->gfn & 511;
	u64 below = f->gfn - slot->base_gfn, above = slot->npages - below;

	/* A page whose writes are logged becomes writable by a write of its own only. */
	if (slot->dirty_bitmap)
		return false;
	r->lo = -min_t(u64, below, min(hidx, sidx));
	r->hi = min_t(u64, above, 512 - max(hidx, sidx));
	if (f->faulted_in) {
		hidx &= REFILL_AROUND - 1;
		r->lo = max(r->lo, -hidx);
		r->hi = min(r->hi, REFILL_AROUND - hidx);
	}
	if (invalidating(&f->kvm->mmu, f->hva + r->lo * (long)PAGE_SIZE,
			 f->hva + r->hi * PAGE_SIZE))
		return false;
	r->sptep = sptep;
	r->base = fault_spte(f, f->host.entry, 0, SPTE_LEVEL_4K, false);
	r->rights = spte_format()->write | spte_format()->dirty;
	r->readonly = memslot_readonly(slot);
	return true;
}

/* Neighbours the host maps one by one, each with its own rights. */
static long refill_small(struct fault *f, const struct refill *r)
{
	/* A neighbour of another memory type is left to a fault of its own. */
	const u64 memtype = _PAGE_PAT | _PAGE_PCD | _PAGE_PWT | sme_me_mask;
	const u64 like = f->host.entry & memtype;
	const u64 write = spte_format()->write;
	long d, filled = 0;

	for (d = r->lo; d < r->hi; d++) {
		u64 *entryp = f->host.entryp + d;
		u64 entry = READ_ONCE(*entryp);
		u64 old = READ_ONCE(r->sptep[d]);
		u64 new;

		if (!host_entry_usable(entry) || (entry & memtype) != like)
			continue;
		if (unlikely(old) && ((old & write) || spte_is_tracked(old) || !d))
			continue;
		if (unlikely((entry & (_PAGE_RW | _PAGE_DIRTY)) == _PAGE_RW) &&
		    !r->readonly && !host_entry_special(entry) && host_page_dirty(entry)) {
			entry = host_entry_dirty(entryp, entry);
			if (!entry)
				continue;
		}
		new = r->base | (entry & PTE_PFN_MASK);
		if (!r->readonly && (host_entry_writable(entry) ||
				     (host_entry_special(entry) && (entry & _PAGE_RW))))
			new |= r->rights;
		else if (unlikely(old))
			continue;
		filled += spte_change(&f->batch, &r->sptep[d], old, new, SPTE_LEVEL_4K);
	}
	return filled;
}

/* Neighbours that are pieces of one large leaf of the host. */
static long refill_large(struct fault *f, const struct refill *r)
{
	u64 new = r->base | (fault_may_write(f, f->host.entry) ? r->rights : 0);
	long d, filled = 0;

	for (d = r->lo; d < r->hi; d++)
		if (!READ_ONCE(r->sptep[d]))
			filled += spte_change(&f->batch, &r->sptep[d], 0,
					      new | (f->host.hfn + d) << PAGE_SHIFT,
					      SPTE_LEVEL_4K);
	return filled;
}

/* Map the neighbours the host already has, with their Accessed bit clear. */
static void fault_refill(struct fault *f, u64 *sptep)
{
	struct refill r;
	long filled;

	if (!refill_init(f, &r, sptep))
		return;
	filled = f->host.level == SPTE_LEVEL_4K ? refill_small(f, &r) : refill_large(f, &r);
	if (filled)
		atomic64_add(filled, &f->kvm->mmu.stat.refilled);
	f->vcpu->stat.pf_refilled += filled;
}

/* Lock held, IRQs off: the host's entry, as far as it serves this access. */
static int fault_look(struct fault *f)
{
	u64 entry;

	if (!hostwalk(f->kvm->mm, f->hva, &f->host))
		return FAULT_ABSENT;
	entry = f->host.entry;
	if (!(f->access & KVM_ACCESS_WRITE) || fault_may_write(f, entry))
		return 0;
	if (!(entry & _PAGE_RW))
		return FAULT_ABSENT;
	f->host.entry = host_entry_dirty(f->host.entryp, entry);
	return f->host.entry ? 0 : FAULT_ABSENT;
}

/*
 * Where flushes are what tells of changes, one of a hugetlb page may name less
 * than the page (notifier.c): from the first such page on they are widened.
 */
static void fault_note_hugetlb(struct fault *f)
{
	unsigned long mask = (spte_span(f->host.level) << PAGE_SHIFT) - 1;
	unsigned long old;

	if (!pfn_valid(f->host.hfn) || !PageHuge(pfn_to_page(f->host.hfn)))
		return;
	do {
		old = READ_ONCE(f->kvm->mmu.hugetlb);
	} while (old < mask && cmpxchg(&f->kvm->mmu.hugetlb, old, mask) != old);
}

static int fault_map(struct fault *f)
{
	const struct kvm_mmu_format *fmt = spte_format();
	int level = fault_level(f), r;
	u64 span = spte_span(level) - 1;
	bool write = fault_may_write(f, f->host.entry) &&
		     (!f->slot->dirty_bitmap || (f->access & KVM_ACCESS_WRITE));
	hva_t base = f->hva & ~((span << PAGE_SHIFT) | ~PAGE_MASK);
	u64 *sptep, old, new;

	if (invalidating(&f->kvm->mmu, base, base + ((span + 1) << PAGE_SHIFT)))
		return FAULT_BUSY;
	if (KVM_NOTIFIER_LATE && f->host.level > SPTE_LEVEL_4K)
		fault_note_hugetlb(f);
	r = fault_walk(f, level, &sptep);
	if (r)
		return r;
	new = fault_spte(f, f->host.entry, f->host.hfn & ~span, level, write) | fmt->accessed;
	do {
		old = READ_ONCE(*sptep);
		if (spte_is_table(old)) {
			if (!f->exclusive)
				return FAULT_EXCLUSIVE;
			table_unlink(&f->batch, sptep, level);
			old = 0;
		}
		if (!spte_is_tracked(old) && spte_allows(old, f->access) &&
		    spte_hfn(old) == spte_hfn(new)) {
			f->vcpu->stat.pf_spurious++;
			break;
		}
	} while (!spte_change(&f->batch, sptep, old, new, level));
	if (write)
		memslot_mark_dirty(f->slot, f->gfn);
	if (level == SPTE_LEVEL_4K)
		fault_refill(f, sptep);
	return FAULT_DONE;
}

/* A seeded fault: the host's entry is read long before the lock is taken. */
static bool fault_look_early(struct fault *f)
{
	int r;

	if (!KVM_SEEDED_FAULT(44))
		return false;
	local_irq_disable();
	r = fault_look(f);
	local_irq_enable();
	if (!r)
		usleep_range(1000, 2000);
	return !r;
}

static int fault_install(struct fault *f)
{
	struct kvm_mmu *mmu = &f->kvm->mmu;
	bool looked = fault_look_early(f);
	int r;

	mmu_batch_init(&f->batch, f->kvm);
	if (f->exclusive)
		write_lock(&mmu->lock);
	else
		read_lock(&mmu->lock);
	if (invalidating(mmu, f->hva & PAGE_MASK, (f->hva & PAGE_MASK) + PAGE_SIZE)) {
		r = FAULT_BUSY;
	} else {
		local_irq_disable();
		r = looked ? 0 : fault_look(f);
		if (!r)
			r = fault_map(f);
		local_irq_enable();
	}
	if (f->exclusive)
		write_unlock(&mmu->lock);
	else
		read_unlock(&mmu->lock);
	mmu_finish(&f->batch, "a fill", KVM_SEEDED_FAULT(11));
	return r;
}

/*
 * Without an Accessed bit, the first access after a pass of aging faults here:
 * give the entry its permissions back. An invalidation zaps tracked entries
 * like any other, so no look at the host is needed.
 */
static bool fault_untrack(struct kvm_vcpu *vcpu, gfn_t gfn, u32 access)
{
	struct mmu_batch batch;
	bool done = false;
	u64 *sptep, old;
	int level;

	mmu_batch_init(&batch, vcpu->kvm);
	rcu_read_lock();
	sptep = table_find(&vcpu->kvm->mmu, gfn, 0, &level);
	old = READ_ONCE(*sptep);
	if (spte_is_tracked(old) && spte_allows(old, access))
		done = spte_change(&batch, sptep, old, spte_untrack(old), level);
	rcu_read_unlock();
	return done;
}

/* The host's page is bad memory: tell the VMM as a direct access would have. */
static int fault_poisoned(const struct fault *f)
{
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)f->hva, PAGE_SHIFT, current);
	return KVM_RESUME;
}

/* Pages of the faulting one's neighbourhood that are where in swap it was; bit 0: the first. */
static unsigned long swapped_neighbours(struct fault *f, u64 swap)
{
	const struct kvm_memslot *slot = f->slot;
	unsigned int here = (f->hva >> PAGE_SHIFT) & (REFILL_AROUND - 1), i;
	gfn_t first = f->gfn - here;
	unsigned long found = 0;
	struct host_leaf leaf;

	local_irq_disable();
	if (hostwalk(f->kvm->mm, f->hva, &leaf) && leaf.level == SPTE_LEVEL_4K)
		for (i = 0; i < REFILL_AROUND; i++) {
			if (first + i - slot->base_gfn < slot->npages &&
			    host_entry_swap(READ_ONCE(leaf.entryp[(long)i - here])) == swap)
				found |= BIT(i);
		}
	local_irq_enable();
	return found;
}

/*
 * The page came from swap, and so did one near it before: the guest walks through
 * its memory. The host has read the neighbours along, but maps them one fault at
 * a time: let it map what it has now, so that the refill finds them.
 */
static void fault_host_ahead(struct fault *f, u64 swap)
{
	u64 distance = f->gfn - f->vcpu->mmu_swapped_in + REFILL_AROUND;
	hva_t first = f->hva & ~((hva_t)REFILL_AROUND * PAGE_SIZE - 1);
	unsigned long pages;

	f->vcpu->mmu_swapped_in = f->gfn;
	if (distance > 2 * REFILL_AROUND || f->slot->dirty_bitmap || memslot_readonly(f->slot))
		return;
	pages = swapped_neighbours(f, swap);
	if (pages)
		kvm_host_fault_ahead(f->kvm->mm, first, pages, f->access & KVM_ACCESS_WRITE);
}

/*
 * For a guest that would rather do something else than wait. 0, -EBUSY: wait, or
 * -EINPROGRESS: the guest has been told.
 */
static int fault_host_nowait(struct fault *f, bool write)
{
	hva_t hva = f->hva & PAGE_MASK;
	int r;

	if (!async_wanted(f->vcpu, f->gfn))
		return -EBUSY;
	r = kvm_host_fault_in_nowait(f->kvm->mm, hva, write);
	if (r == -EAGAIN)
		r = async_begin(f->vcpu, f->gfn, hva, write) ? -EINPROGRESS : -EBUSY;
	return r;
}

static int fault_host(struct fault *f)
{
	u64 swap = f->host.swap;
	int r;

	f->faulted_in = true;
	r = fault_host_nowait(f, f->access & KVM_ACCESS_WRITE);
	if (r == -EBUSY)
		r = kvm_host_fault_in(f->kvm->mm, f->hva & PAGE_MASK,
				      f->access & KVM_ACCESS_WRITE);
	if (!r && swap)
		fault_host_ahead(f, swap);
	return r;
}

static int fault_resolve(struct fault *f)
{
	int tries, r;

	for (tries = 0; tries < FAULT_TRIES; tries++) {
		r = cache_topup(f->vcpu);
		if (r)
			return r;
		r = fault_install(f);
		switch (r) {
		case FAULT_DONE:
			f->vcpu->stat.pf_fixed++;
			return KVM_RESUME;
		case FAULT_EXCLUSIVE:
			f->exclusive = true;
			break;
		case FAULT_BUSY:
			cond_resched();
			return KVM_RESUME;
		case FAULT_ABSENT:
			r = fault_host(f);
			if (r == -EINPROGRESS)
				return KVM_RESUME;
			if (r == -EHWPOISON)
				return fault_poisoned(f);
			/* The run loop sees the signal and says so to userspace. */
			if (r && r != -EAGAIN && r != -EINTR)
				return r;
			break;
		}
		if (signal_pending(current))
			break;
	}
	return KVM_RESUME;
}

int mmu_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u32 access)
{
	struct fault f = {
		.vcpu = vcpu, .kvm = vcpu->kvm, .gfn = gpa_to_gfn(gpa), .access = access,
	};

	trace_kvm_page_fault(vcpu, gpa, access);
	vcpu->stat.pf_taken++;
	f.slot = memslot_find(memslots_get(vcpu->kvm), f.gfn);
	if (!f.slot || ((access & KVM_ACCESS_WRITE) && memslot_readonly(f.slot)))
		return KVM_MMU_EMULATE;
	f.hva = memslot_hva(f.slot, f.gfn);
	if (!spte_format()->accessed && fault_untrack(vcpu, f.gfn, access))
		return KVM_RESUME;
	return fault_resolve(&f);
}
