// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM_GET_SUPPORTED_CPUID offers: the host's CPUID through allow-lists.
 * A bit that no list names never reaches a guest.
 */
#include <linux/build_bug.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/kvm_para.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <compat/cpuid.h>
#include <kvm/paravirt.h>
#include "x86_private.h"

#define F(feature)	BIT(X86_FEATURE_##feature & 31)

/* Bits that the headers of older kernels do not name: leaf 7 EDX, leaf 7.1 EAX. */
#define AVX512_FP16	BIT(23)
#define AVX_VNNI	BIT(4)
#define FZRM		BIT(10)
#define FSRS		BIT(11)
#define FSRC		BIT(12)
#define AVX_IFMA	BIT(23)

/* Bits shared by leaf 1 EDX and AMD's copy of them in leaf 0x80000001 EDX. */
#define COMMON_EDX	(F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) |	\
			 F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(MTRR) | F(PGE) | \
			 F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(MMX) | F(FXSR))

/*
 * Not offered, though hosts have them, until this implementation provides what
 * they need: VMX and SVM (nesting), MONITOR, PMU, TSX, SGX, PT, MPX, CET, AMX,
 * PKU (PKRU switching), WAITPKG, XSAVES (XSS switching), LA57, and every bit that
 * comes with the SPEC_CTRL family of MSRs.
 */
const struct cpuid_word cpuid_words[] = {
	{
		.word = 0, .function = 1, .reg = CPUID_REG_D,
		.allow = COMMON_EDX | F(SEP) | F(CLFLUSH) | F(XMM) | F(XMM2) |
			 F(SELFSNOOP),
	}, {
		.word = 4, .function = 1, .reg = CPUID_REG_C,
		.allow = F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) |
			 F(PCID) | F(XMM4_1) | F(XMM4_2) | F(MOVBE) | F(POPCNT) |
			 F(AES) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND),
		.software = F(X2APIC),
	}, {
		.word = 9, .function = 7, .reg = CPUID_REG_B,
		.allow = F(FSGSBASE) | F(BMI1) | F(AVX2) | F(FDP_EXCPTN_ONLY) |
			 F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) |
			 F(ZERO_FCS_FDS) | F(AVX512F) | F(AVX512DQ) | F(RDSEED) |
			 F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) |
			 F(CLWB) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |
			 F(SHA_NI) | F(AVX512BW) | F(AVX512VL),
		.software = F(TSC_ADJUST),
	}, {
		.word = 16, .function = 7, .reg = CPUID_REG_C,
		.allow = F(AVX512VBMI) | F(UMIP) | F(AVX512_VBMI2) | F(GFNI) |
			 F(VAES) | F(VPCLMULQDQ) | F(AVX512_VNNI) |
			 F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(RDPID) |
			 F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B),
	}, {
		.word = 18, .function = 7, .reg = CPUID_REG_D,
		.allow = F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) |
			 F(AVX512_VP2INTERSECT) | F(MD_CLEAR) | F(SERIALIZE) |
			 AVX512_FP16,
	}, {
		.word = 12, .function = 7, .index = 1, .reg = CPUID_REG_A,
		.allow = F(AVX512_BF16) | AVX_VNNI | FZRM | FSRS | FSRC | AVX_IFMA,
	}, {
		.word = 10, .function = 0xd, .index = 1, .reg = CPUID_REG_A,
		.allow = F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1),
	}, {
		.word = 1, .function = 0x80000001, .reg = CPUID_REG_D,
		.allow = COMMON_EDX | F(SYSCALL) | F(NX) | F(MMXEXT) |
			 F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) |
			 F(3DNOWEXT) | F(3DNOW),
	}, {
		.word = 6, .function = 0x80000001, .reg = CPUID_REG_C,
		.allow = F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) |
			 F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) |
			 F(FMA4) | F(TBM) | F(TOPOEXT),
	}, {
		.word = 13, .function = 0x80000008, .reg = CPUID_REG_B,
		.allow = F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD),
	},
};

const unsigned int cpuid_words_count = ARRAY_SIZE(cpuid_words);

