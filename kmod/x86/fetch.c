// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first bytes of the instruction that made the guest exit, in few steps.
 *
 * On hardware that does not say how long an instruction is, every CPUID, HLT or
 * RDMSR needs a walk through four levels of the guest's tables. This one is for
 * what is true nearly always: long mode, all tables and the code in one memslot,
 * and entries the CPU has just used. Anything else is left to gwalk_translate().
 */
#include <linux/nospec.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <kvm/memslot.h>
#include <kvm/vm.h>
#include "emulator.h"

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_LARGE	BIT_ULL(7)
#define PTE_ADDR	GENMASK_ULL(51, 12)
#define CR4_LA57	BIT(12)

/* The memslot as bytes of the VMM's memory; on the stack. */
struct window {
	gpa_t base;
	u64 size;
	hva_t hva;
	gpa_t root;	/* of the guest's tables; read before the window opens */
};

/* Inline: objtool lets no function return while user access is open. */
static __always_inline bool window_open(struct kvm_vcpu *vcpu, struct window *w)
{
	const struct kvm_emulator *em = vcpu->emul;
	const struct kvm_memslot *slot = em->slot;

	/* Generations do not repeat in a VM, so an equal one is this very snapshot. */
	if (!slot || em->slot_generation != memslots_get(vcpu->kvm)->generation)
		return false;
	w->base = gfn_to_gpa(slot->base_gfn);
	w->size = (u64)slot->npages << PAGE_SHIFT;
	w->hva = slot->userspace_addr;
	w->root = vcpu_cr3(vcpu) & PTE_ADDR;
	return user_access_begin((void __user *)w->hva, w->size);
}

static __always_inline bool window_has(const struct window *w, gpa_t gpa)
{
	return likely(gpa - w->base < w->size);
}

/* Where @gpa is in the VMM's memory; the guest chooses it, so no speculation past the slot. */
static __always_inline void __user *window_at(const struct window *w, gpa_t gpa)
{
	return (void __user *)(w->hva + array_index_nospec(gpa - w->base, w->size));
}

/*
 * Guest physical address of the code at @linear; the window is open. The CPU has
 * just fetched and executed it: rights and reserved bits need no second check, and
 * accessed flags are set.
 */
static __always_inline bool fetch_walk(const struct window *w, u64 linear, gpa_t *code)
{
	gpa_t table = w->root, gpa;
	unsigned int shift;
	u64 entry, mask;

	for (shift = 39; ; shift -= 9) {
		gpa = table + ((linear >> shift) & 511) * 8;
		if (!window_has(w, gpa))
			return false;
		unsafe_get_user(entry, (u64 __user *)window_at(w, gpa), fault);
		if (!(entry & PTE_PRESENT))
			return false;
		table = entry & PTE_ADDR;
		if (shift == 12 || (entry & PTE_LARGE))
			break;
	}
	if (shift > 30)
		return false;
	mask = (1ULL << shift) - 1;
	*code = (table & ~mask) | (linear & mask);
	return window_has(w, *code);

fault:
	return false;
}

/**
 * fetch_word() - four bytes of code at @linear, if that is quick
 * @vcpu: loaded, in 64-bit mode with paging
 * @linear: of the instruction that made the guest exit; not within the last three
 *	bytes of a page
 * @word: the bytes, little-endian
 *
 * Context: may sleep. Return: true, or false: take the long way.
 */
static bool fetch_word(struct kvm_vcpu *vcpu, u64 linear, u32 *word)
{
	struct window w;
	gpa_t gpa;

	if ((vcpu_cr4(vcpu) & CR4_LA57) || !window_open(vcpu, &w))
		return false;
	if (!fetch_walk(&w, linear, &gpa))
		goto out;
	unsafe_get_user(*word, (u32 __user *)window_at(&w, gpa), out);
	user_access_end();
	return true;

out:
	user_access_end();
	return false;
}

/**
 * fetch_code() - a whole instruction's bytes at @linear, if that is quick
 * @vcpu: loaded, in 64-bit mode with paging
 * @linear: of the instruction that made the guest exit; not within the last 15
 *	bytes of a page
 * @bytes: EMUL_BYTES of code
 *
 * Context: may sleep. Return: true, or false: take the long way.
 */
bool fetch_code(struct kvm_vcpu *vcpu, u64 linear, u8 *bytes)
{
	struct window w;
	u64 low, high;
	gpa_t gpa;

	if ((vcpu_cr4(vcpu) & CR4_LA57) || !window_open(vcpu, &w))
		return false;
	if (!fetch_walk(&w, linear, &gpa))
		goto out;
	unsafe_get_user(low, (u64 __user *)window_at(&w, gpa), out);
	unsafe_get_user(high, (u64 __user *)window_at(&w, gpa + 8), out);
	user_access_end();
	memcpy(bytes, &low, 8);
	memcpy(bytes + 8, &high, 8);
	return true;

out:
	user_access_end();
	return false;
}

/*
 * Lengths of instructions that make a guest exit, by their first bytes (a
 * little-endian word); 0: decode it properly. Exact because none of them has
 * a prefix here and those with ModRM have no memory operand.
 */
static unsigned int insn_length(u32 word)
{
	switch (word & 0xff) {
	case 0xf4:				/* HLT */
		return 1;
	case 0xf3:
		return (word & 0xffff) == 0x90f3 ? 2 : 0;	/* PAUSE */
	case 0x0f:
		break;
	default:
		return 0;
	}
	switch ((word >> 8) & 0xff) {
	case 0x06:				/* CLTS */
	case 0x08:				/* INVD */
	case 0x09:				/* WBINVD */
	case 0x30:				/* WRMSR */
	case 0x31:				/* RDTSC */
	case 0x32:				/* RDMSR */
	case 0x33:				/* RDPMC */
	case 0xa2:				/* CPUID */
		return 2;
	case 0x01:				/* VMCALL, MONITOR, XSETBV, VMMCALL, RDTSCP, ... */
		return (word & 0xc00000) == 0xc00000 ? 3 : 0;
	case 0x20:				/* MOV from and to CR, DR: always registers */
	case 0x21:
	case 0x22:
	case 0x23:
		return 3;
	default:
		return 0;
	}
}

/*
 * The code at RIP has just been fetched and executed by the CPU, so its rights
 * need no check: only the bytes are wanted. A walk instead of a cached translation,
 * because the guest may have changed its tables and used INVLPG without an exit.
 */
unsigned int fetch_insn_length(struct kvm_vcpu *vcpu, u64 rip, bool *wide)
{
	struct x86_fault fault;
	struct kvm_segment cs;
	u64 linear = rip, word;
	u32 code;
	gpa_t gpa;

	kvm_vendor->get_segment(vcpu, KVM_CS, &cs);
	*wide = cs.l && (vcpu_efer(vcpu) & EFER_LMA);
	if (!*wide)
		linear = (u32)(cs.base + rip);
	if (offset_in_page(linear) > PAGE_SIZE - sizeof(u32))
		return 0;
	if (likely(*wide) && likely(fetch_word(vcpu, linear, &code)))
		return insn_length(code);
	if (gwalk_translate(vcpu, linear, 0, &gpa, &fault) ||
	    guestmem_read_word(vcpu, gpa, sizeof(u32), &word))
		return 0;
	return insn_length(word);
}
