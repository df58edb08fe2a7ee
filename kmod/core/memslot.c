// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: snapshots, their lookups, and how one replaces another.
 *
 * Deleting or moving a slot must leave no spte of it behind, although vcpus
 * fault and the host takes pages away all the while. The order is:
 *
 *  1. Publish a snapshot without the slot for the guest (.by_gfn) but with it
 *     for the host (.by_hva). New faults cannot use the slot; invalidations of
 *     its pages still find the sptes that exist.
 *  2. Wait until nobody reads the old snapshot any more. Faults that began with
 *     it have ended, and what they installed is in place.
 *  3. Zap the slot's sptes and flush. Nothing can install one again.
 *  4. Publish the final snapshot. The one of step 1 may still be in use by
 *     readers, so it waits in kvm->slots_retired for the next publication.
 *
 * There are two kinds of readers. The host's callbacks use kvm->srcu. A vcpu is
 * a reader for its whole stay in an ioctl, guest included, which must not cost
 * anything per exit: it notes in vcpu->slots_seen which publication it knows,
 * and renews the note only when KVM_REQ_SLOTS asks for it. (SRCU would not do
 * here: one grace period may need a reader to let go twice.)
 */
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include <kvm/debug.h>
#include "core.h"

#define SLOT_FLAGS	(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)

struct kvm_memslots *memslots_get(struct kvm *kvm)
{
	return srcu_dereference_check(kvm->slots, &kvm->srcu,
				      rcu_read_lock_held() ||
				      lockdep_is_held(&kvm->slots_lock) ||
				      lock_is_held(&kvm->slots_map));
}

void memslots_read_begin(struct kvm_vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;

	lock_map_acquire_read(&kvm->slots_map);
	WRITE_ONCE(vcpu->slots_seen, READ_ONCE(kvm->slots_gen));
	/*
	 * Pairs with slots_publish(): either the writer sees the note and waits,
	 * or the reads of kvm->slots that follow see what he has published.
	 */
	smp_mb();
}

static void slots_note(struct kvm_vcpu *vcpu, u64 seen)
{
	/* All reads of the old snapshot come before @seen becomes visible. */
	smp_store_release(&vcpu->slots_seen, seen);
	if (wq_has_sleeper(&vcpu->kvm->slots_wq))
		wake_up_all(&vcpu->kvm->slots_wq);
}

void memslots_read_renew(struct kvm_vcpu *vcpu)
{
	/* Acquire: later reads see the snapshot of this publication or a newer one. */
	slots_note(vcpu, smp_load_acquire(&vcpu->kvm->slots_gen));
}

void memslots_read_end(struct kvm_vcpu *vcpu)
{
	slots_note(vcpu, 0);
	lock_map_release(&vcpu->kvm->slots_map);
}

struct kvm_memslot *memslot_find(const struct kvm_memslots *slots, gfn_t gfn)
{
	unsigned int lo = 0, hi = slots->count;
	struct kvm_memslot *slot;

	/* Invariant: by_gfn[i]->base_gfn <= gfn for i < lo, > gfn for i >= hi. */
	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (slots->by_gfn[mid]->base_gfn <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	slot = slots->by_gfn[lo - 1];
	return gfn - slot->base_gfn < slot->npages ? slot : NULL;
}

/*
 * From *pos down, the next entry that ends after @start. Slots may overlap in
 * host addresses in any way, so each may be far from the last; whole blocks of
 * the Fenwick tree that end too early are skipped.
 */
struct kvm_memslot *memslot_hva_next(const struct kvm_memslots *slots, int *pos,
				     hva_t start)
{
	int i = *pos;

	while (i >= 0) {
		const struct kvm_memslot_hva *entry = &slots->by_hva[i];

		if (entry->max_end <= start) {
			i = (i & (i + 1)) - 1;
			continue;
		}
		i--;
		if (memslot_hva_end(entry->slot) > start) {
			*pos = i;
			return entry->slot;
		}
	}
	*pos = -1;
	return NULL;
}

/* From the last entry that starts before @end down. */
struct kvm_memslot *memslot_hva_search(struct kvm_memslots *slots, hva_t start, hva_t end,
				       int *pos)
{
	int lo = 0, hi = slots->hva_count;
	struct kvm_memslot *slot;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;

		if (slots->by_hva[mid].slot->userspace_addr < end)
			lo = mid + 1;
		else
			hi = mid;
	}
	*pos = lo - 1;
	slot = memslot_hva_next(slots, pos, start);
	if (slot && slots->disjoint)
		WRITE_ONCE(slots->recent, slot);
	return slot;
}