static_assert(X86_FEATURE_FPU / 32 == 0 && X86_FEATURE_SYSCALL / 32 == 1);
static_assert(X86_FEATURE_XMM3 / 32 == 4 && X86_FEATURE_LAHF_LM / 32 == 6);
static_assert(X86_FEATURE_FSGSBASE / 32 == 9 && X86_FEATURE_XSAVEOPT / 32 == 10);
static_assert(X86_FEATURE_AVX512_BF16 / 32 == 12 && X86_FEATURE_CLZERO / 32 == 13);
static_assert(X86_FEATURE_UMIP / 32 == 16 && X86_FEATURE_FSRM / 32 == 18);

/* CR4 bits every host this runs on has, or that need no CPUID bit. */
#define CR4_BASE	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE |	\
			 X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | \
			 X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

/* XSAVE components whose instructions are offered. */
#define XCR0_OFFERED	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512)

#define LAST_BASIC	0x1fU
#define LAST_EXTENDED	0x80000021U

/*
 * One component of the standard-format XSAVE area; constant after
 * cpuid_host_init(), because executing CPUID may trap to a hypervisor below us.
 */
static struct xsave_part {
	u32 size, offset;
	bool aligned;		/* to 64 bytes, in the compacted format */
} xsave_parts[64];

#define XSAVE_HEADER_END	(512 + 64)

u32 cpuid_xsave_size(u64 xcr0, bool compacted)
{
	u32 size = XSAVE_HEADER_END, start;
	int i;

	for (i = 2; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		if (compacted) {
			start = xsave_parts[i].aligned ? ALIGN(size, 64) : size;
			size = start + xsave_parts[i].size;
		} else {
			size = max(size, xsave_parts[i].offset +
					 xsave_parts[i].size);
		}
	}
	return size;
}

/* One leaf as the CPU answers it. */
static void host_leaf(struct kvm_cpuid_entry2 *entry, u32 function, u32 index)
{
	memset(entry, 0, sizeof(*entry));
	entry->function = function;
	entry->index = index;
	cpuid_count(function, index, &entry->eax, &entry->ebx, &entry->ecx,
		    &entry->edx);
}

static bool host_has_leaf(u32 function)
{
	u32 last = cpuid_eax(function & 0x80000000);

	/* A CPU without the range answers with a leaf of another one. */
	return (last ^ function) >> 31 == 0 && function <= last;
}

static u32 host_word(const struct cpuid_word *word)
{
	struct kvm_cpuid_entry2 entry;
	u32 bits = 0;

	if (host_has_leaf(word->function)) {
		host_leaf(&entry, word->function, word->index);
		bits = *cpuid_entry_reg(&entry, word->reg);
	}
	/* What the host kernel was told not to use, guests do not get either. */
	bits &= boot_cpu_data.x86_capability[word->word];
	return (bits & word->allow) | word->software;
}

/* Instructions whose registers are not switched must not be offered. */
static void host_hide_vectors(void)
{
	u32 *words = x86_caps.words;

	if (!(x86_caps.xcr0 & XFEATURE_MASK_YMM)) {
		words[4] &= ~(F(AVX) | F(FMA) | F(F16C));
		words[6] &= ~(F(XOP) | F(FMA4));
		words[9] &= ~F(AVX2);
		words[12] &= ~(AVX_VNNI | AVX_IFMA);
		words[16] &= ~(F(VAES) | F(VPCLMULQDQ));
	}
	if ((x86_caps.xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512) {
		words[9] &= ~(F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) |
			      F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |
			      F(AVX512BW) | F(AVX512VL));
		words[12] &= ~F(AVX512_BF16);
		words[16] &= ~(F(AVX512VBMI) | F(AVX512_VBMI2) |
			       F(AVX512_VNNI) | F(AVX512_BITALG) |
			       F(AVX512_VPOPCNTDQ));
		words[18] &= ~(F(AVX512_4VNNIW) | F(AVX512_4FMAPS) |
			       F(AVX512_VP2INTERSECT) | AVX512_FP16);
	}
}

