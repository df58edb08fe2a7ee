// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's CPUID: what userspace gave, found fast, and what follows from it.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/uaccess.h>
#include <asm/cpufeatures.h>
#include <asm/processor.h>
#include <asm/msr-index.h>
#include <kvm/trace.h>
#include "x86_private.h"

static_assert(sizeof(struct kvm_cpuid_entry2) == 40);
static_assert(sizeof(struct kvm_cpuid2) == 8);

/* Leaf ranges by the two top bits of the leaf number; the fourth is not indexed. */
#define CPUID_RANGE_SHIFT	30
#define CPUID_RANGE_MASK	GENMASK(29, 0)

/* Physical address width of a CPU whose CPUID does not say. */
#define MAXPHYADDR_DEFAULT	36
#define MAXPHYADDR_LIMIT	52

struct kvm_cpuid_set *cpuid_set_alloc(unsigned int nent)
{
	struct kvm_cpuid_set *set;
	int range, leaf;

	/* The one too many is room for cpuid_absent(). */
	set = kvzalloc(struct_size(set, entries, nent + 1), GFP_KERNEL_ACCOUNT);
	if (!set)
		return NULL;
	set->nent = nent;
	for (range = 0; range < KVM_CPUID_RANGES; range++) {
		for (leaf = 0; leaf < KVM_CPUID_DIRECT; leaf++)
			set->first[range][leaf] = nent;
	}
	return set;
}

static void cpuid_set_index(struct kvm_cpuid_set *set)
{
	unsigned int i = set->nent;
	u32 function, range, leaf;

	while (i--) {
		function = set->entries[i].function;
		range = function >> CPUID_RANGE_SHIFT;
		leaf = function & CPUID_RANGE_MASK;
		if (range < KVM_CPUID_RANGES && leaf < KVM_CPUID_DIRECT)
			set->first[range][leaf] = i;
	}
}

/* Where to start looking for @function; .nent if it is known to be absent. */
static unsigned int cpuid_first(const struct kvm_cpuid_set *set, u32 function)
{
	u32 range = function >> CPUID_RANGE_SHIFT;
	u32 leaf = function & CPUID_RANGE_MASK;

	if (unlikely(range >= KVM_CPUID_RANGES || leaf >= KVM_CPUID_DIRECT))
		return 0;
	range = array_index_nospec(range, KVM_CPUID_RANGES);
	leaf = array_index_nospec(leaf, KVM_CPUID_DIRECT);
	return set->first[range][leaf];
}

