// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's own page tables, walked as its CPU would. Manuals: "Paging": "32-Bit
 * Paging", "PAE Paging", "4-Level Paging and 5-Level Paging", "Access Rights",
 * "Page-Fault Exceptions", "Accessed and Dirty Flags".
 */
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "emulator.h"

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_USER	BIT_ULL(2)
#define PTE_ACCESSED	BIT_ULL(5)
#define PTE_DIRTY	BIT_ULL(6)
#define PTE_LARGE	BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)
#define PTE_ADDR	GENMASK_ULL(51, 12)

#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)
#define PF_RESERVED	BIT(3)
#define PF_FETCH	BIT(4)

#define LEVELS_MAX	5
#define WALKS_MAX	64	/* a guest that rewrites its tables all the time gets no more */

/* One walk; on gwalk_translate()'s stack. */
struct gwalk {
	struct kvm_vcpu *vcpu;
	gva_t gva;
	u32 access;
	u64 cr4, efer;
	bool long_mode, pae;
	unsigned int size;		/* bytes of an entry: 4 or 8 */
	u64 reserved;			/* bits that must be 0 in every entry */
	u64 rights;			/* PTE_WRITE, PTE_USER granted by every level */
	u64 no_exec;			/* PTE_NX if any level forbids */
	int level;			/* of the entry at hand; 1: 4 KiB leaf */
	int depth;			/* entries recorded */
	gpa_t where[LEVELS_MAX];
	u64 entry[LEVELS_MAX];
};

static int gwalk_fault(const struct gwalk *w, u32 error, struct x86_fault *fault)
{
	if (w->access & KVM_ACCESS_WRITE)
		error |= PF_WRITE;
	if (w->access & KVM_ACCESS_USER)
		error |= PF_USER;
	if ((w->access & KVM_ACCESS_EXEC) &&
	    ((w->pae && (w->efer & EFER_NX)) || (w->cr4 & X86_CR4_SMEP)))
		error |= PF_FETCH;
	fault->vector = X86_TRAP_PF;
	fault->has_error = true;
	fault->error = error;
	fault->cr2 = w->gva;
	return -EFAULT;
}

static void gwalk_init(struct gwalk *w, struct kvm_vcpu *vcpu, gva_t gva, u32 access)
{
	w->vcpu = vcpu;
	w->gva = gva;
	w->access = access;
	w->cr4 = vcpu_cr4(vcpu);
	w->efer = vcpu_efer(vcpu);
	w->long_mode = w->efer & EFER_LMA;
	w->pae = w->cr4 & X86_CR4_PAE;
	w->rights = PTE_WRITE | PTE_USER;
	w->no_exec = 0;
	w->depth = 0;
	w->reserved = 0;
	w->size = 4;
	w->level = 2;
	if (!w->pae)
		return;
	w->size = 8;
	w->level = !w->long_mode ? 3 : w->cr4 & X86_CR4_LA57 ? 5 : 4;
	w->reserved = PTE_ADDR & (~0ULL << vcpu->maxphyaddr);
	if (!w->long_mode)
		w->reserved |= GENMASK_ULL(62, 52);
	if (!(w->efer & EFER_NX))
		w->reserved |= PTE_NX;
}

static unsigned int gwalk_shift(const struct gwalk *w)
{
	return 12 + (w->size == 8 ? 9 : 10) * (w->level - 1);
}

static gpa_t gwalk_root(const struct gwalk *w)
{
	u64 cr3 = vcpu_cr3(w->vcpu);

	if (w->long_mode)
		return cr3 & PTE_ADDR;
	if (w->pae)
		return cr3 & 0xffffffe0;	/* four entries, 32-byte aligned */
	return cr3 & 0xfffff000;
}

/* A PAE page-directory-pointer entry has no access rights and no accessed flag. */
static bool gwalk_is_pdpte(const struct gwalk *w)
{
	return w->pae && !w->long_mode && w->level == 3;
}

static bool gwalk_is_leaf(const struct gwalk *w, u64 entry)
{
	if (w->level == 1)
		return true;
	if (!(entry & PTE_LARGE) || gwalk_is_pdpte(w))
		return false;
	if (w->level == 2)
		return w->pae || (w->cr4 & X86_CR4_PSE);
	return w->level == 3;
}

/*
 * AMD CPUs under NPT walk the directory-pointer entries like any other, and some
 * (QEMU's) mark them accessed.
 */
static u64 gwalk_pdpte_reserved(const struct gwalk *w)
{
	u64 reserved = w->reserved | PTE_NX | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);

	return kvm_vendor->isa == KVM_ISA_SVM ? reserved & ~PTE_ACCESSED : reserved;
}

static bool gwalk_reserved_set(const struct gwalk *w, u64 entry)
{
	u64 reserved = w->reserved;

	if (gwalk_is_pdpte(w))
		return entry & gwalk_pdpte_reserved(w);
	if (!w->pae) {
		if (w->level == 1 || !gwalk_is_leaf(w, entry))
			return false;
		/* PSE-36: bits 20:13 are address bits 39:32. */
		return (entry & BIT(21)) ||
		       ((entry & GENMASK_ULL(20, 13)) << 19) >> w->vcpu->maxphyaddr;
	}
	if (w->level > 1 && (entry & PTE_LARGE)) {
		if (w->level > 3 ||
		    (w->level == 3 && !x86_guest_has(w->vcpu, X86_FEATURE_GBPAGES)))
			reserved |= PTE_LARGE;
		else
			reserved |= GENMASK_ULL(gwalk_shift(w) - 1, 13);
	}
	return entry & reserved;
}

