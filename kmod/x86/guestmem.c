// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest physical memory, reached as ordinary user memory of the calling thread:
 * the vcpu's thread has the VM's mm, so the host faults pages in, swaps them and
 * tracks their dirty bits as for any other access.
 */
#include <linux/export.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <asm/asm.h>
#include <kvm/memslot.h>
#include <kvm/vm.h>
#include "emulator.h"

/* The slot that holds @gfn; accesses mostly stay in one. */
static struct kvm_memslot *guestmem_slot(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	struct kvm_memslots *slots = memslots_get(vcpu->kvm);
	struct kvm_emulator *em = vcpu->emul;
	struct kvm_memslot *slot = em->slot;

	/* Generations do not repeat in a VM, so an equal one is this very snapshot. */
	if (slot && em->slot_generation == slots->generation &&
	    gfn - slot->base_gfn < slot->npages)
		return slot;
	slot = memslot_find(slots, gfn);
	if (slot) {
		em->slot = slot;
		em->slot_generation = slots->generation;
	}
	return slot;
}

static void __user *guestmem_hva(const struct kvm_memslot *slot, gpa_t gpa)
{
	gfn_t index = gpa_to_gfn(gpa) - slot->base_gfn;

	/* The guest chooses @gpa: no speculation past the slot. */
	index = array_index_nospec(index, slot->npages);
	return (void __user *)(slot->userspace_addr + (index << PAGE_SHIFT) +
			       offset_in_page(gpa));
}

static struct kvm_memslot *guestmem_slot_write(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	struct kvm_memslot *slot = guestmem_slot(vcpu, gfn);

	return slot && !memslot_readonly(slot) ? slot : NULL;
}

enum guestmem_kind guestmem_kind(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_memslot *slot = guestmem_slot(vcpu, gpa_to_gfn(gpa));

	if (!slot)
		return GUESTMEM_NONE;
	return memslot_readonly(slot) ? GUESTMEM_ROM : GUESTMEM_RAM;
}

int guestmem_read_word(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int size, u64 *val)
{
	struct kvm_memslot *slot = guestmem_slot(vcpu, gpa_to_gfn(gpa));
	void __user *from;
	u32 word;

	if (!slot)
		return -EFAULT;
	from = guestmem_hva(slot, gpa);
	if (size == 8)
		return get_user(*val, (u64 __user *)from);
	if (get_user(word, (u32 __user *)from))
		return -EFAULT;
	*val = word;
	return 0;
}

/**
 * guest_read() - copy from guest physical memory
 * @vcpu: loaded, its own thread
 * @gpa: any address; may cross pages and slots
 * @data: destination
 * @len: bytes
 *
 * Context: may sleep (the host may have to swap in).
 * Return: 0, or -EFAULT: no slot somewhere in the range or no host mapping.
 */
int guest_read(struct kvm_vcpu *vcpu, gpa_t gpa, void *data, unsigned int len)
{
	struct kvm_memslot *slot;
	unsigned int n;

	for (; len; len -= n, gpa += n, data += n) {
		n = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(gpa));
		slot = guestmem_slot(vcpu, gpa_to_gfn(gpa));
		if (!slot || copy_from_user(data, guestmem_hva(slot, gpa), n))
			return -EFAULT;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(guest_read);

/**
 * guest_write() - copy to guest physical memory
 * @vcpu: loaded, its own thread
 * @gpa: any address; may cross pages and slots
 * @data: source
 * @len: bytes
 *
 * Context: may sleep. On error a leading part may have been written.
 * Return: 0, or -EFAULT: no slot, a READONLY slot, or no writable host mapping.
 */
int guest_write(struct kvm_vcpu *vcpu, gpa_t gpa, const void *data, unsigned int len)
{
	struct kvm_memslot *slot;
	unsigned int n;

	for (; len; len -= n, gpa += n, data += n) {
		n = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(gpa));
		slot = guestmem_slot_write(vcpu, gpa_to_gfn(gpa));
		if (!slot || copy_to_user(guestmem_hva(slot, gpa), data, n))
			return -EFAULT;
		memslot_mark_dirty(slot, gpa_to_gfn(gpa));
	}
	return 0;
}

/*
 * A locked compare-exchange of user memory. *old becomes what memory held.
 * On a fault nothing behind label 1 runs, so err keeps its value.
 */
static int guestmem_cmpxchg8(u64 __user *uaddr, u64 *old, u64 new)
{
	int err = -EFAULT;

	if (!user_access_begin(uaddr, sizeof(*uaddr)))
		return -EFAULT;
	asm volatile("1:	lock cmpxchgq %[new], %[mem]\n"
		     "	movl	$0, %[err]\n"
		     "2:\n"
		     _ASM_EXTABLE_UA(1b, 2b)
		     : [mem] "+m" (*(u64 __force *)uaddr), [err] "+r" (err), "+a" (*old)
		     : [new] "r" (new)
		     : "memory", "cc");
	user_access_end();
	return err;
}

static int guestmem_cmpxchg4(u32 __user *uaddr, u32 *old, u32 new)
{
	int err = -EFAULT;

	if (!user_access_begin(uaddr, sizeof(*uaddr)))
		return -EFAULT;
	asm volatile("1:	lock cmpxchgl %[new], %[mem]\n"
		     "	movl	$0, %[err]\n"
		     "2:\n"
		     _ASM_EXTABLE_UA(1b, 2b)
		     : [mem] "+m" (*(u32 __force *)uaddr), [err] "+r" (err), "+a" (*old)
		     : [new] "r" (new)
		     : "memory", "cc");
	user_access_end();
	return err;
}

/**
 * guest_cmpxchg() - atomic compare-exchange in guest physical memory
 * @vcpu: loaded, its own thread
 * @gpa: aligned to @len
 * @old: expected value
 * @new: value to store
 * @len: 4 or 8 bytes
 *
 * Context: may sleep.
 * Return: 0, -EAGAIN (memory holds something else), -EFAULT (not writable
 * memory, or a bad @len or alignment).
 */
int guest_cmpxchg(struct kvm_vcpu *vcpu, gpa_t gpa, u64 old, u64 new, unsigned int len)
{
	struct kvm_memslot *slot;
	void __user *uaddr;
	u64 seen = old;
	u32 seen4 = old;
	int r;

	if ((len != 4 && len != 8) || (gpa & (len - 1)))
		return -EFAULT;
	slot = guestmem_slot_write(vcpu, gpa_to_gfn(gpa));
	if (!slot)
		return -EFAULT;
	uaddr = guestmem_hva(slot, gpa);
	if (len == 8) {
		r = guestmem_cmpxchg8(uaddr, &seen, new);
	} else {
		r = guestmem_cmpxchg4(uaddr, &seen4, new);
		seen = seen4;
		old = (u32)old;
	}
	if (r)
		return r;
	if (seen != old)
		return -EAGAIN;
	memslot_mark_dirty(slot, gpa_to_gfn(gpa));
	return 0;
}