/**
 * cpuid_find() - the entry for leaf @function, subleaf @index
 * @set: a guest's CPUID
 * @function: EAX
 * @index: ECX; matters only to entries flagged SIGNIFCANT_INDEX
 *
 * Return: the first one that matches in userspace's order, or NULL.
 */
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid_set *set, u32 function,
				    u32 index)
{
	struct kvm_cpuid_entry2 *entry = &set->entries[cpuid_first(set, function)];
	struct kvm_cpuid_entry2 *end = &set->entries[set->nent];

	for (; entry < end; entry++) {
		if (entry->function == function &&
		    (entry->index == index ||
		     !(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return entry;
	}
	return NULL;
}

/* AMD's and Hygon's CPUs answer zeros beyond their last leaf. */
static bool cpuid_zero_beyond_last(const struct kvm_cpuid_entry2 *leaf0)
{
	static const struct {
		u32 ebx, edx, ecx;
	} vendors[] = {
		{ 0x68747541, 0x69746e65, 0x444d4163 },	/* AuthenticAMD */
		{ 0x69444d41, 0x74656273, 0x21726574 },	/* AMDisbetter! */
		{ 0x6f677948, 0x6e65476e, 0x656e6975 },	/* HygonGenuine */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vendors); i++) {
		if (leaf0->ebx == vendors[i].ebx && leaf0->edx == vendors[i].edx &&
		    leaf0->ecx == vendors[i].ecx)
			return true;
	}
	return false;
}

/* The leaf that tells how many leaves the range of @function has. */
static u32 cpuid_range_base(u32 function)
{
	if (function >= 0x40000000 && function <= 0x4fffffff)
		return function & 0xffffff00;
	if (function >= 0xc0000000)
		return 0xc0000000;
	return function & 0x80000000;
}

/*
 * Intel SDM, "CPUID - CPU Identification": a leaf beyond the last one of its
 * range answers as the highest basic leaf, with the same subleaf.
 */
static struct kvm_cpuid_entry2 *cpuid_beyond_last(struct kvm_cpuid_set *set,
						  u32 *function, u32 index)
{
	struct kvm_cpuid_entry2 *leaf0 = cpuid_find(set, 0, 0);
	struct kvm_cpuid_entry2 *base;

	if (!leaf0 || cpuid_zero_beyond_last(leaf0))
		return NULL;
	base = cpuid_find(set, cpuid_range_base(*function), 0);
	if (base && *function <= base->eax)
		return NULL;
	*function = leaf0->eax;
	return cpuid_find(set, *function, index);
}

/* What a leaf nobody has set answers; valid until the next call. */
static struct kvm_cpuid_entry2 *cpuid_absent(struct kvm_cpuid_set *set, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 *entry = cpuid_beyond_last(set, &function, index);
	struct kvm_cpuid_entry2 *out = &set->entries[set->nent];

	if (entry)
		return entry;
	*out = (struct kvm_cpuid_entry2) { .function = ~function };
	/* Topology leaves go on naming the subleaf and the x2APIC ID. */
	if (function == 0xb || function == 0x1f) {
		entry = cpuid_find(set, function, 1);
		if (entry) {
			out->ecx = index & 0xff;
			out->edx = entry->edx;
		}
	}
	return out;
}

static void cpuid_flag(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

/* OSXSAVE and OSPKE. Guests may own these bits of CR4: nobody sees them change. */
static void cpuid_follow_cr4(struct kvm_cpuid_entry2 *entry, u64 cr4)
{
	if (entry->function == 1)
		cpuid_flag(&entry->ecx, BIT(27), cr4 & X86_CR4_OSXSAVE);
	else if (entry->function == 7 && entry->index == 0)
		cpuid_flag(&entry->ecx, BIT(4), cr4 & X86_CR4_PKE);
}

/* The long way to an answer; the quick one is open to its question from now on. */
static noinline struct kvm_cpuid_entry2 *cpuid_answer(struct kvm_vcpu *vcpu, u32 function,
						      u32 index)
{
	struct kvm_cpuid_set *set = vcpu->cpuid;
	struct kvm_cpuid_entry2 *entry = cpuid_find(set, function, index);

	if (!entry)
		return cpuid_absent(set, function, index);
	if (function == 1 || function == 7)
		cpuid_follow_cr4(entry, vcpu_cr4(vcpu));
	else if (entry->index == index)
		set->last = entry;
	return entry;
}

/**
 * x86_cpuid() - the guest's view of one CPUID leaf
 * @vcpu: loaded; EAX and ECX name leaf and subleaf
 *
 * The answer goes to the registers, as the instruction's does.
 */
void x86_cpuid(struct kvm_vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	u32 function = gpr[KVM_RAX], index = gpr[KVM_RCX];
	const struct kvm_cpuid_entry2 *entry = vcpu->cpuid->last;

	/* Whoever asks often asks the same. */
	if (!entry || entry->function != function || entry->index != index)
		entry = cpuid_answer(vcpu, function, index);
	gpr[KVM_RAX] = entry->eax;
	gpr[KVM_RBX] = entry->ebx;
	gpr[KVM_RCX] = entry->ecx;
	gpr[KVM_RDX] = entry->edx;
	trace_kvm_cpuid(function, index, entry->eax, entry->ebx, entry->ecx, entry->edx,
			entry->function == function);
}

/* The bits and sizes in @set that mirror the state of @vcpu. */
static void cpuid_set_follow(struct kvm_vcpu *vcpu, struct kvm_cpuid_set *set)
{
	const struct kvm_vcpu_regs *regs = &vcpu->regs;
	struct kvm_cpuid_entry2 *entry;

	entry = cpuid_find(set, 1, 0);
	if (entry) {
		cpuid_follow_cr4(entry, vcpu_cr4(vcpu));
		cpuid_flag(&entry->edx, BIT(9),
			   regs->apic_base & MSR_IA32_APICBASE_ENABLE);
	}
	entry = cpuid_find(set, 7, 0);
	if (entry)
		cpuid_follow_cr4(entry, vcpu_cr4(vcpu));
	entry = cpuid_find(set, 0xd, 0);
	if (entry)
		entry->ebx = cpuid_xsave_size(regs->xcr0, false);
	entry = cpuid_find(set, 0xd, 1);
	/* XSAVEC or XSAVES: the size of the compacted format. */
	if (entry && (entry->eax & (BIT(1) | BIT(3))))
		entry->ebx = cpuid_xsave_size(regs->xcr0, true);
}

void cpuid_follow_state(struct kvm_vcpu *vcpu)
{
	cpuid_set_follow(vcpu, vcpu->cpuid);
}

static u32 cpuid_phys_bits(struct kvm_cpuid_set *set)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(set, 0x80000000, 0);

	if (!entry || entry->eax < 0x80000008)
		return MAXPHYADDR_DEFAULT;
	entry = cpuid_find(set, 0x80000008, 0);
	if (!entry)
		return MAXPHYADDR_DEFAULT;
	return min_t(u32, entry->eax & 0xff, MAXPHYADDR_LIMIT);
}

static u64 cpuid_cr4_reserved(struct kvm_vcpu *vcpu)
{
	static const struct {
		u64 bits;
		unsigned int feature;
	} needs[] = {
		{ X86_CR4_UMIP, X86_FEATURE_UMIP },
		{ X86_CR4_LA57, X86_FEATURE_LA57 },
		{ X86_CR4_FSGSBASE, X86_FEATURE_FSGSBASE },
		{ X86_CR4_PCIDE, X86_FEATURE_PCID },
		{ X86_CR4_OSXSAVE, X86_FEATURE_XSAVE },
		{ X86_CR4_SMEP, X86_FEATURE_SMEP },
		{ X86_CR4_SMAP, X86_FEATURE_SMAP },
		{ X86_CR4_PKE, X86_FEATURE_PKU },
	};
	u64 reserved = ~x86_caps.cr4;
	unsigned int i;

	/* Before KVM_SET_CPUID2 a guest may use what the host can give. */
	if (!vcpu->cpuid->nent)
		return reserved;
	for (i = 0; i < ARRAY_SIZE(needs); i++) {
		if (!x86_guest_has(vcpu, needs[i].feature))
			reserved |= needs[i].bits;
	}
	return reserved;
}

static u64 cpuid_efer_reserved(struct kvm_vcpu *vcpu)
{
	u64 allowed = EFER_SCE;

	if (x86_guest_has(vcpu, X86_FEATURE_LM))
		allowed |= EFER_LME | EFER_LMA;
	if (x86_guest_has(vcpu, X86_FEATURE_NX))
		allowed |= EFER_NX;
	if (x86_guest_has(vcpu, X86_FEATURE_FXSR_OPT))
		allowed |= EFER_FFXSR;
	return ~(allowed & x86_caps.efer);
}

void cpuid_derive(struct kvm_vcpu *vcpu)
{
	struct kvm_cpuid_set *set = vcpu->cpuid;
	struct kvm_cpuid_entry2 *entry;
	unsigned int i;

	memset(vcpu->guest_caps, 0, sizeof(vcpu->guest_caps));
	for (i = 0; i < cpuid_words_count; i++) {
		entry = cpuid_find(set, cpuid_words[i].function,
				   cpuid_words[i].index);
		if (entry)
			vcpu->guest_caps[cpuid_words[i].word] =
				*cpuid_entry_reg(entry, cpuid_words[i].reg);
	}
	vcpu->maxphyaddr = cpuid_phys_bits(set);
	vcpu->cr4_guest_rsvd = cpuid_cr4_reserved(vcpu);
	vcpu->efer_guest_rsvd = cpuid_efer_reserved(vcpu);
	entry = cpuid_find(set, 0xd, 0);
	vcpu->xcr0_allowed = entry ? (entry->eax | (u64)entry->edx << 32) &
				     x86_caps.xcr0 : 0;
}

/* Linear addresses are 48 or 57 bits wide; nothing else can be walked. */
static bool cpuid_set_valid(struct kvm_cpuid_set *set)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(set, 0x80000008, 0);
	u32 bits;

	if (!entry)
		return true;
	bits = (entry->eax >> 8) & 0xff;
	return bits == 0 || bits == 48 || bits == 57;
}

static struct kvm_cpuid_set *cpuid_set_copy(const struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_set *set;
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, user, sizeof(head)))
		return ERR_PTR(-EFAULT);
	if (head.nent > KVM_CPUID_ENTRIES_MAX)
		return ERR_PTR(-E2BIG);
	set = cpuid_set_alloc(head.nent);
	if (!set)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(set->entries, user->entries,
			   array_size(head.nent, sizeof(set->entries[0])))) {
		kvfree(set);
		return ERR_PTR(-EFAULT);
	}
	cpuid_set_index(set);
	return set;
}