static gpa_t gwalk_leaf_gpa(const struct gwalk *w, u64 entry)
{
	u64 offset_mask = (1ULL << gwalk_shift(w)) - 1;
	gpa_t base;

	if (w->size == 8)
		base = entry & PTE_ADDR;
	else if (w->level == 1)
		base = entry & 0xfffff000;
	else
		base = (entry & 0xffc00000) | (entry & GENMASK_ULL(20, 13)) << 19;
	return (base & ~offset_mask) | (w->gva & offset_mask);
}

/* "Access Rights": does what all levels granted allow the access? */
static bool gwalk_allowed(const struct gwalk *w)
{
	bool user_page = w->rights & PTE_USER;
	bool user = w->access & KVM_ACCESS_USER;

	if (user && !user_page)
		return false;
	if (w->access & KVM_ACCESS_EXEC)
		return !w->no_exec && (user || !user_page || !(w->cr4 & X86_CR4_SMEP));
	if (!user && user_page && (w->cr4 & X86_CR4_SMAP) &&
	    ((w->access & GWALK_IMPLICIT) || !(vcpu_rflags(w->vcpu) & X86_EFLAGS_AC)))
		return false;
	if ((w->access & KVM_ACCESS_WRITE) && !(w->rights & PTE_WRITE))
		return !user && !(vcpu_cr0(w->vcpu) & X86_CR0_WP);
	return true;
}

/*
 * Set the accessed flags, and the leaf's dirty flag for a write. Tables in
 * read-only memory stay as they are: a CPU's write to ROM has no effect either.
 * 0, or -EAGAIN: the guest changed an entry meanwhile.
 */
static int gwalk_mark(const struct gwalk *w)
{
	u64 set;
	int i;

	for (i = 0; i < w->depth; i++) {
		set = PTE_ACCESSED;
		if (i == w->depth - 1 && (w->access & KVM_ACCESS_WRITE))
			set |= PTE_DIRTY;
		if ((w->entry[i] & set) == set)
			continue;
		if (guest_cmpxchg(w->vcpu, w->where[i], w->entry[i], w->entry[i] | set,
				  w->size) == -EAGAIN)
			return -EAGAIN;
	}
	return 0;
}

/*
 * Down to the leaf: 0, -EFAULT with @fault, -EIO for a table the host cannot give
 * now, 1 for one where no memory is.
 */
static int gwalk_descend(struct gwalk *w, gpa_t *gpa, struct x86_fault *fault)
{
	gpa_t table = gwalk_root(w), where;
	unsigned int index_mask = w->size == 8 ? 511 : 1023;
	u64 entry;

	for (;; w->level--) {
		where = table + ((w->gva >> gwalk_shift(w)) & index_mask) * w->size;
		if (guestmem_read_word(w->vcpu, where, w->size, &entry))
			return guestmem_kind(w->vcpu, where) == GUESTMEM_NONE ? 1 : -EIO;
		if (!(entry & PTE_PRESENT))
			return gwalk_fault(w, 0, fault);
		if (unlikely(gwalk_reserved_set(w, entry)))
			return gwalk_fault(w, PF_PRESENT | PF_RESERVED, fault);
		if (likely(!gwalk_is_pdpte(w))) {
			w->rights &= entry;
			if (w->pae)
				w->no_exec |= entry & PTE_NX;
			w->where[w->depth] = where;
			w->entry[w->depth++] = entry;
		}
		if (gwalk_is_leaf(w, entry))
			break;
		table = w->size == 8 ? entry & PTE_ADDR : entry & 0xfffff000;
	}
	*gpa = gwalk_leaf_gpa(w, entry);
	return 0;
}

/**
 * gwalk_translate() - linear to guest physical address
 * @vcpu: loaded
 * @gva: linear address; its upper half is ignored outside long mode
 * @access: enum kvm_access, GWALK_IMPLICIT; 0: translate only, whatever the rights
 * @gpa: the translation
 * @fault: what the guest gets on -EFAULT
 *
 * Accessed and dirty flags are set as the CPU would, except for @access 0.
 * Context: may sleep.
 * Return: 0, -EFAULT, -EIO (the host has no page for a table, now), or 1: a table
 * is not in memory, or never stays the same.
 */
int gwalk_translate(struct kvm_vcpu *vcpu, gva_t gva, u32 access, gpa_t *gpa,
		    struct x86_fault *fault)
{
	struct gwalk w;
	int r, walks;

	if (!x86_paging(vcpu)) {
		*gpa = (u32)gva;
		return 0;
	}
	for (walks = 0; walks < WALKS_MAX; walks++) {
		gwalk_init(&w, vcpu, gva, access);
		if (!w.long_mode)
			w.gva = (u32)gva;
		r = gwalk_descend(&w, gpa, fault);
		if (r || !access)
			return r;
		if (!gwalk_allowed(&w))
			return gwalk_fault(&w, PF_PRESENT, fault);
		if (likely(!gwalk_mark(&w)))
			return 0;
	}
	return 1;
}