static void slot_free(struct kvm_memslot *slot)
{
	if (!slot)
		return;
	kvfree(slot->dirty_bitmap);
	kfree(slot);
}

static void slots_free_rcu(struct rcu_head *rcu)
{
	struct kvm_memslots *slots = container_of(rcu, struct kvm_memslots, rcu);

	kvfree(slots->dead_bitmap);
	kfree(slots->dead);
	kvfree(slots);
}

/* Nobody but aging, which holds only RCU, may see it any more. */
static void slots_free(struct kvm_memslots *slots)
{
	if (slots)
		call_rcu(&slots->rcu, slots_free_rcu);
}

static struct kvm_memslots *slots_alloc(unsigned int count, unsigned int hva_count)
{
	struct kvm_memslots *slots;

	slots = kvzalloc(sizeof(*slots) + hva_count * sizeof(*slots->by_hva) +
			 count * sizeof(*slots->by_gfn), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;
	slots->count = count;
	slots->hva_count = hva_count;
	slots->by_hva = (struct kvm_memslot_hva *)(slots + 1);
	slots->by_gfn = (struct kvm_memslot **)(slots->by_hva + hva_count);
	return slots;
}

/* The largest end in each entry's block, from its own end and smaller blocks. */
static void slots_index_hva(struct kvm_memslots *slots)
{
	hva_t last = 0;
	int i, j;

	slots->disjoint = true;
	for (i = 0; i < slots->hva_count; i++) {
		hva_t end = memslot_hva_end(slots->by_hva[i].slot);

		if (slots->by_hva[i].slot->userspace_addr < last)
			slots->disjoint = false;
		last = max(last, end);
		for (j = i - 1; j >= (i & (i + 1)); j = (j & (j + 1)) - 1)
			end = max(end, slots->by_hva[j].max_end);
		slots->by_hva[i].max_end = end;
	}
}

/**
 * slots_build() - a snapshot that differs from @from in at most one slot
 * @from: what to start from
 * @old: slot of @from to leave out, or NULL
 * @new: slot to put in, or NULL
 * @keep: leave @old in .by_hva, see the top of this file
 *
 * Return: the snapshot, not published, or NULL: no memory.
 */
static struct kvm_memslots *slots_build(const struct kvm_memslots *from,
					struct kvm_memslot *old,
					struct kvm_memslot *new, bool keep)
{
	unsigned int count = from->count - !!old + !!new;
	struct kvm_memslots *slots = slots_alloc(count, count + keep);
	bool put_gfn = !new, put_hva = !new;
	unsigned int i, n;

	if (!slots)
		return NULL;

	for (i = 0, n = 0; i < from->count; i++) {
		struct kvm_memslot *slot = from->by_gfn[i];

		if (!put_gfn && new->base_gfn < slot->base_gfn) {
			slots->by_gfn[n++] = new;
			put_gfn = true;
		}
		if (slot != old)
			slots->by_gfn[n++] = slot;
	}
	if (!put_gfn)
		slots->by_gfn[n] = new;

