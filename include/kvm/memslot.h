/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory slots: which host virtual range backs which guest physical range.
 *
 * A VM's slots are one immutable snapshot (struct kvm_memslots) published by
 * pointer. A change builds a new snapshot, publishes it, zaps the sptes of what
 * went away and frees the old one after an SRCU grace period, so every reader
 * sees the old or the new layout, never a mix.
 */
#ifndef KVM_SWAP_MEMSLOT_H
#define KVM_SWAP_MEMSLOT_H

#include <linux/bitops.h>
#include <linux/kvm.h>
#include <kvm/types.h>

#define KVM_SLOTS_MAX		32764	/* reported by KVM_CAP_NR_MEMSLOTS */
#define KVM_SLOT_PAGES_MAX	((1UL << 31) - 1)

/*
 * One slot. Every field is written before publication and constant after it
 * (a change of flags publishes a new object); dirty_bitmap's *bits* are set
 * with atomic bitops by any vcpu.
 */
struct kvm_memslot {
	gfn_t base_gfn;
	unsigned long npages;
	hva_t userspace_addr;
	u32 flags;			/* KVM_MEM_* as userspace gave them */
	u16 id;
	unsigned long *dirty_bitmap;	/* NULL unless KVM_MEM_LOG_DIRTY_PAGES */
};

struct kvm_memslot_hva {
	struct kvm_memslot *slot;	/* sorted by userspace_addr */
	/*
	 * Largest end among the entries (i & (i + 1)) .. i, for i the place of
	 * this one: a Fenwick tree, so that a search skips what ends too early.
	 */
	hva_t max_end;
};

/*
 * A snapshot; constant once published but for .recent, freed after an SRCU and an
 * RCU grace period.
 *
 * .by_gfn is what the guest sees. .by_hva holds the same slots and, while one
 * is being deleted or moved, that one too until its sptes are gone: the host
 * may change its pages at any time and must still find them.
 */
struct kvm_memslots {
	struct rcu_head rcu;
	u64 generation;
	unsigned int count;
	unsigned int hva_count;
	bool disjoint;			/* no host address backs two slots */
	struct kvm_memslot *recent;	/* racy: a slot to try first, if .disjoint */
	struct kvm_memslot **by_gfn;	/* sorted by base_gfn, no overlap */
	struct kvm_memslot_hva *by_hva;
	struct kvm_memslot *dead;	/* freed with this snapshot; NULL mostly */
	unsigned long *dead_bitmap;	/* as well */
};

static inline hva_t memslot_hva(const struct kvm_memslot *slot, gfn_t gfn)
{
	return slot->userspace_addr + ((gfn - slot->base_gfn) << PAGE_SHIFT);
}

static inline hva_t memslot_hva_end(const struct kvm_memslot *slot)
{
	return slot->userspace_addr + (slot->npages << PAGE_SHIFT);
}

static inline gfn_t memslot_hva_to_gfn(const struct kvm_memslot *slot, hva_t hva)
{
	return slot->base_gfn + ((hva - slot->userspace_addr) >> PAGE_SHIFT);
}

static inline bool memslot_readonly(const struct kvm_memslot *slot)
{
	return slot->flags & KVM_MEM_READONLY;
}

/* The guest or the host on its behalf has written to @gfn of @slot. Any context. */
static inline void memslot_mark_dirty(const struct kvm_memslot *slot, gfn_t gfn)
{
	if (slot->dirty_bitmap)
		set_bit(gfn - slot->base_gfn, slot->dirty_bitmap);
}

/*
 * Current snapshot. Context: kvm->srcu or RCU read side, a loaded vcpu, or
 * kvm->slots_lock.
 */
struct kvm_memslots *memslots_get(struct kvm *kvm);

/* The slot that holds @gfn, or NULL. Context: as memslots_get(). */
struct kvm_memslot *memslot_find(const struct kvm_memslots *slots, gfn_t gfn);

/*
 * Walk the slots whose host range meets [start, end). The end of the walk is NULL.
 * Context: as memslots_get().
 */
struct kvm_memslot *memslot_hva_search(struct kvm_memslots *slots, hva_t start, hva_t end,
				       int *pos);
struct kvm_memslot *memslot_hva_next(const struct kvm_memslots *slots, int *pos,
				     hva_t start);

/* The host works through one slot's addresses for long, page by page. */
static inline struct kvm_memslot *memslot_hva_first(struct kvm_memslots *slots, hva_t start,
						    hva_t end, int *pos)
{
	struct kvm_memslot *slot = READ_ONCE(slots->recent);

	if (slot && start >= slot->userspace_addr && end <= memslot_hva_end(slot)) {
		*pos = -1;
		return slot;
	}
	return memslot_hva_search(slots, start, end, pos);
}

#define memslot_for_each_hva(slot, slots, start, end, pos)			\
	for ((slot) = memslot_hva_first(slots, start, end, &(pos)); (slot);	\
	     (slot) = (pos) < 0 ? NULL : memslot_hva_next(slots, &(pos), start))

/*
 * From begin to end @vcpu's thread may use the memslots. renew is an end and a
 * begin: what was read before is void. May sleep.
 */
void memslots_read_begin(struct kvm_vcpu *vcpu);
void memslots_read_renew(struct kvm_vcpu *vcpu);
void memslots_read_end(struct kvm_vcpu *vcpu);

/* How many guest pages all slots span. May sleep. */
u64 memslots_pages(struct kvm *kvm);

int memslots_init(struct kvm *kvm);
void memslots_destroy(struct kvm *kvm);

/*
 * KVM_SET_USER_MEMORY_REGION. May sleep; takes kvm->slots_lock. Returns 0 or
 * -EINVAL, -EEXIST (overlap), -ENOMEM, -EINTR (killed while waiting for the lock).
 * On error nothing has changed.
 */
int memslot_set(struct kvm *kvm, const struct kvm_userspace_memory_region *mem);

#endif