static bool cpuid_set_equal(const struct kvm_cpuid_set *a,
			    const struct kvm_cpuid_set *b)
{
	return a->nent == b->nent &&
	       !memcmp(a->entries, b->entries,
		       array_size(a->nent, sizeof(a->entries[0])));
}

/**
 * x86_set_cpuid2() - KVM_SET_CPUID2
 * @vcpu: loaded
 * @user: the new CPUID
 *
 * A vcpu that has run keeps its CPUID; setting the same again is accepted.
 * Context: may sleep.
 * Return: 0, -E2BIG, -EFAULT, -ENOMEM, -EINVAL. On error nothing has changed.
 */
int x86_set_cpuid2(struct kvm_vcpu *vcpu, const struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_set *set = cpuid_set_copy(user);
	int ret = 0;

	if (IS_ERR(set))
		return PTR_ERR(set);
	cpuid_set_follow(vcpu, set);
	if (vcpu->launched) {
		cpuid_follow_state(vcpu);
		ret = cpuid_set_equal(set, vcpu->cpuid) ? 0 : -EINVAL;
		goto out_free;
	}
	if (!cpuid_set_valid(set)) {
		ret = -EINVAL;
		goto out_free;
	}
	swap(set, vcpu->cpuid);
	cpuid_derive(vcpu);
	kvm_vendor->vcpu_update(vcpu);

out_free:
	kvfree(set);
	return ret;
}

/**
 * x86_get_cpuid2() - KVM_GET_CPUID2
 * @vcpu: loaded
 * @user: .nent says how many entries fit; set to how many there are
 *
 * Return: 0, -EFAULT, -E2BIG (too small; nothing is written).
 */
int x86_get_cpuid2(struct kvm_vcpu *vcpu, struct kvm_cpuid2 __user *user)
{
	const struct kvm_cpuid_set *set = vcpu->cpuid;
	u32 nent;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	if (nent < set->nent)
		return -E2BIG;
	cpuid_follow_state(vcpu);
	if (copy_to_user(user->entries, set->entries,
			 array_size(set->nent, sizeof(set->entries[0]))))
		return -EFAULT;
	return put_user(set->nent, &user->nent) ? -EFAULT : 0;
}