	for (i = 0, n = 0; i < from->hva_count; i++) {
		struct kvm_memslot *slot = from->by_hva[i].slot;

		if (!put_hva && new->userspace_addr < slot->userspace_addr) {
			slots->by_hva[n++].slot = new;
			put_hva = true;
		}
		if (slot != old || keep)
			slots->by_hva[n++].slot = slot;
	}
	if (!put_hva)
		slots->by_hva[n].slot = new;
	slots_index_hva(slots);
	slots->generation = from->generation + 1;
	return slots;
}

static bool slots_let_go(struct kvm_vcpu *vcpu, u64 gen)
{
	/* What the vcpu did with the old snapshot is done: pairs with slots_note(). */
	u64 seen = smp_load_acquire(&vcpu->slots_seen);

	return !seen || seen >= gen;
}

/*
 * Idle, because a vcpu's thread may be waiting for its page fault to be served
 * by userspace, for as long as that likes.
 */
static void slots_wait_for_vcpus(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	u32 i;

	lock_map_acquire(&kvm->slots_map);
	lock_map_release(&kvm->slots_map);
	vm_for_each_vcpu(i, vcpu, kvm) {
		if (slots_let_go(vcpu, kvm->slots_gen))
			continue;
		vcpu_request(vcpu, KVM_REQ_SLOTS);
		vcpu_kick(vcpu);
	}
	vm_for_each_vcpu(i, vcpu, kvm) {
		if (slots_let_go(vcpu, kvm->slots_gen))
			continue;
		/* It may have come after the first look, with the old number. */
		vcpu_request(vcpu, KVM_REQ_SLOTS);
		vcpu_kick(vcpu);
		wait_event_idle(kvm->slots_wq, slots_let_go(vcpu, kvm->slots_gen));
	}
}

/* Make @new what everybody sees; when this returns nobody sees anything older. */
static void slots_publish(struct kvm *kvm, struct kvm_memslots *new)
{
	lockdep_assert_held(&kvm->slots_lock);
	rcu_assign_pointer(kvm->slots, new);
	/* Who knows the number knows the snapshot: pairs with memslots_read_renew(). */
	smp_store_release(&kvm->slots_gen, kvm->slots_gen + 1);
	/* Pairs with memslots_read_begin(). */
	smp_mb();
	slots_wait_for_vcpus(kvm);
	synchronize_srcu_expedited(&kvm->srcu);
	slots_free(kvm->slots_retired);
	kvm->slots_retired = NULL;
}

static struct kvm_memslot *slot_by_id(struct kvm *kvm, u16 id)
{
	struct kvm_memslots *slots = memslots_get(kvm);
	unsigned int i;

