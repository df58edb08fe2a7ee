/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to kmod/mmu: second-level page-table entries and the tables that
 * hold them.
 *
 * An spte is in one of four states:
 *   0         nothing
 *   table     points to the next table (never at level 1)
 *   leaf      maps a frame
 *   tracked   a leaf made non-present to notice the next access, on hardware
 *             without an Accessed bit; its permissions sit in software bits
 */
#ifndef KVM_SWAP_SPTE_H
#define KVM_SWAP_SPTE_H

#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <kvm/debug.h>
#include <kvm/strict.h>
#include <kvm/vm.h>
#include <kvm/vendor.h>

#define SPTE_LEVEL_4K		1
#define SPTE_LEVEL_2M		2
#define SPTE_LEVEL_1G		3

/* Bits 52..56 are ignored by the hardware in NPT and EPT entries alike. */
#define SPTE_TRACKED		BIT_ULL(52)
#define SPTE_TRACKED_SHIFT	53	/* R, W, X of a tracked EPT entry */
#define SPTE_TRACKED_PERMS	(7ULL << SPTE_TRACKED_SHIFT)
#define SPTE_LEAF		BIT_ULL(56)

/*
 * A page table. Lifetime: linked into the tree by a compare-and-exchange of
 * its parent's entry; unlinked under mmu->lock held for write; freed by RCU
 * after the guest TLBs have been flushed. The entries are changed only by
 * spte_change(); the hardware sets Accessed and Dirty at any time.
 */
struct mmu_table {
	struct rcu_head rcu;
	struct list_head link;		/* on a caller's private list once unlinked */
	u64 *sptes;
	u8 level;			/* of the entries in it */
};

/*
 * What one section under mmu->lock did; settled by mmu_account() and
 * mmu_flush() so that the loops touch no shared counter. On the stack.
 */
struct mmu_batch {
	struct kvm *kvm;
	long pages[3];			/* leaves gained or lost by level */
	long unmapped;
	bool flush;			/* a vcpu may still use what was here */
	struct list_head dead;		/* unlinked tables */
	struct strict_batch strict;
};

/* A copy of the vendor's, so that a fill does not follow pointers for each entry. */
extern struct kvm_mmu_format mmu_format;

static inline const struct kvm_mmu_format *spte_format(void)
{
	return &mmu_format;
}

static inline bool spte_is_tracked(u64 spte)
{
	return spte & SPTE_TRACKED;
}

/* A leaf, present to the hardware or tracked. */
static inline bool spte_is_leaf(u64 spte)
{
	return spte & SPTE_LEAF;
}

static inline bool spte_is_table(u64 spte)
{
	return spte && !(spte & SPTE_LEAF);
}

static inline hfn_t spte_hfn(u64 spte)
{
	return (spte & spte_format()->addr_mask) >> PAGE_SHIFT;
}

static inline unsigned int spte_index(gfn_t gfn, int level)
{
	return (gfn >> (9 * (level - 1))) & 511;
}

/* How many 4 KiB pages one entry at @level spans. */
static inline u64 spte_span(int level)
{
	return 1ULL << (9 * (level - 1));
}

static inline u64 *spte_child(u64 spte)
{
	return __va(spte & spte_format()->addr_mask);
}

u64 spte_track(u64 spte);
u64 spte_untrack(u64 spte);
/* Does @spte allow @access right now (a tracked one allows what it remembers)? */
bool spte_allows(u64 spte, u32 access);

/*
 * The rest of spte_change(), for what is not the common case. spte_recheck(): the
 * entry was not *old; true if only the hardware's bits differed and it was
 * changed after all, *old and *new being what they really were then.
 */
bool spte_recheck(u64 *sptep, u64 *old, u64 *new);
void spte_weakened(struct mmu_batch *batch, u64 old, u64 new);

/**
 * spte_change() - the one place where an spte changes
 * @batch: accounting of this section
 * @sptep: entry
 * @old: the value the decision was based on
 * @new: value to put there
 * @level: of the entry
 *
 * Inline, because a fill does it 512 times and knows most of its arguments.
 * Context: mmu->lock held for read or write, or an RCU read section (aging).
 * Return: true if @old was still there apart from the hardware's Accessed and
 * Dirty bits, and @new is in place now.
 */
static __always_inline bool spte_change(struct mmu_batch *batch, u64 *sptep, u64 old,
					u64 new, int level)
{
	if (unlikely(cmpxchg64(sptep, old, new) != old) && !spte_recheck(sptep, &old, &new))
		return false;
	if ((old ^ new) & SPTE_LEAF)
		batch->pages[level - 1] += new & SPTE_LEAF ? 1 : -1;
	if (old)
		spte_weakened(batch, old, new);
	strict_change(batch, old, new, level);
	return true;
}