static void host_xsave_init(void)
{
	struct kvm_cpuid_entry2 entry;
	int i;

	x86_caps.xcr0 = 0;
	if (x86_host_offers(X86_FEATURE_XSAVE))
		x86_caps.xcr0 = kvm_fpu_supported_xcr0() & XCR0_OFFERED;
	if (!(x86_caps.xcr0 & XFEATURE_MASK_SSE)) {
		x86_caps.xcr0 = 0;
		x86_caps.words[4] &= ~F(XSAVE);
		x86_caps.words[10] = 0;
	}
	host_hide_vectors();
	for (i = 2; i < 63; i++) {
		if (!(x86_caps.xcr0 & BIT_ULL(i)))
			continue;
		host_leaf(&entry, 0xd, i);
		xsave_parts[i].size = entry.eax;
		xsave_parts[i].offset = entry.ebx;
		xsave_parts[i].aligned = entry.ecx & BIT(1);
	}
}

static void host_registers_init(void)
{
	static const struct {
		u64 bits;
		unsigned int feature;
	} cr4_bits[] = {
		{ X86_CR4_UMIP, X86_FEATURE_UMIP },
		{ X86_CR4_LA57, X86_FEATURE_LA57 },
		{ X86_CR4_FSGSBASE, X86_FEATURE_FSGSBASE },
		{ X86_CR4_PCIDE, X86_FEATURE_PCID },
		{ X86_CR4_OSXSAVE, X86_FEATURE_XSAVE },
		{ X86_CR4_SMEP, X86_FEATURE_SMEP },
		{ X86_CR4_SMAP, X86_FEATURE_SMAP },
		{ X86_CR4_PKE, X86_FEATURE_PKU },
	};
	unsigned int i;

	x86_caps.cr4 = CR4_BASE;
	for (i = 0; i < ARRAY_SIZE(cr4_bits); i++) {
		if (x86_host_offers(cr4_bits[i].feature))
			x86_caps.cr4 |= cr4_bits[i].bits;
	}
	x86_caps.efer = EFER_SCE | EFER_LME | EFER_LMA;
	if (x86_host_offers(X86_FEATURE_NX))
		x86_caps.efer |= EFER_NX;
	if (x86_host_offers(X86_FEATURE_FXSR_OPT))
		x86_caps.efer |= EFER_FFXSR;
}

void cpuid_host_init(void)
{
	unsigned int i;

	for (i = 0; i < cpuid_words_count; i++)
		x86_caps.words[cpuid_words[i].word] = host_word(&cpuid_words[i]);
	x86_caps.words[9] &= ~(u32)kvm_vendor->caps.cpuid_hide_7_0_ebx;
	/* AMD's CPUs have no such register, and their guests expect none. */
	if (kvm_vendor->isa == KVM_ISA_VMX)
		x86_caps.words[18] |= F(ARCH_CAPABILITIES);
	host_xsave_init();
	host_registers_init();
}

/**
 * x86_host_offers() - is this feature in KVM_GET_SUPPORTED_CPUID?
 * @x86_feature: X86_FEATURE_*, of a word in cpuid_words[]
 */
bool x86_host_offers(unsigned int x86_feature)
{
	unsigned int word = x86_feature / 32;

	return word < KVM_CPU_WORDS &&
	       (x86_caps.words[word] & BIT(x86_feature % 32));
}

/* The list being built; .count goes on past .max to say that it does not fit. */
struct cpuid_list {
	struct kvm_cpuid_entry2 *entries;
	unsigned int count, max;
	struct kvm_cpuid_entry2 spare;
};

static struct kvm_cpuid_entry2 *list_next(struct cpuid_list *list)
{
	unsigned int place = list->count++;

	return place < list->max ? &list->entries[place] : &list->spare;
}

/* Add the host's leaf; the caller keeps what guests may see of it. */
static struct kvm_cpuid_entry2 *list_host(struct cpuid_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *entry = list_next(list);

	host_leaf(entry, function, 0);
	return entry;
}

static struct kvm_cpuid_entry2 *list_host_index(struct cpuid_list *list,
						u32 function, u32 index)
{
	struct kvm_cpuid_entry2 *entry = list_next(list);

	host_leaf(entry, function, index);
	entry->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	return entry;
}