	lockdep_assert_held(&kvm->slots_lock);
	for (i = 0; i < slots->count; i++)
		if (slots->by_gfn[i]->id == id)
			return slots->by_gfn[i];
	return NULL;
}

/* One past the highest frame the second-level tables and the host can address. */
static gfn_t slot_gfn_end(struct kvm *kvm)
{
	unsigned int bits = min_t(unsigned int, boot_cpu_data.x86_phys_bits,
				  PAGE_SHIFT + 9 * kvm->mmu.levels);

	return 1ULL << (bits - PAGE_SHIFT);
}

/* What can be said about @mem without knowing the other slots. 0 or -EINVAL. */
static int slot_check(struct kvm *kvm, const struct kvm_userspace_memory_region *mem)
{
	gfn_t base = gpa_to_gfn(mem->guest_phys_addr);
	u64 npages = mem->memory_size >> PAGE_SHIFT;

	if (mem->flags & ~SLOT_FLAGS)
		return -EINVAL;
	/* Bits 16-31 name an address space; there is one. */
	if (mem->slot >= KVM_SLOTS_MAX)
		return -EINVAL;
	if ((mem->memory_size | mem->guest_phys_addr | mem->userspace_addr) & ~PAGE_MASK)
		return -EINVAL;
	if (mem->memory_size > TASK_SIZE_MAX ||
	    mem->userspace_addr > TASK_SIZE_MAX - mem->memory_size)
		return -EINVAL;
	if (npages > KVM_SLOT_PAGES_MAX)
		return -EINVAL;
	if (base > slot_gfn_end(kvm) || npages > slot_gfn_end(kvm) - base)
		return -EINVAL;
	return 0;
}

/* A slot may move and change its flags; its size, backing and READONLY stay. */
static int slot_check_change(const struct kvm_memslot *old,
			     const struct kvm_userspace_memory_region *mem)
{
	if (mem->memory_size >> PAGE_SHIFT != old->npages ||
	    mem->userspace_addr != old->userspace_addr ||
	    ((mem->flags ^ old->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	return 0;
}

static int slot_check_overlap(struct kvm *kvm, const struct kvm_memslot *new,
			      const struct kvm_memslot *old)
{
	struct kvm_memslots *slots = memslots_get(kvm);
	unsigned int i;

	if (KVM_SEEDED_FAULT(4))
		return 0;
	for (i = 0; i < slots->count; i++) {
		const struct kvm_memslot *slot = slots->by_gfn[i];

		if (slot != old && slot->base_gfn < new->base_gfn + new->npages &&
		    new->base_gfn < slot->base_gfn + slot->npages)
			return -EEXIST;
	}
	return 0;
}

/* The slot @mem describes. A log that was on before goes on in the same bitmap. */
static struct kvm_memslot *slot_alloc(const struct kvm_userspace_memory_region *mem,
				      const struct kvm_memslot *old)
{
	struct kvm_memslot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->base_gfn = gpa_to_gfn(mem->guest_phys_addr);
	slot->npages = mem->memory_size >> PAGE_SHIFT;
	slot->userspace_addr = mem->userspace_addr;
	slot->flags = mem->flags;
	slot->id = mem->slot;
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return slot;
	if (old && old->dirty_bitmap) {
		slot->dirty_bitmap = old->dirty_bitmap;
		return slot;
	}
	slot->dirty_bitmap = kvcalloc(BITS_TO_LONGS(slot->npages), sizeof(long),
				      GFP_KERNEL_ACCOUNT);
	if (!slot->dirty_bitmap) {
		kfree(slot);
		return NULL;
	}
	return slot;
}

/* @slot was made by slot_alloc() for a change of @old that did not happen. */
static void slot_abandon(struct kvm_memslot *slot, const struct kvm_memslot *old)
{
	if (slot && old && slot->dirty_bitmap == old->dirty_bitmap)
		slot->dirty_bitmap = NULL;
	slot_free(slot);
}

/* Hand @old over to @slots, which frees it together with itself. */
static void slots_bury(struct kvm_memslots *slots, struct kvm_memslot *old,
		       const struct kvm_memslot *new)
{
	if (!old)
		return;
	slots->dead = old;
	if (!new || new->dirty_bitmap != old->dirty_bitmap)
		slots->dead_bitmap = old->dirty_bitmap;
}

/* Delete or move @old, see the top of this file. */
static int slots_take_away(struct kvm *kvm, struct kvm_memslot *old,
			   struct kvm_memslot *new)
{
	struct kvm_memslots *from = memslots_get(kvm), *interim, *final;

	interim = slots_build(from, old, new, true);
	if (!interim)
		return -ENOMEM;
	final = slots_build(from, old, new, false);
	if (!final) {
		slots_free(interim);
		return -ENOMEM;
	}
	final->generation++;

	slots_publish(kvm, interim);
	slots_free(from);
	if (!KVM_SEEDED_FAULT(1))
		mmu_slot_zap(kvm, old);
	slots_bury(interim, old, new);
	rcu_assign_pointer(kvm->slots, final);
	kvm->slots_retired = interim;
	return 0;
}

/* Add @new, or let it take the place of @old at the same addresses. */
static int slots_put(struct kvm *kvm, struct kvm_memslot *old, struct kvm_memslot *new)
{
	struct kvm_memslots *from = memslots_get(kvm);
	struct kvm_memslots *final = slots_build(from, old, new, false);

	if (!final)
		return -ENOMEM;
	slots_bury(from, old, new);
	slots_publish(kvm, final);
	if (old && new->dirty_bitmap && !old->dirty_bitmap)
		mmu_slot_write_protect(kvm, new);
	slots_free(from);
	return 0;
}

static int slot_change(struct kvm *kvm, const struct kvm_userspace_memory_region *mem)
{
	struct kvm_memslot *old = slot_by_id(kvm, mem->slot), *new;
	bool moved;
	int r;

	if (!mem->memory_size)
		return old ? slots_take_away(kvm, old, NULL) : -EINVAL;
	if (old) {
		r = slot_check_change(old, mem);
		if (r)
			return r;
	}
	moved = old && old->base_gfn != gpa_to_gfn(mem->guest_phys_addr);
	if (old && !moved && old->flags == mem->flags)
		return 0;

	new = slot_alloc(mem, old);
	if (!new)
		return -ENOMEM;
	r = slot_check_overlap(kvm, new, old);
	if (!r)
		r = moved ? slots_take_away(kvm, old, new) : slots_put(kvm, old, new);
	if (r)
		slot_abandon(new, old);
	return r;
}

int memslot_set(struct kvm *kvm, const struct kvm_userspace_memory_region *mem)
{
	int r = slot_check(kvm, mem);

	if (r)
		return r;
	if (mutex_lock_killable(&kvm->slots_lock))
		return -EINTR;
	r = slot_change(kvm, mem);
	mutex_unlock(&kvm->slots_lock);
	return r;
}

/* Move the bits of @slot's log to @out, so that none set meanwhile is lost. */
static bool dirty_log_take(const struct kvm_memslot *slot, unsigned long *out)
{
	unsigned long i, any = 0;

	for (i = 0; i < BITS_TO_LONGS(slot->npages); i++) {
		out[i] = READ_ONCE(slot->dirty_bitmap[i]) ?
			 xchg(&slot->dirty_bitmap[i], 0) : 0;
		any |= out[i];
	}
	return any;
}

static void dirty_log_give_back(const struct kvm_memslot *slot, const unsigned long *in)
{
	unsigned long i;

	for_each_set_bit(i, in, slot->npages)
		set_bit(i, slot->dirty_bitmap);
}

/*
 * Bits first, protection second: a page written in between is in the copy
 * already, and userspace reads the page only after this has returned.
 */
static int dirty_log_read(struct kvm *kvm, const struct kvm_dirty_log *log)
{
	struct kvm_memslot *slot = slot_by_id(kvm, log->slot);
	unsigned long *bits;
	size_t size;
	int r = 0;

	if (!slot || !slot->dirty_bitmap)
		return -ENOENT;
	size = BITS_TO_LONGS(slot->npages) * sizeof(long);
	bits = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;
	/* A page becomes writable only together with its bit. */
	if (dirty_log_take(slot, bits))
		mmu_slot_write_protect(kvm, slot);
	if (copy_to_user(log->dirty_bitmap, bits, size)) {
		dirty_log_give_back(slot, bits);
		r = -EFAULT;
	}
	kvfree(bits);
	return r;
}

int memslot_get_dirty_log(struct kvm *kvm, const struct kvm_dirty_log *log)
{
	int r;

	if (log->slot >= KVM_SLOTS_MAX)
		return -EINVAL;
	if (mutex_lock_killable(&kvm->slots_lock))
		return -EINTR;
	r = dirty_log_read(kvm, log);
	mutex_unlock(&kvm->slots_lock);
	return r;
}

u64 memslots_pages(struct kvm *kvm)
{
	struct kvm_memslots *slots;
	unsigned int i;
	u64 sum = 0;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slots = memslots_get(kvm);
	for (i = 0; i < slots->count; i++)
		sum += slots->by_gfn[i]->npages;
	srcu_read_unlock(&kvm->srcu, idx);
	return sum;
}

int memslots_init(struct kvm *kvm)
{
	static struct lock_class_key slots_map_key;
	struct kvm_memslots *slots = slots_alloc(0, 0);

	if (!slots)
		return -ENOMEM;
	RCU_INIT_POINTER(kvm->slots, slots);
	kvm->slots_gen = 1;
	init_waitqueue_head(&kvm->slots_wq);
	lockdep_init_map(&kvm->slots_map, "kvm->slots", &slots_map_key, 0);
	return 0;
}

/* The VM's last moments: no reader is left. */
void memslots_destroy(struct kvm *kvm)
{
	struct kvm_memslots *slots = rcu_dereference_protected(kvm->slots, true);
	unsigned int i;

	if (!slots)
		return;
	for (i = 0; i < slots->count; i++)
		slot_free(slots->by_gfn[i]);
	slots_free(slots);
	slots_free(kvm->slots_retired);
}