static inline void mmu_batch_init(struct mmu_batch *batch, struct kvm *kvm)
{
	*batch = (struct mmu_batch) {
		.kvm = kvm,
		.dead = LIST_HEAD_INIT(batch->dead),
	};
}

/* Add the batch's counts to the VM's. */
void mmu_account(struct mmu_batch *batch);
/* Flush if needed, then hand unlinked tables to RCU. Does not sleep. */
void mmu_flush(struct mmu_batch *batch);

/*
 * The end of a section, without mmu->lock: no vcpu uses what went away when this
 * returns. @forget: a seeded fault, leave the flush out. Does not sleep.
 */
static __always_inline void mmu_finish(struct mmu_batch *batch, const char *what, bool forget)
{
	mmu_account(batch);
	if (forget)
		batch->flush = false;
	if (batch->flush || !list_empty(&batch->dead))
		mmu_flush(batch);
	strict_settle(batch, what);
}

/* table.c */
struct mmu_table *table_alloc(struct kvm *kvm, int level, gfp_t gfp);
void table_free(struct kvm *kvm, struct mmu_table *table);
struct mmu_table *table_of(u64 *sptes);
u64 table_entry(const struct mmu_table *table);
/**
 * table_find() - the entry that decides about a frame
 * @mmu: of the VM
 * @gfn: guest frame
 * @whole: if not 0, a table is not looked into when all it spans lies in [@gfn, @whole)
 * @level: out: the entry's
 *
 * Context: mmu->lock or an RCU read section.
 * Return: a leaf's entry, a level 1 entry, one with nothing below it, or see @whole.
 */
static __always_inline u64 *table_find(const struct kvm_mmu *mmu, gfn_t gfn,
				       gfn_t whole, int *level)
{
	u64 *sptes = mmu->root;
	int l;

	for (l = mmu->levels;; l--) {
		u64 *sptep = &sptes[spte_index(gfn, l)];
		u64 spte = READ_ONCE(*sptep);

		if (l == SPTE_LEVEL_4K || !spte_is_table(spte) ||
		    (whole && !(gfn & (spte_span(l) - 1)) && gfn + spte_span(l) <= whole)) {
			*level = l;
			return sptep;
		}
		sptes = spte_child(spte);
	}
}

/* Replace the leaf @old at @level by a table of smaller leaves that map the same. */
bool table_split(struct mmu_batch *batch, u64 *sptep, u64 old, int level,
		 struct mmu_table *table);
/* Take the table at *sptep out of the tree, with all below it. mmu->lock for write. */
void table_unlink(struct mmu_batch *batch, u64 *sptep, int level);
/*
 * Zap the leaves of [start, end). Context: mmu->lock held for write. Stops
 * early, having advanced *start, once it has visited @budget entries.
 * @free_tables: unlink tables that lie wholly in the range.
 */
void tables_zap(struct mmu_batch *batch, gfn_t *start, gfn_t end, bool free_tables,
		long budget);
void tables_destroy(struct kvm *kvm);

/* hostwalk.c */
/*
 * Present for the CPU: a PROT_NONE or NUMA-hinting entry keeps its frame but has
 * the Present bit clear, and counts as absent here because the host may flush
 * nothing when it changes one.
 */
static inline bool host_entry_usable(u64 entry)
{
	return (entry & (_PAGE_PRESENT | _PAGE_USER)) == (_PAGE_PRESENT | _PAGE_USER);
}

/*
 * A CPU's TLB never holds a writable translation of a clean page, so the host may
 * write back and clean such pages without a flush. An spte obeys the same
 * rule: it may write only where the host's entry is writable and dirty.
 */
static inline bool host_entry_writable(u64 entry)
{
	if (KVM_SEEDED_FAULT(46))
		return entry & _PAGE_RW;
	return (entry & (_PAGE_RW | _PAGE_DIRTY)) == (_PAGE_RW | _PAGE_DIRTY);
}

/* A frame the host does not manage as memory, such as a device's: nothing to write back. */
static inline bool host_entry_special(u64 entry)
{
	return entry & _PAGE_SPECIAL;
}

struct host_leaf {
	hfn_t hfn;		/* of the 4 KiB page asked for */
	u64 *entryp;		/* where it is; neighbours lie around it */
	u64 entry;		/* the raw entry, for permissions and memory type */
	int level;		/* 1, 2, 3 */
	u64 swap;		/* if it is absent: host_entry_swap() */
};

/* IRQs off from before the call until the last use of @leaf. True: present. */
u64 host_entry_dirty(u64 *entryp, u64 entry);
u64 host_entry_swap(u64 entry);
bool host_page_dirty(u64 entry);
bool hostwalk(struct mm_struct *mm, hva_t hva, struct host_leaf *leaf);
hfn_t host_entry_hfn(u64 entry, int level);
unsigned int host_entry_pat_index(u64 entry, int level);

extern const struct kvm_notifier_ops mmu_notifier_callbacks;

#endif