/* Add a leaf of zeros, to be filled by the caller. */
static struct kvm_cpuid_entry2 *list_zeros(struct cpuid_list *list, u32 function,
					   u32 index, u32 flags)
{
	struct kvm_cpuid_entry2 *entry = list_next(list);

	memset(entry, 0, sizeof(*entry));
	entry->function = function;
	entry->index = index;
	entry->flags = flags;
	return entry;
}

static void leaf_features(struct cpuid_list *list)
{
	struct kvm_cpuid_entry2 *entry = list_host(list, 1);

	/* EBX: the CLFLUSH line size; APIC ID and counts are the guest's own. */
	entry->ebx &= 0xff00;
	entry->ecx = x86_caps.words[4];
	entry->edx = x86_caps.words[0];
}

/* Deterministic cache parameters, without how the host's threads share caches. */
static void leaf_caches(struct cpuid_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *entry;
	u32 i;

	for (i = 0; i < 8; i++) {
		entry = list_host_index(list, function, i);
		entry->eax &= GENMASK(9, 0);
		entry->edx &= GENMASK(2, 0);
		if (!(entry->eax & GENMASK(4, 0)))
			break;
	}
}

static void leaf_extended_features(struct cpuid_list *list)
{
	struct kvm_cpuid_entry2 *entry;
	u32 last;

	entry = list_host_index(list, 7, 0);
	last = min(entry->eax, 1U);
	entry->eax = last;
	entry->ebx = x86_caps.words[9];
	entry->ecx = x86_caps.words[16];
	entry->edx = x86_caps.words[18];
	if (!last)
		return;
	entry = list_zeros(list, 7, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	entry->eax = x86_caps.words[12];
}

static void leaf_xsave(struct cpuid_list *list)
{
	u32 flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	u64 xcr0 = x86_caps.xcr0;
	struct kvm_cpuid_entry2 *entry;
	int i;

	if (!xcr0)
		return;
	entry = list_zeros(list, 0xd, 0, flags);
	entry->eax = xcr0;
	entry->edx = xcr0 >> 32;
	entry->ebx = cpuid_xsave_size(xcr0, false);
	entry->ecx = entry->ebx;
	entry = list_zeros(list, 0xd, 1, flags);
	entry->eax = x86_caps.words[10];
	if (entry->eax & F(XSAVEC))
		entry->ebx = cpuid_xsave_size(xcr0, true);
	for (i = 2; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		entry = list_zeros(list, 0xd, i, flags);
		entry->eax = xsave_parts[i].size;
		entry->ebx = xsave_parts[i].offset;
		entry->ecx = xsave_parts[i].aligned ? BIT(1) : 0;
	}
}

static void leaves_basic(struct cpuid_list *list)
{
	struct kvm_cpuid_entry2 *entry = list_host(list, 0);
	u32 last = min(entry->eax, LAST_BASIC);

	entry->eax = last;
	leaf_features(list);
	if (last >= 2)
		list_host(list, 2);
	if (last >= 4)
		leaf_caches(list, 4);
	if (last >= 6) {
		entry = list_zeros(list, 6, 0, 0);
		entry->eax = BIT(2);	/* the APIC timer never stops */
	}
	if (last >= 7)
		leaf_extended_features(list);
	if (last >= 0xa)
		list_zeros(list, 0xa, 0, 0);
	if (last >= 0xb)
		list_zeros(list, 0xb, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	if (last >= 0xd)
		leaf_xsave(list);
	if (last >= 0x1f)
		list_zeros(list, 0x1f, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
}

/* Guest physical addresses go as far as the second-level tables reach. */
static void leaf_address_sizes(struct cpuid_list *list)
{
	struct kvm_cpuid_entry2 *entry = list_host(list, 0x80000008);
	u32 reach = kvm_vendor->caps.tdp_levels > 4 ? 52 : 48;
	u32 phys = entry->eax & 0xff;
	u32 linear = (entry->eax >> 8) & 0xff;
	u32 guest = (entry->eax >> 16) & 0xff;

	phys = min(guest ? guest : phys, reach);
	entry->eax = phys | max(linear, 48U) << 8;
	entry->ebx = x86_caps.words[13];
	entry->ecx = 0;
	entry->edx = 0;
}

/* Cache and TLB descriptions of AMD's CPUs, and what follows them. */
static void leaves_extended_late(struct cpuid_list *list, u32 last)
{
	struct kvm_cpuid_entry2 *entry;

	if (last >= 0x80000019) {
		entry = list_host(list, 0x80000019);
		entry->ecx = 0;
		entry->edx = 0;
	}
	if (last >= 0x8000001a) {
		entry = list_host(list, 0x8000001a);
		entry->eax &= GENMASK(2, 0);	/* FP128, MOVU, FP256 */
		entry->ebx = 0;
		entry->ecx = 0;
		entry->edx = 0;
	}
	if (last >= 0x8000001d && x86_host_offers(X86_FEATURE_TOPOEXT))
		leaf_caches(list, 0x8000001d);
	if (last >= 0x80000021) {
		entry = list_host(list, 0x80000021);
		/* NoNestedDataBp, LFENCE always serializes, NullSelectorClearsBase. */
		entry->eax &= BIT(0) | BIT(2) | BIT(6);
		entry->ebx = 0;
		entry->ecx = 0;
		entry->edx = 0;
	}
}

static void leaves_extended(struct cpuid_list *list)
{
	struct kvm_cpuid_entry2 *entry = list_host(list, 0x80000000);
	u32 last = min(entry->eax, LAST_EXTENDED);
	u32 leaf;

	entry->eax = last;
	if (last >= 0x80000001) {
		entry = list_host(list, 0x80000001);
		entry->ebx &= ~(u32)GENMASK(27, 16);
		entry->ecx = x86_caps.words[6];
		entry->edx = x86_caps.words[1];
	}
	/* The brand string; L1 and TLB; L2, L3 and TLB. */
	for (leaf = 0x80000002; leaf <= min(last, 0x80000006U); leaf++)
		entry = list_host(list, leaf);
	if (last >= 0x80000006)
		entry->edx &= ~(u32)GENMASK(17, 16);
	if (last >= 0x80000007) {
		entry = list_zeros(list, 0x80000007, 0, 0);
		entry->edx = cpuid_edx(0x80000007) & boot_cpu_data.x86_power &
			     BIT(8);	/* the TSC never changes its rate */
	}
	if (last >= 0x80000008)
		leaf_address_sizes(list);
	leaves_extended_late(list, last);
}

static void leaves_hypervisor(struct cpuid_list *list)
{
	static const u32 signature[3] = { 0x4b4d564b, 0x564b4d56, 0x4d };
	struct kvm_cpuid_entry2 *entry;

	entry = list_zeros(list, KVM_CPUID_SIGNATURE, 0, 0);
	entry->eax = KVM_CPUID_FEATURES;
	entry->ebx = signature[0];
	entry->ecx = signature[1];
	entry->edx = signature[2];
	entry = list_zeros(list, KVM_CPUID_FEATURES, 0, 0);
	entry->eax = paravirt_features();
}

/**
 * x86_get_supported_cpuid() - KVM_GET_SUPPORTED_CPUID
 * @user: .nent says how many entries fit; set to how many there are
 *
 * Context: may sleep.
 * Return: 0, -EFAULT, -ENOMEM, -E2BIG (too small; nothing is written).
 */
int x86_get_supported_cpuid(struct kvm_cpuid2 __user *user)
{
	struct cpuid_list list = { };
	int ret = 0;
	u32 nent;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	list.max = min_t(u32, nent, KVM_CPUID_ENTRIES_MAX);
	list.entries = kvcalloc(KVM_CPUID_ENTRIES_MAX, sizeof(*list.entries),
				GFP_KERNEL);
	if (!list.entries)
		return -ENOMEM;
	leaves_basic(&list);
	leaves_extended(&list);
	leaves_hypervisor(&list);
	if (list.count > list.max)
		ret = -E2BIG;
	else if (copy_to_user(user->entries, list.entries,
			      array_size(list.count, sizeof(*list.entries))) ||
		 put_user(list.count, &user->nent))
		ret = -EFAULT;
	kvfree(list.entries);
	return ret;
}
